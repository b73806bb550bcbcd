/* The posterior of one reverse step from t to s < t, per dimension:
 *
 *   q(x_s | x_t, x_0) = P[s->t][x_s][x_t] P[0->s][x_0][x_s] / P[0->t][x_0][x_t]
 *
 * and averaged over x_0 ~ p: weights sum_a p(a) P[0->s][a][.]/P[0->t][a][x_t] P[s->t][.][x_t].
 * eps > 0 gives the published code's form (1e-9 added to each factor, and once more for single x_0).
 * Absorbing noise: impossible x_0 have weight 0, an unmasked x_t is copied. */
#ifndef DI4C_DIFFUSION_POSTERIOR_H
#define DI4C_DIFFUSION_POSTERIOR_H

#include "diffusion/process.h"

typedef struct PosteriorStep {
    const Process *process;
    double s, t, eps;
    Transition *to_s, *step, *to_t; /* 0->s, s->t, 0->t; entries relatively accurate */
} PosteriorStep;

PosteriorStep *diff_posterior_create(const Process *p, double s, double t, double eps);
void diff_posterior_destroy(PosteriorStep *step);
/* Normalised probabilities of x_s (S). */
void diff_posterior(const PosteriorStep *step, size_t xt, size_t x0, double *out);
/* p0 (count of states with probability: S, or S-1 without the mask; the rest are 0), out (S). */
void diff_posterior_mix(const PosteriorStep *step, size_t xt, const double *p0, size_t p0_states,
                        double *out);
/* Draws x_s from q(. | x_t, x_0). */
size_t diff_posterior_draw(const PosteriorStep *step, size_t xt, size_t x0, Rng *rng);

#endif
