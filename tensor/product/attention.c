/* Attention of several heads.
 *
 * Scores are taken for a block of queries at a time, few enough that they stay in the second-level
 * cache.  With E = exp(S - top), P = factor E row by row; the factor is applied to the sums
 * instead, and 1/sqrt(c) where E is made, as a product without a factor is the fastest:
 *
 *   y = factor (E v);  dy' = factor dy:  dv = E^T dy',  dS = E (dy' v^T - D'),  D' = dy' . y
 *
 * Forward, a task is a block of queries of one head; backward, one head, since dk and dv are sums
 * over its blocks, added in order.  A few large heads run one after the other and leave the threads
 * to the products. */
#include "tensor/product/attention.h"

#include <math.h>

#include "tensor/fast_exp.h"
#include "tensor/product/gemm.h"
#include "tensor/softmax.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    BLOCK_SCORES = 1 << 17, /* entries of a block of S: 512 KiB */
    LEAST_QUERIES = 32,
    TASKS = 8, /* aimed at, by smaller blocks where there are few heads */
    FEW_HEADS = 4,
    ROWS = 8, /* of y and dy at once, and columns */
    COLUMNS = 16
};

typedef struct Attention {
    const AttentionShape *shape;
    const AttentionInput *in;
    size_t width;         /* C/H */
    size_t blocks, block; /* of queries; queries in each */
    float scale;
    float *y, *top, *factor;
    const AttentionGradient *out;
    const float *dy, *saved_y, *saved_top, *saved_factor;
} Attention;

/* Where a head begins: in k and v; in q and y; and in numbers of one a query, of which it has so
 * many. */
typedef struct Head {
    size_t sample, at, query, row, queries;
} Head;

static Attention attention(const AttentionInput *in, const AttentionShape *s)
{
    Attention a = {.shape = s, .in = in, .width = s->channels / s->heads};
    const size_t n = s->positions, most = BLOCK_SCORES / n;
    a.scale = (float)(1.0 / sqrt((double)a.width));
    a.block = most < LEAST_QUERIES ? LEAST_QUERIES : most;
    a.block = cut_blocks(n, cut_blocks(n, a.block)); /* of equal size */
    a.blocks = cut_blocks(n, a.block);
    return a;
}

static Head head_of(const Attention *a, size_t i)
{
    const AttentionShape *s = a->shape;
    const size_t sample = i / s->heads, head = i % s->heads, n = s->positions;
    const size_t before = s->queries != NULL ? s->queries->first[sample] : sample * n;
    Head h = {.sample = sample, .queries = n};
    if (s->queries != NULL)
        h.queries = places_of_sample(s->queries, sample);
    h.at = sample * n * s->channels + head * a->width;
    h.query = before * s->channels + head * a->width;
    h.row = before * s->heads + head * h.queries;
    return h;
}

/* q k^T (queries, L) of the queries from `first` on. */
static void scores(const Attention *a, float *out, const Head *h, size_t first, size_t queries)
{
    const size_t n = a->shape->positions, stride = a->shape->channels;
    tensor_gemm(GEMM_NT, queries, n, a->width, 1.0f, a->in->q + h->query + first * stride, stride,
                a->in->k + h->at, stride, 0.0f, NULL, out, n);
    if (a->in->left_out == NULL)
        return;
    const uint8_t *left_out = a->in->left_out + h->sample * n;
    for (size_t j = 0; j < n; j++)
        if (left_out[j])
            for (size_t i = 0; i < queries; i++)
                out[i * n + j] = -INFINITY;
}

/* ---- forward --------------------------------------------------------------------------------- */

static void forward_task(size_t task, void *context)
{
    const Attention *a = context;
    const size_t n = a->shape->positions, stride = a->shape->channels;
    const Head h = head_of(a, task / a->blocks);
    const size_t first = task % a->blocks * a->block;
    if (first >= h.queries)
        return;
    const size_t queries = cut_min(a->block, h.queries - first);
    float *e = threads_scratch(SCRATCH_ATTENTION, queries * n * sizeof *e);
    float *y = a->y + h.query + first * stride;
    const float *factor = a->factor + h.row + first;
    scores(a, e, &h, first, queries);
    tensor_exp_rows(e, a->top + h.row + first, a->factor + h.row + first, e, a->scale, queries, n);
    tensor_gemm(GEMM_NN, queries, a->width, n, 1.0f, e, n, a->in->v + h.at, stride, 0.0f, NULL, y,
                stride);
    for (size_t i = 0; i < queries; i++)
        for (size_t c = 0; c < a->width; c++)
            y[i * stride + c] *= factor[i];
}

static bool empty(const AttentionShape *s)
{
    return s->batch == 0 || s->positions == 0 || s->channels == 0;
}

void tensor_attention(float *y, float *top, float *factor, const AttentionInput *in,
                      const AttentionShape *s)
{
    if (empty(s))
        return;
    Attention a = attention(in, s);
    const size_t heads = s->batch * s->heads;
    const double work = (double)s->positions * (double)s->positions * (double)s->channels;
    if (heads * a.blocks < TASKS && a.block > LEAST_QUERIES) {
        const size_t block = cut_blocks(s->positions, cut_blocks(TASKS, heads));
        a.block = block < LEAST_QUERIES ? LEAST_QUERIES : block;
        a.blocks = cut_blocks(s->positions, a.block);
    }
    a.y = y;
    a.top = top;
    a.factor = factor;
    cut_run(heads * a.blocks, forward_task, &a, work * (double)s->batch < CUT_SERIAL_WORK);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Scratch of a task. */
typedef struct HeadScratch {
    float *e, *ds; /* (block, L) */
    float *dy;     /* (block, width): factor dy */
    float *d;      /* (block): dy' . y */
} HeadScratch;

static HeadScratch scratch_of(const Attention *a)
{
    const size_t scores = a->block * a->shape->positions, rows = a->block * a->width;
    HeadScratch w;
    w.e = threads_scratch(SCRATCH_ATTENTION, (2 * scores + rows + a->block) * sizeof *w.e);
    w.ds = w.e + scores;
    w.dy = w.ds + scores;
    w.d = w.dy + rows;
    return w;
}

/* dy' and D' of `count` rows, at most ROWS.  A sum waits for each of its terms, so the rows' sums
 * run side by side, over terms made before them. */
static void scale_some(const Attention *a, const HeadScratch *w, const Head *h, size_t first,
                       size_t row, size_t count)
{
    const size_t stride = a->shape->channels, at = h->query + (first + row) * stride;
    const float *factor = a->saved_factor + h->row + first + row;
    double sum[ROWS] = {0.0}, term[ROWS][COLUMNS] = {{0.0}};
    for (size_t c0 = 0; c0 < a->width; c0 += COLUMNS) {
        const size_t columns = cut_min(COLUMNS, a->width - c0);
        for (size_t i = 0; i < count; i++) {
            const float *dy = a->dy + at + i * stride + c0, *y = a->saved_y + at + i * stride + c0;
            float *scaled = w->dy + (row + i) * a->width + c0;
#pragma omp simd
            for (size_t c = 0; c < columns; c++) {
                scaled[c] = factor[i] * dy[c];
                term[i][c] = (double)scaled[c] * (double)y[c];
            }
        }
        for (size_t c = 0; c < columns; c++)
            for (size_t i = 0; i < ROWS; i++)
                sum[i] += term[i][c];
    }
    for (size_t i = 0; i < count; i++)
        w->d[row + i] = (float)sum[i];
}

/* dy' and D' of the queries from `first` on. */
static void scale_rows(const Attention *a, const HeadScratch *w, const Head *h, size_t first,
                       size_t queries)
{
    size_t row = 0;
    for (; row + ROWS <= queries; row += ROWS)
        scale_some(a, w, h, first, row, ROWS);
    scale_some(a, w, h, first, row, queries - row);
}

/* In: e = q k^T, ds = dP'.  Out: e = E, ds = dS / sqrt(c). */
static void score_rows(float *restrict e, float *restrict ds, const float *top, const float *d,
                       float scale, size_t queries, size_t n)
{
    for (size_t i = 0; i < queries; i++, e += n, ds += n) {
        const float most = top[i], level = d[i];
#pragma omp simd
        for (size_t j = 0; j < n; j++) {
            const float term = fast_exp_falling(scale * (e[j] - most));
            e[j] = term;
            ds[j] = scale * term * (ds[j] - level);
        }
    }
}

/* The shares of the queries from `first` on. */
static void backward_block(const Attention *a, const HeadScratch *w, const Head *h, size_t first,
                           size_t queries)
{
    const AttentionGradient *out = a->out;
    const size_t n = a->shape->positions, stride = a->shape->channels, width = a->width;
    const size_t at = h->query + first * stride;
    scale_rows(a, w, h, first, queries);
    scores(a, w->e, h, first, queries);
    tensor_gemm(GEMM_NT, queries, n, width, 1.0f, w->dy, width, a->in->v + h->at, stride, 0.0f,
                NULL, w->ds, n);
    score_rows(w->e, w->ds, a->saved_top + h->row + first, w->d, a->scale, queries, n);
    if (out->dv != NULL)
        tensor_gemm(GEMM_TN, n, width, queries, 1.0f, w->e, n, w->dy, width,
                    out->add_v || first > 0 ? 1.0f : 0.0f, NULL, out->dv + h->at, stride);
    if (out->dq != NULL)
        tensor_gemm(GEMM_NN, queries, width, n, 1.0f, w->ds, n, a->in->k + h->at, stride,
                    out->add_q ? 1.0f : 0.0f, NULL, out->dq + at, stride);
    if (out->dk != NULL)
        tensor_gemm(GEMM_TN, n, width, queries, 1.0f, w->ds, n, a->in->q + at, stride,
                    out->add_k || first > 0 ? 1.0f : 0.0f, NULL, out->dk + h->at, stride);
}

static void backward_task(size_t i, void *context)
{
    const Attention *a = context;
    const HeadScratch w = scratch_of(a);
    const Head h = head_of(a, i);
    if (h.queries == 0) /* dk and dv may have to be written */
        backward_block(a, &w, &h, 0, 0);
    for (size_t first = 0; first < h.queries; first += a->block)
        backward_block(a, &w, &h, first, cut_min(a->block, h.queries - first));
}

void tensor_attention_backward(const AttentionGradient *out, const float *dy, const float *y,
                               const float *top, const float *factor, const AttentionInput *in,
                               const AttentionShape *s)
{
    if (empty(s))
        return;
    Attention a = attention(in, s);
    const size_t heads = s->batch * s->heads;
    const double work = (double)s->positions * (double)s->positions * (double)s->channels;
    a.out = out;
    a.dy = dy;
    a.saved_y = y;
    a.saved_top = top;
    a.saved_factor = factor;
    cut_run(heads, backward_task, &a,
            heads < FEW_HEADS || work * (double)s->batch < CUT_SERIAL_WORK);
}
