/* How many bits a product model needs for data: the evidence lower bound with all of its constants,
 * an upper bound of -log p(x_0) that can be compared between models and with published numbers.
 *
 * For any process but absorbing ([tauLDR] arXiv 2205.14987, Proposition 2), with x = x_t^d,
 *
 *   KL( q_1(.|x_0) || prior )
 *   + (1 - t_min) E_t,x_t sum_d sum_{v != x} ( R^ - r + r log(r/R^) )        t ~ U[t_min, 1]
 *   - log p(x_0 | x_{t_min}),
 *   r  = R_t[v][x] q[x_0][v] / (q[x_0][x] + eps)              the true reverse rate given x_0
 *   R^ = R_t[v][x] sum_a p^d(a|x_t) q[a][v] / (q[a][x] + eps)              the model's
 *
 * with q = P[0->t].  Absorbing noise: the same integral over alpha, the share that is not masked,
 * whatever the schedule, and down to alpha = 0, where all is masked and nothing is left to compare
 * with the prior (below alpha(1) the network is told t = 1):
 *
 *   integral from 0 to alpha(t_min) of E sum_{d masked} -log p^d(x_0^d|x_t) / (1 - alpha) dalpha
 *   - log p(x_0 | x_{t_min}).
 *
 * A mixture over lambda has no such bound: its reverse rates are those of its mean over lambda,
 * which is another model. */
#ifndef DI4C_DIFFUSION_ELBO_H
#define DI4C_DIFFUSION_ELBO_H

#include <stdbool.h>
#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "tensor/states.h"

typedef struct ElboRequest {
    const Denoiser *model; /* lambda_dims 0 */
    const Process *process;
    double t_min; /* in (0, 1) */
    double eps;   /* 0: the bound itself.  1e-9: as the published code divides; not a bound then,
                     but finite where the model expects what the noise can hardly have done */
    size_t times; /* >= 1: slices of the integral, one time in each, at most one a picture: picture
                     i uses the time of slice i mod times */
    size_t batch; /* pictures in one network call */
    uint64_t seed;
} ElboRequest;

typedef struct Elbo {                        /* bits per dimension: means over the pictures */
    double total, error;                     /* error: standard error of total over pictures */
    double prior, diffusion, reconstruction; /* the three parts; total is their sum */
} Elbo;

/* x0 (B, D), B >= 1: clean states.  False and a sentence for a mixture, numbers out of range, a
 * network whose numbers are not finite, or a signal.  The result depends on seed and x0 alone. */
bool diffusion_elbo(const ElboRequest *request, const States *x0, Elbo *out, Error *err);

#endif
