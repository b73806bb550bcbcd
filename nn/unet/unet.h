/* The U-Net of [tauLDR] (arXiv 2205.14987) and, with lambda, of [Di4C] (arXiv 2410.08709), every
 * size a parameter.  nn/README.md draws it.  The paper's CIFAR-10 size has 35,749,766 parameters as
 * teacher and 39,066,630 as student. */
#ifndef DI4C_NN_UNET_UNET_H
#define DI4C_NN_UNET_UNET_H

#include <stdbool.h>

#include "nn/encoder.h"
#include "tensor/base/error.h"

enum { UNET_MAX_SCALES = 8 };

typedef enum UNetHead {
    UNET_HEAD_LOGISTIC, /* outputs per pixel: mu_1..mu_C = tanh(c(x) + h), log_scale_1..C */
    UNET_HEAD_SOFTMAX   /* outputs per pixel: C blocks of out_states logits */
} UNetHead;

typedef struct UNetConfig {
    size_t height, width, channels; /* picture; height, width divisible by 2^(scales-1) */
    size_t states;                  /* S of the input (the mask included) */
    size_t out_states;              /* softmax head: states that get a probability */
    UNetHead head;
    bool input_is_number; /* softmax head: states enter as in unet/input.h instead of
                             one-hot */
    bool narrow_output;   /* the last layer is 1x1 instead of 3x3: with many states it
                             would cost more than all others */
    size_t ch;            /* base width, a multiple of 4 */
    size_t ch_mult[UNET_MAX_SCALES];
    size_t scales;
    size_t res_blocks;
    int attn_scale;    /* scale with attention after each block; -1: none */
    size_t embed;      /* width of the sinusoids; 0: ch */
    double vmax;       /* states as numbers: 0..vmax become -1..1; 0: largest */
    double time_scale; /* multiplies t and lambda; the published models use 1000 */
    double dropout;
    size_t lambda_dims;    /* 0: teacher */
    double lambda_gain;    /* factor on the initial weights of lambda's embedding; 1: as
                              published */
    bool lambda_is_number; /* lambda itself instead of its sinusoids; and a linear map of it
                              is added to the picture at the bottom */
    double lambda_mean, lambda_deviation; /* the network sees (lambda - mean)/deviation */
    EncoderFamily encoder_family;
    EncoderInput encoder; /* ENCODER_NONE, or what its encoder sees */
} UNetConfig;

UNetConfig nn_unet_defaults(void); /* the paper's CIFAR-10 teacher */
/* with_grads false: a network only for inference.  NULL and a sentence if a value is impossible.
 * Parameters are zero until initialise() or a file fills them. */
Network *nn_unet_create(const UNetConfig *config, bool with_grads, Error *err);
/* Names and shapes only, to be compared with a file before memory is taken; nn_params_allocate
 * makes a network of it. */
Network *nn_unet_layout(const UNetConfig *config, Error *err);

#endif
