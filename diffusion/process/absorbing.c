/* Absorbing noise: every state jumps to the mask (the last state) at rate 1 and stays there.
 * A state survives from s to t with probability alpha(t)/alpha(s), B(0,t) = -log alpha(t);
 * published with
 *
 *   log-linear  alpha = 1 - (1-eps) t
 *   linear      alpha = exp(-c t), a constant beta
 *   cosine      alpha = 1 - sin(pi t/2) */
#include <math.h>

#include "diffusion/process/process.h"

enum { SHAPE, RATE_CONST, SETTINGS };
enum { LOGLINEAR, LINEAR, COSINE }; /* in the order of the choices */
static const Setting settings[SETTINGS] = {
    [SHAPE] = {.name = "schedule",
               .type = SETTING_CHOICE,
               .initial = "loglinear",
               .choices = "loglinear|linear|cosine",
               .help = "absorbing: survival alpha(t)"},
    [RATE_CONST] = {.name = "rate_const",
                    .initial = "5", /* SEDD (arXiv 2310.16834) */
                    .low = 1e-9,
                    .high = 1e6,
                    .help = "absorbing linear: B = c t"},
};

static bool create_absorbing(Process *p, Error *err)
{
    size_t S = p->states;

    (void)err;
    for (size_t i = 0; i + 1 < S; i++)
        p->exits[i] = 1.0;
    p->end[S - 1] = p->prior[S - 1] = 1.0;
    p->decay = 1.0;
    return true;
}

static double rate_absorbing(const Process *p, size_t i, size_t j)
{
    return i + 1 < p->states && j + 1 == p->states ? 1.0 : 0.0;
}

static bool published_absorbing(const Process *p, Schedule *schedule, Error *err)
{
    const ProcessConfig *c = &p->config;
    static const char where[] = "process absorbing";

    switch ((int)c->own[SHAPE]) {
    case LOGLINEAR:
        return diffusion_schedule_make(schedule, SCHEDULE_LOGLINEAR, 1.0, 0.0, c->eps, where, err);
    case LINEAR:
        return diffusion_process_positive(p, "rate_const", c->own[RATE_CONST], err) &&
               diffusion_schedule_make(schedule, SCHEDULE_CONSTANT, c->own[RATE_CONST], 0.0, 0.0,
                                       where, err);
    case COSINE:
        return diffusion_schedule_make(schedule, SCHEDULE_COSINE, 1.0, 0.0, 0.0, where, err);
    }
    return error_set(err, "process absorbing: schedule %d, expected loglinear, linear or cosine",
                     (int)c->own[SHAPE]);
}

static ProcessConstant constant_absorbing(const Process *p, double factor)
{
    double c = p->config.own[RATE_CONST], eps = p->config.eps;

    if (p->config.own[SHAPE] == LINEAR)
        return (ProcessConstant){.name = "rate_const", .value = c, .needed = factor * c};
    /* log-linear; cosine ends at 0 as it is */
    return (ProcessConstant){.name = "alpha_eps", .value = eps, .needed = pow(eps, factor)};
}

const ProcessClass diffusion_absorbing = {.name = "absorbing",
                                          .help = "to a mask, which is the last state",
                                          .has_mask = true,
                                          .closed = true,
                                          .setting_count = SETTINGS,
                                          .settings = settings,
                                          .create = create_absorbing,
                                          .rate = rate_absorbing,
                                          .published = published_absorbing,
                                          .constant = constant_absorbing};
