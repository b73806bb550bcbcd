/* A law of lambda outside a network, for tests. */
#ifndef DI4C_TESTS_TOOLS_TOY_PRIOR_H
#define DI4C_TESTS_TOOLS_TOY_PRIOR_H

#include "nn/lambda_prior.h"

typedef struct ToyPrior {
    ParamSet set;
    LambdaPrior *prior;
} ToyPrior;

ToyPrior toy_prior(size_t components, size_t lambda_dims, PriorCovariance covariance); /* N(0, I) */
void toy_prior_free(ToyPrior *law);

#endif
