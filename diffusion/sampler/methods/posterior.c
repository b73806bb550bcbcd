/* The posterior sampler: an exact draw of p_{s|t}^d(x_s) = sum_a q(x_s|x_t,a) p^d(a|x_t), by
 * drawing x_0 ~ p^d(.|x_t) first and then x_s ~ q(. | x_t, x_0): O(S) a dimension. */
#include "diffusion/sampler/batch.h"
#include "tensor/system/threads.h"

static void open_posterior(SamplerStep *step, const SamplerCall *calls, size_t count)
{
    const SamplerPlan *p = step->plan;

    (void)count;
    step->posterior =
        diffusion_posterior_create(p->process, calls[0].s, calls[0].t, p->settings.eps);
}

static void move_posterior_sample(size_t i, void *context)
{
    const SamplerBatch *b = context;
    Rng rng = sampler_stream(b, DRAW_XS, i);
    const uint16_t *x0 = states_row(&b->x0, i);
    uint16_t *x = states_row(&b->x, i);

    for (size_t d = 0; d < b->x.dims; d++)
        x[d] = (uint16_t)diffusion_posterior_draw(b->step->posterior, x[d], x0[d], &rng);
}

static void move_posterior(SamplerBatch *b)
{
    sampler_clean(b, false);
    threads_for(b->count, move_posterior_sample, b);
}

static void row_posterior(const SamplerStep *step, const SamplerCall *now, size_t x,
                          const double *p0, size_t before, const double *before_p0, double *out)
{
    const Process *p = step->plan->process;

    (void)now, (void)before, (void)before_p0;
    diffusion_posterior_mix(step->posterior, x, p0, p->states - (p->mask >= 0 ? 1 : 0), out);
}

const SamplerClass diffusion_sampler_posterior = {
    .name = "posterior",
    .help = "draws x_0 from the network, then x_s from q(x_s | x_t, x_0)",
    .needs = "any process",
    .source = "D3PM, arXiv 2107.03006",
    .settings = "eps t_min last",
    .plan = sampler_plan_one_move,
    .open = open_posterior,
    .move = move_posterior,
    .row = row_posterior,
};
