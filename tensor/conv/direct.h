/* Direct 3x3 convolutions on the register tile.  Arguments as in conv.h. */
#ifndef DI4C_TENSOR_CONV_DIRECT_H
#define DI4C_TENSOR_CONV_DIRECT_H

#include <stdbool.h>

#include "tensor/conv/conv_shape.h"

void conv_direct_forward(float *y, const float *x, const float *w, const float *bias,
                         const ConvShape *s);
void conv_direct_data_gradient(float *dx, const float *dy, const float *w, bool add,
                               const ConvShape *s);
void conv_direct_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s);

#endif
