/* The U-Net of [tauLDR] (arXiv 2205.14987) and, with lambda, of [Di4C] (arXiv 2410.08709), every
 * size a parameter.  nn/README.md draws it.  The paper's CIFAR-10 size has 35,749,766 parameters as
 * teacher and 39,066,630 as student. */
#ifndef DI4C_NN_UNET_UNET_H
#define DI4C_NN_UNET_UNET_H

#include <stdbool.h>

#include "nn/network.h"
#include "nn/unet/unet_config.h"
#include "tensor/base/error.h"

/* with_grads false: a network only for inference.  NULL and a sentence if a value is impossible.
 * Parameters are zero until initialise() or a file fills them. */
Network *nn_unet_create(const UNetConfig *config, bool with_grads, Error *err);
/* Names and shapes only, to be compared with a file before memory is taken; nn_params_allocate
 * makes a network of it. */
Network *nn_unet_layout(const UNetConfig *config, Error *err);

#endif
