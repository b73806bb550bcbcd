/* Checks between settings: what must fit each other. */
#include "diffusion/denoiser.h"
#include "diffusion/teacher.h"
#include "experiments/model/config.h"

/* What a teacher's losses ask for. */
static bool check_teacher(const Config *c, Error *err)
{
    if (config_process(c)->has_mask && c->loss == TEACHER_CT_ELBO)
        return error_set(err, "configuration: loss=ct_elbo with process=absorbing: expected "
                              "loss=cross_entropy time_weight=elbo, which is its exact ELBO");
    if (c->loss == TEACHER_CT_ELBO && c->eps < 1e-30)
        return error_set(err,
                         "configuration: eps=%g with loss=ct_elbo: expected at least 1e-30, "
                         "since the loss divides by it",
                         c->eps);
    if (!config_process(c)->has_mask && c->time_weight == TIME_WEIGHT_ELBO)
        return error_set(err, "configuration: time_weight=elbo with a process other than "
                              "absorbing: expected time_weight=one");
    return true;
}

static bool check_published(const Config *c, Error *err)
{
    if (c->lambda_law == LAMBDA_MIXTURE)
        return error_set(err,
                         "configuration: lambda_law=mixture with objective=published: expected "
                         "uniform or normal, since there is no recognition network to fit it "
                         "to");
    return c->lambda_scope == 0 ||
           error_set(err, "configuration: lambda_scope=sample with objective=published: expected "
                          "lambda_scope=step, or objective=variational; sample --lambda sample "
                          "keeps a lambda that was trained for single steps");
}

/* The gradient of the recognition network must reach lambda. */
static bool check_variational(const Config *c, Error *err)
{
    if (c->lambda_input != CONFIG_LAMBDA_NUMBERS)
        return error_set(err, "configuration: lambda_input=sinusoids with objective=variational: "
                              "expected lambda_input=numbers");
    if (c->lambda_law == LAMBDA_MIXTURE && c->lambda_scope == 0)
        return error_set(err, "configuration: lambda_law=mixture with lambda_scope=step: expected "
                              "lambda_scope=sample, since one law cannot fit lambdas that depend "
                              "on x_t");
    if (c->lambda_scope == 1 && c->consistency_weight > 0)
        return error_set(err,
                         "configuration: consistency_weight=%g with lambda_scope=sample: "
                         "expected 0",
                         c->consistency_weight);
    if (c->lambda_scope == 1 && c->distill_weight > 0)
        return error_set(err,
                         "configuration: distill_weight=%g with lambda_scope=sample: expected 0",
                         c->distill_weight);
    if (c->lambda_scope == 1 && (c->most_steps & (c->most_steps - 1)) != 0)
        return error_set(err, "configuration: most_steps=%lld: expected a power of two",
                         (long long)c->most_steps);
    return true;
}

static bool check_student(const Config *c, Error *err)
{
    if (c->delta_min > c->delta_max)
        return error_set(err, "configuration: delta_min=%g: expected at most delta_max=%g",
                         c->delta_min, c->delta_max);
    if (c->t_min + c->delta_max >= 1)
        return error_set(err, "configuration: t_min + delta_max: expected less than 1");
    return c->objective == CONFIG_OBJECTIVE_PUBLISHED ? check_published(c, err)
                                                      : check_variational(c, err);
}

/* R is there if and only if the process wants one. */
static bool check_rates(const Config *c, Error *err)
{
    if (config_process(c)->wants_rates && c->rates == NULL)
        return error_set(err, "configuration: process=matrix without a rate matrix: expected "
                              "--rates FILE");
    if (!config_process(c)->wants_rates && c->rates != NULL)
        return error_set(err, "configuration: a rate matrix, but another process: expected "
                              "process=matrix");
    return true;
}

bool config_check(const Config *c, ConfigRole role, Error *err)
{
    if (!check_rates(c, err))
        return false;
    if (config_head(c)->ordinal && config_process(c)->has_mask)
        return error_set(err, "configuration: head=logistic with process=absorbing: expected "
                              "head=softmax, since the mask has no place on the grey scale");
    if (config_head(c)->ordinal && !config_network(c)->ordinal)
        return error_set(err, "configuration: head=logistic with net=mlp: expected head=softmax");
    if (c->state_input == CONFIG_STATE_NUMBERS && !config_network(c)->ordinal)
        return error_set(err, "configuration: state_input=numbers with net=mlp: expected by_head");
    return role == ROLE_TEACHER ? check_teacher(c, err) : check_student(c, err);
}
