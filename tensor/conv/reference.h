/* 3x3 convolutions in plain loops, against which the tests compare the others.  Arguments as in
 * conv.h. */
#ifndef DI4C_TENSOR_CONV_REFERENCE_H
#define DI4C_TENSOR_CONV_REFERENCE_H

#include "tensor/conv/conv_shape.h"

void conv_reference_forward(float *y, const float *x, const float *w, const float *bias,
                            const ConvShape *s);
void conv_reference_data_gradient(float *dx, const float *dy, const float *w,
                                  const ConvShape *s); /* dx += */
void conv_reference_weight_gradient(float *dw, const float *x, const float *dy,
                                    const ConvShape *s); /* dw += */

#endif
