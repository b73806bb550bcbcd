/* A residual MLP denoiser for small state spaces: one-hot states and the sinusoids of t (and
 * lambda) in, softmax logits (D, out_states) out.  nn/README.md gives the formulas. */
#ifndef DI4C_NN_MLP_MLP_H
#define DI4C_NN_MLP_MLP_H

#include <stdbool.h>

#include "nn/mlp/mlp_config.h"
#include "nn/network.h"
#include "tensor/base/error.h"

Network *nn_mlp_create(const MlpConfig *config, bool with_grads, Error *err);
/* As nn_unet_layout. */
Network *nn_mlp_layout(const MlpConfig *config, Error *err);

#endif
