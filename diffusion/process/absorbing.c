/* Absorbing noise: every state jumps to the mask (the last state) at rate 1 and stays there.
 * A state survives from s to t with probability alpha(t)/alpha(s), B(0,t) = -log alpha(t);
 * published with
 *
 *   log-linear  alpha = 1 - (1-eps) t
 *   linear      alpha = exp(-c t), a constant beta
 *   cosine      alpha = 1 - sin(pi t/2) */
#include <math.h>

#include "diffusion/process/process.h"

static bool create(Process *p, Error *err)
{
    size_t S = p->states;

    (void)err;
    for (size_t i = 0; i + 1 < S; i++)
        p->base[i * S + S - 1] = 1.0;
    p->end[S - 1] = p->prior[S - 1] = 1.0;
    p->decay = 1.0;
    return true;
}

static bool published(const Process *p, Schedule *schedule, Error *err)
{
    const ProcessConfig *c = &p->config;
    static const char where[] = "process absorbing";

    switch (c->schedule) {
    case ABSORB_LOGLINEAR:
        return diffusion_schedule_make(schedule, SCHEDULE_LOGLINEAR, 1.0, 0.0, c->eps, where, err);
    case ABSORB_LINEAR:
        return diffusion_process_positive(p, "rate_const", c->rate_const, err) &&
               diffusion_schedule_make(schedule, SCHEDULE_CONSTANT, c->rate_const, 0.0, 0.0, where,
                                       err);
    case ABSORB_COSINE:
        return diffusion_schedule_make(schedule, SCHEDULE_COSINE, 1.0, 0.0, 0.0, where, err);
    }
    return error_set(err, "process absorbing: schedule %d, expected loglinear, linear or cosine",
                     (int)c->schedule);
}

static ProcessConstant constant(const Process *p, double factor)
{
    double c = p->config.rate_const, eps = p->config.eps;

    if (p->config.schedule == ABSORB_LINEAR)
        return (ProcessConstant){"rate_const", c, factor * c};
    return (ProcessConstant){"alpha_eps", eps, pow(eps, factor)}; /* cosine ends at 0 as it is */
}

const ProcessClass diffusion_absorbing = {"absorbing", create, published, constant};
