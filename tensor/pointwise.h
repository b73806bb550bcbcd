/* Elementwise kernels.  n entries; outputs may be the input unless said.  Backward kernels
 * accumulate (+=). */
#ifndef DI4C_TENSOR_POINTWISE_H
#define DI4C_TENSOR_POINTWISE_H

#include <stddef.h>

/* exp(x) to 1 ulp on [-87, 88], denormal below -87.3, 0 below -104, inf above 88.73; NaN for NaN.
 * For use inside other loops there is the inline fast_exp in fast_exp.h. */
void tensor_exp(float *y, const float *x, size_t n);
void tensor_silu(float *y, const float *x, size_t n); /* x sigmoid(x) */
void tensor_silu_backward(float *dx, const float *dy, const float *x, size_t n);
/* x Phi(x) by tanh: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
void tensor_gelu(float *y, const float *x, size_t n);
void tensor_gelu_backward(float *dx, const float *dy, const float *x, size_t n);
void tensor_relu(float *y, const float *x, size_t n);
void tensor_relu_backward(float *dx, const float *dy, const float *x, size_t n);
void tensor_tanh(float *y, const float *x, size_t n);
void tensor_tanh_backward(float *dx, const float *dy, const float *y, size_t n); /* from y */
void tensor_sigmoid(float *y, const float *x, size_t n);
void tensor_sigmoid_backward(float *dx, const float *dy, const float *y, size_t n);

void tensor_fill(float *y, float value, size_t n);
void tensor_copy(float *y, const float *x, size_t n);
void tensor_add(float *y, const float *a, const float *b, size_t n);          /* y = a + b */
void tensor_multiply(float *y, const float *a, const float *b, size_t n);     /* y = a b */
void tensor_multiply_add(float *y, const float *a, const float *b, size_t n); /* y += a b */
void tensor_scale(float *y, float alpha, const float *x, size_t n);           /* y = alpha x */
void tensor_axpy(float *y, float alpha, const float *x, size_t n);            /* y += alpha x */
/* y = alpha (a + b) */
void tensor_add_scaled(float *y, float alpha, const float *a, const float *b, size_t n);

/* y (rows, c) = x + v broadcast over rows: v (c). */
void tensor_add_row(float *y, const float *x, const float *v, size_t rows, size_t c);
/* y (B, positions, c) = x + v[b, c]: the per-sample channel bias. */
void tensor_add_channel(float *y, const float *x, const float *v, size_t batch, size_t positions,
                        size_t c);
/* y (B, positions, c) = x + v[b, c] z; y may be x. */
void tensor_add_gated(float *y, const float *x, const float *v, const float *z, size_t batch,
                      size_t positions, size_t c);
/* y (B, positions, c) = v[b, c] z. */
void tensor_multiply_channel(float *y, const float *v, const float *z, size_t batch,
                             size_t positions, size_t c);

#endif
