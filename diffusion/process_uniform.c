/* Uniform noise: from every state to every other at rate c; beta = 1, B(s,t) = t - s.
 * R = c (1 1^T - S I), so exp(B R) = k I + (1-k)/S 1 1^T with k = exp(-S c B). */
#include <math.h>

#include "diffusion/process.h"

static bool create(Process *p, Error *err)
{
    size_t S = p->states;

    if (!diff_process_positive(p, "rate_const", p->config.rate_const, err))
        return false;
    for (size_t i = 0; i < S * S; i++)
        p->base[i] = p->config.rate_const;
    for (size_t i = 0; i < S; i++)
        p->end[i] = p->prior[i] = 1.0 / (double)S;
    return true;
}

static double rate(const Process *p, double t)
{
    (void)p;
    (void)t;
    return 1.0;
}

static double integral(const Process *p, double s, double t)
{
    (void)p;
    return t - s;
}

static void keep_part(const Process *p, double s, double t, double *keep, double *leave)
{
    double b = (double)p->states * p->config.rate_const * (t - s);

    *keep = exp(-b);
    *leave = -expm1(-b);
}

const ProcessClass diff_uniform = {"uniform", create, rate, integral, keep_part};
