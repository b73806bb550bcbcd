/* Softmax and log-softmax along the last axis, rows of c entries; sums in double.
 * -inf entries get probability 0; a row of only -inf is a programming error. */
#ifndef DI4C_TENSOR_SOFTMAX_H
#define DI4C_TENSOR_SOFTMAX_H

#include <stddef.h>

void tensor_softmax(float *y, const float *x, size_t rows, size_t c); /* y may be x */
/* Softmax of scale x, scale > 0, without its last factor: top (rows) is the largest entry of a row,
 * y = exp(scale (x - top)), and factor (rows) = 1/sum_j y; y may be x. */
void tensor_exp_rows(float *y, float *top, float *factor, const float *x, float scale, size_t rows,
                     size_t c);
/* dx += y (dy - sum(y dy)), from the output y. */
void tensor_softmax_backward(float *dx, const float *dy, const float *y, size_t rows, size_t c);
void tensor_log_softmax(float *y, const float *x, size_t rows, size_t c); /* y may be x */
/* dx += dy - exp(y) sum(dy), from the output y. */
void tensor_log_softmax_backward(float *dx, const float *dy, const float *y, size_t rows, size_t c);

#endif
