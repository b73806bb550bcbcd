/* Windows and resizing.  Every output row belongs to one piece of work. */
#include "tensor/window.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/system/threads.h"

size_t window_places(size_t side, size_t size, size_t stride, size_t pad)
{
    const size_t padded = side + 2 * pad;
    return padded < size ? 0 : (padded - size) / stride + 1;
}

size_t window_out_height(const WindowShape *s)
{
    return window_places(s->height, s->size, s->stride, s->pad);
}

size_t window_out_width(const WindowShape *s)
{
    return window_places(s->width, s->size, s->stride, s->pad);
}

/* The part of window i that lies inside `side` rows or columns: from..end. */
static void window_inside(const WindowShape *s, size_t i, size_t side, size_t *from, size_t *end)
{
    const size_t first = i * s->stride, last = first + s->size;
    *from = first < s->pad ? 0 : first - s->pad;
    *end = last < s->pad ? 0 : last - s->pad;
    if (*end > side)
        *end = side;
}

static void take_larger(float *restrict y, const float *restrict x, size_t n)
{
#pragma omp simd
    for (size_t k = 0; k < n; k++)
        y[k] = x[k] <= y[k] || y[k] != y[k] ? y[k] : x[k];
}

static void add_to(float *restrict y, const float *restrict x, size_t n)
{
#pragma omp simd
    for (size_t k = 0; k < n; k++)
        y[k] += x[k];
}

/* One output pixel. */
static void one_window(float *y, const float *picture, const WindowShape *s, size_t i, size_t j,
                       bool mean)
{
    const size_t c = s->channels;
    size_t i0, i1, j0, j1;
    window_inside(s, i, s->height, &i0, &i1);
    window_inside(s, j, s->width, &j0, &j1);
    memcpy(y, picture + (i0 * s->width + j0) * c, c * sizeof *y);
    for (size_t p = i0; p < i1; p++)
        for (size_t q = p == i0 ? j0 + 1 : j0; q < j1; q++)
            (mean ? add_to : take_larger)(y, picture + (p * s->width + q) * c, c);
    const float count = (float)((i1 - i0) * (j1 - j0));
    if (mean)
        for (size_t k = 0; k < c; k++)
            y[k] /= count;
}

static void all_windows(float *y, size_t y_stride, const float *x, const WindowShape *s, bool mean)
{
    const size_t rows = window_out_height(s), columns = window_out_width(s);
    const size_t picture = s->height * s->width * s->channels;
    TENSOR_CHECK(s->size > 0 && s->stride > 0 && s->pad < s->size && y_stride >= s->channels,
                 "windows of %zu, stride %zu, padding %zu, pixels %zu apart", s->size, s->stride,
                 s->pad, y_stride);
    if (s->channels == 0)
        return;
#pragma omp parallel for default(none) shared(y, y_stride, x, s, mean, rows, columns, picture)     \
    schedule(static) num_threads(threads_team(s->batch *rows *columns * s->channels * s->size))
    for (size_t r = 0; r < s->batch * rows; r++)
        for (size_t j = 0; j < columns; j++)
            one_window(y + (r * columns + j) * y_stride, x + r / rows * picture, s, r % rows, j,
                       mean);
}

void tensor_max_window(float *y, size_t y_stride, const float *x, const WindowShape *s)
{
    all_windows(y, y_stride, x, s, false);
}

void tensor_mean_window(float *y, size_t y_stride, const float *x, const WindowShape *s)
{
    all_windows(y, y_stride, x, s, true);
}

/* Output entry i of `out` is low's neighbour at the share `part` between low and high of `in`. */
typedef struct Between {
    size_t low, high;
    float part;
} Between;

static Between between(size_t i, size_t out, size_t in)
{
    const double at = fmax(((double)i + 0.5) * (double)in / (double)out - 0.5, 0.0);
    Between b = {.low = (size_t)at};
    b.high = b.low + 1 < in ? b.low + 1 : b.low;
    b.part = (float)(at - (double)b.low);
    return b;
}

void tensor_resize_bilinear(float *y, size_t rows, size_t columns, const float *x, size_t batch,
                            size_t height, size_t width, size_t channels)
{
    TENSOR_CHECK(rows > 0 && columns > 0 && height > 0 && width > 0,
                 "(%zu, %zu) from (%zu, %zu) pixels", rows, columns, height, width);
    if (rows == height && columns == width) {
        if (batch * channels > 0)
            memcpy(y, x, batch * rows * columns * channels * sizeof *y);
        return;
    }
#pragma omp parallel for default(none) shared(y, rows, columns, x, batch, height, width, channels) \
    schedule(static) num_threads(threads_team(batch *rows *columns *channels))
    for (size_t r = 0; r < batch * rows; r++) {
        const Between v = between(r % rows, rows, height);
        const float *top = x + (r / rows * height + v.low) * width * channels;
        const float *bottom = x + (r / rows * height + v.high) * width * channels;
        float *out = y + r * columns * channels;
        for (size_t j = 0; j < columns; j++) {
            const Between u = between(j, columns, width);
            const size_t a = u.low * channels, b = u.high * channels;
            for (size_t k = 0; k < channels; k++) {
                const float above = top[a + k] + u.part * (top[b + k] - top[a + k]);
                const float below = bottom[a + k] + u.part * (bottom[b + k] - bottom[a + k]);
                *out++ = above + v.part * (below - above);
            }
        }
    }
}
