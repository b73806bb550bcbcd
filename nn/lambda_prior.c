#include "nn/lambda_prior.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

enum { MOST_NUMBERS = 1 << 25 };

bool nn_lambda_prior_possible(size_t components, size_t lambda_dims, PriorCovariance covariance,
                              Error *err)
{
    const double numbers = (double)components * (double)lambda_dims * (double)lambda_dims;
    return covariance == PRIOR_DIAGONAL || numbers <= MOST_NUMBERS ||
           error_set(err,
                     "law of lambda: full covariances of %zu components and %zu lambdas are %.0f "
                     "numbers, expected at most %d",
                     components, lambda_dims, numbers, MOST_NUMBERS);
}

LambdaPrior *nn_lambda_prior_add(ParamSet *set, size_t components, size_t lambda_dims,
                                 PriorCovariance covariance)
{
    LambdaPrior *prior = mem_zeroed(1, sizeof *prior);
    const size_t K[] = {components}, factors[] = {components, lambda_dims, lambda_dims};
    TENSOR_CHECK(components >= 1 && lambda_dims >= 1, "prior of %zu components, %zu lambdas",
                 components, lambda_dims);
    Error err = {""};
    TENSOR_CHECK(nn_lambda_prior_possible(components, lambda_dims, covariance, &err), "%s",
                 err.text);
    prior->components = components;
    prior->lambda_dims = lambda_dims;
    prior->log_weight = nn_param_add(set, "prior.log_weight", PARAM_PLAIN, 1, K);
    prior->mean = nn_param_add(set, "prior.mean", PARAM_PLAIN, 2, factors);
    prior->log_deviation = nn_param_add(set, "prior.log_deviation", PARAM_PLAIN, 2, factors);
    if (covariance == PRIOR_FULL) {
        prior->lower = nn_param_add(set, "prior.lower", PARAM_PLAIN, 3, factors);
    }
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

/* Row i of factor k, left of the diagonal. */
static const float *lower_row(const LambdaPrior *prior, size_t k, size_t i)
{
    return prior->lower->value.data + (k * prior->lambda_dims + i) * prior->lambda_dims;
}

static bool is_lower(const LambdaPrior *prior, Error *err)
{
    const size_t L = prior->lambda_dims;
    for (size_t k = 0; k < prior->components; k++) {
        for (size_t i = 0; i < L; i++) {
            for (size_t j = i; j < L; j++) {
                const double x = (double)lower_row(prior, k, i)[j];
                if (x != 0.0) {
                    return error_set(err,
                                     "%s: entry (%zu, %zu, %zu) is %g: expected 0 on and above "
                                     "the diagonal",
                                     prior->lower->name, k, i, j, x);
                }
            }
        }
    }
    return true;
}

bool nn_lambda_prior_check(const LambdaPrior *prior, Error *err)
{
    return within(prior->log_weight, 1e6, err) && within(prior->mean, 1e6, err) &&
           within(prior->log_deviation, 20.0, err) &&
           (prior->lower == NULL || (within(prior->lower, 1e6, err) && is_lower(prior, err)));
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

/* sum_{j < i} A_kij z_j. */
static double from_before(const LambdaPrior *prior, size_t k, size_t i, const double *z)
{
    double sum = 0.0;
    for (size_t j = 0; prior->lower != NULL && j < i; j++) {
        sum += (double)lower_row(prior, k, i)[j] * z[j];
    }
    return sum;
}

void nn_lambda_prior_of_uniforms(const LambdaPrior *prior, const double *u, double *lambda)
{
    const size_t L = prior->lambda_dims, k = choose(prior, u[0]);
    const float *mean = prior->mean->value.data + k * L;
    const float *deviation = prior->log_deviation->value.data + k * L;
    for (size_t i = 0; i < L; i++) {
        lambda[i] = rng_normal_quantile(u[1 + i]);
    }
    for (size_t i = L; i-- > 0;) { /* z_i becomes lambda_i: those before it are still z */
        lambda[i] = (double)mean[i] + exp((double)deviation[i]) * lambda[i] +
                    from_before(prior, k, i, lambda);
    }
}

/* log w_k, not normalised, plus the log density of component k. */
static double log_joint(const LambdaPrior *prior, size_t k, const double *lambda, double *z)
{
    const size_t L = prior->lambda_dims;
    const float *mean = prior->mean->value.data + k * L;
    const float *deviation = prior->log_deviation->value.data + k * L;
    double sum = (double)prior->log_weight->value.data[k];
    for (size_t i = 0; i < L; i++) {
        const double off = lambda[i] - (double)mean[i] - from_before(prior, k, i, z);
        z[i] = off * exp(-(double)deviation[i]);
        sum -= 0.5 * z[i] * z[i] + (double)deviation[i] + HALF_LOG_2PI;
    }
    return sum;
}

double nn_lambda_prior_log_density(const LambdaPrior *prior, const double *lambda)
{
    double *z = threads_scratch(SCRATCH_PRIOR, prior->lambda_dims * sizeof *z);
    const double weight = largest_weight(prior);
    double top = -HUGE_VAL, sum = 0.0;
    for (size_t k = 0; k < prior->components; k++) {
        const double joint = log_joint(prior, k, lambda, z);
        if (joint > top) {
            sum = sum * exp(top - joint) + 1.0;
            top = joint;
        } else {
            sum += exp(joint - top);
        }
    }
    return top + log(sum) - weight - log_total(prior, weight);
}

/* z becomes A_k^{-T} z, from the last coordinate to the first. */
static void solve_transposed(const LambdaPrior *prior, size_t k, double *z)
{
    const float *deviation = prior->log_deviation->value.data + k * prior->lambda_dims;
    for (size_t i = prior->lambda_dims; i-- > 0;) {
        z[i] *= exp(-(double)deviation[i]);
        for (size_t j = 0; prior->lower != NULL && j < i; j++) {
            z[j] -= (double)lower_row(prior, k, i)[j] * z[i];
        }
    }
}

double nn_lambda_prior_gradient(const LambdaPrior *prior, const double *lambda, double weight,
                                float *dlambda)
{
    const size_t L = prior->lambda_dims;
    const double log_p = nn_lambda_prior_log_density(prior, lambda);
    const double highest = largest_weight(prior), all = highest + log_total(prior, highest);
    double *z = threads_scratch(SCRATCH_PRIOR, L * sizeof *z);
    for (size_t k = 0; k < prior->components; k++) {
        const double r = exp(log_joint(prior, k, lambda, z) - all - log_p);
        if (r == 0.0) {
            continue;
        }
        solve_transposed(prior, k, z);
        for (size_t i = 0; i < L; i++) {
            dlambda[i] -= (float)(weight * r * z[i]);
        }
    }
    return log_p;
}
