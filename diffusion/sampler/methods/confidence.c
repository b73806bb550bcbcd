/* Confidence ordering for absorbing noise (MaskGIT, arXiv 2202.04200): every call draws an x_0 for
 * all masked dimensions and keeps the draws that the network is surest of,
 *
 *   confidence = log p^d(x_0^d | x) + temperature s G,  G = -log(-log U),
 *
 * so that as many stay masked at s as masked_left.h says; the last call draws all that are left. */
#include <math.h>
#include <stdlib.h>

#include "diffusion/sampler/methods/masked_left.h"

typedef struct Candidate {
    double confidence;
    size_t d;
} Candidate;

/* Surest first; of equals, the first dimension. */
static int compare(const void *a, const void *b)
{
    const Candidate *p = a, *q = b;

    if (p->confidence != q->confidence)
        return p->confidence > q->confidence ? -1 : 1;
    return p->d < q->d ? -1 : p->d > q->d;
}

static size_t list_masked(const SamplerBatch *b, size_t i, const uint16_t *x, Rng *rng, double *p0,
                          Candidate *list)
{
    const uint16_t *x0 = states_row(&b->x0, i);
    double noise = b->settings->temperature * b->now->s;
    size_t n = 0;

    for (size_t d = 0; d < b->x.dims; d++) {
        if (diffusion_head_known(&b->model->head, x, d))
            continue;
        sampler_probabilities(b, b->numbers, &b->x, i, d, p0);
        double gumbel = -log(-log(1.0 - rng_uniform(rng)) + 1e-300);
        list[n].confidence = log(p0[x0[d]]) + (noise > 0.0 ? noise * gumbel : 0.0);
        list[n++].d = d;
    }
    return n;
}

static void move_confidence_sample(const SamplerBatch *b, size_t i, uint16_t *x, Rng *rng)
{
    size_t D = b->x.dims, S = b->request->process->states;
    double *p0 = threads_scratch(SCRATCH_SAMPLER, S * sizeof *p0 + D * sizeof(Candidate));
    Candidate *list = (Candidate *)(void *)(p0 + S);
    size_t n = list_masked(b, i, x, rng, p0, list);
    size_t stay = sampler_masked_left(b, n);

    qsort(list, n, sizeof *list, compare);
    for (size_t k = 0; k < n - stay; k++)
        x[list[k].d] = states_row(&b->x0, i)[list[k].d];
}

static void move_confidence(SamplerBatch *b)
{
    sampler_clean(b, false);
    sampler_each(b, move_confidence_sample);
}

const SamplerClass diffusion_sampler_confidence = {
    .name = "confidence",
    .help = "keeps the draws that the network is surest of; not the reversal of the noise",
    .needs = "absorbing noise",
    .source = "MaskGIT, arXiv 2202.04200",
    .settings = "t_min last temperature schedule",
    .masks_only = true,
    .plan = sampler_plan_one_move,
    .move = move_confidence,
};
