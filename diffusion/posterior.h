/* The posterior of one reverse step from t to s < t, per dimension:
 *
 *   q(x_s | x_t, x_0) = P[s->t][x_s][x_t] P[0->s][x_0][x_s] / P[0->t][x_0][x_t]
 *
 * and averaged over x_0 ~ p: weights sum_a p(a) P[0->s][a][.]/P[0->t][a][x_t] P[s->t][.][x_t].
 * eps > 0 gives the form of the published code: eps is added to each factor, and once more to the
 * weights of a single x_0.
 *
 * Absorbing noise: an x_t that is not the mask is copied.  Pairs (x_0, x_t) that cannot occur, or
 * whose probability is below 1e-290, have weight 0 in the average.  Asked for alone they give the
 * copy of x_t for absorbing noise and q(x_s | x_0) for the others, so that nothing is undefined. */
#ifndef DI4C_DIFFUSION_POSTERIOR_H
#define DI4C_DIFFUSION_POSTERIOR_H

#include "diffusion/process/process.h"
#include "diffusion/process/transition.h"
#include "tensor/base/rng.h"

typedef struct PosteriorStep {
    const Process *process;
    double s, t, eps;
    Transition *to_s, *step, *to_t; /* 0->s, s->t, 0->t; entries relatively accurate */
    double *backward; /* dense: step transposed, so that columns are contiguous; else NULL */
} PosteriorStep;

/* 0 <= s <= t <= 1, eps >= 0 (checked). */
PosteriorStep *diffusion_posterior_create(const Process *p, double s, double t, double eps);
void diffusion_posterior_destroy(PosteriorStep *step); /* NULL is allowed */
/* Normalised probabilities of x_s (S). */
void diffusion_posterior(const PosteriorStep *step, size_t xt, size_t x0, double *out);
/* out (S) = sum_a p0(a) q(. | x_t, a).  p0: S numbers, or S-1 without the mask; the rest are 0.
 * Normalised even if p0 is not quite; with absorbing noise the sum of p0 is kept instead and eps
 * is taken as 0. */
void diffusion_posterior_mix(const PosteriorStep *step, size_t xt, const double *p0,
                             size_t p0_states, double *out);
/* The derivative of diffusion_posterior_mix: with mix (S) its result for p0 (S) and y (S) that of a
 * function of mix, g (S) becomes that function's by p0:
 *   g(a) = sum_v y(v) (q(v | x_t, a) - mix(v)) / M,   M = p0 of the a that can occur with x_t,
 * and 0 for the others.  Noise without a mask, eps = 0 (checked).  g may be p0. */
void diffusion_posterior_pull(const PosteriorStep *step, size_t xt, const double *p0,
                              const double *mix, const double *y, double *g);
/* Draws x_s from q(. | x_t, x_0).  Absorbing noise: as with eps = 0, since eps would unmask a
 * dimension to states that have no probability. */
size_t diffusion_posterior_draw(const PosteriorStep *step, size_t xt, size_t x0, Rng *rng);

#endif
