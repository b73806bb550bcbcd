#include "experiments/commands/measures.h"

#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/metrics/evaluation.h"
#include "experiments/sampling/models.h"
#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { BATCH = 250, NAME = 48, COLUMNS_MAX = 1 + OPTION_LIST_MAX * METRIC_COLUMNS_MAX };

struct Measures {
    const Model *model;
    Evaluation *evaluation;
    CsvLog *log;
    uint64_t every, last; /* last: the step of the log's last row */
    bool quiet;
};

void measures_options(MeasureOptions *o, OptionTable *table)
{
    const Option options[] = {
        {"--measure", OPTION_COUNT, &o->every, "N", 1, 1e12, false,
         "every N steps measure samples of the averaged weights: MODEL's name with .measures.csv"},
        {"--measure-steps", OPTION_LIST, &o->steps, "1,4", 1, 1e5, false,
         "... drawn in so many steps from noise to data (default 1,4)"},
        {"--measure-count", OPTION_COUNT, &o->count, "M", 2, 1e8, false,
         "... so many (default 500)"},
    };
    options_add(table, options, sizeof options / sizeof options[0]);
}

char *measures_log(const char *model)
{
    return path_with_suffix(model, ".measures.csv");
}

/* The metrics that `eval` would measure, and a row for each number of steps. */
static bool prepare(Measures *m, const MeasureOptions *o, const Dataset *data, Error *err)
{
    static const CountList standard = {2, {1, 4}};
    Evaluation *e = m->evaluation;
    e->setting =
        (MetricSetting){.count = (size_t)o->count,
                        .steps = o->steps.count > 0 ? o->steps : standard,
                        .sampling = {.batch = BATCH, .seed = (uint64_t)m->model->config.seed},
                        .known_law = data->law != NULL,
                        .text = data->text != NULL,
                        .quiet = true,
                        .eye = &e->metrics.eye,
                        .train = data};
    e->style = models_style(m->model);
    e->vocabulary = m->model->vocabulary;
    const MetricDefault kind = e->setting.known_law ? METRIC_OF_LAW
                               : e->setting.text    ? METRIC_OF_TEXTS
                                                    : METRIC_OF_PICTURES;
    return metrics_choose(&e->metrics, NULL, kind, err) &&
           metrics_check(&e->metrics, &e->setting, err) && evaluation_prepare(e, err);
}

/* The step of the last row of a log up to `step`; 0: there is none. */
static uint64_t last_row(const char *log, uint64_t step)
{
    CsvTable table;
    Error none;
    uint64_t last = 0;
    if (!platform_exists(log) || !csv_read(log, &table, &none))
        return 0;
    for (size_t i = 0; i < table.rows; i++)
        if (table.values[i] > (double)last && table.values[i] <= (double)step)
            last = (uint64_t)table.values[i];
    csv_free(&table);
    return last;
}

/* Columns: step, then each number by its steps: valid_1, tv_1, valid_4, ... */
static bool open_log(Measures *m, const char *log, bool resume, uint64_t step, Error *err)
{
    const Evaluation *e = m->evaluation;
    const CountList *steps = &e->setting.steps;
    char names[COLUMNS_MAX][NAME] = {"step"};
    const char *columns[COLUMNS_MAX] = {names[0]};
    size_t count = 1;
    for (size_t i = 0; i < steps->count; i++)
        for (size_t k = 0; k < e->column_count; k++, count++) {
            snprintf(names[count], NAME, "%.20s_%lld", e->columns[k].column->name,
                     (long long)steps->values[i]);
            columns[count] = names[count];
        }
    m->last = resume ? last_row(log, step) : 0;
    m->log =
        resume ? csv_resume(log, columns, count, step, err) : csv_create(log, columns, count, err);
    return m->log != NULL;
}

Measures *measures_create(const MeasureOptions *o, const Model *model, const Dataset *data,
                          const char *log, bool resume, uint64_t step, bool quiet, Error *err)
{
    Measures *m = mem_zeroed(1, sizeof *m);
    m->model = model;
    m->every = (uint64_t)o->every;
    m->quiet = quiet;
    m->evaluation = evaluation_create();
    if (prepare(m, o, data, err) && open_log(m, log, resume, step, err))
        return m;
    measures_destroy(m);
    return NULL;
}

void measures_destroy(Measures *m)
{
    Error none;
    if (m == NULL)
        return;
    csv_close(m->log, &none); /* each row was flushed */
    evaluation_destroy(m->evaluation);
    mem_free(m);
}

static void say(const Measures *m, uint64_t step, const double *row)
{
    const Evaluation *e = m->evaluation;
    text_print(stderr, "step %llu:", (unsigned long long)step);
    for (size_t i = 0; i < e->row_count; i++)
        for (size_t k = 0; k < e->column_count; k++) {
            char cell[EVAL_CELL];
            evaluation_cell(e->columns[k].column, *++row, cell);
            text_print(stderr, " %s %s at %lld step%s%s", e->columns[k].column->name, cell,
                       (long long)e->setting.steps.values[i],
                       e->setting.steps.values[i] > 1 ? "s" : "",
                       k + 1 < e->column_count || i + 1 < e->row_count ? "," : "\n");
        }
}

/* A signal ends it without a row; the step is measured again when training goes on. */
static bool measure(void *context, uint64_t step, Error *err)
{
    Measures *m = context;
    Evaluation *e = m->evaluation;
    double row[COLUMNS_MAX];
    size_t count = 0;
    bool ok = true;
    if (step <= m->last) /* of a run that goes on */
        return true;
    row[count++] = (double)step;
    for (size_t i = 0; ok && i < e->setting.steps.count; i++) {
        SampleRequest r = e->setting.sampling;
        r.model = &m->model->denoiser;
        r.process = m->model->process;
        r.steps = (size_t)e->setting.steps.values[i];
        ok = evaluation_add(e, "model", &r, err);
        for (size_t k = 0; ok && k < e->column_count; k++)
            row[count++] = e->rows[i].values[k];
    }
    if (ok) {
        csv_row(m->log, row);
        ok = csv_flush(m->log, err);
        m->last = step;
    }
    if (ok && !m->quiet)
        say(m, step, row);
    evaluation_drop_rows(e);
    return ok || platform_signal() != 0;
}

TrainingObserver measures_observer(Measures *m)
{
    TrainingObserver none = {0, NULL, NULL};
    if (m == NULL) /* a ?: of two literals is undone by pcc 1.2, which fills both first */
        return none;
    return (TrainingObserver){m->every, measure, m};
}
