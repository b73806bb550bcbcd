/* Convolutions with a kernel of any size, stride and padding, channels-last, forward only: for
 * networks that are run as they are and whose weights do not change.
 *
 *   y[b,i,j,o] = act( bias[o] + sum_{p,q,c} x[b, s i + p - pad_height, s j + q - pad_width, c]
 *                                           w[p,q,c,o] ),        x is 0 outside the picture
 *
 * Weights are packed once.  conv.h has the 3x3 convolutions that are trained.  3x3 kernels of
 * stride 1 with enough channels run on Winograd's algorithm as there: errors up to 3e-5 of the
 * largest value instead of 1e-6, and a NaN or an infinity spreads to the squares of 4x4 pixels it
 * touches.
 *
 * Results have the same bits for every number of threads; those of one picture also whatever the
 * other pictures of the batch and their number. */
#ifndef DI4C_TENSOR_CONV_KERNEL_H
#define DI4C_TENSOR_CONV_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct KernelShape {
    size_t height, width;         /* of the kernel, at least 1 */
    size_t cin, cout;             /* at least 1 */
    size_t stride;                /* of both axes, at least 1 */
    size_t pad_height, pad_width; /* zeros on each side, fewer than the kernel's size */
} KernelShape;

/* Rows (or columns) of the output; 0 where the kernel does not fit between the zeros. */
size_t kernel_out_height(const KernelShape *k, size_t height);
size_t kernel_out_width(const KernelShape *k, size_t width);

/* w (height, width, cin, cout) in the order in which tiles read it; the caller frees it with
 * mem_free. */
float *kernel_pack(const KernelShape *k, const float *w);

/* One call's pictures. */
typedef struct KernelCall {
    size_t batch, height, width; /* of x (batch, height, width, cin) */
    const float *x;
    const float *packed; /* by kernel_pack */
    const float *bias;   /* (cout), or NULL */
    bool relu;           /* act(v) = 0 for v < 0; else act(v) = v */
    float *y;        /* (batch, output's height and width, cout), a pixel every y_stride numbers */
    size_t y_stride; /* cout, or more: y is then some channels of a wider picture */
} KernelCall;

/* y overwritten; it must not overlap x. */
void tensor_conv_kernel(const KernelShape *k, const KernelCall *call);

#endif
