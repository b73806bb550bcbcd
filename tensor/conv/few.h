/* 3x3 convolutions with few output channels, stride 1.  Arguments as in conv.h. */
#ifndef DI4C_TENSOR_CONV_FEW_H
#define DI4C_TENSOR_CONV_FEW_H

#include <stdbool.h>

#include "tensor/conv/conv_shape.h"

bool conv_few_fits(size_t cin, size_t cout); /* whether this beats the direct sums */
void conv_few_forward(float *y, const float *x, const float *w, const float *bias,
                      const ConvShape *s);

#endif
