/* One loop for all objectives; they differ in how a step's gradient is made. */
#include "experiments/training/training.h"

#include <math.h>
#include <string.h>

#include "experiments/cli/progress.h"
#include "experiments/data/batches.h"
#include "experiments/model/model_file.h"
#include "experiments/training/fit_prior.h"
#include "experiments/training/targets.h"
#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/reduce.h"
#include "tensor/system/platform.h"

/* The columns that every log has; those of the objective follow. */
static const char *const common_columns[] = {"step", "loss", "grad_norm", "lr"};
enum { COLUMN_STEP, COLUMN_LOSS, COLUMN_NORM, COLUMN_RATE, COMMON_COLUMNS };

typedef struct TrainingRun {
    const TrainingJob *job;
    const Objective *objective;
    Optimizer *optimizer;
    Workspace work;
    States batch;
    CsvLog *log;
    Progress *progress;
    Dataset *targets;                                 /* of the teacher's making, or NULL */
    double row[COMMON_COLUMNS + OBJECTIVE_TERMS_MAX]; /* what the log gets */
} TrainingRun;

OptimizerConfig training_optimizer(const Config *c)
{
    OptimizerConfig o = nn_optimizer_defaults();
    o.lr = c->lr;
    o.clip = c->clip;
    o.weight_decay = c->weight_decay;
    o.warmup = (uint64_t)c->warmup;
    o.decay = (LrDecay)c->lr_decay;
    o.total = (uint64_t)c->steps;
    o.ema_decay = c->ema_decay;
    return o;
}

/* Adds the gradient of step `step` into the network and returns the loss. */
static double step_gradient(TrainingRun *run, uint64_t step)
{
    const TrainingJob *job = run->job;
    const Model *m = job->model;
    const Config *c = &m->config;
    const ObjectiveStep s = {.config = c,
                             .teacher = job->teacher,
                             .model = &m->denoiser,
                             .process = m->process,
                             .x0 = &run->batch,
                             .number = step,
                             .work = &run->work};
    dataset_batch(run->targets ? run->targets : job->data, (uint64_t)c->seed, step,
                  (size_t)c->batch, c->flip, &run->batch, NULL);
    nn_params_zero_grads(&m->net->params);
    return run->objective->gradient(&s, run->row + COMMON_COLUMNS);
}

/* Runs the step again looking at every result, to name the operation that went wrong. */
static bool name_non_finite(TrainingRun *run, uint64_t step, double loss, double norm, Error *err)
{
    char shape[TENSOR_TEXT] = "";
    Graph *g = run->work.graph;
    ag_graph_reset(g);
    g->check_finite = true;
    g->bad_op = NULL;
    step_gradient(run, step);
    const char *op = g->bad_op;
    if (op)
        tensor_text(&g->bad_value, shape);
    error_set(err,
              "%s: training stopped at step %llu: loss %g, gradient norm %g; first non-finite "
              "result: %s%s %s; expected finite numbers; the last checkpoint is kept",
              run->job->out, (unsigned long long)step, loss, norm,
              op && g->bad_gradient ? "gradient of " : "", op ? op : "the loss", shape);
    return false;
}

static bool one_step(TrainingRun *run, Error *err)
{
    Optimizer *o = run->optimizer;
    const uint64_t step = o->steps;
    run->work.graph->check_finite = run->job->check_finite;
    run->row[COLUMN_STEP] = (double)(step + 1);
    run->row[COLUMN_RATE] = nn_optimizer_rate(o);
    run->row[COLUMN_LOSS] = step_gradient(run, step);
    if (!isfinite(run->row[COLUMN_LOSS]) || run->work.graph->bad_op)
        return name_non_finite(run, step, run->row[COLUMN_LOSS], NAN, err);
    run->row[COLUMN_NORM] = nn_optimizer_step(o);
    if (!isfinite(run->row[COLUMN_NORM]))
        return name_non_finite(run, step, run->row[COLUMN_LOSS], run->row[COLUMN_NORM], err);
    run->job->model->step = o->steps;
    if (run->log)
        csv_row(run->log, run->row);
    progress_update(run->progress, o->steps, run->row[COLUMN_LOSS]);
    return true;
}

/* An update can overflow though its gradient is finite: such weights must not replace good ones. */
static bool weights_are_finite(const TrainingRun *run, Error *err)
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
static bool save_checkpoint(TrainingRun *run, Error *err)
{
    return weights_are_finite(run, err) && (!run->log || csv_flush(run->log, err)) &&
           model_save(run->job->model, run->optimizer, run->job->out, err);
}

/* A lost log does not stop a run, but is not passed over in silence. */
static bool open_log(TrainingRun *run, Error *err)
{
    const TrainingJob *job = run->job;
    const uint64_t step = job->model->step;
    const char *columns[COMMON_COLUMNS + OBJECTIVE_TERMS_MAX];
    memcpy(columns, common_columns, sizeof common_columns);
    const size_t count = COMMON_COLUMNS + objective_columns(run->objective, &job->model->config,
                                                            columns + COMMON_COLUMNS);
    if (step > 0 && !platform_exists(job->log) && !job->quiet)
        fprintf(stderr, "%s: there is none; a new log starts after step %llu\n", job->log,
                (unsigned long long)step);
    run->log = job->keep_log ? csv_resume(job->log, columns, count, step, err)
                             : csv_create(job->log, columns, count, err);
    return run->log != NULL;
}

static bool start_training(TrainingRun *run, Error *err)
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
    run->work = diffusion_workspace_create((size_t)m->config.chunk);
    run->batch = states_alloc((size_t)m->config.batch, m->denoiser.head.dims);
    run->progress = progress_create(stderr, model_role_name(m->role), m->step,
                                    (uint64_t)m->config.steps, job->quiet);
    return true;
}

/* What is left to do after the last step, which is saved.  False: a signal came. */
static bool fit_law_of_lambda(const TrainingRun *run)
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

static void swap_weights(const TrainingRun *run)
{
    const ParamSet *set = &run->job->model->net->params;
    float *average = run->optimizer->ema;
    for (size_t i = 0; i < set->total; i++) {
        const float kept = set->values[i];
        set->values[i] = average[i];
        average[i] = kept;
    }
}

static bool show_observer(const TrainingRun *run, Error *err)
{
    const TrainingObserver *o = &run->job->observer;
    const uint64_t step = run->optimizer->steps;
    if (o->every == 0 || step == 0 || step % o->every != 0)
        return true;
    swap_weights(run);
    const bool ok = o->look(o->context, step, err);
    swap_weights(run);
    return ok;
}

/* Is the law to be fitted before the next step?  A run that stopped there fits it again, alike. */
static bool law_is_due(const TrainingRun *run)
{
    const Model *m = run->job->model;
    const uint64_t step = run->optimizer->steps;
    return m->net->prior != NULL && step > 0 &&
           objective_law_fits(&m->config, step) > objective_law_fits(&m->config, step - 1);
}

/* False: a signal came. */
static bool fit_along(const TrainingRun *run)
{
    const TrainingJob *job = run->job;
    return fit_prior_along(job->model, run->targets ? run->targets : job->data, run->optimizer);
}

static TrainingEnd train_to_the_end(TrainingRun *run, Error *err)
{
    const uint64_t total = (uint64_t)run->job->model->config.steps;
    double saved = platform_seconds();
    if (!show_observer(run, err))
        return TRAINING_FAILED;
    while (run->optimizer->steps < total) {
        if (law_is_due(run) && !fit_along(run))
            return save_checkpoint(run, err) ? TRAINING_INTERRUPTED : TRAINING_FAILED;
        if (!one_step(run, err) || !show_observer(run, err))
            return TRAINING_FAILED;
        if (platform_signal())
            return save_checkpoint(run, err) ? TRAINING_INTERRUPTED : TRAINING_FAILED;
        if (platform_seconds() - saved >= run->job->save_seconds) {
            if (!save_checkpoint(run, err))
                return TRAINING_FAILED;
            saved = platform_seconds();
        }
    }
    if (!save_checkpoint(run, err))
        return TRAINING_FAILED;
    if (run->job->model->net->prior == NULL)
        return TRAINING_DONE;
    if (!fit_law_of_lambda(run))
        return TRAINING_INTERRUPTED;
    return save_checkpoint(run, err) ? TRAINING_DONE : TRAINING_FAILED;
}

TrainingEnd training_run(const TrainingJob *job, Error *err)
{
    TrainingRun run = {.job = job,
                       .objective = config_objective(&job->model->config, job->model->role)};
    TrainingEnd end = start_training(&run, err) ? train_to_the_end(&run, err) : TRAINING_FAILED;
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
    diffusion_workspace_destroy(&run.work);
    if (run.optimizer)
        nn_optimizer_destroy(run.optimizer);
    return end;
}
