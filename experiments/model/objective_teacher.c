/* A teacher's own training: the continuous-time evidence bound, or the cross entropy. */
#include "experiments/model/config.h"
#include "experiments/model/objective.h"

TeacherConfig objective_teacher_config(const Config *c)
{
    TeacherConfig t = diffusion_teacher_defaults();
    t.loss = (TeacherLoss)c->loss;
    t.time_weight = (TimeWeight)c->time_weight;
    t.t_min = c->t_min;
    t.nll_weight = c->nll_weight;
    t.eps = c->eps;
    t.two_passes = c->two_passes;
    t.stratified_times = c->stratified_times;
    return t;
}

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

static double teacher_gradient(const ObjectiveStep *s, double terms[OBJECTIVE_TERMS_MAX])
{
    const TeacherConfig t = objective_teacher_config(s->config);
    (void)terms;
    return diffusion_teacher_gradient(&t, s->model, s->process, s->x0, (uint64_t)s->config->seed,
                                      s->number, s->work);
}

const Objective objective_teacher = {
    .name = "teacher", .check = check_teacher, .gradient = teacher_gradient};
