/* Group normalisation and SiLU, of x plus a shift for each sample and channel.
 *
 * Forward: per channel, sums of x and x^2 in double; per group, mean and rstd of x + shift from
 * them; then one pass z = (x - (mean - shift)) rstd gamma + beta, y = act(z).  The shift costs no
 * pass of its own, since all positions of a channel have the same one.
 *
 * Backward: with h = (x + shift - mean) rstd and dz = dy act'(z), per channel A = sum dz,
 * B = sum dz h, H = sum h:
 *   dbeta += A, dgamma += B,
 *   dx += rstd (gamma dz - (sum_g gamma A + h sum_g gamma B) / N),  N = positions * C/G,
 *   dshift += sum dx = rstd (gamma A - (positions sum_g gamma A + H sum_g gamma B) / N).
 * dz is kept in scratch between the two passes.
 *
 * A task is one sample; sums over samples are added in the order of the samples.  With few samples
 * a task takes only some of the groups. */
#include "tensor/norm.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/fast_exp.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { TASKS = 8, SLICE_CHANNELS = 32, SERIAL_ENTRIES = 1 << 14 };

typedef struct Norm {
    const NormShape *shape;
    size_t slices, slice; /* pieces of a sample; channels in each, whole groups */
    const float *x, *shift, *dy, *gamma, *beta;
    float *y, *dx, *dshift, *mean, *rstd;
    const float *saved_mean, *saved_rstd;
    bool again;   /* forward: mean and rstd are known */
    bool add;     /* backward: dx is added to */
    double *sums; /* (batch, 2, channels): A and B */
} Norm;

static void run_samples(Norm *g, void (*body)(size_t i, void *context))
{
    const NormShape *s = g->shape;
    const size_t width = s->channels / s->groups;
    size_t groups = s->groups; /* in a slice */
    if (s->batch < TASKS)
        groups = cut_min(groups, cut_blocks(SLICE_CHANNELS, width));
    g->slice = groups * width;
    g->slices = cut_blocks(s->groups, groups);
    const size_t count = s->batch * g->slices;
    cut_run(count, body, g, s->batch * s->positions * s->channels < SERIAL_ENTRIES);
}

static void check_shape(const NormShape *s)
{
    TENSOR_CHECK(s->groups >= 1 && s->channels % s->groups == 0,
                 "%zu channels do not split into %zu groups", s->channels, s->groups);
}

/* ---- forward --------------------------------------------------------------------------------- */

/* sum[c] += x, square[c] += x^2 over rows of `stride` entries; four rows per visit of the sums. */
static void channel_sums(double *restrict sum, double *restrict square, const float *restrict x,
                         size_t rows, size_t stride, size_t channels)
{
    size_t i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * stride) {
#pragma omp simd
        for (size_t c = 0; c < channels; c++) {
            const double p = x[c], q = x[c + stride], r = x[c + 2 * stride], s = x[c + 3 * stride];
            sum[c] += (p + q) + (r + s);
            square[c] += (p * p + q * q) + (r * r + s * s);
        }
    }
    for (; i < rows; i++, x += stride) {
#pragma omp simd
        for (size_t c = 0; c < channels; c++) {
            const double p = x[c];
            sum[c] += p;
            square[c] += p * p;
        }
    }
}

static void apply_row(float *y, const float *x, const float *restrict mean,
                      const float *restrict scale, const float *restrict beta, size_t channels)
{
#pragma omp simd
    for (size_t c = 0; c < channels; c++)
        y[c] = (x[c] - mean[c]) * scale[c] + beta[c];
}

static void apply_row_silu(float *y, const float *x, const float *restrict mean,
                           const float *restrict scale, const float *restrict beta, size_t channels)
{
#pragma omp simd
    for (size_t c = 0; c < channels; c++) {
        const float z = (x[c] - mean[c]) * scale[c] + beta[c];
        y[c] = z * fast_sigmoid(z);
    }
}

/* From sums of x to those of x + v: sum (x + v) = sum x + n v and
 * sum (x + v)^2 = sum x^2 + v (2 sum x + n v). */
static void shift_sums(double *sum, double *square, const float *v, double n, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        square[c] += (double)v[c] * (2.0 * sum[c] + n * (double)v[c]);
        sum[c] += n * (double)v[c];
    }
}

/* mean and rstd of the groups in channels 0..channels-1, from the channels' sums. */
static void group_moments(const Norm *g, float *mean, float *rstd, const double *sum,
                          const double *square, size_t channels)
{
    const NormShape *s = g->shape;
    const size_t width = s->channels / s->groups;
    const double n = (double)s->positions * (double)width;
    for (size_t first = 0; first < channels; first += width) {
        double total = 0.0, squares = 0.0;
        for (size_t c = first; c < first + width; c++) {
            total += sum[c];
            squares += square[c];
        }
        const double m = total / n, variance = squares / n - m * m;
        mean[first / width] = (float)m;
        /* Rounding may leave a tiny negative number; NaN stays NaN. */
        rstd[first / width] = (float)(1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + s->eps));
    }
}

static void forward_task(size_t task, void *context)
{
    const Norm *g = context;
    const NormShape *s = g->shape;
    const size_t b = task / g->slices, c0 = task % g->slices * g->slice;
    const size_t channels = cut_min(g->slice, s->channels - c0), width = s->channels / s->groups;
    const float *x = g->x + b * s->positions * s->channels + c0;
    float *y = g->y + b * s->positions * s->channels + c0;
    const size_t group = b * s->groups + c0 / width;
    double *sum =
        threads_scratch(SCRATCH_NORM, channels * (2 * sizeof(double) + 2 * sizeof(float)));
    double *square = sum + channels;
    float *mean = (float *)(void *)(square + channels), *scale = mean + channels;

    const float *shift = g->shift == NULL ? NULL : g->shift + b * s->channels + c0;
    if (!g->again) {
        for (size_t c = 0; c < channels; c++)
            sum[c] = square[c] = 0.0;
        channel_sums(sum, square, x, s->positions, s->channels, channels);
        if (shift != NULL)
            shift_sums(sum, square, shift, (double)s->positions, channels);
        group_moments(g, g->mean + group, g->rstd + group, sum, square, channels);
    }
    for (size_t c = 0; c < channels; c++) {
        mean[c] = g->mean[group + c / width] - (shift == NULL ? 0.0f : shift[c]);
        scale[c] = g->rstd[group + c / width] * g->gamma[c0 + c];
    }
    for (size_t i = 0; i < s->positions; i++, x += s->channels, y += s->channels) {
        if (s->silu)
            apply_row_silu(y, x, mean, scale, g->beta + c0, channels);
        else
            apply_row(y, x, mean, scale, g->beta + c0, channels);
    }
}

void tensor_group_norm(float *y, float *mean, float *rstd, const float *x, const float *shift,
                       const float *gamma, const float *beta, bool again, const NormShape *s)
{
    check_shape(s);
    if (s->batch * s->positions * s->channels == 0)
        return;
    Norm g = {.shape = s, .x = x, .shift = shift, .gamma = gamma, .beta = beta, .y = y};
    g.mean = mean;
    g.rstd = rstd;
    g.again = again;
    run_samples(&g, forward_task);
}

/* ---- backward -------------------------------------------------------------------------------- */

typedef struct ChannelTerms { /* one number per channel of the slice */
    double *a, *b, *h;
    float *mean, *rstd, *gamma, *beta, *offset, *slope, *tilt;
} ChannelTerms;

/* dz = dy act'(z) of one position, added to the sums A and B; h to H. */
static void dz_row(float *restrict dz, const float *restrict dy, const float *restrict x,
                   const ChannelTerms *t, bool silu, size_t channels)
{
    double *restrict a = t->a, *restrict b = t->b, *restrict sum = t->h;
    const float *restrict mean = t->mean, *restrict rstd = t->rstd;
    const float *restrict gamma = t->gamma, *restrict beta = t->beta;
    if (!silu) {
#pragma omp simd
        for (size_t c = 0; c < channels; c++) {
            const float h = (x[c] - mean[c]) * rstd[c];
            dz[c] = dy[c];
            a[c] += (double)dy[c];
            b[c] += (double)dy[c] * (double)h;
            sum[c] += (double)h;
        }
        return;
    }
#pragma omp simd
    for (size_t c = 0; c < channels; c++) {
        const float h = (x[c] - mean[c]) * rstd[c];
        const float z = h * gamma[c] + beta[c];
        const float sigmoid = fast_sigmoid(z);
        const float d = dy[c] * sigmoid * (1.0f + z * (1.0f - sigmoid));
        dz[c] = d;
        a[c] += (double)d;
        b[c] += (double)d * (double)h;
        sum[c] += (double)h;
    }
}

/* dx = or += slope dz - (offset + (x - mean) tilt), the last three per channel:
 * offset = rstd sum_g gamma A / N, tilt = rstd^2 sum_g gamma B / N. */
static void dx_row(float *dx, const float *restrict dz, const float *restrict x,
                   const ChannelTerms *t, bool add, size_t channels)
{
    const float *restrict mean = t->mean, *restrict offset = t->offset;
    const float *restrict slope = t->slope, *restrict tilt = t->tilt;
    if (add) {
#pragma omp simd
        for (size_t c = 0; c < channels; c++)
            dx[c] += slope[c] * dz[c] - (offset[c] + (x[c] - mean[c]) * tilt[c]);
        return;
    }
#pragma omp simd
    for (size_t c = 0; c < channels; c++)
        dx[c] = slope[c] * dz[c] - (offset[c] + (x[c] - mean[c]) * tilt[c]);
}

static void fill_terms(const Norm *g, ChannelTerms *t, size_t b, size_t c0, size_t channels)
{
    const size_t width = g->shape->channels / g->shape->groups, first = b * g->shape->groups;
    const float *shift = g->shift == NULL ? NULL : g->shift + b * g->shape->channels + c0;
    for (size_t c = 0; c < channels; c++) {
        t->a[c] = t->b[c] = t->h[c] = 0.0;
        t->mean[c] = g->saved_mean[first + (c0 + c) / width] - (shift == NULL ? 0.0f : shift[c]);
        t->rstd[c] = g->saved_rstd[first + (c0 + c) / width];
        t->gamma[c] = g->gamma[c0 + c];
        t->beta[c] = g->beta[c0 + c];
        t->slope[c] = t->rstd[c] * t->gamma[c];
    }
}

/* offset and tilt of every channel, from the sums of its group; dshift, which may be NULL. */
static void group_terms(const Norm *g, ChannelTerms *t, float *dshift, size_t channels)
{
    const size_t width = g->shape->channels / g->shape->groups;
    const double positions = (double)g->shape->positions, n = positions * (double)width;
    for (size_t first = 0; first < channels; first += width) {
        double a = 0.0, b = 0.0;
        for (size_t c = first; c < first + width; c++) {
            a += (double)t->gamma[c] * t->a[c];
            b += (double)t->gamma[c] * t->b[c];
        }
        const double rstd = t->rstd[first];
        for (size_t c = first; c < first + width; c++) {
            t->offset[c] = (float)(rstd * a / n);
            t->tilt[c] = (float)(rstd * rstd * b / n);
            if (dshift != NULL)
                dshift[c] += (float)(rstd * ((double)t->gamma[c] * t->a[c] -
                                             (positions * a + t->h[c] * b) / n));
        }
    }
}

static void backward_task(size_t task, void *context)
{
    const Norm *g = context;
    const NormShape *s = g->shape;
    const size_t b = task / g->slices, c0 = task % g->slices * g->slice;
    const size_t channels = cut_min(g->slice, s->channels - c0), C = s->channels;
    const size_t start = b * s->positions * C + c0;
    const size_t kept = g->dx == NULL ? 1 : s->positions; /* rows of dz */
    double *doubles = threads_scratch(SCRATCH_NORM, channels * sizeof(double) +
                                                        (kept + 7) * channels * sizeof(float));
    ChannelTerms t = {.a = g->sums + 2 * b * C + c0, .h = doubles};
    t.b = t.a + C;
    t.mean = (float *)(void *)(doubles + channels);
    t.rstd = t.mean + channels;
    t.gamma = t.rstd + channels;
    t.beta = t.gamma + channels;
    t.offset = t.beta + channels;
    t.slope = t.offset + channels;
    t.tilt = t.slope + channels;
    float *dz = t.tilt + channels;

    fill_terms(g, &t, b, c0, channels);
    for (size_t i = 0; i < s->positions; i++)
        dz_row(dz + (g->dx == NULL ? 0 : i * channels), g->dy + start + i * C, g->x + start + i * C,
               &t, s->silu, channels);
    group_terms(g, &t, g->dshift == NULL ? NULL : g->dshift + b * C + c0, channels);
    for (size_t i = 0; g->dx != NULL && i < s->positions; i++)
        dx_row(g->dx + start + i * C, dz + i * channels, g->x + start + i * C, &t, g->add,
               channels);
}

void tensor_group_norm_backward(float *dx, float *dshift, float *dgamma, float *dbeta,
                                const float *dy, const float *x, const float *shift,
                                const float *gamma, const float *beta, const float *mean,
                                const float *rstd, bool add, const NormShape *s)
{
    check_shape(s);
    if (s->batch * s->positions * s->channels == 0)
        return;
    Norm g = {.shape = s, .x = x, .shift = shift, .dy = dy, .gamma = gamma, .beta = beta};
    g.dx = dx;
    g.dshift = dshift;
    g.add = add;
    g.saved_mean = mean;
    g.saved_rstd = rstd;
    g.sums = threads_scratch(SCRATCH_NORM_SUMS, s->batch * 2 * s->channels * sizeof *g.sums);
    run_samples(&g, backward_task);
    for (size_t c = 0; c < s->channels; c++) {
        double a = 0.0, b = 0.0;
        for (size_t i = 0; i < s->batch; i++) {
            a += g.sums[2 * i * s->channels + c];
            b += g.sums[(2 * i + 1) * s->channels + c];
        }
        if (dbeta != NULL)
            dbeta[c] += (float)a;
        if (dgamma != NULL)
            dgamma[c] += (float)b;
    }
}
