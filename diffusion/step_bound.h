/* How many bits the sampler of N steps needs for data: the evidence bound of the chain that really
 * runs, on the grid t_n = n/N, with an exact draw of each step.  It needs no classifier, and a
 * teacher's and a student's compare at equal N.
 *
 *   - log p_N(x_0) <= KL( q(x_1|x_0) || prior ) + L
 *     + sum_{n=2}^N E KL( q(x_{t_{n-1}} | x_{t_n}, x_0) || p_{t_{n-1}|t_n}(. | x_{t_n}) )
 *     + E[ - log p(x_0 | x_{t_1}) ],                                        x_t ~ q(. | x_0)
 *
 * product model: L = 0; the sums over dimensions are exact, x_t is drawn.
 * one lambda a sample, with a recognition network: lambda ~ q(.|x_0) in all terms,
 *   L = KL( q(.|x_0) || law of lambda ).
 * a lambda for each step: p = E_lambda[ product ].  With a recognition network lambda ~
 *   q(.|x_0, x_t, t) in each term, which then has its divergence from the law added; without one,
 *   x_{t_{n-1}} is drawn and - log (1/K) sum_k e^{...} over K lambdas of the law stands for the
 *   logarithm of the mean, which makes the bound looser as K falls (arXiv 1509.00519).
 * With absorbing noise and alpha = 1 - t the n-th divergence is 1/n times the cross entropy of the
 * masked dimensions. */
#ifndef DI4C_DIFFUSION_STEP_BOUND_H
#define DI4C_DIFFUSION_STEP_BOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "tensor/states.h"

typedef struct StepBoundRequest {
    const Denoiser *model;
    const Process *process;
    size_t steps;             /* N >= 1 */
    LambdaScope lambda_scope; /* LAMBDA_SCOPE_DEFAULT: the model's */
    size_t lambdas;           /* K >= 1: of a mixture without a recognition network */
    size_t batch;             /* samples in one network call, at least 1 */
    uint64_t seed;
} StepBoundRequest;

typedef struct StepBound {       /* bits per dimension: means over the pictures */
    double total, error;         /* error: standard error of total over pictures */
    double prior, lambda, steps; /* the parts: of the prior, of lambda, of all steps */
    size_t lambdas;              /* that were averaged over in each step; 0: none were */
} StepBound;

/* x0 (B, D), B >= 1: clean states.  False and a sentence if the model's scope has no bound here
 * (one lambda a sample without a recognition network), a number is not finite, or a signal came.
 * The result depends on seed, x0 and K alone. */
bool diffusion_step_bound(const StepBoundRequest *request, const States *x0, StepBound *out,
                          Error *err);

#endif
