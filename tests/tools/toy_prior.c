#include "tests/tools/toy_prior.h"

#include <string.h>

ToyPrior toy_prior(size_t components, size_t lambda_dims, PriorCovariance covariance)
{
    ToyPrior law;
    memset(&law, 0, sizeof law);
    law.prior = nn_lambda_prior_add(&law.set, components, lambda_dims, covariance);
    nn_params_allocate(&law.set, false);
    return law;
}

void toy_prior_free(ToyPrior *law)
{
    nn_lambda_prior_free(law->prior);
    nn_params_free(&law->set);
}
