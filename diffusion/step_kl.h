/* The loss of one reverse step that a product model takes: what the evidence bound of an N-step
 * sampler is a sum of, for noise without a mask (with one it is a cross entropy,
 * diffusion_cross_entropy).
 *
 *   KL( q(x_s | x_t, x_0) || sum_a p^d(a) q(x_s | x_t, a) ),   and -log p^d(x_0) for the last step.
 */
#ifndef DI4C_DIFFUSION_STEP_KL_H
#define DI4C_DIFFUSION_STEP_KL_H

#include "diffusion/head/head.h"
#include "diffusion/posterior.h"
#include "tensor/states.h"

/* KL( q(x_s | x_t, x_0) || sum_a p(a) q(x_s | x_t, a) ) of one dimension, nats; p (S), step with
 * eps = 0.  g (S), if not NULL, gets its derivative by p(a); g may be p.  room (2 S). */
double diffusion_step_divergence(const PosteriorStep *step, size_t xt, size_t x0, const double *p,
                                 double *g, double *room);

/* Mean over rows of weight[b] (1/D) sum_d of that, nats.  steps (B): each row's step from t to s,
 * with eps = 0; NULL for the last one.  out (B, outputs); dout (accumulated) may be NULL. */
double diffusion_step_kl(const Head *head, PosteriorStep *const *steps, const States *x0,
                         const States *xt, const double *weight, const float *out, float *dout);

#endif
