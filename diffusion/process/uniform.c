/* Uniform noise: from every state to every other at rate c; published with beta = 1.
 * R = c (1 1^T - S I), so exp(B R) = k I + (1-k)/S 1 1^T with k = exp(-S c B). */
#include "diffusion/process/process.h"

enum { RATE_CONST, SETTINGS };
static const Setting settings[SETTINGS] = {
    [RATE_CONST] = {.name = "rate_const",
                    .initial = "0.03",
                    .low = 1e-9,
                    .high = 1e6,
                    .help = "uniform (0.03 is for 256 states); absorbing linear (published: 5)"},
};

static bool create_uniform(Process *p, Error *err)
{
    const size_t S = p->states;
    const double c = p->config.own[RATE_CONST];
    double exit = 0.0;

    if (!diffusion_process_positive(p, "rate_const", c, err))
        return false;
    for (size_t i = 0; i + 1 < S; i++)
        exit += c;
    for (size_t i = 0; i < S; i++) {
        p->end[i] = p->prior[i] = 1.0 / (double)S;
        p->exits[i] = exit;
    }
    p->decay = (double)S * c;
    p->reversible = true;
    return true;
}

static double rate_uniform(const Process *p, size_t i, size_t j)
{
    (void)i;
    (void)j;
    return p->config.own[RATE_CONST];
}

static bool published_uniform(const Process *p, Schedule *schedule, Error *err)
{
    return diffusion_schedule_make(schedule, SCHEDULE_CONSTANT, 1.0, 0.0, 0.0, p->class->name, err);
}

static ProcessConstant constant_uniform(const Process *p, double factor)
{
    const double c = p->config.own[RATE_CONST];

    return (ProcessConstant){.name = "rate_const", .value = c, .needed = factor * c};
}

const ProcessClass diffusion_uniform = {.name = "uniform",
                                        .help = "from every state to every other",
                                        .closed = true,
                                        .setting_count = SETTINGS,
                                        .settings = settings,
                                        .create = create_uniform,
                                        .rate = rate_uniform,
                                        .published = published_uniform,
                                        .constant = constant_uniform};
