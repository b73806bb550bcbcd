/* Running an evaluation: metrics of models, and rows of samples. */
#include "experiments/metrics/evaluation.h"

#include <math.h>
#include <string.h>

#include "diffusion/sampler/plan.h"
#include "experiments/data/text/rendering.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

Evaluation *evaluation_create(void)
{
    Evaluation *e = mem_zeroed(1, sizeof *e);
    metrics_create(&e->metrics);
    return e;
}

static void free_row(EvalRow *row)
{
    picture_free(&row->picture);
    mem_free(row->text);
    for (size_t i = 0; i < METRICS_MAX; i++)
        mem_free(row->records[i]);
}

void evaluation_drop_rows(Evaluation *e)
{
    for (size_t i = 0; i < e->row_count; i++)
        free_row(&e->rows[i]);
    e->row_count = 0;
}

void evaluation_destroy(Evaluation *e)
{
    if (!e)
        return;
    evaluation_drop_rows(e);
    safetensors_free(e->kept);
    metrics_free(&e->metrics);
    mem_free(e);
}

void evaluation_columns(Evaluation *e)
{
    e->column_count = 0;
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        for (size_t k = 0; m->chosen && k < m->kind->column_count; k++) {
            TENSOR_CHECK(e->column_count < METRIC_COLUMNS_MAX, "room for %d columns",
                         METRIC_COLUMNS_MAX);
            e->columns[e->column_count++] = (EvalColumn){
                &m->kind->columns[k], m->kind->floor ? m->kind->floor(m->state, k) : NAN};
        }
    }
}

bool evaluation_prepare(Evaluation *e, Error *err)
{
    if (!metrics_prepare(&e->metrics, &e->setting, err))
        return false;
    evaluation_columns(e);
    return true;
}

/* ---- metrics of models ---- */

static bool tell(Evaluation *e, bool fresh, Error *err)
{
    return !e->news || e->news(e, fresh, e->news_context, err);
}

/* The result that was appended last, if one was. */
static bool note_result(Evaluation *e, const Metric *m, const MetricSubject *subject, size_t steps,
                        bool fresh, Error *err)
{
    const MetricResults *r = m->kind->results;
    size_t before = 0;
    for (size_t i = 0; i < e->result_count; i++)
        before += e->results[i].metric == m;
    if (!r || r->count(m->state) == before)
        return true;
    TENSOR_CHECK(e->result_count < EVAL_RESULTS_MAX, "more than %d results", EVAL_RESULTS_MAX);
    e->results[e->result_count++] = (EvalResult){m, subject->name, steps, before};
    return tell(e, fresh, err);
}

/* Of the model at so many steps; 0: by itself. */
static bool measure_one(Evaluation *e, const Metric *m, const MetricSubject *subject, size_t steps,
                        Error *err)
{
    double numbers[METRIC_NUMBERS];
    const bool kept = evaluation_kept_result(e, m, subject->name, steps, numbers);
    if (kept)
        m->kind->results->put(m->state, &e->setting, subject, steps, numbers);
    else if (steps > 0 ? !m->kind->of_steps(m->state, &e->setting, subject, steps, err)
                       : !m->kind->of_model(m->state, &e->setting, subject, err))
        return false;
    return note_result(e, m, subject, steps, !kept, err);
}

static bool measure_model(Evaluation *e, const Metric *m, const MetricSubject *subject, Error *err)
{
    const CountList *steps = &e->setting.steps;
    if (m->kind->of_model && !measure_one(e, m, subject, 0, err))
        return false;
    for (size_t i = 0; m->kind->of_steps && i < steps->count; i++)
        if (!measure_one(e, m, subject, (size_t)steps->values[i], err))
            return false;
    return true;
}

/* ---- rows of samples ---- */

static bool measure_samples(Evaluation *e, const States *x, EvalRow *row, Error *err)
{
    double *values = row->values;
    inception_eye_forget(&e->metrics.eye);
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (!m->chosen || !metric_looks_at_samples(m))
            continue;
        if (!metric_measure(m, x, values, err))
            return false;
        values += m->kind->column_count;
    }
    return true;
}

/* The first samples, as people look at them: a picture, or lines and an empty line for each. */
static void show_samples(const Evaluation *e, const States *x, EvalRow *row)
{
    const size_t most = e->vocabulary ? EVAL_TEXTS : EVAL_PICTURES;
    const States first = states_rows(x, 0, x->batch < most ? x->batch : most);
    Buffer text = {0};
    if (!e->vocabulary) {
        row->picture = picture_grid(&first, &e->style);
        return;
    }
    for (size_t b = 0; b < first.batch; b++) {
        rendering_add(&text, e->vocabulary, states_row(&first, b), first.dims);
        buffer_text(&text, b + 1 < first.batch ? "\n\n" : "");
    }
    for (size_t i = 0; i < text.length; i++) /* a byte 0 would end it */
        if (text.bytes[i] == '\0')
            text.bytes[i] = ' ';
    row->text = text.bytes;
}

void evaluation_count_calls(EvalRow *row, size_t samples)
{
    row->calls = (double)row->all_calls / (double)samples;
    row->steps = row->asked > 0 ? row->asked : (size_t)(row->calls + 0.5);
}

/* What each chosen metric keeps of a shard's samples; all of them have parts (checked). */
static bool keep_records(Evaluation *e, const States *x, EvalRow *row, Error *err)
{
    inception_eye_forget(&e->metrics.eye);
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (!m->chosen)
            continue;
        TENSOR_CHECK(m->kind->parts, "%s has no parts", m->kind->name);
        size_t shape[2];
        metric_part_shape(m, x->batch, shape);
        row->records[i] = mem_alloc(shape[0], shape[1]);
        if (!m->kind->parts->records(m->state, x, row->records[i], err))
            return false;
    }
    return true;
}

/* The row's samples, all or a shard: what the chosen metrics make of them. */
static bool take_samples(Evaluation *e, const States *x, EvalRow *row, Error *err)
{
    if (e->setting.shard.count > 0)
        return keep_records(e, x, row, err);
    if (!measure_samples(e, x, row, err))
        return false;
    show_samples(e, x, row);
    return true;
}

static bool draw_row(Evaluation *e, const SampleRequest *request, EvalRow *row, Error *err)
{
    const Shard shard = e->setting.shard;
    States x =
        states_alloc(shard.count > 0 ? shard.count : e->setting.count, request->model->head.dims);
    SampleRequest counted = *request;
    counted.calls = &row->all_calls;
    counted.first += shard.first;
    if (!e->setting.quiet)
        fprintf(stderr, "sampling: %s, %zu step%s\n", row->model, request->steps,
                request->steps == 1 ? "" : "s");
    const double start = platform_seconds();
    bool ok = diffusion_sample(&counted, &x, err);
    row->seconds = platform_seconds() - start;
    evaluation_count_calls(row, x.batch);
    ok = ok && take_samples(e, &x, row, err);
    states_free(&x);
    return ok;
}

bool evaluation_add(Evaluation *e, const char *model, const SampleRequest *request, Error *err)
{
    if (e->row_count == EVAL_ROWS_MAX)
        return error_set(err, "more than %d rows", EVAL_ROWS_MAX);
    EvalRow row = {.model = model, .steps = request->steps, .asked = request->steps};
    const bool kept = evaluation_kept_row(e, model, request->steps, &row);
    if (!kept && !draw_row(e, request, &row, err)) {
        free_row(&row);
        return false;
    }
    e->rows[e->row_count++] = row;
    return tell(e, !kept, err);
}

bool evaluation_add_samples(Evaluation *e, const char *name, const States *x, Error *err)
{
    EvalRow row = {.model = name};
    const double start = platform_seconds();
    if (e->row_count == EVAL_ROWS_MAX)
        return error_set(err, "more than %d rows", EVAL_ROWS_MAX);
    const Shard shard = e->setting.shard;
    const States part = shard.count > 0 ? states_rows(x, shard.first, shard.count) : *x;
    if (!take_samples(e, &part, &row, err)) {
        free_row(&row);
        return false;
    }
    row.seconds = platform_seconds() - start;
    e->rows[e->row_count++] = row;
    return true;
}

/* Whether some row will have other numbers of calls than of steps.  Samplers with times of their
 * own do not say it beforehand. */
static bool calls_will_differ(const Evaluation *e, const SampleRequest *r)
{
    SampleRequest request = *r;
    bool differ = false;
    for (size_t i = 0; !differ && i < e->setting.steps.count; i++) {
        request.steps = (size_t)e->setting.steps.values[i];
        request.teacher_steps = 0;
        SamplerPlan *plan = diffusion_sampler_plan(&request, NULL);
        differ = plan && plan->count != plan->steps;
        diffusion_sampler_plan_destroy(plan);
    }
    return differ;
}

static bool add_rows(Evaluation *e, const MetricSubject *subject, Error *err)
{
    SampleRequest request = e->setting.sampling;
    request.model = subject->denoiser;
    request.teacher = subject->teacher;
    request.teacher_steps = subject->teacher_steps;
    request.process = subject->process;
    if (e->row_count == 0)
        e->calls_column = calls_will_differ(e, &request);
    for (size_t i = 0; i < e->setting.steps.count; i++) {
        request.steps = (size_t)e->setting.steps.values[i];
        if (request.teacher && request.teacher_steps >= request.steps)
            continue;
        if (!evaluation_add(e, subject->name, &request, err))
            return false;
    }
    return true;
}

bool evaluation_measure(Evaluation *e, const MetricSubject *subjects, size_t count, Error *err)
{
    for (e->measuring = 0; e->measuring < e->metrics.count; e->measuring++) {
        const Metric *m = &e->metrics.at[e->measuring];
        for (size_t k = 0; m->chosen && k < count; k++)
            if (!subjects[k].teacher && !measure_model(e, m, &subjects[k], err))
                return false;
    }
    for (size_t k = 0; metrics_look_at_samples(&e->metrics) && k < count; k++)
        if (!add_rows(e, &subjects[k], err))
            return false;
    return true;
}

/* ---- what was found ---- */

const EvalRow *evaluation_find(const Evaluation *e, const char *model, size_t steps)
{
    for (size_t i = 0; i < e->row_count; i++)
        if (strcmp(e->rows[i].model, model) == 0 && e->rows[i].steps == steps)
            return &e->rows[i];
    return NULL;
}

double evaluation_value(const Evaluation *e, const EvalRow *row, const char *column)
{
    for (size_t k = 0; k < e->column_count; k++)
        if (strcmp(e->columns[k].column->name, column) == 0)
            return row->values[k];
    return NAN;
}

double evaluation_shown(const MetricColumn *column, double value)
{
    return column->unit && strcmp(column->unit, "%") == 0 ? 100 * value : value;
}

void evaluation_cell(const MetricColumn *column, double value, char text[EVAL_CELL])
{
    text_format(text, EVAL_CELL, "%.*f", column->decimals, evaluation_shown(column, value));
}
