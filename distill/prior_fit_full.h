/* Full covariances for the law of lambda, from a fit with independent coordinates on.
 *
 * Rounds of expectation-maximisation:
 *   r_nk  the posterior of component k given draw z_n
 *   m_k = sum_n r_nk z_n / n_k,   S_k = sum_n r_nk (z_n - m_k)(z_n - m_k)^T / n_k,   n_k = sum_n
 * r_nk and C_k = A_k A_k^T is S_k with its entries off the diagonal times n_k / (n_k + L): L draws'
 * worth of belief in independent coordinates, so that few draws give no singular law (the shrinkage
 * of Schaefer and Strimmer 2005, towards their target D, with a fixed weight).
 *
 * What it is for: numbers of lambda at the places of a picture lie apart but belong together, and a
 * law that draws them alone draws texture without composition. */
#ifndef DI4C_DISTILL_PRIOR_FIT_FULL_H
#define DI4C_DISTILL_PRIOR_FIT_FULL_H

#include "nn/lambda_prior.h"

/* Where the rounds begin: log w (K), m (K, L) and 1/s (K, L) of independent coordinates. */
typedef struct PriorStart {
    const double *log_weight, *mean, *precision;
} PriorStart;

/* draws (count, L), count >= 1; prior has `lower`.  Writes prior's parameters and returns the mean
 * of log p over the draws, nats.  Same bits for every number of threads.  A signal ends it with NAN
 * and nothing written. */
double prior_fit_full(const LambdaPrior *prior, const double *draws, size_t count,
                      const PriorStart *start);

#endif
