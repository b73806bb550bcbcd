/* Kernels that move pixels and channels: pooling, upsampling, concatenation, layouts.
 * All channels-last; backward kernels accumulate (+=). */
#ifndef DI4C_TENSOR_PICTURE_H
#define DI4C_TENSOR_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y (B, 2H, 2W, C) from x (B, H, W, C). */
void tensor_upsample2(float *y, const float *x, size_t batch, size_t h, size_t w, size_t c);
/* dx overwritten if not add. */
void tensor_upsample2_backward(float *dx, const float *dy, bool add, size_t batch, size_t h,
                               size_t w, size_t c);
/* y (B, H/2, W/2, C): maximum of 2x2 windows; odd last rows and columns are dropped.  which: index
 * 0..3 of the first maximum in its window, for the backward.  NaN counts as the maximum. */
void tensor_max_pool2(float *y, uint8_t *which, const float *x, size_t batch, size_t h, size_t w,
                      size_t c);
void tensor_max_pool2_backward(float *dx, const float *dy, const uint8_t *which, size_t batch,
                               size_t h, size_t w, size_t c);
/* y (rows, ca + cb) = a (rows, ca) beside b (rows, cb). */
void tensor_concat(float *y, const float *a, const float *b, size_t rows, size_t ca, size_t cb);
/* out (rows, c) = or, if add, += the first c columns of y (rows, width). */
void tensor_columns(float *out, const float *y, size_t rows, size_t width, size_t c, bool add);
/* out = in with axes reordered: out's axis i is in's axis order[i]; rank 2 to 4.  out and in
 * must not overlap. */
void tensor_permute(float *out, const float *in, int rank, const size_t *in_shape,
                    const int *order);

#endif
