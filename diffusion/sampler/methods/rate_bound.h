/* Bounds on reverse rates that hold for a window of time and for every network. */
#ifndef DI4C_DIFFUSION_SAMPLER_METHODS_RATE_BOUND_H
#define DI4C_DIFFUSION_SAMPLER_METHODS_RATE_BOUND_H

#include "diffusion/process/process.h"

typedef struct RateBounds {
    size_t count, states;
    double *clock; /* (count + 1): B(0, .) at the windows' ends, falling from t = 1 to t_min */
    double *bound; /* (count, S): bound on sum_v R^[x][v]/beta within window i */
} RateBounds;

/* Processes without a mask (checked), 0 < t_min < 1.  NULL and a sentence if the windows are too
 * many (more than 100000), or entries of P[0->t_min] that are positive lie below 1e-290. */
RateBounds *sampler_bounds_create(const Process *p, double t_min, Error *err);
void sampler_bounds_destroy(RateBounds *bounds);
/* max_a table[x][a] (S) is at most bound[x] for all r in [s, t]; the function behind it. */
bool sampler_bound(const Process *p, double s, double t, double *bound);

#endif
