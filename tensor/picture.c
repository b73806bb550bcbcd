/* Kernels that move pixels and channels.  Every output row belongs to one piece of work. */
#include "tensor/picture.h"

#include <stdbool.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/system/threads.h"

void tensor_upsample2(float *y, const float *x, size_t batch, size_t h, size_t w, size_t c)
{
#pragma omp parallel for default(none) shared(y, x, batch, h, w, c) schedule(static)               \
    num_threads(threads_team(batch *h *w *c))
    for (size_t r = 0; r < batch * h; r++) {
        float *row = y + r * 4 * w * c; /* two output rows */
        for (size_t j = 0; j < w; j++) {
            const float *pixel = x + (r * w + j) * c;
            memcpy(row + 2 * j * c, pixel, c * sizeof *y);
            memcpy(row + (2 * j + 1) * c, pixel, c * sizeof *y);
        }
        memcpy(row + 2 * w * c, row, 2 * w * c * sizeof *y);
    }
}

void tensor_upsample2_backward(float *dx, const float *dy, bool add, size_t batch, size_t h,
                               size_t w, size_t c)
{
#pragma omp parallel for default(none) shared(dx, dy, add, batch, h, w, c) schedule(static)        \
    num_threads(threads_team(batch *h *w *c))
    for (size_t r = 0; r < batch * h; r++)
        for (size_t j = 0; j < w; j++) {
            const float *top = dy + (r * 4 * w + 2 * j) * c, *bottom = top + 2 * w * c;
            float *pixel = dx + (r * w + j) * c;
#pragma omp simd
            for (size_t k = 0; k < c; k++)
                pixel[k] =
                    (add ? pixel[k] : 0.0f) + ((top[k] + top[c + k]) + (bottom[k] + bottom[c + k]));
        }
}

/* One 2x2 window for all channels; corner[q] is pixel q of it. */
static void max_window(float *y, uint8_t *which, const float *const corner[4], size_t c)
{
    for (size_t k = 0; k < c; k++) {
        float best = corner[0][k];
        uint8_t index = 0;
        for (uint8_t q = 1; q < 4; q++) {
            bool larger = !(corner[q][k] <= best) && best == best; /* or the first NaN */
            best = larger ? corner[q][k] : best;
            index = larger ? q : index;
        }
        y[k] = best;
        which[k] = index;
    }
}

void tensor_max_pool2(float *y, uint8_t *which, const float *x, size_t batch, size_t h, size_t w,
                      size_t c)
{
    size_t oh = h / 2, ow = w / 2;

#pragma omp parallel for default(none) shared(y, which, x, batch, h, w, c, oh, ow)                 \
    schedule(static) num_threads(threads_team(batch *h *w *c))
    for (size_t r = 0; r < batch * oh; r++) {
        const float *rows = x + (r / oh * h + r % oh * 2) * w * c;
        for (size_t j = 0; j < ow; j++) {
            const float *top = rows + 2 * j * c, *bottom = top + w * c;
            const float *const corner[4] = {top, top + c, bottom, bottom + c};
            max_window(y + (r * ow + j) * c, which + (r * ow + j) * c, corner, c);
        }
    }
}

void tensor_max_pool2_backward(float *dx, const float *dy, const uint8_t *which, size_t batch,
                               size_t h, size_t w, size_t c)
{
    size_t oh = h / 2, ow = w / 2;

#pragma omp parallel for default(none) shared(dx, dy, which, batch, h, w, c, oh, ow)               \
    schedule(static) num_threads(threads_team(batch *h *w *c))
    for (size_t r = 0; r < batch * oh; r++)
        for (size_t j = 0; j < ow; j++) {
            size_t out = (r * ow + j) * c;
            float *window = dx + ((r / oh * h + r % oh * 2) * w + 2 * j) * c;
            for (size_t k = 0; k < c; k++) {
                size_t q = which[out + k];
                window[(q / 2 * w + q % 2) * c + k] += dy[out + k];
            }
        }
}

void tensor_concat(float *y, const float *a, const float *b, size_t rows, size_t ca, size_t cb)
{
#pragma omp parallel for default(none) shared(y, a, b, rows, ca, cb) schedule(static)              \
    num_threads(threads_team(rows *(ca + cb)))
    for (size_t r = 0; r < rows; r++) {
        float *row = y + r * (ca + cb);
        if (ca > 0)
            memcpy(row, a + r * ca, ca * sizeof *y);
        if (cb > 0)
            memcpy(row + ca, b + r * cb, cb * sizeof *y);
    }
}

void tensor_columns(float *out, const float *y, size_t rows, size_t width, size_t c, bool add)
{
#pragma omp parallel for default(none) shared(out, y, rows, width, c, add) schedule(static)        \
    num_threads(threads_team(rows *c))
    for (size_t r = 0; r < rows; r++) {
        const float *row = y + r * width;
        if (!add && c > 0)
            memcpy(out + r * c, row, c * sizeof *out);
        else
#pragma omp simd
            for (size_t j = 0; j < c; j++)
                out[r * c + j] += row[j];
    }
}

/* Output shape, and the distance in the input between neighbours along each output axis; filled up
 * in front with axes of one entry to rank 4. */
typedef struct Walk {
    size_t shape[4], step[4];
} Walk;

static Walk permuted(int rank, const size_t *in_shape, const int *order)
{
    Walk walk = {{1, 1, 1, 1}, {0, 0, 0, 0}};
    size_t step[4];
    bool seen[4] = {false, false, false, false};

    TENSOR_CHECK(rank >= 2 && rank <= 4, "rank %d, from 2 to 4", rank);
    step[rank - 1] = 1;
    for (int i = rank - 1; i > 0; i--)
        step[i - 1] = step[i] * in_shape[i];
    for (int i = 0; i < rank; i++) {
        int axis = order[i];
        TENSOR_CHECK(axis >= 0 && axis < rank && !seen[axis], "order[%d] = %d, rank %d", i, axis,
                     rank);
        seen[axis] = true;
        walk.shape[4 - rank + i] = in_shape[axis];
        walk.step[4 - rank + i] = step[axis];
    }
    return walk;
}

void tensor_permute(float *out, const float *in, int rank, const size_t *in_shape, const int *order)
{
    Walk t = permuted(rank, in_shape, order);
    size_t outer = t.shape[0] * t.shape[1], inner = t.shape[2] * t.shape[3];

#pragma omp parallel for default(none) shared(out, in, t, outer, inner) schedule(static)           \
    num_threads(threads_team(outer *inner))
    for (size_t r = 0; r < outer; r++) {
        const float *from = in + r / t.shape[1] * t.step[0] + r % t.shape[1] * t.step[1];
        float *to = out + r * inner;
        for (size_t i = 0; i < t.shape[2]; i++, from += t.step[2], to += t.shape[3]) {
            if (t.step[3] == 1 && t.shape[3] > 0)
                memcpy(to, from, t.shape[3] * sizeof *to);
            else
                for (size_t j = 0; j < t.shape[3]; j++)
                    to[j] = from[j * t.step[3]];
        }
    }
}
