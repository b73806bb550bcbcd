/* What a kind of network is: a file defines one of these, and networks.c lists it.  The settings
 * of `--set`, help and what model files hold are made from it. */
#ifndef DI4C_NN_NETWORK_CLASS_H
#define DI4C_NN_NETWORK_CLASS_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/encoder.h"
#include "tensor/base/error.h"
#include "tensor/base/setting.h"

typedef struct NetworkClass NetworkClass;
enum { NETWORK_SLOTS_MAX = 16 };

/* What any denoiser is told; own settings follow in the order of the class's table, each
 * setting_slots numbers. */
typedef struct NetworkConfig {
    const NetworkClass *class;
    size_t height, width, channels;       /* of the picture; flat data are (1, D, 1) */
    size_t states;                        /* of x_t, the mask included */
    size_t out_states;                    /* that get a probability */
    bool logistic;                        /* numbers for a logistic head instead of logits */
    bool input_is_number;                 /* states enter as numbers though the head is a softmax */
    double time_scale;                    /* multiplies t, and lambda's sinusoids */
    double dropout;                       /* probability of a zero */
    size_t lambda_dims;                   /* 0: teacher */
    bool lambda_is_number;                /* lambda itself instead of its sinusoids */
    double lambda_mean, lambda_deviation; /* the network sees (lambda - mean)/deviation */
    double lambda_gain;                   /* factor on lambda's first weights */
    EncoderFamily encoder_family;
    EncoderInput encoder; /* ENCODER_NONE, or what a recognition network beside it sees */
    double own[NETWORK_SLOTS_MAX];
} NetworkConfig;

struct NetworkClass {
    const char *name; /* "unet", ... */
    const char *help; /* a line */
    bool ordinal;     /* knows states as a scale: numbers in, numbers of a logistic head out */
    size_t setting_count;
    const Setting *settings; /* of at most NETWORK_SLOTS_MAX slots */
    /* Names and shapes only, to be compared with a file before memory is taken; nn_params_allocate
     * makes a network of it.  NULL and a sentence if a value is impossible. */
    Network *(*layout)(const NetworkConfig *config, Error *err);
};

/* ---- networks.c: the list ---- */
size_t nn_network_count(void);
const NetworkClass *nn_network_class(size_t i);
const NetworkClass *nn_network_find(const char *name); /* NULL: unknown */

/* ---- network_class.c ---- */
/* The numbers of one of the class's own settings (checked): its value, or a list's slots. */
double *nn_network_own(NetworkConfig *c, const char *setting);

#endif
