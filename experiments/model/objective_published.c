/* objective=published: the paper's losses over N lambdas (distill/step.h). */
#include <string.h>

#include "distill/step.h"
#include "experiments/model/config.h"
#include "experiments/model/objective.h"

DistillConfig objective_published_config(const Config *c)
{
    DistillConfig d = distill_defaults();
    d.loss.control_variates = c->control_variates;
    d.loss.data_weight = (DataWeight)c->data_weight;
    d.lambdas = (size_t)c->lambdas;
    d.distill_lambdas = (size_t)c->distill_lambdas;
    d.t_min = c->t_min;
    d.delta_min = c->delta_min;
    d.delta_max = c->delta_max;
    d.tm_width = c->tm_width;
    d.share_at_one = c->share_at_one;
    d.eps = config_process(c)->has_mask ? 0 : c->eps;
    d.stratified_lambda = c->stratified_lambda;
    return d;
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

static double published_gradient(const ObjectiveStep *s, double terms[OBJECTIVE_TERMS_MAX])
{
    const DistillConfig d = objective_published_config(s->config);
    const Di4cReport r = distill_gradient(&d, s->teacher, s->model, s->process, s->x0,
                                          (uint64_t)s->config->seed, s->number, s->work);
    const double values[] = {r.distill, r.data_cor, r.data_indep, r.consis_cor, r.consis_indep};
    memcpy(terms, values, sizeof values);
    return r.loss;
}

const Objective objective_published = {
    .name = "published",
    .terms = {"distill", "data_cor", "data_indep", "consis_cor", "consis_indep"},
    .check = check_published,
    .gradient = published_gradient};
