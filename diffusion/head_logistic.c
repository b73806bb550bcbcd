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

#include "diffusion/head_kinds.h"

static const float FLOOR = 1e-6f;   /* of the published model */
static const double STEEPEST = 60.0; /* |2 - log_scale| is cut here: exp(60) fits a float */

enum { BLOCK = 64 }; /* bins at a time: edges stay on the stack */

typedef struct Row {
    float mu, k, q;      /* location, steepness, 1 - exp(-w k) */
    float dq;            /* dq/dlog_scale = -w k exp(-w k) */
    float width, first;  /* e_j = first + j width */
    float limit;         /* the mirror image holds where l + r is larger */
    bool cut;            /* log_scale beyond the limit: no gradient for it */
} Row;

/* Sigmoids of the BLOCK + 1 edges of a block and of their negatives. */
typedef struct Edges {
    float z[BLOCK + 1], inverse[BLOCK + 1]; /* (e - mu) k; 1/(1 + exp(-|z|)) */
    float below[BLOCK + 1], above[BLOCK + 1]; /* s(z), s(-z) */
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

/* Edges first..first+count of the row. */
static void fill_edges(Edges *e, const Row *row, size_t first, size_t count)
{
    float start = row->first, width = row->width, mu = row->mu, k = row->k;
    int base = (int)first, n = (int)count;

#pragma omp simd
    for (int i = 0; i <= n; i++) {
        float z = (start + (float)(base + i) * width - mu) * k;
        float small = fast_exp(z > 0.0f ? -z : z);
        float inverse = 1.0f / (1.0f + small);
        e->z[i] = z;
        e->inverse[i] = inverse;
        e->below[i] = z > 0.0f ? inverse : small * inverse;
        e->above[i] = z > 0.0f ? small * inverse : inverse;
    }
}

static void logits_of(const Head *head, const float *out, size_t d, float *logits)
{
    size_t S = head->states;
    Row row = row_of(head, out, d);
    float q = row.q, limit = row.limit;
    Edges e;

    for (size_t first = 0; first < S; first += BLOCK) {
        int count = (int)(S - first < BLOCK ? S - first : BLOCK);
        float *to = logits + first;
        fill_edges(&e, &row, first, (size_t)count);
#pragma omp simd
        for (int i = 0; i < count; i++) {
            bool mirror = e.z[i] + e.z[i + 1] > limit;
            float edge = mirror ? -e.z[i] : e.z[i + 1];
            float side = mirror ? e.below[i + 1] : e.above[i];
            float inverse = mirror ? e.inverse[i] : e.inverse[i + 1];
            to[i] = (edge < 0.0f ? edge : 0.0f) + fast_log((FLOOR + side * q) * inverse);
        }
    }
}

/* Derivatives of each logit of a block by its left edge, its right edge and q:
 *   d/dr = s(-r),   d/dl = -q s(l) s(-l)/f,   d/dq = s(-l)/f,    f = 1e-6 + s(-l) q;
 * and of the mirror image:
 *   d/dl = -s(l),   d/dr = q s(r) s(-r)/f,    d/dq = s(r)/f,     f = 1e-6 + s(r) q. */
static void slopes(const Edges *e, int count, const Row *row, float *by_l, float *by_r, float *by_q)
{
    float q = row->q, limit = row->limit;

#pragma omp simd
    for (int i = 0; i < count; i++) {
        bool mirror = e->z[i] + e->z[i + 1] > limit;
        float side = mirror ? e->below[i + 1] : e->above[i];
        float share = side / (FLOOR + side * q);
        by_l[i] = -e->below[i] * (mirror ? 1.0f : q * share);
        by_r[i] = e->above[i + 1] * (mirror ? q * share : 1.0f);
        by_q[i] = share;
    }
}

/* dz/dmu = -k and dz/dlog_scale = -z at every edge. */
static void gradient(const Head *head, const float *out, size_t d, const float *logp,
                     const float *dlogp, float total, float *dout)
{
    size_t S = head->states, at = place(head, d);
    Row row = row_of(head, out, d);
    double sum_mu = 0.0, sum_scale = 0.0;
    float by_l[BLOCK], by_r[BLOCK], by_q[BLOCK], dq = row.dq;
    Edges e;

    for (size_t first = 0; first < S; first += BLOCK) {
        int count = (int)(S - first < BLOCK ? S - first : BLOCK);
        const float *lp = logp + first, *dlp = dlogp + first;
        fill_edges(&e, &row, first, (size_t)count);
        slopes(&e, count, &row, by_l, by_r, by_q);
#pragma omp simd reduction(+ : sum_mu, sum_scale)
        for (int i = 0; i < count; i++) {
            float g = head_logit_gradient(lp[i], dlp[i], total);
            sum_mu += (double)(g * (by_l[i] + by_r[i]));
            sum_scale += (double)(g * (by_q[i] * dq - by_l[i] * e.z[i] - by_r[i] * e.z[i + 1]));
        }
    }
    dout[at] += (float)(-(double)row.k * sum_mu);
    if (!row.cut)
        dout[at + head->channels] += (float)sum_scale;
}

const HeadClass diff_head_logistic = {outputs, logits_of, gradient};
