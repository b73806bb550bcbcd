/* Tau-leaping, alone and followed by corrector leaps ([tauLDR] arXiv 2205.14987, sections 4.3 and
 * 4.4).  A move leaps t - s with the reverse rates at t.  A corrector leap of length c (t - s) has
 * the rates R_s + R^_s, forward plus reverse, whose stationary law is that of x_s, so that it
 * repairs what the moves got wrong without changing the time. */
#include "diffusion/sampler/batch.h"
#include "diffusion/sampler/methods/leap.h"

static size_t plan_corrected(const SamplerSettings *settings, double t, double s,
                             SamplerCall *calls)
{
    size_t more = s > 0.0 && s <= settings->corrector_entry ? settings->corrector_steps : 0;
    double h = settings->corrector_size * (t - s);

    for (size_t k = 1; k <= more && calls != NULL; k++)
        calls[k] = (SamplerCall){.part = PART_CORRECT, .t = s, .s = s, .h = h};
    return sampler_plan_one_move(settings, t, s, calls) + more;
}

static void open_tau(SamplerStep *step, const SamplerCall *calls, size_t count)
{
    const Process *p = step->plan->process;

    step->rates = diffusion_reverse_create(p, calls[0].t);
    if (count > 1)
        step->second = diffusion_reverse_create(p, calls[1].t);
}

static Leap leap_of(const SamplerStep *step, const SamplerCall *now)
{
    bool correct = now->part == PART_CORRECT;
    Leap leap = {.rates = correct ? step->second : step->rates,
                 .forward = correct,
                 .jumps = sampler_jumps(step->plan->process, step->plan->settings.jumps),
                 .h = now->h};

    return leap;
}

static void move_tau_sample(const SamplerBatch *b, size_t i, uint16_t *x, Rng *rng)
{
    const Head *head = &b->model->head;
    double *room = sampler_room(b, 3);
    Leap leap = leap_of(b->step, b->now);

    leap.p0 = room;
    leap.room = room + b->request->process->states;
    for (size_t d = 0; d < b->x.dims; d++) {
        bool known = diffusion_head_known(head, x, d);
        if (known && !leap.forward)
            continue;
        if (!known) /* or there are no reverse rates */
            sampler_probabilities(b, b->numbers, &b->x, i, d, room);
        leap.x = x[d];
        x[d] = (uint16_t)sampler_leap(&leap, rng);
    }
}

static void move_tau(SamplerBatch *b)
{
    sampler_each(b, move_tau_sample);
}

static void row_tau(const SamplerStep *step, const SamplerCall *now, size_t x, const double *p0,
                    size_t before, const double *before_p0, double *out)
{
    Leap leap = leap_of(step, now);

    (void)before, (void)before_p0;
    leap.x = x;
    leap.p0 = p0;
    leap.room = threads_scratch(SCRATCH_SAMPLER, 2 * step->plan->process->states * sizeof(double));
    sampler_leap_law(&leap, out);
}

const SamplerClass diffusion_sampler_tau_leaping = {
    .name = "tau-leaping",
    .help = "Poisson numbers of jumps with the rates held for a step",
    .needs = "any process",
    .source = "arXiv 2205.14987",
    .settings = "t_min last jumps",
    .plan = sampler_plan_one_move,
    .open = open_tau,
    .move = move_tau,
    .row = row_tau,
};

const SamplerClass diffusion_sampler_predictor_corrector = {
    .name = "predictor-corrector",
    .help = "tau-leaping; after each leap further ones, forward and back, at the same time",
    .needs = "any process",
    .source = "arXiv 2205.14987, section 4.4",
    .settings = "t_min last jumps corrector_steps corrector_size corrector_entry",
    .plan = plan_corrected,
    .open = open_tau,
    .move = move_tau,
    .row = row_tau,
};
