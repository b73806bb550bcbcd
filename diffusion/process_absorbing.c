/* Absorbing noise: every state jumps to the mask (the last state) at rate 1 and stays there.
 * A state survives from s to t with probability alpha(t)/alpha(s), B(0,t) = -log alpha(t):
 *
 *   log-linear  alpha = 1 - (1-eps) t
 *   linear      alpha = exp(-c t)
 *   cosine      alpha = 1 - sin(pi t/2) = 2 sin^2(pi (1-t)/4)
 *
 * alpha may be 0 at t = 1, where B is infinite, so everything is a ratio of alphas, never exp of a
 * difference of B; 1 - alpha(t)/alpha(s) has its own formula, accurate when t - s is small. */
#include <math.h>

#include "diffusion/process.h"

static const double PI = 3.14159265358979323846;

static bool create(Process *p, Error *err)
{
    const ProcessConfig *c = &p->config;
    size_t S = p->states;

    switch (c->schedule) {
    case ABSORB_LOGLINEAR:
        if (!(c->eps >= 0.0 && c->eps < 1.0))
            return error_set(err, "process absorbing: eps = %g, expected 0 <= eps < 1", c->eps);
        break;
    case ABSORB_LINEAR:
        if (!diff_process_positive(p, "rate_const", c->rate_const, err))
            return false;
        break;
    case ABSORB_COSINE:
        break;
    default:
        return error_set(err,
                         "process absorbing: schedule %d, expected loglinear, linear or cosine",
                         (int)c->schedule);
    }
    for (size_t i = 0; i + 1 < S; i++)
        p->base[i * S + S - 1] = 1.0;
    p->end[S - 1] = p->prior[S - 1] = 1.0;
    return true;
}

static double sine_of_half(double t) /* sin(pi (1-t)/4): 0 at t = 1 exactly */
{
    return sin(PI * (1.0 - t) / 4.0);
}

static double rate(const Process *p, double t)
{
    double eps = p->config.eps;

    switch (p->config.schedule) {
    case ABSORB_LOGLINEAR:
        return (1.0 - eps) / ((1.0 - t) + eps * t);
    case ABSORB_LINEAR:
        return p->config.rate_const;
    default:
        return 0.5 * PI * cos(PI * (1.0 - t) / 4.0) / sine_of_half(t);
    }
}

static void survive(const Process *p, double s, double t, double *keep, double *leave)
{
    double eps = p->config.eps, rest, root;

    *keep = 1.0;
    *leave = 0.0;
    if (s == t) /* also where alpha(s) = 0 */
        return;
    switch (p->config.schedule) {
    case ABSORB_LOGLINEAR:
        rest = (1.0 - s) + eps * s;
        *keep = ((1.0 - t) + eps * t) / rest;
        *leave = (1.0 - eps) * (t - s) / rest;
        break;
    case ABSORB_LINEAR:
        *keep = exp(-p->config.rate_const * (t - s));
        *leave = -expm1(-p->config.rate_const * (t - s));
        break;
    default:
        root = sine_of_half(t) / sine_of_half(s);
        *keep = root * root;
        *leave = cos(PI * (t + s) / 4.0) * sin(PI * (t - s) / 4.0) /
                 (sine_of_half(s) * sine_of_half(s));
    }
}

static double integral(const Process *p, double s, double t)
{
    double keep, leave;

    if (p->config.schedule == ABSORB_LINEAR)
        return p->config.rate_const * (t - s);
    survive(p, s, t, &keep, &leave);
    return leave < 0.5 ? -log1p(-leave) : -log(keep);
}

const ProcessClass diff_absorbing = {"absorbing", create, rate, integral, survive};
