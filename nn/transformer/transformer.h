/* A transformer denoiser for sequences such as text: tokens in, softmax logits (D, out_states) out.
 * nn/README.md gives the formulas. */
#ifndef DI4C_NN_TRANSFORMER_TRANSFORMER_H
#define DI4C_NN_TRANSFORMER_TRANSFORMER_H

#include <stdbool.h>

#include "nn/network.h"
#include "nn/transformer/transformer_config.h"
#include "tensor/base/error.h"

Network *nn_transformer_create(const TransformerConfig *config, bool with_grads, Error *err);
/* As nn_unet_layout. */
Network *nn_transformer_layout(const TransformerConfig *config, Error *err);

#endif
