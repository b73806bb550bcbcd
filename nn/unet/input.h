/* What a U-Net and its encoder see of the states: one-hot (softmax head), or numbers on the grey
 * scale (logistic head, or where the configuration asks for it). */
#ifndef DI4C_NN_UNET_INPUT_H
#define DI4C_NN_UNET_INPUT_H

#include "autograd/autograd.h"
#include "nn/unet/unet_config.h"
#include "tensor/states.h"

/* (B, H, W, unet_input_channels) of states (B, H W shown), a constant on the graph.  As numbers,
 * states 0..top become -1..1 with top the largest state but the mask (or vmax), a masked one 0;
 * where the states have a mask and `noised`, a pixel's numbers are followed by as many flags, 1 for
 * masked. */
Var *unet_input(const UNetConfig *c, Graph *g, const States *x, size_t shown, bool noised);

#endif
