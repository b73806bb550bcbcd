#include "diffusion/step_kl.h"

#include <math.h>

#include "diffusion/head/law.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

typedef struct Rows {
    const Head *head;
    PosteriorStep *const *steps;
    const States *x0, *xt;
    const double *weight;
    const float *out;
    float *dout;
    size_t outputs;
    double *parts; /* (B) */
} Rows;

double diffusion_step_divergence(const PosteriorStep *step, size_t xt, size_t x0, const double *p,
                                 double *g, double *room)
{
    size_t S = step->process->states;
    double *model = room, *truth = room + S, sum = 0.0;

    diffusion_posterior_mix(step, xt, p, S, model);
    diffusion_posterior(step, xt, x0, truth);
    for (size_t v = 0; v < S; v++)
        sum += truth[v] > 0.0 ? truth[v] * log(truth[v] / model[v]) : 0.0;
    if (g == NULL)
        return sum;
    for (size_t v = 0; v < S; v++)
        truth[v] = truth[v] > 0.0 ? -truth[v] / model[v] : 0.0;
    diffusion_posterior_pull(step, xt, p, model, truth, g);
    return sum;
}

static void one_row(size_t b, void *context)
{
    const Rows *r = context;
    size_t D = r->head->dims, S = r->head->states;
    const float *out = r->out + b * r->outputs;
    float *dout = r->dout != NULL ? r->dout + b * r->outputs : NULL;
    const uint16_t *x0 = states_row(r->x0, b), *xt = states_row(r->xt, b);
    double weight = r->weight[b] / ((double)r->x0->batch * (double)D);
    float *p = threads_scratch(SCRATCH_LOSS, 3 * S * sizeof *p), *pull = p + S, *dlevel = p + 2 * S;
    double *wide = threads_scratch(SCRATCH_SAMPLER, 3 * S * sizeof *wide);
    float logp, minus = (float)-weight;

    for (size_t d = 0; d < D; d++) {
        HeadLaw law = diffusion_head_law(r->head, out, d, p);
        if (r->steps[b] == NULL) {
            diffusion_law_log_at(&law, x0 + d, 1, &logp);
            r->parts[b] -= weight * (double)logp;
            diffusion_law_pull(&law, NULL, NULL, dlevel);
            if (dout != NULL)
                diffusion_law_pull_at(&law, dlevel, x0 + d, &minus, 1, dout);
            continue;
        }
        for (size_t a = 0; a < S; a++)
            wide[a] = (double)p[a];
        r->parts[b] += weight * diffusion_step_divergence(r->steps[b], xt[d], x0[d], wide,
                                                          dout != NULL ? wide : NULL, wide + S);
        for (size_t a = 0; a < S; a++)
            pull[a] = (float)(weight * wide[a]);
        if (dout != NULL)
            diffusion_law_pull(&law, pull, dout, NULL);
    }
}

double diffusion_step_kl(const Head *head, PosteriorStep *const *steps, const States *x0,
                         const States *xt, const double *weight, const float *out, float *dout)
{
    size_t B = x0->batch;
    Rows r = {head, steps, x0, xt, weight, out, dout, diffusion_head_outputs(head), NULL};
    double total = 0.0;

    TENSOR_CHECK(head->mask < 0, "the divergence of a step with mask %d", head->mask);
    TENSOR_CHECK(x0->dims == head->dims && xt->dims == head->dims && xt->batch == B,
                 "x_0 (%zu, %zu), x_t (%zu, %zu), head of %zu dimensions", B, x0->dims, xt->batch,
                 xt->dims, head->dims);
    r.parts = mem_zeroed(B, sizeof *r.parts);
    threads_for(B, one_row, &r);
    for (size_t b = 0; b < B; b++)
        total += r.parts[b];
    mem_free(r.parts);
    return total;
}
