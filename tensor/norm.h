/* Group normalisation, optionally fused with SiLU, channels-last.
 *
 *   y = act( (x - mean_g) rstd_g gamma_c + beta_c ),  rstd = 1/sqrt(var + eps)
 * mean and (biased) variance over the H*W*(C/G) entries of a group of one sample; act is the
 * identity or SiLU(z) = z sigmoid(z).  Sums are in double. */
#ifndef DI4C_TENSOR_NORM_H
#define DI4C_TENSOR_NORM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct NormShape {
    size_t batch, positions, channels, groups; /* positions = H*W; groups divides channels */
    double eps;
    bool silu;
} NormShape;

/* y, x: (B, H*W, C); mean, rstd: (B, G) saved for the backward.  y may be x.  shift (B, C), or
 * NULL: added to every position of x first.  again: mean and rstd hold what an earlier call made of
 * the same x and shift, and only y is made, of the same bits. */
void tensor_group_norm(float *y, float *mean, float *rstd, const float *x, const float *shift,
                       const float *gamma, const float *beta, bool again, const NormShape *s);
/* dx (overwritten if not add; it may then be dy), dshift (B, C), dgamma (C), dbeta (C): the last
 * three accumulated; each may be NULL. */
void tensor_group_norm_backward(float *dx, float *dshift, float *dgamma, float *dbeta,
                                const float *dy, const float *x, const float *shift,
                                const float *gamma, const float *beta, const float *mean,
                                const float *rstd, bool add, const NormShape *s);

#endif
