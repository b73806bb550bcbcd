/* Layer normalisation.
 *
 * Backward, for each position with du = dy factor and averages over channels:
 *   dx = rstd (du - average(du) - u average(du u)),
 *   doffset = sum dy, dgain = sum dy u, over the positions that share the numbers.
 *
 * A task is a block of positions that share gain and offset; its sums of dy and dy u are added to
 * those of the other blocks in order.  Sums over channels run in LANES interleaved partial sums. */
#include "tensor/layer_norm.h"

#include <math.h>
#include <string.h>

#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { LANES = 16, TASKS = 16, SERIAL_ENTRIES = 1 << 14 };

typedef struct LayerNorm {
    const LayerNormShape *shape;
    size_t sharing, rows; /* parts that share gain and offset; positions in each */
    size_t blocks, block; /* of one part; positions in each */
    const float *x, *dy, *gain, *offset, *saved_mean, *saved_rstd;
    float *y, *dx, *mean, *rstd;
    bool again;   /* forward: mean and rstd are known */
    bool add;     /* backward: dx is added to */
    double *sums; /* (sharing * blocks, 2, channels): of dy and of dy u; NULL: not wanted */
} LayerNorm;

/* The positions of a task, and what it multiplies and adds there. */
typedef struct Block {
    size_t first, count;
    float *factor, *offset; /* (channels), of scratch */
} Block;

static void cut_positions(LayerNorm *g)
{
    const LayerNormShape *s = g->shape;
    g->sharing = s->by_sample ? s->batch : 1;
    g->rows = s->by_sample ? s->positions : s->batch * s->positions;
    g->block = cut_blocks(g->rows, cut_blocks(TASKS, g->sharing));
    g->blocks = cut_blocks(g->rows, g->block);
}

static void run_blocks(LayerNorm *g, void (*body)(size_t i, void *context))
{
    const LayerNormShape *s = g->shape;
    cut_run(g->sharing * g->blocks, body, g,
            s->batch * s->positions * s->channels < SERIAL_ENTRIES);
}

static Block block_of(const LayerNorm *g, size_t task)
{
    const size_t channels = g->shape->channels, part = task / g->blocks;
    const size_t in_part = task % g->blocks * g->block;
    const size_t at = g->shape->by_sample ? part * channels : 0;
    Block b = {.first = part * g->rows + in_part, .count = cut_min(g->block, g->rows - in_part)};
    b.factor = threads_scratch(SCRATCH_NORM, 2 * channels * sizeof(float));
    b.offset = b.factor + channels;
    for (size_t c = 0; c < channels; c++) {
        const float gain = g->gain == NULL ? 0.0f : g->gain[at + c];
        b.factor[c] = g->gain == NULL ? 1.0f : g->shape->by_sample ? 1.0f + gain : gain;
        b.offset[c] = g->offset == NULL ? 0.0f : g->offset[at + c];
    }
    return b;
}

static double add_lanes(const double *lane)
{
    double sum = 0.0;
    for (size_t j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

/* ---- forward --------------------------------------------------------------------------------- */

static inline void add_piece(double *restrict lane, const float *restrict x, size_t count)
{
    for (size_t j = 0; j < count; j++)
        lane[j] += (double)x[j];
}

static inline void square_piece(double *restrict lane, const float *restrict x, double mean,
                                size_t count)
{
    for (size_t j = 0; j < count; j++) {
        const double d = (double)x[j] - mean;
        lane[j] += d * d;
    }
}

/* Mean, then the average square of the distance from it. */
static void moments(float *mean, float *rstd, const float *x, size_t channels, double eps)
{
    double sum[LANES] = {0.0}, square[LANES] = {0.0};
    size_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        add_piece(sum, x + c, LANES);
    add_piece(sum, x + c, channels - c);
    const double m = add_lanes(sum) / (double)channels;
    for (c = 0; c + LANES <= channels; c += LANES)
        square_piece(square, x + c, m, LANES);
    square_piece(square, x + c, m, channels - c);
    *mean = (float)m;
    *rstd = (float)(1.0 / sqrt(add_lanes(square) / (double)channels + eps));
}

static void forward_task(size_t task, void *context)
{
    const LayerNorm *g = context;
    const size_t channels = g->shape->channels;
    const Block b = block_of(g, task);
    const float *restrict factor = b.factor, *restrict offset = b.offset;
    for (size_t i = b.first; i < b.first + b.count; i++) {
        const float *x = g->x + i * channels;
        float *y = g->y + i * channels;
        if (!g->again)
            moments(g->mean + i, g->rstd + i, x, channels, g->shape->eps);
        const float mean = g->mean[i], rstd = g->rstd[i];
#pragma omp simd
        for (size_t c = 0; c < channels; c++)
            y[c] = (x[c] - mean) * rstd * factor[c] + offset[c];
    }
}

void tensor_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *gain,
                       const float *offset, bool again, const LayerNormShape *s)
{
    if (s->batch * s->positions * s->channels == 0)
        return;
    LayerNorm g = {.shape = s, .x = x, .gain = gain, .offset = offset, .y = y, .again = again};
    g.mean = mean;
    g.rstd = rstd;
    cut_positions(&g);
    run_blocks(&g, forward_task);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* du and du u of some channels, added to the lanes. */
static inline void slope_piece(double *restrict a, double *restrict b, const float *dy,
                               const float *x, const float *restrict factor, float mean, float rstd,
                               size_t count)
{
    for (size_t j = 0; j < count; j++) {
        const double du = (double)(dy[j] * factor[j]);
        a[j] += du;
        b[j] += du * (double)((x[j] - mean) * rstd);
    }
}

static void dx_row(float *dx, const float *dy, const float *restrict x,
                   const float *restrict factor, float mean, float rstd, bool add, size_t channels)
{
    double a[LANES] = {0.0}, b[LANES] = {0.0};
    size_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        slope_piece(a, b, dy + c, x + c, factor + c, mean, rstd, LANES);
    slope_piece(a, b, dy + c, x + c, factor + c, mean, rstd, channels - c);
    const float level = (float)(add_lanes(a) / (double)channels);
    const float tilt = (float)(add_lanes(b) / (double)channels);
    if (add) {
#pragma omp simd
        for (c = 0; c < channels; c++)
            dx[c] += rstd * (dy[c] * factor[c] - level - (x[c] - mean) * rstd * tilt);
        return;
    }
#pragma omp simd
    for (c = 0; c < channels; c++)
        dx[c] = rstd * (dy[c] * factor[c] - level - (x[c] - mean) * rstd * tilt);
}

static void sum_row(double *restrict sums, const float *restrict dy, const float *restrict x,
                    float mean, float rstd, size_t channels)
{
    double *restrict slopes = sums + channels;
#pragma omp simd
    for (size_t c = 0; c < channels; c++) {
        sums[c] += (double)dy[c];
        slopes[c] += (double)dy[c] * (double)((x[c] - mean) * rstd);
    }
}

static void backward_task(size_t task, void *context)
{
    const LayerNorm *g = context;
    const size_t channels = g->shape->channels;
    const Block b = block_of(g, task);
    double *sums = g->sums == NULL ? NULL : g->sums + 2 * task * channels;
    if (sums != NULL)
        memset(sums, 0, 2 * channels * sizeof *sums);
    for (size_t i = b.first; i < b.first + b.count; i++) {
        const float *x = g->x + i * channels, *dy = g->dy + i * channels;
        const float mean = g->saved_mean[i], rstd = g->saved_rstd[i];
        if (sums != NULL)
            sum_row(sums, dy, x, mean, rstd, channels);
        if (g->dx != NULL)
            dx_row(g->dx + i * channels, dy, x, b.factor, mean, rstd, g->add, channels);
    }
}

/* out (sharing, C) += the blocks' sums number `which`, in order; out may be NULL. */
static void add_sums(float *out, const LayerNorm *g, size_t which)
{
    const size_t channels = g->shape->channels;
    for (size_t i = 0; out != NULL && i < g->sharing * channels; i++) {
        const double *sums = g->sums + 2 * (i / channels) * g->blocks * channels;
        double sum = 0.0;
        for (size_t k = 0; k < g->blocks; k++)
            sum += sums[(2 * k + which) * channels + i % channels];
        out[i] += (float)sum;
    }
}

void tensor_layer_norm_backward(float *dx, float *dgain, float *doffset, const float *dy,
                                const float *x, const float *gain, const float *mean,
                                const float *rstd, bool add, const LayerNormShape *s)
{
    if (s->batch * s->positions * s->channels == 0)
        return;
    LayerNorm g = {.shape = s, .x = x, .dy = dy, .gain = gain, .dx = dx, .add = add};
    g.saved_mean = mean;
    g.saved_rstd = rstd;
    cut_positions(&g);
    if (dgain != NULL || doffset != NULL)
        g.sums = threads_scratch(SCRATCH_NORM_SUMS,
                                 2 * g.sharing * g.blocks * s->channels * sizeof *g.sums);
    run_blocks(&g, backward_task);
    add_sums(doffset, &g, 0);
    add_sums(dgain, &g, 1);
}
