/* The U-Net's encoder: a way down of its own, and a linear layer over the whole bottom. */
#ifndef DI4C_NN_UNET_UNET_ENCODER_H
#define DI4C_NN_UNET_UNET_ENCODER_H

#include "nn/unet/unet_config.h"

/* Adds the parameters "encoder.*" for config->encoder, which is not ENCODER_NONE. */
Encoder *nn_unet_encoder_add(ParamSet *set, const UNetConfig *config);

#endif
