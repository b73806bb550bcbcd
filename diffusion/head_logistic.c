/* Truncated logistic head ([D3PM] A.8): the mass of S equal bins of [-1, 1] under a logistic law
 * with location mu and k = exp(2 - log_scale).
 *
 * With the bin's edges l < r in units of the law, l = (e_j - mu) k and r = (e_{j+1} - mu) k,
 *   logit = log s(r) + log(1 - s(l)/s(r) + 1e-6),       s the sigmoid.
 * The difference cancels in float32, but s(l)/s(r) = (1 + e^-r)/(1 + e^-l) and r - l = w k, so
 *   1 - s(l)/s(r) = s(-l) q,    q = 1 - exp(-w k),
 * a product of positive numbers with one q for the whole row.  Also log s(r) = min(r, 0) -
 * log(1 + e^-|r|), so each edge costs one exponential and each bin one logarithm:
 *   logit = min(r, 0) + log( (1e-6 + s(-l) q) / (1 + e^-|r|) ).
 * `fix` takes the minimum with the mirror image (l, r) -> (-r, -l):
 *   log s(-l) + log(1e-6 + s(r) q) = min(-l, 0) + log( (1e-6 + s(r) q) / (1 + e^-|l|) ),
 * which is the smaller one exactly where s(r) > s(-l), that is l + r > 0: the bins right of mu. */
#include <math.h>
#include <string.h>

#include "diffusion/head_kinds.h"

static const float FLOOR = 1e-6f;   /* of the published model */
static const double STEEPEST = 60.0; /* |2 - log_scale| is cut here: exp(60) fits a float */

/* Bins at a time: edges stay on the stack.  Loops over them run in whole groups of LANES, past the
 * last bin if need be: a constant count is what compilers vectorise without scalar ends. */
enum { BLOCK = 64, LANES = 16, ROOM = BLOCK + LANES };

typedef struct Row {
    float mu, k, q;      /* location, steepness, 1 - exp(-w k) */
    float dq;            /* dq/dlog_scale = -w k exp(-w k) */
    float width, first;  /* e_j = first + j width */
    float limit;         /* the mirror image holds where l + r is larger */
    bool cut;            /* log_scale beyond the limit: no gradient for it */
} Row;

/* Sigmoids of the edges of a block and of their negatives. */
typedef struct Edges {
    float z[ROOM], inverse[ROOM]; /* (e - mu) k; 1/(1 + exp(-|z|)) */
    float below[ROOM], above[ROOM]; /* s(z), s(-z) */
} Edges;

static size_t outputs(const Head *head)
{
    return 2 * head->dims;
}

/* Where mu of dimension d stands; its log_scale stands C numbers later. */
static size_t place(const Head *head, size_t d)
{
    return d / head->channels * 2 * head->channels + d % head->channels;
}

static Row row_of(const Head *head, const float *out, size_t d)
{
    size_t at = place(head, d);
    double width = 2.0 / (double)head->states;
    double exponent = 2.0 - out[at + head->channels];
    Row row;

    row.cut = exponent > STEEPEST || exponent < -STEEPEST;
    if (row.cut)
        exponent = exponent > 0 ? STEEPEST : -STEEPEST;
    double k = exp(exponent);
    row.mu = out[at];
    row.k = (float)k;
    row.q = (float)-expm1(-width * k);
    row.dq = (float)(-width * k * exp(-width * k));
    row.width = (float)width;
    row.first = -1.0f;
    row.limit = head->fix ? 0.0f : HUGE_VALF;
    return row;
}

static int whole_groups(int n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* Edges first, first+1, ... of the row: one more than the bins in the groups of `count` bins. */
static void fill_edges(Edges *e, const Row *row, size_t first, int count)
{
    float start = row->first, width = row->width, mu = row->mu, k = row->k;
    int base = (int)first, end = whole_groups(count) + LANES;

    for (int group = 0; group < end; group += LANES) {
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) {
            int i = group + lane;
            float z = (start + (float)(base + i) * width - mu) * k;
            float small = fast_exp(z > 0.0f ? -z : z);
            float inverse = 1.0f / (1.0f + small);
            e->z[i] = z;
            e->inverse[i] = inverse;
            e->below[i] = z > 0.0f ? inverse : small * inverse;
            e->above[i] = z > 0.0f ? small * inverse : inverse;
        }
    }
}

/* logit (BLOCK) of the bins between the edges. */
static void fill_logits(float *logit, const Edges *e, const Row *row, int count)
{
    float q = row->q, limit = row->limit;

    for (int group = 0; group < count; group += LANES) {
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) {
            int i = group + lane;
            bool mirror = e->z[i] + e->z[i + 1] > limit;
            float edge = mirror ? -e->z[i] : e->z[i + 1];
            float side = mirror ? e->below[i + 1] : e->above[i];
            float inverse = mirror ? e->inverse[i] : e->inverse[i + 1];
            logit[i] = (edge < 0.0f ? edge : 0.0f) + fast_log((FLOOR + side * q) * inverse);
        }
    }
}

static void logits_of(const Head *head, const float *out, size_t d, float *logits)
{
    size_t S = head->states;
    Row row = row_of(head, out, d);
    float block[BLOCK];
    Edges e;

    for (size_t first = 0; first < S; first += BLOCK) {
        int count = (int)(S - first < BLOCK ? S - first : BLOCK);
        fill_edges(&e, &row, first, count);
        fill_logits(block, &e, &row, count);
        memcpy(logits + first, block, (size_t)count * sizeof *logits);
    }
}

/* Derivatives of each logit of a block by its left edge, its right edge and q:
 *   d/dr = s(-r),   d/dl = -q s(l) s(-l)/f,   d/dq = s(-l)/f,    f = 1e-6 + s(-l) q;
 * and of the mirror image:
 *   d/dl = -s(l),   d/dr = q s(r) s(-r)/f,    d/dq = s(r)/f,     f = 1e-6 + s(r) q.
 * dz/dmu = -k and dz/dlog_scale = -z at every edge: mu gets by_edges times -k. */
static void slopes(const Edges *e, int count, const Row *row, float *by_edges, float *by_scale)
{
    float q = row->q, dq = row->dq, limit = row->limit;

    for (int group = 0; group < count; group += LANES) {
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) {
            int i = group + lane;
            bool mirror = e->z[i] + e->z[i + 1] > limit;
            float side = mirror ? e->below[i + 1] : e->above[i];
            float share = side / (FLOOR + side * q);
            float by_l = -e->below[i] * (mirror ? 1.0f : q * share);
            float by_r = e->above[i + 1] * (mirror ? q * share : 1.0f);
            by_edges[i] = by_l + by_r;
            by_scale[i] = share * dq - by_l * e->z[i] - by_r * e->z[i + 1];
        }
    }
}

/* dL/dlogit of a block; 0 past its end. */
static void fill_upstream(float *g, const float *logp, const float *dlogp, float total, int count)
{
    float p[BLOCK] = {0.0f}, dp[BLOCK] = {0.0f};

    memcpy(p, logp, (size_t)count * sizeof *p);
    memcpy(dp, dlogp, (size_t)count * sizeof *dp);
    for (int group = 0; group < count; group += LANES) {
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++)
            g[group + lane] = head_logit_gradient(p[group + lane], dp[group + lane], total);
    }
    for (int i = count; i < whole_groups(count); i++)
        g[i] = 0.0f;
}

static void add_products(double *lanes, const float *g, const float *slope, int count)
{
    for (int group = 0; group < count; group += LANES) {
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)(g[group + lane] * slope[group + lane]);
    }
}

static double add_lanes(const double *lanes)
{
    double sum = 0.0;

    for (int lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

static void gradient(const Head *head, const float *out, size_t d, const float *logp,
                     const float *dlogp, float total, float *dout)
{
    size_t S = head->states, at = place(head, d);
    Row row = row_of(head, out, d);
    double by_mu[LANES] = {0.0}, by_log_scale[LANES] = {0.0};
    float g[BLOCK], by_edges[BLOCK], by_scale[BLOCK];
    Edges e;

    for (size_t first = 0; first < S; first += BLOCK) {
        int count = (int)(S - first < BLOCK ? S - first : BLOCK);
        fill_edges(&e, &row, first, count);
        slopes(&e, count, &row, by_edges, by_scale);
        fill_upstream(g, logp + first, dlogp + first, total, count);
        add_products(by_mu, g, by_edges, count);
        add_products(by_log_scale, g, by_scale, count);
    }
    dout[at] += (float)(-(double)row.k * add_lanes(by_mu));
    if (!row.cut)
        dout[at + head->channels] += (float)add_lanes(by_log_scale);
}

const HeadClass diff_head_logistic = {outputs, logits_of, gradient};
