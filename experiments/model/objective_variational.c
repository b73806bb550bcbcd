/* objective=variational: an evidence bound with a recognition network (distill/variational.h). */
#include <string.h>

#include "experiments/model/config.h"
#include "experiments/model/objective.h"

uint64_t objective_law_fits(const Config *c, uint64_t step)
{
    const uint64_t fits = c->lambda_law == LAMBDA_MIXTURE ? (uint64_t)c->prior_fits : 0;
    const uint64_t come = ((step + 1) * (fits + 1) - 1) / (uint64_t)c->steps;
    return come < fits ? come : fits;
}

VariationalConfig objective_variational_config(const Config *c, uint64_t step)
{
    const double done = (double)step / (double)c->steps;
    const double rise = c->kl_warmup > 0 && done < c->kl_warmup ? done / c->kl_warmup : 1.0;
    return (VariationalConfig){.scope = c->lambda_scope == 1 ? LAMBDA_SAMPLE : LAMBDA_STEP,
                               .kl_weight = c->kl_weight * rise * rise,
                               .most_steps = (size_t)c->most_steps,
                               .share_at_one = c->share_at_one,
                               .fitted_law = objective_law_fits(c, step) > 0,
                               .t_min = c->t_min,
                               .consistency_weight = c->consistency_weight,
                               .distill_weight = c->distill_weight,
                               .tm_width = c->tm_width,
                               .delta_min = c->delta_min,
                               .delta_max = c->delta_max,
                               .eps = config_process(c)->has_mask ? 0 : c->eps};
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

/* The weight of lambda's divergence rises over a share of the steps, and fits are evenly among
 * them.
 */
static bool rises(const Config *c)
{
    return c->kl_warmup > 0 || (c->prior_fits > 0 && c->lambda_law == LAMBDA_MIXTURE);
}

/* The last one only with a distillation term. */
static size_t variational_terms(const Config *c)
{
    return c->distill_weight > 0 ? 6 : 5;
}

static double bound_gradient(const ObjectiveStep *s, double terms[OBJECTIVE_TERMS_MAX])
{
    const VariationalConfig v = objective_variational_config(s->config, s->number);
    const VariationalReport r = variational_gradient(&v, s->teacher, s->model, s->process, s->x0,
                                                     (uint64_t)s->config->seed, s->number, s->work);
    const double values[] = {r.reconstruction, r.kl,     v.kl_weight, r.consistency,
                             r.consistency_kl, r.distill};
    memcpy(terms, values, sizeof values);
    return r.loss;
}

const Objective objective_variational = {
    .name = "variational",
    .recognition = true,
    .terms = {"reconstruction", "kl", "kl_weight", "consistency", "consistency_kl", "distill"},
    .term_count = variational_terms,
    .check = check_variational,
    .needs_length = rises,
    .gradient = bound_gradient};
