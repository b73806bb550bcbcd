/* What can be chosen of an MLP and its encoder. */
#ifndef DI4C_NN_MLP_MLP_CONFIG_H
#define DI4C_NN_MLP_MLP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/encoder.h"
#include "tensor/base/error.h"

typedef struct MlpConfig {
    size_t dims, states, out_states;
    size_t width;  /* of the residual stream */
    size_t blocks; /* residual blocks */
    size_t embed;  /* width of the sinusoids */
    double time_scale;
    double dropout;
    size_t lambda_dims;                   /* 0: teacher; lambda enters by zero-initialised layers */
    bool lambda_is_number;                /* lambda itself instead of its sinusoids */
    double lambda_mean, lambda_deviation; /* the network sees (lambda - mean)/deviation */
    EncoderFamily encoder_family;
    EncoderInput encoder; /* ENCODER_NONE, or what its encoder sees */
} MlpConfig;

MlpConfig nn_mlp_defaults(void);
/* False and a sentence if a value is impossible. */
bool nn_mlp_possible(const MlpConfig *config, Error *err);

#endif
