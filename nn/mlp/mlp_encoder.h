/* The MLP's encoder: one-hot states (and t) through two hidden layers of the MLP's width. */
#ifndef DI4C_NN_MLP_MLP_ENCODER_H
#define DI4C_NN_MLP_MLP_ENCODER_H

#include "nn/mlp/mlp_config.h"

/* Adds the parameters "encoder.*" for config->encoder, which is not ENCODER_NONE. */
Encoder *nn_mlp_encoder_add(ParamSet *set, const MlpConfig *config);

#endif
