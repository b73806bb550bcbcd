/* Uniform noise: from every state to every other at rate c; published with beta = 1.
 * R = c (1 1^T - S I), so exp(B R) = k I + (1-k)/S 1 1^T with k = exp(-S c B). */
#include "diffusion/process/process.h"

static bool create(Process *p, Error *err)
{
    size_t S = p->states;

    if (!diffusion_process_positive(p, "rate_const", p->config.rate_const, err))
        return false;
    for (size_t i = 0; i < S * S; i++)
        p->base[i] = p->config.rate_const;
    for (size_t i = 0; i < S; i++)
        p->end[i] = p->prior[i] = 1.0 / (double)S;
    p->decay = (double)S * p->config.rate_const;
    p->reversible = true;
    return true;
}

static bool published(const Process *p, Schedule *schedule, Error *err)
{
    return diffusion_schedule_make(schedule, SCHEDULE_CONSTANT, 1.0, 0.0, 0.0, p->class->name, err);
}

static ProcessConstant constant(const Process *p, double factor)
{
    double c = p->config.rate_const;

    return (ProcessConstant){"rate_const", c, factor * c};
}

const ProcessClass diffusion_uniform = {"uniform", create, published, constant};
