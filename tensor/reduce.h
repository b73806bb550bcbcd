/* Sums in a fixed order: blocks cut by shape, partial sums in double, added in order. */
#ifndef DI4C_TENSOR_REDUCE_H
#define DI4C_TENSOR_REDUCE_H

#include <stdbool.h>
#include <stddef.h>

double tensor_sum(const float *x, size_t n);
double tensor_dot(const float *x, const float *y, size_t n);
double tensor_sum_squares(const float *x, size_t n);
float tensor_max_abs(const float *x, size_t n); /* NaN if any entry is NaN */
bool tensor_all_finite(const float *x, size_t n);
/* out (c) += sum over rows of x (rows, c): the gradient of a broadcast row. */
void tensor_sum_rows(float *out, const float *x, size_t rows, size_t c);
/* out (B, c) += sum over positions of x (B, positions, c). */
void tensor_sum_positions(float *out, const float *x, size_t batch, size_t positions, size_t c);
/* out (B, c) += sum over positions of x y, both (B, positions, c). */
void tensor_dot_positions(float *out, const float *x, const float *y, size_t batch,
                          size_t positions, size_t c);

#endif
