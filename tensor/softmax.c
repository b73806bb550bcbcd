/* Softmax and log-softmax by rows.  The largest entry is subtracted first, so that no exponential
 * overflows; sums are in double, in LANES interleaved partial sums added in order. */
#include "tensor/softmax.h"

#include <math.h>
#include <stdbool.h>

#include "tensor/base/check.h"
#include "tensor/fast_exp.h"
#include "tensor/system/threads.h"

enum { LANES = 16 };

/* Largest entry of a row; 0 for an empty one.  NaN is passed over: it comes back in through the
 * sum. */
static float row_max(const float *x, size_t c)
{
    float lane[LANES], top = -INFINITY;
    size_t i = 0;
    bool nan = c == 0;

    for (size_t j = 0; j < LANES; j++)
        lane[j] = -INFINITY;
    for (; i + LANES <= c; i += LANES) {
#pragma omp simd
        for (size_t j = 0; j < LANES; j++)
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    }
    for (size_t j = 0; i + j < c; j++)
        lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (size_t j = 0; j < LANES; j++)
        top = lane[j] > top ? lane[j] : top;
    if (top > -INFINITY)
        return top;
    for (size_t j = 0; j < c; j++)
        nan = nan || x[j] != x[j];
    TENSOR_CHECK(nan, "all %zu entries of a row are -inf", c);
    return 0.0f;
}

static double add_lanes(const double *lane)
{
    double sum = 0.0;

    for (size_t j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

/* sum_j exp(x_j - top); the terms go to y unless it is NULL. */
static double exp_row(float *y, const float *x, float top, size_t c)
{
    double lane[LANES] = {0.0};
    float term[LANES];

    for (size_t i = 0; i < c; i += LANES) {
        size_t count = c - i < LANES ? c - i : LANES;
        if (count == LANES) {
#pragma omp simd
            for (size_t j = 0; j < LANES; j++) {
                term[j] = fast_exp_falling(x[i + j] - top);
                lane[j] += term[j];
            }
        } else {
            for (size_t j = 0; j < count; j++) {
                term[j] = fast_exp_falling(x[i + j] - top);
                lane[j] += term[j];
            }
        }
        for (size_t j = 0; y != NULL && j < count; j++)
            y[i + j] = term[j];
    }
    return add_lanes(lane);
}

/* What a row's normalisation needs: its largest entry, and sum_j exp(x_j - top). */
typedef struct RowSum {
    float top;
    double sum;
} RowSum;

/* Rows narrower than LANES (two states, say) would spend their time on empty lanes. */
static RowSum narrow_row(float *y, const float *x, size_t c)
{
    RowSum row = {x[0], 0.0};

    for (size_t j = 1; j < c; j++)
        row.top = x[j] > row.top ? x[j] : row.top;
    if (!(row.top > -INFINITY))
        row.top = row_max(x, c); /* NaN, or only -inf */
    for (size_t j = 0; j < c; j++) {
        float term = fast_exp_falling(x[j] - row.top);
        row.sum += term;
        if (y != NULL)
            y[j] = term;
    }
    return row;
}

static RowSum sum_row(float *y, const float *x, size_t c)
{
    if (c > 0 && c < LANES)
        return narrow_row(y, x, c);
    RowSum row = {row_max(x, c), 0.0};
    row.sum = exp_row(y, x, row.top, c);
    return row;
}

void tensor_softmax(float *y, const float *x, size_t rows, size_t c)
{
#pragma omp parallel for default(none) shared(y, x, rows, c) schedule(static)                      \
    num_threads(threads_team(rows > 1 ? rows * c : 0))
    for (size_t r = 0; r < rows; r++) {
        float *out = y + r * c;
        const float *in = x + r * c;
        float factor = (float)(1.0 / sum_row(out, in, c).sum);
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            out[j] *= factor;
    }
}

enum { PIECE = 16 * LANES };

/* y = exp(scale (x - top)) of at most PIECE entries, and their sum: few enough terms in a lane that
 * float does. */
static double exp_piece(float *y, const float *x, float top, float scale, size_t c)
{
    float lane[LANES] = {0.0f};
    double sum = 0.0;
    size_t i = 0;

    for (; i + LANES <= c; i += LANES) {
#pragma omp simd
        for (size_t j = 0; j < LANES; j++) {
            const float term = fast_exp_falling(scale * (x[i + j] - top));
            y[i + j] = term;
            lane[j] += term;
        }
    }
    for (size_t j = 0; i + j < c; j++) {
        y[i + j] = fast_exp_falling(scale * (x[i + j] - top));
        lane[j] += y[i + j];
    }
    for (size_t j = 0; j < LANES; j++)
        sum += (double)lane[j];
    return sum;
}

void tensor_exp_rows(float *y, float *top, float *factor, const float *x, float scale, size_t rows,
                     size_t c)
{
#pragma omp parallel for default(none) shared(y, top, factor, x, scale, rows, c) schedule(static)  \
    num_threads(threads_team(rows > 1 ? rows * c : 0))
    for (size_t r = 0; r < rows; r++) {
        double sum = 0.0;
        top[r] = row_max(x + r * c, c);
        for (size_t i = 0; i < c; i += PIECE) {
            const size_t count = c - i < PIECE ? c - i : PIECE;
            sum += exp_piece(y + r * c + i, x + r * c + i, top[r], scale, count);
        }
        factor[r] = (float)(1.0 / sum);
    }
}

/* sum_j a_j b_j, or sum_j a_j where b is NULL. */
static double row_dot(const float *a, const float *b, size_t c)
{
    double lane[LANES] = {0.0};
    size_t i = 0;

    if (b == NULL) {
        for (; i + LANES <= c; i += LANES) {
#pragma omp simd
            for (size_t j = 0; j < LANES; j++)
                lane[j] += a[i + j];
        }
    } else {
        for (; i + LANES <= c; i += LANES) {
#pragma omp simd
            for (size_t j = 0; j < LANES; j++)
                lane[j] += (double)a[i + j] * b[i + j];
        }
    }
    for (size_t j = 0; i + j < c; j++)
        lane[j] += b != NULL ? (double)a[i + j] * b[i + j] : a[i + j];
    return add_lanes(lane);
}

void tensor_softmax_backward(float *dx, const float *dy, const float *y, size_t rows, size_t c)
{
#pragma omp parallel for default(none) shared(dx, dy, y, rows, c) schedule(static)                 \
    num_threads(threads_team(rows > 1 ? rows * c : 0))
    for (size_t r = 0; r < rows; r++) {
        float *out = dx + r * c;
        const float *g = dy + r * c, *p = y + r * c;
        float mean = (float)row_dot(p, g, c);
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            out[j] += p[j] * (g[j] - mean);
    }
}

void tensor_log_softmax(float *y, const float *x, size_t rows, size_t c)
{
#pragma omp parallel for default(none) shared(y, x, rows, c) schedule(static)                      \
    num_threads(threads_team(rows > 1 ? rows * c : 0))
    for (size_t r = 0; r < rows; r++) {
        float *out = y + r * c;
        const float *in = x + r * c;
        RowSum row = sum_row(NULL, in, c);
        double total = row.top + log(row.sum);
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            out[j] = (float)(in[j] - total);
    }
}

void tensor_log_softmax_backward(float *dx, const float *dy, const float *y, size_t rows, size_t c)
{
#pragma omp parallel for default(none) shared(dx, dy, y, rows, c) schedule(static)                 \
    num_threads(threads_team(rows > 1 ? rows * c : 0))
    for (size_t r = 0; r < rows; r++) {
        float *out = dx + r * c;
        const float *g = dy + r * c, *logp = y + r * c;
        float sum = (float)row_dot(g, NULL, c);
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            out[j] += g[j] - fast_exp(logp[j]) * sum;
    }
}
