/* Fits a mixture law of lambda to draws of the recognition network, by expectation-maximisation.
 *
 * The bound's divergence KL( q(lambda|x_0) || p ), averaged over the data, depends on p only by
 * -E log p(lambda), lambda from the data's q: so each round of EM makes the bound better on these
 * draws.  Done with the network as it is, after training and at times in it.  Full covariances go
 * on from there (distill/prior_fit_full.h). */
#ifndef DI4C_DISTILL_PRIOR_FIT_H
#define DI4C_DISTILL_PRIOR_FIT_H

#include "nn/lambda_prior.h"
#include "tensor/base/rng.h"

/* draws (count, L), count >= 1.  Starts from components at `components` of the draws, chosen by rng
 * (all of them, again and again, where there are fewer).  Writes prior's parameters and returns
 * the mean of log p over the draws, nats.  Same bits for every number of threads.  A signal ends it
 * with NAN and nothing written. */
double prior_fit(const LambdaPrior *prior, const double *draws, size_t count, Rng rng);

#endif
