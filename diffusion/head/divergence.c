/* Samples are independent pieces of work; each sums its dimensions in order. */
#include "diffusion/head/divergence.h"

#include <math.h>

#include "diffusion/head/batch.h"
#include "tensor/base/check.h"
#include "tensor/fast_exp.h"
#include "tensor/system/threads.h"

static const float LEAST = -87.0f; /* log of the smallest normal float, rounded up */

typedef struct Divergence {
    const Head *head;
    size_t outputs, lambdas;
    const float *p, *q;
    const States *xp, *xq;
    double *total;
} Divergence;

static void row_of(const Divergence *w, const float *out, const States *x, size_t b, size_t d,
                   float *logp)
{
    diffusion_head_row(w->head, out + b * w->outputs, x != NULL ? states_row(x, b) : NULL, d, logp);
}

/* sum_a p(a) (log p(a) - logq[a]); logq NULL: sum_a p(a) log p(a).  NaN stays NaN. */
static double row_sum(const float *logp, const float *logq, size_t S)
{
    double sum = 0.0;

    for (size_t a = 0; a < S; a++)
        if (!(logp[a] < LEAST))
            sum +=
                exp((double)logp[a]) * ((double)logp[a] - (logq != NULL ? (double)logq[a] : 0.0));
    return sum;
}

/* mean (S) = log of the mean probability over sample b's lambdas; row is room for S. */
static void mean_row(const Divergence *w, size_t b, size_t d, float *mean, float *row)
{
    const size_t S = w->head->states, N = w->lambdas;

    row_of(w, w->p, w->xp, b * N, d, mean);
    if (N == 1)
        return;
    for (size_t a = 0; a < S; a++)
        mean[a] = fast_exp(mean[a]);
    for (size_t i = 1; i < N; i++) {
        row_of(w, w->p, w->xp, b * N + i, d, row);
#pragma omp simd
        for (size_t a = 0; a < S; a++)
            mean[a] += fast_exp(row[a]);
    }
    for (size_t a = 0; a < S; a++)
        mean[a] = (float)log((double)mean[a] / (double)N);
}

static void entropy_sample(size_t b, void *context)
{
    const Divergence *w = context;
    float *row = threads_scratch(SCRATCH_LOSS, w->head->states * sizeof *row);
    double sum = 0.0;

    for (size_t d = 0; d < w->head->dims; d++) {
        row_of(w, w->p, w->xp, b, d, row);
        sum -= row_sum(row, NULL, w->head->states);
    }
    w->total[b] = sum;
}

static void kl_sample(size_t b, void *context)
{
    const Divergence *w = context;
    const size_t S = w->head->states;
    float *mean = threads_scratch(SCRATCH_LOSS, 2 * S * sizeof *mean), *row = mean + S;
    double sum = 0.0;

    for (size_t d = 0; d < w->head->dims; d++) {
        mean_row(w, b, d, mean, row);
        row_of(w, w->q, w->xq, b, d, row);
        sum += row_sum(mean, row, S);
    }
    w->total[b] = sum;
}

static void check_divergence(const Head *head, const States *x, size_t batch)
{
    TENSOR_CHECK(x != NULL || head->mask < 0, "a head with mask %d needs the noised states",
                 head->mask);
    TENSOR_CHECK(x == NULL || (x->batch == batch && x->dims == head->dims),
                 "noised states (%zu, %zu), expected (%zu, %zu)", x->batch, x->dims, batch,
                 head->dims);
}

void diffusion_head_entropy(const Head *head, const float *out, const States *x, size_t batch,
                            double *total)
{
    Divergence w = {head, diffusion_head_outputs(head), 1, out, NULL, x, NULL, total};

    check_divergence(head, x, batch);
    threads_for(batch, entropy_sample, &w);
}

void diffusion_head_kl(const Head *head, const float *p, const States *xp, size_t lambdas,
                       const float *q, const States *xq, size_t batch, double *total)
{
    Divergence w = {head, diffusion_head_outputs(head), lambdas, p, q, xp, xq, total};

    TENSOR_CHECK(lambdas >= 1, "%zu lambdas", lambdas);
    check_divergence(head, xp, batch * lambdas);
    check_divergence(head, xq, batch);
    threads_for(batch, kl_sample, &w);
}
