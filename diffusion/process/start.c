/* Does x_1 forget x_0?  Sampling starts from the prior, so every row of P[0->1] must be near it. If
 * one is not, the sentence says which constant would bring it there: B(0,1) is stretched until the
 * distance is small enough, and the class tells what its constant has to be for that. */
#include <math.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"

/* Number of states that the published constants are made for: CIFAR-10's levels. */
enum { PUBLISHED_STATES = 256 };

static double distance(const double *row, const double *prior, size_t S)
{
    double sum = 0.0;

    for (size_t j = 0; j < S; j++)
        sum += fabs(row[j] - prior[j]);
    return 0.5 * sum;
}

double diffusion_process_distance(const Process *p, double t)
{
    size_t S = p->states;
    double keep, leave, far = 0.0;

    if (p->class->closed && p->class->prior_constant == NULL) { /* k (1 - pi_i) in row i */
        diffusion_process_keep(p, 0.0, t, &keep, &leave);
        for (size_t i = 0; i < S; i++)
            far = larger_of(far, keep * (1.0 - p->prior[i]));
        return far;
    }
    double *row = mem_alloc(S, sizeof *row);
    Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_SPECTRAL);

    for (size_t i = 0; i < S; i++) {
        diffusion_transition_row(tr, i, row);
        far = larger_of(far, distance(row, p->prior, S));
    }
    diffusion_transition_destroy(tr);
    mem_free(row);
    return far;
}

/* The distance if B were `factor` times as large. */
static double stretched(const Process *p, double factor)
{
    Process longer = *p;

    longer.schedule.scale *= factor;
    return diffusion_process_distance(&longer, 1.0);
}

/* The least factor of B (to 2 %) that brings x_1 to the prior, whose distance from the end state is
 * small enough. */
static double needed_factor(const Process *p)
{
    double low = 1.0, high = 2.0;

    while (stretched(p, high) > PRIOR_DISTANCE && high < 1e12) { /* 40 times at most */
        low = high;
        high *= 2.0;
    }
    while (high > 1.02 * low) {
        double middle = sqrt(low * high);
        *(stretched(p, middle) > PRIOR_DISTANCE ? &low : &high) = middle;
    }
    return high;
}

/* x to two digits, on the safe side. */
static double round_away(double x, bool up)
{
    double unit = pow(10.0, floor(log10(x)) - 1.0);

    return (up ? ceil(x / unit) : floor(x / unit)) * unit;
}

bool diffusion_process_as_published(const Process *p)
{
    const ProcessConfig *c = &p->config,
                        d = diffusion_process_defaults(p->class->name, PUBLISHED_STATES);

    return p->class->far_start && c->beta == SCHEDULE_PUBLISHED && c->states == d.states &&
           memcmp(c->own, d.own, sizeof c->own) == 0;
}

bool diffusion_process_check_start(const Process *p, Error *err)
{
    const ProcessClass *class = p->class;
    double far = diffusion_process_distance(p, 1.0), apart = distance(p->end, p->prior, p->states);

    if (far <= PRIOR_DISTANCE)
        return true;
    if (apart > PRIOR_DISTANCE && class->prior_constant != NULL) {
        const ProcessConstant c = class->prior_constant(p);
        return error_set(err,
                         "process %s: %s = %g: the law that sampling starts from is %.3g "
                         "(total variation) from where %zu states end, expected at most %g: "
                         "raise %s to at least %g",
                         class->name, c.name, c.value, apart, p->states, PRIOR_DISTANCE, c.name,
                         c.needed);
    }
    bool own = p->config.beta == SCHEDULE_PUBLISHED;
    const ProcessConstant wanted =
        own ? p->class->constant(p, needed_factor(p))
            : (ProcessConstant){.name = "beta_scale",
                                .value = p->config.beta_scale,
                                .needed = p->config.beta_scale * needed_factor(p)};
    bool up = wanted.needed > wanted.value;
    return error_set(err,
                     "process %s: with %zu states and %s = %g, B(0,1) = %g and x_1 is %.3g "
                     "(total variation) from the law that sampling starts from, expected at "
                     "most %g: %s %s to at %s %g",
                     p->class->name, p->states, wanted.name, wanted.value,
                     diffusion_process_integral(p, 0.0, 1.0), far, PRIOR_DISTANCE,
                     up ? "raise" : "lower", wanted.name, up ? "least" : "most",
                     round_away(wanted.needed, up));
}
