/* 3x3 convolutions, channels-last.  1x1 convolutions are matrix products: see
 * tensor/product/gemm.h.
 *
 *   y[b,i,j,o] = bias[o] + sum_{p,q,c} x[b, s i + p - pad, s j + q - pad, c] w[p,q,c,o]
 *
 * stride s = 1: pad 1 on all sides, output (B, H, W, Cout).
 * stride s = 2: one zero row below and one zero column at the right, pad 0 at top and left; H and W
 * even; output (B, H/2, W/2, Cout).
 * Weights are (3, 3, Cin, Cout) in memory; files hold (Cout, Cin, 3, 3).
 *
 * Outside the picture x is 0, and 0 times infinity is NaN.  In a weight gradient a NaN or an
 * infinity of one pixel may reach all nine taps.  Sizes whose number of entries overflows stop the
 * program.
 *
 * Results have the same bits for every number of threads; those of one picture (y, dx) also
 * whatever the other pictures of the batch and their number. */
#ifndef DI4C_TENSOR_CONV_CONV_H
#define DI4C_TENSOR_CONV_CONV_H

#include <stdbool.h>

#include "tensor/conv/conv_shape.h"

typedef enum ConvAlgorithm {
    CONV_AUTO,     /* the default: chooses by shape */
    CONV_DIRECT,   /* errors about 1e-6 of the largest value */
    CONV_WINOGRAD, /* errors up to 3e-5; stride 2 stays direct.  A NaN or an infinity spreads to the
                      squares of 4x4 pixels it touches */
    CONV_FEW,      /* for few output channels: forward with stride 1 at any size; else direct */
    CONV_REFERENCE /* plain loops in double, for the tests */
} ConvAlgorithm;
/* What the three functions below use.  Set it between runs only. */
void tensor_conv_choose(ConvAlgorithm algorithm);
ConvAlgorithm tensor_conv_chosen(void);

/* y overwritten; bias may be NULL. */
void tensor_conv3x3(float *y, const float *x, const float *w, const float *bias,
                    const ConvShape *s);
/* y = alpha (residual + the convolution with bias); residual as y, bias may be NULL. */
void tensor_conv3x3_residual(float *y, const float *x, const float *w, const float *bias,
                             const float *residual, float alpha, const ConvShape *s);
/* dx = or, if add, += transposed convolution of dy (B, Ho, Wo, Cout) with w. */
void tensor_conv3x3_data_gradient(float *dx, const float *dy, const float *w, bool add,
                                  const ConvShape *s);
/* dw (3, 3, Cin, Cout) += , dbias (Cout) += ; dbias may be NULL. */
void tensor_conv3x3_weight_gradient(float *dw, float *dbias, const float *x, const float *dy,
                                    const ConvShape *s);

#endif
