/* The law of lambda as a mixture of K Gaussians, N(m_k, A_k A_k^T), A_k lower triangular:
 *
 *   lambda = m_k + A_k z,   k ~ w = softmax(log_weight),   z ~ N(0, I)
 *
 * with A_k's diagonal exp(log_deviation) > 0.  Below it stands `lower`, or nothing: coordinates are
 * then independent, given k.
 *
 * fitted to what a student's recognition network makes of its data (distill/prior_fit.h).  Of all
 * laws the one that makes the evidence bound best is that average of q over the data (arXiv
 * 1705.07120); a standard normal law instead spends draws on lambdas that no picture owns.
 *
 * Its parameters stand in the student's ParamSet under "prior."; no gradient reaches them.  Zeros,
 * with which a ParamSet begins, are N(0, I). */
#ifndef DI4C_NN_LAMBDA_PRIOR_H
#define DI4C_NN_LAMBDA_PRIOR_H

#include "nn/param.h"
#include "tensor/base/error.h"

typedef struct LambdaPrior {
    size_t components, lambda_dims;    /* K, L */
    const Param *log_weight;           /* (K), not normalised */
    const Param *mean, *log_deviation; /* (K, L) */
    const Param *lower;                /* (K, L, L), 0 on and above the diagonal; NULL: 0 */
} LambdaPrior;

typedef enum PriorCovariance { PRIOR_DIAGONAL, PRIOR_FULL } PriorCovariance;

/* Whether a law is small enough: factors A of at most 2^25 numbers in all.  If not, a sentence. */
bool nn_lambda_prior_possible(size_t components, size_t lambda_dims, PriorCovariance covariance,
                              Error *err);
/* Adds the parameters of a possible law; free with nn_lambda_prior_free (NULL is allowed). */
LambdaPrior *nn_lambda_prior_add(ParamSet *set, size_t components, size_t lambda_dims,
                                 PriorCovariance covariance);
void nn_lambda_prior_free(LambdaPrior *prior);

/* For parameters from a file: are they such that draws are finite?  If not, a sentence. */
bool nn_lambda_prior_check(const LambdaPrior *prior, Error *err);

/* lambda (L) from u (L + 1), uniform on [0,1): the first chooses k, the others are its quantiles.
 */
void nn_lambda_prior_of_uniforms(const LambdaPrior *prior, const double *u, double *lambda);
/* log p(lambda), nats. */
double nn_lambda_prior_log_density(const LambdaPrior *prior, const double *lambda);
/* The same; dlambda (L) gets weight times the gradient added,
 *   grad log p = - sum_k r_k A_k^{-T} z_k,   z_k = A_k^{-1} (lambda - m_k),
 * r the posterior of the components given lambda. */
double nn_lambda_prior_gradient(const LambdaPrior *prior, const double *lambda, double weight,
                                float *dlambda);

#endif
