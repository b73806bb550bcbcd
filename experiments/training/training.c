/* One loop for both kinds of training; they differ in how a step's gradient is made. */
#include "experiments/training/training.h"

#include <math.h>
#include <string.h>

#include "experiments/cli/progress.h"
#include "experiments/model/model_file.h"
#include "experiments/training/fit_prior.h"
#include "experiments/training/targets.h"
#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"
#include "tensor/base/text.h"
#include "tensor/reduce.h"

/* What a log holds: four columns that every training has, then its own. */
enum { COMMON_COLUMNS = 4, COLUMNS_MAX = 10, ARENA_CHUNK = 1 << 20 };
typedef struct Columns {
    size_t count;
    const char *names[COLUMNS_MAX];
} Columns;
static const Columns teacher_columns = {4, {"step", "loss", "grad_norm", "lr"}};
static const Columns published_columns = {9,
                                          {"step", "loss", "grad_norm", "lr", "distill", "data_cor",
                                           "data_indep", "consis_cor", "consis_indep"}};
static const Columns variational_columns = {9, /* and the tenth with a distillation term */
                                            {"step", "loss", "grad_norm", "lr", "reconstruction",
                                             "kl", "kl_weight", "consistency", "consistency_kl",
                                             "distill"}};

typedef struct Run {
    const TrainingJob *job;
    Optimizer *optimizer;
    Graph *graph;
    Arena *arena; /* of what a step draws and keeps beside the graph */
    States batch;
    CsvLog *log;
    Progress *progress;
    Dataset *targets;        /* of the teacher's making, or NULL */
    double row[COLUMNS_MAX]; /* what the log gets: step, loss, norm, rate, terms */
} Run;

OptimizerConfig training_optimizer(const Config *c)
{
    OptimizerConfig o = nn_optimizer_defaults();
    o.lr = c->lr;
    o.clip = c->clip;
    o.warmup = (uint64_t)c->warmup;
    o.decay = (LrDecay)c->lr_decay;
    o.total = (uint64_t)c->steps;
    o.ema_decay = c->ema_decay;
    return o;
}

TeacherConfig training_teacher(const Config *c)
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

DistillConfig training_distill(const Config *c)
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
    d.eps = c->process == PROCESS_ABSORBING ? 0 : c->eps;
    d.stratified_lambda = c->stratified_lambda;
    return d;
}

VariationalConfig training_variational(const Config *c, uint64_t step)
{
    const double done = (double)step / (double)c->steps;
    const double rise = c->kl_warmup > 0 && done < c->kl_warmup ? done / c->kl_warmup : 1.0;
    return (VariationalConfig){.scope = c->lambda_scope == 1 ? LAMBDA_SAMPLE : LAMBDA_STEP,
                               .kl_weight = c->kl_weight * rise * rise,
                               .most_steps = (size_t)c->most_steps,
                               .share_at_one = c->share_at_one,
                               .t_min = c->t_min,
                               .consistency_weight = c->consistency_weight,
                               .distill_weight = c->distill_weight,
                               .tm_width = c->tm_width,
                               .delta_min = c->delta_min,
                               .delta_max = c->delta_max,
                               .eps = c->process == PROCESS_ABSORBING ? 0 : c->eps};
}

static double variational_step(Run *run, uint64_t step)
{
    const TrainingJob *job = run->job;
    const Model *m = job->model;
    const VariationalConfig v = training_variational(&m->config, step);
    const VariationalReport r = variational_gradient(
        &v, job->teacher, &m->denoiser, m->process, &run->batch, (uint64_t)m->config.seed, step,
        (size_t)m->config.chunk, run->graph, run->arena);
    const double own[] = {r.reconstruction, r.kl,     v.kl_weight, r.consistency,
                          r.consistency_kl, r.distill};
    memcpy(run->row + COMMON_COLUMNS, own, sizeof own);
    return r.loss;
}

static double published_step(Run *run, uint64_t step)
{
    const TrainingJob *job = run->job;
    const Model *m = job->model;
    const DistillConfig d = training_distill(&m->config);
    const Di4cReport r = distill_gradient(&d, job->teacher, &m->denoiser, m->process, &run->batch,
                                          (uint64_t)m->config.seed, step, (size_t)m->config.chunk,
                                          run->graph, run->arena);
    const double own[] = {r.distill, r.data_cor, r.data_indep, r.consis_cor, r.consis_indep};
    memcpy(run->row + COMMON_COLUMNS, own, sizeof own);
    return r.loss;
}

static bool is_variational(const TrainingJob *job)
{
    return job->teacher && job->model->config.objective == CONFIG_OBJECTIVE_VARIATIONAL;
}

static Columns columns_of(const TrainingJob *job)
{
    Columns columns = teacher_columns;
    if (job->teacher)
        columns = is_variational(job) ? variational_columns : published_columns;
    columns.count += is_variational(job) && job->model->config.distill_weight > 0;
    return columns;
}

/* Adds the gradient of step `step` into the network and returns the loss. */
static double step_gradient(Run *run, uint64_t step)
{
    const TrainingJob *job = run->job;
    const Model *m = job->model;
    const Config *c = &m->config;
    dataset_batch(run->targets ? run->targets : job->data, (uint64_t)c->seed, step,
                  (size_t)c->batch, c->flip, &run->batch, NULL);
    nn_params_zero_grads(&m->net->params);
    if (!job->teacher) {
        const TeacherConfig t = training_teacher(c);
        return diffusion_teacher_gradient(&t, &m->denoiser, m->process, &run->batch,
                                          (uint64_t)c->seed, step, run->graph, run->arena);
    }
    return is_variational(job) ? variational_step(run, step) : published_step(run, step);
}

/* Runs the step again looking at every result, to name the operation that went wrong. */
static bool name_non_finite(Run *run, uint64_t step, double loss, double norm, Error *err)
{
    char shape[TENSOR_TEXT] = "";
    ag_graph_reset(run->graph);
    run->graph->check_finite = true;
    run->graph->bad_op = NULL;
    step_gradient(run, step);
    const char *op = run->graph->bad_op;
    if (op)
        tensor_text(&run->graph->bad_value, shape);
    error_set(err,
              "%s: training stopped at step %llu: loss %g, gradient norm %g; first non-finite "
              "result: %s%s %s; expected finite numbers; the last checkpoint is kept",
              run->job->out, (unsigned long long)step, loss, norm,
              op && run->graph->bad_gradient ? "gradient of " : "", op ? op : "the loss", shape);
    return false;
}

static bool one_step(Run *run, Error *err)
{
    Optimizer *o = run->optimizer;
    const uint64_t step = o->steps;
    run->graph->check_finite = run->job->check_finite;
    run->row[0] = (double)(step + 1);
    run->row[3] = nn_optimizer_rate(o);
    run->row[1] = step_gradient(run, step);
    if (!isfinite(run->row[1]) || run->graph->bad_op)
        return name_non_finite(run, step, run->row[1], NAN, err);
    run->row[2] = nn_optimizer_step(o);
    if (!isfinite(run->row[2]))
        return name_non_finite(run, step, run->row[1], run->row[2], err);
    run->job->model->step = o->steps;
    if (run->log)
        csv_row(run->log, run->row);
    progress_update(run->progress, o->steps, run->row[1]);
    return true;
}

/* An update can overflow though its gradient is finite: such weights must not replace good ones. */
static bool weights_are_finite(const Run *run, Error *err)
{
    const Optimizer *o = run->optimizer;
    const ParamSet *set = &run->job->model->net->params;
    if (tensor_all_finite(o->ema, set->total) && tensor_all_finite(set->values, set->total))
        return true;
    for (size_t i = 0; i < set->count; i++) {
        char shape[TENSOR_TEXT];
        const Param *p = set->items[i];
        const size_t n = tensor_size(&p->value);
        if (!tensor_all_finite(o->ema + p->offset, n) || !tensor_all_finite(p->value.data, n))
            return error_set(err,
                             "%s: training stopped after %llu steps: the update made %s %s "
                             "non-finite; expected finite numbers; the last checkpoint is kept",
                             run->job->out, (unsigned long long)o->steps, p->name,
                             tensor_text(&p->value, shape));
    }
    return true;
}

/* Log first, then the model: a resumed run cuts the log back to the model's step. */
static bool save(Run *run, Error *err)
{
    return weights_are_finite(run, err) && (!run->log || csv_flush(run->log, err)) &&
           model_save(run->job->model, run->optimizer, run->job->out, err);
}

/* A lost log does not stop a run, but is not passed over in silence. */
static bool open_log(Run *run, Error *err)
{
    const TrainingJob *job = run->job;
    const uint64_t step = job->model->step;
    const Columns columns = columns_of(job);
    if (step > 0 && !platform_exists(job->log) && !job->quiet)
        fprintf(stderr, "%s: there is none; a new log starts after step %llu\n", job->log,
                (unsigned long long)step);
    run->log = job->keep_log ? csv_resume(job->log, columns.names, columns.count, step, err)
                             : csv_create(job->log, columns.names, columns.count, err);
    return run->log != NULL;
}

static bool start(Run *run, Error *err)
{
    const TrainingJob *job = run->job;
    Model *m = job->model;
    const OptimizerConfig oc = training_optimizer(&m->config);
    if (job->resume_from && !nn_checkpoint_load(job->resume_from, m->net, WEIGHTS_RAW, err))
        return false;
    run->optimizer = nn_optimizer_create(&oc, &m->net->params);
    if (job->resume_from && !nn_checkpoint_resume(job->resume_from, m->net, run->optimizer, err))
        return false;
    m->step = run->optimizer->steps;
    if (job->log && !open_log(run, err))
        return false;
    if (job->teacher && m->config.targets != CONFIG_TARGETS_DATA &&
        !(run->targets =
              targets_draw(&m->config, job->teacher, m->process, job->data, job->quiet, err)))
        return false;
    run->graph = ag_graph_create();
    run->arena = arena_create(ARENA_CHUNK);
    run->batch = states_alloc((size_t)m->config.batch, m->denoiser.head.dims);
    run->progress = progress_create(stderr, model_role_name(m->role), m->step,
                                    (uint64_t)m->config.steps, job->quiet);
    return true;
}

/* What is left to do after the last step, which is saved.  False: a signal came. */
static bool fit_law_of_lambda(const Run *run)
{
    const TrainingJob *job = run->job;
    PriorFit f;
    if (!fit_prior(job->model, run->targets ? run->targets : job->data, run->optimizer, &f))
        return false;
    if (!job->quiet)
        text_print(
            stderr,
            "law of lambda: %zu Gaussians; divergence %.2f nats a picture, %.2f from N(0, 1)\n",
            job->model->net->prior->components, f.mixture, f.normal);
    return true;
}

static TrainingEnd loop(Run *run, Error *err)
{
    const uint64_t total = (uint64_t)run->job->model->config.steps;
    double saved = platform_seconds();
    while (run->optimizer->steps < total) {
        if (!one_step(run, err))
            return TRAINING_FAILED;
        if (platform_signal())
            return save(run, err) ? TRAINING_INTERRUPTED : TRAINING_FAILED;
        if (platform_seconds() - saved > run->job->save_seconds) {
            if (!save(run, err))
                return TRAINING_FAILED;
            saved = platform_seconds();
        }
    }
    if (!save(run, err))
        return TRAINING_FAILED;
    if (run->job->model->net->prior == NULL)
        return TRAINING_DONE;
    if (!fit_law_of_lambda(run))
        return TRAINING_INTERRUPTED;
    return save(run, err) ? TRAINING_DONE : TRAINING_FAILED;
}

TrainingEnd training_run(const TrainingJob *job, Error *err)
{
    Run run = {.job = job};
    TrainingEnd end = start(&run, err) ? loop(&run, err) : TRAINING_FAILED;
    Error closing;
    if (!csv_close(run.log, &closing) && end != TRAINING_FAILED) {
        *err = closing;
        end = TRAINING_FAILED;
    }
    progress_destroy(run.progress);
    if (run.optimizer && end == TRAINING_DONE)
        memcpy(job->model->net->params.values, run.optimizer->ema,
               job->model->net->params.total * sizeof(float));
    states_free(&run.batch);
    dataset_close(run.targets);
    if (run.graph)
        ag_graph_destroy(run.graph);
    arena_destroy(run.arena);
    if (run.optimizer)
        nn_optimizer_destroy(run.optimizer);
    return end;
}
