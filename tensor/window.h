/* Pooling over windows of any size, and resizing: forward only, channels-last. */
#ifndef DI4C_TENSOR_WINDOW_H
#define DI4C_TENSOR_WINDOW_H

#include <stddef.h>

typedef struct WindowShape {
    size_t batch, height, width, channels; /* of the input */
    size_t size, stride;                   /* of square windows, both at least 1 */
    size_t pad;                            /* on each side, fewer than size */
} WindowShape;

/* Where windows of `size` fit among `side` rows with `pad` more on each side, one every `stride` >=
 * 1: (side + 2 pad - size) / stride + 1, or 0. */
size_t window_places(size_t side, size_t size, size_t stride, size_t pad);
/* Rows (or columns) of the output. */
size_t window_out_height(const WindowShape *s);
size_t window_out_width(const WindowShape *s);

/* y[b,i,j,:] = maximum (or mean) of x over rows i stride - pad to i stride - pad + size - 1 and the
 * columns alike, as far as they are inside the picture: what lies outside is neither a maximum nor
 * counted.  y (batch, window_out_height, window_out_width, channels), a pixel every y_stride >=
 * channels numbers; not in place.  NaN counts as the maximum. */
void tensor_max_window(float *y, size_t y_stride, const float *x, const WindowShape *s);
void tensor_mean_window(float *y, size_t y_stride, const float *x, const WindowShape *s);

/* y (batch, rows, columns, channels) from x (batch, height, width, channels), bilinear, without a
 * filter before it: output row i is read at (i + 1/2) height / rows - 1/2, at least 0, between the
 * two nearest rows, of which the last one stands for those beyond it.  The same sizes: a copy.  All
 * at least 1. */
void tensor_resize_bilinear(float *y, size_t rows, size_t columns, const float *x, size_t batch,
                            size_t height, size_t width, size_t channels);

#endif
