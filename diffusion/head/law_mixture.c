/* Mixtures of laws of one dimension. */
#include "diffusion/head/law_mixture.h"

#include <math.h>

#include "tensor/base/order.h"
#include "tensor/fast_exp.h"

static const float RARE = 1e-36f, COUNTS = 1e-15f;
static const float NOTHING = -1e30f; /* a logarithm that stands for -inf */

enum { BLOCK = 128 }; /* states at a time that are computed from logits */

/* One more term of log sum exp, for each of count sums: afterwards the sum is
 * sum exp(term - top) over the terms so far. */
static void add_terms(float *top, float *sum, const float *term, size_t count)
{
#pragma omp simd
    for (size_t k = 0; k < count; k++) {
        float now = term[k] < NOTHING ? NOTHING : term[k], gap = now - top[k];
        float small = fast_exp(gap > 0.0f ? -gap : gap);
        sum[k] = gap > 0.0f ? sum[k] * small + 1.0f : sum[k] + small;
        top[k] = gap > 0.0f ? now : top[k];
    }
}

static void log_at_block(const LawMixture *m, const uint16_t *x, size_t count, float *logm)
{
    float top[BLOCK], sum[BLOCK], term[BLOCK], share = (float)(1.0 / (double)m->count);

    for (size_t k = 0; k < count; k++) {
        top[k] = NOTHING;
        sum[k] = 0.0f;
    }
    for (size_t i = 0; i < m->count; i++) {
        diffusion_law_log_at(&m->laws[i], x, count, term);
        add_terms(top, sum, term, count);
    }
    for (size_t k = 0; k < count; k++)
        logm[k] = top[k] <= NOTHING ? -HUGE_VALF : top[k] + fast_log(sum[k] * share);
}

void diffusion_mixture_log_at(const LawMixture *m, const uint16_t *x, size_t count, float *logm)
{
    for (size_t first = 0; first < count; first += BLOCK)
        log_at_block(m, x + first, count - first < BLOCK ? count - first : BLOCK, logm + first);
}

/* The next states from *at on, at most BLOCK, where mbar is rare and |p| counts. */
static size_t next_rare(const LawMixture *m, const float *p, size_t *at, uint16_t *list)
{
    size_t S = m->laws[0].head->states, count = 0;

    for (; *at < S && count < BLOCK; *at += 1)
        if (m->mean[*at] < RARE && (p[*at] > COUNTS || p[*at] < -COUNTS))
            list[count++] = (uint16_t)*at;
    return count;
}

static double rare_kl(const LawMixture *m, const float *p)
{
    uint16_t list[BLOCK];
    float logm[BLOCK];
    double total = 0.0;

    for (size_t at = 0, count; (count = next_rare(m, p, &at, list)) > 0;) {
        diffusion_mixture_log_at(m, list, count, logm);
        for (size_t k = 0; k < count; k++)
            total += p[list[k]] * (log((double)p[list[k]]) - (double)logm[k]);
    }
    return total;
}

static bool any_rare(const LawMixture *m, const float *p)
{
    size_t S = m->laws[0].head->states;
    int rare = 0;

#pragma omp simd SUM_ORDER reduction(+ : rare)
    for (size_t a = 0; a < S; a++)
        rare += (m->mean[a] < RARE) & ((p[a] > COUNTS) | (p[a] < -COUNTS));
    return rare > 0;
}

/* p log(p/q) - p + q has the same sum, since both sum to 1, and rounding errors of p and q move it
 * only in second order. */
double diffusion_mixture_kl(const LawMixture *m, const float *p)
{
    size_t S = m->laws[0].head->states;
    const float *mean = m->mean;
    double total = 0.0;

#pragma omp simd SUM_ORDER reduction(+ : total)
    for (size_t a = 0; a < S; a++) {
        float q = mean[a], here = p[a];
        float lower = fast_select(q < RARE, RARE, q), upper = fast_select(here < RARE, RARE, here);
        float weight = fast_select(q < RARE, 0.0f, here);
        total += (double)(weight * fast_log(upper / lower) + (q - here));
    }
    return any_rare(m, p) ? total + rare_kl(m, p) : total;
}

/* The weights of rare states go to each law's single states.  dlevel is there already. */
static void pull_rare(const LawMixture *m, const float *pull, double scale, float *dout,
                      const float *dlevel, size_t stride)
{
    uint16_t list[BLOCK];
    float logm[BLOCK], w[BLOCK];

    for (size_t at = 0, count; (count = next_rare(m, pull, &at, list)) > 0;) {
        diffusion_mixture_log_at(m, list, count, logm);
        for (size_t i = 0; i < m->count; i++) {
            diffusion_law_log_at(&m->laws[i], list, count, w);
            for (size_t k = 0; k < count; k++) {
                float share = logm[k] > -HUGE_VALF ? fast_exp(w[k] - logm[k]) : 0.0f;
                w[k] = (float)(-scale / (double)m->count * (double)(pull[list[k]] * share));
            }
            diffusion_law_pull_at(&m->laws[i], dlevel + i * stride, list, w, count,
                                  dout + i * stride);
        }
    }
}

/* pull becomes g(a) with dL/dlog p_i(a) = p_i(a) g(a).  A constant in g changes nothing; without
 * its mean under mbar little is left where the laws agree, and little is lost to rounding. */
static void divide(const LawMixture *m, float *pull, double scale)
{
    size_t S = m->laws[0].head->states;
    const float *mean = m->mean;
    double sum = 0.0;

#pragma omp simd SUM_ORDER reduction(+ : sum)
    for (size_t a = 0; a < S; a++)
        sum += (double)pull[a];
    float centre = (float)sum, factor = (float)(-scale / (double)m->count);
#pragma omp simd
    for (size_t a = 0; a < S; a++) {
        float q = mean[a] < RARE ? 1.0f : mean[a];
        float ratio = pull[a] / q;
        pull[a] = factor * ((mean[a] < RARE ? 0.0f : ratio) - centre);
    }
}

void diffusion_mixture_pull(const LawMixture *m, float *pull, double scale, float *dout,
                            float *dlevel, size_t stride)
{
    bool rare = pull != NULL && dout != NULL && any_rare(m, pull);

    if (rare) {
        for (size_t i = 0; i < m->count; i++)
            diffusion_law_pull(&m->laws[i], NULL, NULL, dlevel + i * stride);
        pull_rare(m, pull, scale, dout, dlevel, stride);
    }
    if (pull != NULL)
        divide(m, pull, scale);
    for (size_t i = 0; i < m->count; i++)
        diffusion_law_pull(&m->laws[i], pull, dout != NULL ? dout + i * stride : NULL,
                           dlevel + i * stride);
}
