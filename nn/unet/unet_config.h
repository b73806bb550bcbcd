/* What can be chosen of a U-Net and its encoder, and the sizes that follow from it. */
#ifndef DI4C_NN_UNET_UNET_CONFIG_H
#define DI4C_NN_UNET_UNET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

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
    size_t lambda_dims;    /* 0: teacher; at places: of each */
    bool lambda_places;    /* lambda enters at each place of the coarsest scale, and nowhere else */
    double lambda_gain;    /* factor on the initial weights of lambda's embedding; 1: as
                              published */
    bool lambda_is_number; /* lambda itself instead of its sinusoids; and a linear map of it
                              is added to the picture at the bottom */
    double lambda_mean, lambda_deviation; /* the network sees (lambda - mean)/deviation */
    EncoderFamily encoder_family;
    EncoderInput encoder; /* ENCODER_NONE, or what its encoder sees */
} UNetConfig;

UNetConfig nn_unet_defaults(void); /* the paper's CIFAR-10 teacher */
/* Places of the coarsest scale. */
size_t nn_unet_bottom_places(const UNetConfig *config);
/* L, the numbers of a sample's lambda: at places, those of all. */
size_t nn_unet_lambdas(const UNetConfig *config);
/* False and a sentence if a value is impossible. */
bool nn_unet_possible(const UNetConfig *config, Error *err);

/* Whether states enter as numbers, see unet/input.h; else one-hot. */
bool unet_shows_numbers(const UNetConfig *c);
/* Whether the last state is a mask, which gets no probability. */
bool unet_has_mask(const UNetConfig *c);
/* Flags of a pixel beside the numbers of its `shown` states: as many, or none. */
size_t unet_mask_flags(const UNetConfig *c, size_t shown, bool noised);
/* Channels of the input convolution for `shown` states a pixel; `noised`: a mask may be among
 * them. */
size_t unet_input_channels(const UNetConfig *c, size_t shown, bool noised);
/* Numbers of the head for a pixel: 2 C or C out_states. */
size_t unet_output_channels(const UNetConfig *c);
/* Width of the sinusoids. */
size_t unet_embed_width(const UNetConfig *c);

#endif
