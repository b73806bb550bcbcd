#include "nn/lambda_prior.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"

LambdaPrior *nn_lambda_prior_add(ParamSet *set, size_t components, size_t lambda_dims)
{
    LambdaPrior *prior = mem_zeroed(1, sizeof *prior);
    const size_t K[] = {components}, both[] = {components, lambda_dims};
    TENSOR_CHECK(components >= 1 && lambda_dims >= 1, "prior of %zu components, %zu lambdas",
                 components, lambda_dims);
    prior->components = components;
    prior->lambda_dims = lambda_dims;
    prior->log_weight = nn_param_add(set, "prior.log_weight", PARAM_PLAIN, 1, K);
    prior->mean = nn_param_add(set, "prior.mean", PARAM_PLAIN, 2, both);
    prior->log_deviation = nn_param_add(set, "prior.log_deviation", PARAM_PLAIN, 2, both);
    return prior;
}

void nn_lambda_prior_free(LambdaPrior *prior)
{
    mem_free(prior);
}

static bool within(const Param *p, double most, Error *err)
{
    for (size_t i = 0; i < tensor_size(&p->value); i++) {
        const double x = (double)p->value.data[i];
        if (!(x >= -most && x <= most)) {
            return error_set(err, "%s: entry %zu is %g: expected at most %g in size", p->name, i, x,
                             most);
        }
    }
    return true;
}

bool nn_lambda_prior_check(const LambdaPrior *prior, Error *err)
{
    return within(prior->log_weight, 1e6, err) && within(prior->mean, 1e6, err) &&
           within(prior->log_deviation, 20.0, err);
}

static double largest_weight(const LambdaPrior *prior)
{
    const float *w = prior->log_weight->value.data;
    double top = (double)w[0];
    for (size_t k = 1; k < prior->components; k++) {
        top = (double)w[k] > top ? (double)w[k] : top;
    }
    return top;
}

/* log sum_k e^{w_k} - top. */
static double log_total(const LambdaPrior *prior, double top)
{
    double total = 0.0;
    for (size_t k = 0; k < prior->components; k++) {
        total += exp((double)prior->log_weight->value.data[k] - top);
    }
    return log(total);
}

/* The component whose share of [0,1) holds u. */
static size_t choose(const LambdaPrior *prior, double u)
{
    const double top = largest_weight(prior);
    double left = u * exp(log_total(prior, top));
    for (size_t k = 0; k + 1 < prior->components; k++) {
        left -= exp((double)prior->log_weight->value.data[k] - top);
        if (left < 0.0) {
            return k;
        }
    }
    return prior->components - 1;
}

void nn_lambda_prior_of_uniforms(const LambdaPrior *prior, const double *u, double *lambda)
{
    const size_t L = prior->lambda_dims, at = choose(prior, u[0]) * L;
    for (size_t i = 0; i < L; i++) {
        lambda[i] =
            (double)prior->mean->value.data[at + i] +
            exp((double)prior->log_deviation->value.data[at + i]) * rng_normal_quantile(u[1 + i]);
    }
}

/* log w_k, not normalised, plus the log density of component k. */
static double log_joint(const LambdaPrior *prior, size_t k, const double *lambda)
{
    const size_t L = prior->lambda_dims;
    const float *mean = prior->mean->value.data + k * L;
    const float *deviation = prior->log_deviation->value.data + k * L;
    double sum = (double)prior->log_weight->value.data[k];
    for (size_t i = 0; i < L; i++) {
        const double z = (lambda[i] - (double)mean[i]) * exp(-(double)deviation[i]);
        sum -= 0.5 * z * z + (double)deviation[i] + HALF_LOG_2PI;
    }
    return sum;
}

double nn_lambda_prior_log_density(const LambdaPrior *prior, const double *lambda)
{
    double top = -HUGE_VAL, sum = 0.0;
    for (size_t k = 0; k < prior->components; k++) {
        const double joint = log_joint(prior, k, lambda);
        if (joint > top) {
            sum = sum * exp(top - joint) + 1.0;
            top = joint;
        } else {
            sum += exp(joint - top);
        }
    }
    const double weight = largest_weight(prior);
    return top + log(sum) - weight - log_total(prior, weight);
}
