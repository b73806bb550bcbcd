/* The theta-trapezoidal method (arXiv 2502.00234, algorithm 2), second order in the step.  From
 * x at t, with h = t - s:
 *
 *   y   = leap theta h from x with R^_t(x)
 *   x_s = leap (1 - theta) h from y with ( a1 R^_{t - theta h}(y) - a2 R^_t(x) )_+,
 *   a1 = 1/(2 theta (1 - theta)),  a2 = ((1 - theta)^2 + theta^2)/(2 theta (1 - theta)) = a1 - 1.
 *
 * Both rates are those of the same jump: to the same state, or, for ordinal states, by the same
 * distance.  Second order needs leaps that treat two jumps of one dimension right: ordinal states
 * sum them; a mask is left once only, so that the first counts.  Rejecting several, or taking the
 * first where others may follow, leaves an error of first order. */
#include <string.h>

#include "diffusion/sampler/batch.h"
#include "diffusion/sampler/methods/leap.h"

static size_t plan_trapezoidal(const SamplerSettings *settings, double t, double s,
                               SamplerCall *calls)
{
    double first = settings->theta * (t - s), second = (1.0 - settings->theta) * (t - s);
    double middle = s + second;

    if (calls == NULL)
        return 2;
    calls[0] = (SamplerCall){.part = PART_MOVE, .t = t, .s = middle, .h = first};
    calls[1] = (SamplerCall){.part = PART_SECOND, .t = middle, .s = s, .h = second};
    return 2;
}

static void open_trapezoidal(SamplerStep *step, const SamplerCall *calls, size_t count)
{
    (void)count;
    step->rates = diffusion_reverse_create(step->plan->process, calls[0].t);
    step->second = diffusion_reverse_create(step->plan->process, calls[1].t);
}

static Leap leap_of(const SamplerStep *step, const SamplerCall *now)
{
    const SamplerPlan *plan = step->plan;
    double theta = plan->settings.theta;
    Leap leap = {.rates = step->rates,
                 .jumps = sampler_jumps(plan->process, plan->settings.jumps),
                 .h = now->h};

    if (plan->settings.jumps == JUMPS_AUTO && plan->process->mask >= 0)
        leap.jumps = JUMPS_FIRST;
    if (now->part == PART_SECOND) {
        leap.rates = step->second;
        leap.earlier = step->rates;
        leap.a1 = 1.0 / (2.0 * theta * (1.0 - theta));
        leap.a2 = (theta * theta + (1.0 - theta) * (1.0 - theta)) * leap.a1;
    }
    return leap;
}

static void move_trapezoidal_sample(const SamplerBatch *b, size_t i, uint16_t *x, Rng *rng)
{
    size_t S = b->request->process->states;
    double *room = sampler_room(b, 4);
    Leap leap = leap_of(b->step, b->now);

    leap.p0 = room;
    leap.before_p0 = room + S;
    leap.room = room + 2 * S;
    for (size_t d = 0; d < b->x.dims; d++) {
        if (diffusion_head_known(&b->model->head, x, d))
            continue;
        sampler_probabilities(b, b->numbers, &b->x, i, d, room);
        if (leap.earlier != NULL) {
            leap.before = states_row(&b->before, i)[d];
            sampler_probabilities(b, b->before_numbers, &b->before, i, d, room + S);
        }
        leap.x = x[d];
        x[d] = (uint16_t)sampler_leap(&leap, rng);
    }
}

static void move_trapezoidal(SamplerBatch *b)
{
    if (b->now->part == PART_MOVE) {
        size_t outputs = diffusion_head_outputs(&b->model->head);
        memcpy(b->before.x, b->x.x, b->count * b->x.dims * sizeof *b->x.x);
        memcpy(b->before_numbers, b->numbers, b->count * outputs * sizeof *b->numbers);
    }
    sampler_each(b, move_trapezoidal_sample);
}

static void row_trapezoidal(const SamplerStep *step, const SamplerCall *now, size_t x,
                            const double *p0, size_t before, const double *before_p0, double *out)
{
    Leap leap = leap_of(step, now);

    leap.x = x;
    leap.p0 = p0;
    leap.before = before;
    leap.before_p0 = before_p0;
    leap.room = threads_scratch(SCRATCH_SAMPLER, 2 * step->plan->process->states * sizeof(double));
    sampler_leap_law(&leap, out);
}

const SamplerClass diffusion_sampler_theta_trapezoidal = {
    .name = "theta-trapezoidal",
    .help = "two leaps a step, the second with extrapolated rates; two network calls",
    .needs = "any process",
    .source = "arXiv 2502.00234",
    .settings = "t_min last jumps theta",
    .two_stages = true,
    .plan = plan_trapezoidal,
    .open = open_trapezoidal,
    .move = move_trapezoidal,
    .row = row_trapezoidal,
};
