/* Euler: in a step of length h a dimension jumps to v with probability h R^[x][v], and stays with
 * the rest; where h times the total rate exceeds 1 the jump is certain. */
#include "diffusion/sampler/batch.h"

static void open_euler(SamplerStep *step, const SamplerCall *calls, size_t count)
{
    (void)count;
    step->rates = diffusion_reverse_create(step->plan->process, calls[0].t);
}

static void move_euler_sample(const SamplerBatch *b, size_t i, uint16_t *x, Rng *rng)
{
    const Head *head = &b->model->head;
    double *p0 = sampler_room(b, 1);

    for (size_t d = 0; d < b->x.dims; d++) {
        if (diffusion_head_known(head, x, d))
            continue;
        sampler_probabilities(b, b->numbers, &b->x, i, d, p0);
        double total = diffusion_reverse_total(b->step->rates, x[d], p0);
        if (rng_uniform(rng) < b->now->h * total)
            x[d] = (uint16_t)diffusion_reverse_draw(b->step->rates, x[d], p0, rng);
    }
}

static void move_euler(SamplerBatch *b)
{
    sampler_each(b, move_euler_sample);
}

static void row_euler(const SamplerStep *step, const SamplerCall *now, size_t x, const double *p0,
                      size_t before, const double *before_p0, double *out)
{
    size_t S = step->plan->process->states;
    double total = 0.0;

    (void)before, (void)before_p0;
    diffusion_reverse_rates(step->rates, x, p0, out);
    for (size_t v = 0; v < S; v++)
        total += out[v];
    double scale = now->h * total > 1.0 ? 1.0 / total : now->h;
    for (size_t v = 0; v < S; v++)
        out[v] *= scale;
    out[x] = scale * total < 1.0 ? 1.0 - scale * total : 0.0;
}

const SamplerClass diffusion_sampler_euler = {
    .name = "euler",
    .help = "jumps at most once a step, with probability step times rate",
    .needs = "any process",
    .source = "first order in the step; rates of arXiv 2205.14987",
    .settings = "t_min last",
    .plan = sampler_plan_one_move,
    .open = open_euler,
    .move = move_euler,
    .row = row_euler,
};
