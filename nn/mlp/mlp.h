/* A residual MLP denoiser for small state spaces: one-hot states and the sinusoids of t (and
 * lambda) in, softmax logits (D, out_states) out.  nn/README.md gives the formulas. */
#ifndef DI4C_NN_MLP_MLP_H
#define DI4C_NN_MLP_MLP_H

#include <stdbool.h>

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
Network *nn_mlp_create(const MlpConfig *config, bool with_grads, Error *err);
/* As nn_unet_layout. */
Network *nn_mlp_layout(const MlpConfig *config, Error *err);

#endif
