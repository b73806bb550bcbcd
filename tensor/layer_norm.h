/* Layer normalisation: every position by itself, over its channels.
 *
 *   u = (x - mean) rstd,  rstd = 1/sqrt(var + eps),  y = factor u + offset
 * mean and (biased) variance over the C entries of a position, by sums in double. */
#ifndef DI4C_TENSOR_LAYER_NORM_H
#define DI4C_TENSOR_LAYER_NORM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct LayerNormShape {
    size_t batch, positions, channels;
    double eps;
    bool by_sample; /* gain and offset (B, C), and factor = 1 + gain; else (C), and factor = gain */
} LayerNormShape;

/* y, x: (B, positions, C); mean, rstd: (B, positions) saved for the backward.  y may be x.  gain
 * NULL: factor 1; offset NULL: 0.  again: mean and rstd hold what an earlier call made of the same
 * x, and only y is made, of the same bits. */
void tensor_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *gain,
                       const float *offset, bool again, const LayerNormShape *s);
/* dx (overwritten if not add; it may then be dy); dgain, doffset of the shape of gain, accumulated;
 * each may be NULL. */
void tensor_layer_norm_backward(float *dx, float *dgain, float *doffset, const float *dy,
                                const float *x, const float *gain, const float *mean,
                                const float *rstd, bool add, const LayerNormShape *s);

#endif
