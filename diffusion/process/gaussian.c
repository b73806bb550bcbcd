/* Discretised Gaussian noise ([tauLDR], the process of the CIFAR-10 models), published with the
 * exponential schedule B(s,t) = b (a^t - a^s), b = time_base, a = time_exponential.
 *
 *   pi_i ~ exp(-((i+1) - S/2)^2 / (2 Q_sigma^2))
 *   prior_i ~ exp(-((i+1) - floor(S/2))^2 / (2 Q_sigma^2)), what the published code starts from
 *
 * Of each pair of states, one lies farther from the middle of 0..S-1; it jumps to the other at rate
 * v = exp(-(|i-j| - 1)^2 / rate_sigma^2), and the jump back follows from detailed balance,
 * R[j][i] = v pi_i/pi_j.  v = 1 for neighbours: the chain is irreducible. */
#include <math.h>

#include "diffusion/process/process.h"

/* Least log of pi's outermost entry against the middle.  After division by the sum, which is at
 * most the 65535 states that there can be, e^-650 is still 1e-287 and above IMPOSSIBLE, so that
 * nothing is lost where one divides by pi.  At state S - 1 the log is -(S/2)^2/(2 Q_sigma^2): below
 * it where Q_sigma < S/sqrt(8 650) = S/72.1. */
static const double LEAST_LOG = -650.0;
static const double STATES_PER_SIGMA = 72.0;

/* The prior's centre is beside pi's by 1/2 where S is odd, and two Gaussians that far apart differ
 * by 1/(2 Q_sigma sqrt(2 pi)) in total variation: PRIOR_DISTANCE at Q_sigma = 3.99. */
static const double LEAST_Q_SIGMA = 4.0;

enum { RATE_SIGMA, Q_SIGMA, TIME_EXPONENTIAL, TIME_BASE, SETTINGS };
static const Setting settings[SETTINGS] = {
    [RATE_SIGMA] = {.name = "rate_sigma",
                    .initial = "6",
                    .low = 1e-3,
                    .high = 1e6,
                    .help = "gaussian: reach of a jump"},
    [Q_SIGMA] = {.name = "Q_sigma",
                 .initial = "512",
                 .low = 1e-3,
                 .high = 1e6,
                 .help = "gaussian: width of the end state"},
    [TIME_EXPONENTIAL] = {.name = "time_exponential",
                          .initial = "100",
                          .low = 1.000001,
                          .high = 1e9,
                          .help = "gaussian: a in B = b (a^t - 1)"},
    [TIME_BASE] = {.name = "time_base",
                   .initial = "3",
                   .low = 1e-9,
                   .high = 1e6,
                   .help = "gaussian: b in B = b (a^t - 1)"},
};

/* Log of the Gaussian's density at i + 1, 0 at the centre. */
static double log_density(const Process *p, size_t i, double centre)
{
    double z = ((double)(i + 1) - centre) / p->config.own[Q_SIGMA];

    return -0.5 * z * z;
}

/* log pi_i up to a constant. */
static double log_weight(const Process *p, size_t i)
{
    return log_density(p, i, 0.5 * (double)p->states);
}

/* out_i ~ exp(-((i+1) - centre)^2 / (2 Q_sigma^2)), normalised. */
static void fill_density(const Process *p, double centre, double *out)
{
    double sum = 0.0;

    for (size_t i = 0; i < p->states; i++)
        sum += exp(log_density(p, i, centre));
    for (size_t i = 0; i < p->states; i++)
        out[i] = exp(log_density(p, i, centre)) / sum;
}

static bool fill_end(Process *p, Error *err)
{
    size_t S = p->states;

    if (log_weight(p, S - 1) < LEAST_LOG)
        return error_set(err,
                         "process gaussian: Q_sigma = %g is too small for %zu states: "
                         "expected at least %g",
                         p->config.own[Q_SIGMA], S, (double)S / STATES_PER_SIGMA);
    fill_density(p, 0.5 * (double)S, p->end);
    const size_t middle = S / 2;
    fill_density(p, (double)middle, p->prior);
    return true;
}

static bool create_gaussian(Process *p, Error *err)
{
    const ProcessConfig *c = &p->config;
    size_t S = p->states;

    if (!diffusion_process_positive(p, "rate_sigma", c->own[RATE_SIGMA], err) ||
        !diffusion_process_positive(p, "Q_sigma", c->own[Q_SIGMA], err) || !fill_end(p, err))
        return false;
    p->reversible = true;
    for (size_t i = 0; i < S; i++)
        for (size_t j = i + 1; j < S; j++) {
            double step = (double)(j - i - 1) / c->own[RATE_SIGMA], v = exp(-step * step);
            bool low_is_outer = i + j < S;
            size_t outer = low_is_outer ? i : j, inner = low_is_outer ? j : i;
            p->base[outer * S + inner] = v;
            p->base[inner * S + outer] = v * exp(log_weight(p, outer) - log_weight(p, inner));
        }
    return true;
}

static bool published_gaussian(const Process *p, Schedule *schedule, Error *err)
{
    const ProcessConfig *c = &p->config;

    if (!diffusion_process_positive(p, "time_base", c->own[TIME_BASE], err) ||
        !diffusion_process_positive(p, "time_exponential", c->own[TIME_EXPONENTIAL], err))
        return false;
    if (!(c->own[TIME_EXPONENTIAL] > 1.0))
        return error_set(err, "process gaussian: time_exponential = %g, expected more than 1",
                         c->own[TIME_EXPONENTIAL]);
    return diffusion_schedule_make(schedule, SCHEDULE_EXPONENTIAL, c->own[TIME_BASE],
                                   c->own[TIME_EXPONENTIAL], 0.0, "process gaussian", err);
}

static ProcessConstant constant_gaussian(const Process *p, double factor)
{
    double b = p->config.own[TIME_BASE];

    return (ProcessConstant){.name = "time_base", .value = b, .needed = factor * b};
}

static ProcessConstant prior_constant(const Process *p)
{
    return (ProcessConstant){
        .name = "Q_sigma", .value = p->config.own[Q_SIGMA], .needed = LEAST_Q_SIGMA};
}

const ProcessClass diffusion_gaussian = {.name = "gaussian",
                                         .help = "discretised Gaussian, of CIFAR-10's levels",
                                         .ordinal = true,
                                         .setting_count = SETTINGS,
                                         .settings = settings,
                                         .create = create_gaussian,
                                         .published = published_gaussian,
                                         .constant = constant_gaussian,
                                         .prior_constant = prior_constant};
