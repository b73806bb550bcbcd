/* 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3).  Arguments as in conv.h. */
#ifndef DI4C_TENSOR_CONV_WINOGRAD_H
#define DI4C_TENSOR_CONV_WINOGRAD_H

#include <stdbool.h>

#include "tensor/conv/conv_shape.h"

/* y = alpha (residual + the convolution with bias); residual NULL: y = the convolution with bias.
 */
void conv_winograd_forward(float *y, const float *x, const float *w, const float *bias,
                           const float *residual, float alpha, const ConvShape *s);
void conv_winograd_data_gradient(float *dx, const float *dy, const float *w, bool add,
                                 const ConvShape *s);
void conv_winograd_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s);

#endif
