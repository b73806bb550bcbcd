/* Leaps: how one dimension moves with its rates held for a time h, and the law of that. */
#ifndef DI4C_DIFFUSION_SAMPLER_METHODS_LEAP_H
#define DI4C_DIFFUSION_SAMPLER_METHODS_LEAP_H

#include "diffusion/reverse.h"
#include "diffusion/sampler/settings.h"

/* One leap of one dimension: Poisson(h lambda_v) jumps x -> v for each v, where lambda_v is
 * R^[x][v] of `rates` and p0, plus the forward rates R[x][v] if `forward`, or, if `earlier` is
 * given, ( a1 R^[x][v] - a2 E[v] )_+, E being the reverse rates of `earlier` at its own state and
 * p0: those of the same v, or, for ordinal states, of the same distance v - x. */
typedef struct Leap {
    const ReverseRates *rates;
    size_t x;
    const double *p0;
    bool forward;
    SamplerJumps jumps; /* not JUMPS_AUTO */
    const ReverseRates *earlier;
    size_t before;
    const double *before_p0;
    double a1, a2, h;
    double *room; /* 2 S numbers */
} Leap;

SamplerJumps sampler_jumps(const Process *p, int setting); /* what JUMPS_AUTO means */
/* The state after the leap: x plus the sum of the jumps' distances, clamped to 0..S-1, if ordinal;
 * else v after a single jump to v, and x after none; after several x (categorical) or the first's
 * v.  O(S) unless many jumps are expected: the total rate and single jumps are drawn without
 * writing the rates out. */
size_t sampler_leap(const Leap *leap, Rng *rng);
/* The law of that (S), in O(S) sums of S terms.  Ordinal: the law of a sum of jumps is found by
 * Panjer's recursion and cut where less than 1e-15 is left. */
void sampler_leap_law(const Leap *leap, double *row);

#endif
