/* Checks between settings: what must fit each other. */
#include "diffusion/sampler/sampler_class.h"
#include "experiments/model/config.h"

/* What all students ask for. */
static bool check_student(const Config *c, Error *err)
{
    if (c->delta_min > c->delta_max)
        return error_set(err, "configuration: delta_min=%g: expected at most delta_max=%g",
                         c->delta_min, c->delta_max);
    if (c->t_min + c->delta_max >= 1)
        return error_set(err, "configuration: t_min + delta_max: expected less than 1");
    if (c->lambda_steps > 0 && c->lambda_scope == 0)
        return error_set(err, "configuration: lambda_steps=%lld with lambda_scope=step: expected 0",
                         (long long)c->lambda_steps);
    if (c->lambda_steps > 0 && c->lambda_law == LAMBDA_UNIFORM)
        return error_set(err,
                         "configuration: lambda_steps=%lld with lambda_law=uniform: expected "
                         "normal or mixture, in which 0 is the mean",
                         (long long)c->lambda_steps);
    return true;
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
        return error_set(err, "configuration: head=logistic with net=%s: expected head=softmax",
                         config_network(c)->name);
    if (c->state_input == CONFIG_STATE_NUMBERS && !config_network(c)->ordinal)
        return error_set(err, "configuration: state_input=numbers with net=%s: expected by_head",
                         config_network(c)->name);
    if (config_sampler(c)->masks_only && !config_process(c)->has_mask)
        return error_set(err,
                         "configuration: sampler=%s with process=%s: expected process=absorbing",
                         config_sampler(c)->name, config_process(c)->name);
    return (role == ROLE_TEACHER || check_student(c, err)) &&
           config_objective(c, role)->check(c, err);
}
