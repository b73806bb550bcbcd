/* The transformer's encoder: two blocks without conditioning, and the mean over positions. */
#ifndef DI4C_NN_TRANSFORMER_TRANSFORMER_ENCODER_H
#define DI4C_NN_TRANSFORMER_TRANSFORMER_ENCODER_H

#include "nn/transformer/transformer_config.h"

/* Adds the parameters "encoder.*" for config->encoder, which is not ENCODER_NONE. */
Encoder *nn_transformer_encoder_add(ParamSet *set, const TransformerConfig *config);

#endif
