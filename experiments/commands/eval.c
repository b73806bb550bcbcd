/* di4c eval: teacher and student on the same time grids, measured by the metrics that fit the data.
 */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/sampler_options.h"
#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/metrics/evaluation.h"
#include "experiments/model/model_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

typedef struct EvalOptions {
    const char *model, *teacher, *data, *metrics, *json, *report;
    SamplerChoice sampler;
    CountList steps;
    int64_t count, seed, batch, teacher_steps;
    CommonOptions common;
    char metrics_help[METRICS_HELP_ROOM], data_help[DATASET_SPECS + 40];
    OptionTable table; /* all rows, those of the sampler and of the metrics too */
} EvalOptions;

typedef struct EvalObjects {
    Model *model, *teacher;
    Dataset *train, *test;
    Evaluation *evaluation;
} EvalObjects;

static OptionsResult parse_eval(const Command *self, EvalOptions *o, Metrics *metrics, int argc,
                                char **argv)
{
    char specs[DATASET_SPECS];
    snprintf(o->data_help, sizeof o->data_help, "what the model was trained on: %s",
             dataset_specs(specs));
    metrics_help(o->metrics_help);
    const Option options[] = {
        {"--model", OPTION_TEXT, &o->model, "MODEL", 0, 0, true, "teacher or student"},
        {"--data", OPTION_TEXT, &o->data, "DATA", 0, 0, true, o->data_help},
        {"--teacher", OPTION_TEXT, &o->teacher, "MODEL", 0, 0, false,
         "measured beside the model: its teacher"},
        {"--teacher-steps", OPTION_COUNT, &o->teacher_steps, "K", 0, 1e5, false,
         "adds hybrid rows: the last K steps are the teacher's"},
        {"--steps", OPTION_LIST, &o->steps, "1,2,4,8", 1, 1e5, false,
         "steps from noise to data (default 1,2,4,8,16,32)"},
        {"--count", OPTION_COUNT, &o->count, "M", 2, 1e8, false, "samples of a row (default 2000)"},
        {"--json", OPTION_TEXT, &o->json, "FILE", 0, 0, false, "results as JSON"},
        {"--report", OPTION_TEXT, &o->report, "FILE.html", 0, 0, false,
         "one HTML page: table, charts, samples, loss curves"},
        {"--seed", OPTION_COUNT, &o->seed, "N", 0, 9e15, false,
         "of all random numbers (default 1)"},
        {"--batch", OPTION_COUNT, &o->batch, "N", 1, 1e6, false,
         "samples in one network call (default 250)"},
        {"--metrics", OPTION_TEXT, &o->metrics, "LIST", 0, 0, false, o->metrics_help},
    };
    options_add(&o->table, options, sizeof options / sizeof options[0]);
    metrics_options(metrics, &o->table);
    sampler_choice_options(&o->sampler, &o->table);
    return options_parse(self, o->table.rows, o->table.count, &o->common, argc, argv);
}

/* Names of files to read or write: not those of data, which may be folders. */
static const char *file_of(const Option *row)
{
    const bool file = row->type == OPTION_TEXT &&
                      (strcmp(row->value, "MODEL") == 0 || strncmp(row->value, "FILE", 4) == 0);
    return file ? *(const char *const *)row->target : NULL;
}

/* A result must not fall on what is read, nor on another result. */
static bool check_name(const EvalOptions *o, const char *option, const char *name, Error *err)
{
    for (size_t i = 0; name && i < o->table.count; i++) {
        const Option *row = &o->table.rows[i];
        const char *other = file_of(row);
        if (other && strcmp(row->name, option) != 0 && platform_same_file(other, name))
            return error_set(err, "%s %.200s: expected another file than %s", option, name,
                             row->name);
    }
    return path_check_result(option, name, err);
}

/* Those given, or as many as the grid has times; a sampler with times of its own has one row. */
static bool check_steps(EvalOptions *o, Error *err)
{
    static const CountList standard = {6, {1, 2, 4, 8, 16, 32}};
    static const CountList single = {1, {0}};
    const bool given = o->steps.count > 0;
    if (!given)
        o->steps = sampler_choice_own(&o->sampler) || o->sampler.times ? single : standard;
    for (size_t i = 0; i < o->steps.count; i++) {
        size_t n;
        if (!sampler_choice_steps(&o->sampler, o->steps.values[i], 1, &n, err))
            return false;
        o->steps.values[i] = (int64_t)n;
    }
    return sampler_choice_teacher_steps(&o->sampler, o->teacher_steps, err);
}

/* How rows are measured, as far as the options say it. */
static MetricSetting setting_of(const EvalOptions *o)
{
    MetricSetting setting = {
        .count = (size_t)o->count,
        .steps = o->steps,
        .sampling = {.batch = (size_t)o->batch, .seed = (uint64_t)o->seed},
        .eps = sampler_choice_eps(&o->sampler),
        .known_law = dataset_has_law(o->data),
        .text = dataset_is_text(o->data),
        .beside_teacher = o->teacher != NULL,
        .quiet = o->common.quiet,
    };
    sampler_choice_apply(&o->sampler, &setting.sampling);
    return setting;
}

/* Wrong usage; fills in setting and chooses metrics. */
static bool check_eval(EvalOptions *o, Evaluation *e, Error *err)
{
    if (!sampler_choice_resolve(&o->sampler, err) || !check_steps(o, err))
        return false;
    if (o->teacher_steps > 0 && !o->teacher)
        return error_set(err, "--teacher-steps: expected --teacher too");
    if (!check_name(o, "--json", o->json, err) || !check_name(o, "--report", o->report, err))
        return false;
    e->setting = setting_of(o);
    const MetricDefault data = e->setting.known_law ? METRIC_OF_LAW
                               : e->setting.text    ? METRIC_OF_TEXTS
                                                    : METRIC_OF_PICTURES;
    return metrics_choose(&e->metrics, o->metrics, data, err) &&
           metrics_check(&e->metrics, &e->setting, err);
}

/* Before any work: can the results be written? */
static bool check_outputs(const EvalOptions *o, const Evaluation *e, Error *err)
{
    return (!o->json || path_check_output(o->json, err)) &&
           (!o->report || path_check_output(o->report, err)) &&
           metrics_check_files(&e->metrics, err);
}

/* Data and model must have the same sizes. */
static bool check_sizes(const EvalOptions *o, const Dataset *d, const Model *m, const char *path,
                        Error *err)
{
    const Config *c = &m->config;
    if (d->height == (size_t)c->height && d->width == (size_t)c->width &&
        d->channels == (size_t)c->channels && d->states == (size_t)c->states)
        return true;
    return error_set(err,
                     "%s: made for pictures of %lldx%lldx%lld with %lld states: expected "
                     "%zux%zux%zu with %zu as in %.60s",
                     path, (long long)c->height, (long long)c->width, (long long)c->channels,
                     (long long)c->states, d->height, d->width, d->channels, d->states, o->data);
}

/* The test split must be pictures of the same kind, also those that no network looks at. */
static bool check_test(const EvalOptions *o, const Dataset *d, const Dataset *test, Error *err)
{
    if (test->height == d->height && test->width == d->width && test->channels == d->channels &&
        test->states == d->states)
        return true;
    return error_set(err,
                     "%.200s: its test pictures are %zux%zux%zu with %zu states: expected "
                     "%zux%zux%zu with %zu, as its training pictures have",
                     o->data, test->height, test->width, test->channels, test->states, d->height,
                     d->width, d->channels, d->states);
}

static bool open_models(const EvalOptions *o, EvalObjects *x, Error *err)
{
    const WeightChoice which = sampler_choice_weights(&o->sampler);
    if (!(x->model = model_load(o->model, which, err)))
        return false;
    return !o->teacher || (x->teacher = model_load_teacher(x->model, o->teacher, which, err));
}

static bool open_data(const EvalOptions *o, EvalObjects *x, Error *err)
{
    DatasetOptions d = model_dataset(&x->model->config);
    d.vocabulary = x->model->vocabulary;
    if (!(x->train = dataset_open(o->data, false, &d, err)) ||
        !model_fits_data(x->model, o->model, x->train, err) ||
        !check_sizes(o, x->train, x->model, o->model, err))
        return false;
    if (!metrics_look_at_test(&x->evaluation->metrics) || !dataset_has_test(o->data))
        return true;
    return (x->test = dataset_open(o->data, true, &d, err)) &&
           check_test(o, x->train, x->test, err);
}

static bool open_all(const EvalOptions *o, EvalObjects *x, Error *err)
{
    Evaluation *e = x->evaluation;
    if (!open_models(o, x, err) || !open_data(o, x, err))
        return false;
    e->setting.train = x->train;
    e->setting.test = x->test;
    e->vocabulary = x->model->vocabulary;
    e->style = (GridStyle){.height = x->train->height,
                           .width = x->train->width,
                           .channels = x->train->channels,
                           .states = x->train->states,
                           .mask = x->model->process->mask,
                           .padding = 2};
    return evaluation_prepare(e, err);
}

static void close_all(EvalObjects *x)
{
    evaluation_destroy(x->evaluation);
    dataset_close(x->test);
    dataset_close(x->train);
    model_destroy(x->teacher);
    model_destroy(x->model);
}

static MetricSubject subject_of(const Model *m, const char *name)
{
    return (MetricSubject){.name = name,
                           .kind = model_role_name(m->role),
                           .denoiser = &m->denoiser,
                           .process = m->process,
                           .t_min = m->config.t_min};
}

/* Models and data of the same sizes may still not belong together. */
static void note_data(const EvalOptions *o, const EvalObjects *x)
{
    char hash[65];
    model_data_hash(x->train, hash);
    model_note_data(x->model, o->model, x->train, hash);
    if (x->teacher)
        model_note_data(x->teacher, o->teacher, x->train, hash);
}

/* The perfect product model where the law is known, the teacher, the model, both. */
static bool measure_eval(const EvalOptions *o, EvalObjects *x, Error *err)
{
    enum { SUBJECTS = 4 };
    const Model *m = x->model, *t = x->teacher;
    const FiniteLaw *law = x->train->law;
    MetricSubject subjects[SUBJECTS];
    size_t count = 0;
    if (!o->common.quiet) {
        model_note_start(m);
        sampler_choice_note(&o->sampler, &m->denoiser, o->model);
        note_data(o, x);
    }
    Denoiser *exact = law ? exact_denoiser_create(law, m->process) : NULL;
    if (exact) {
        subjects[count] = subject_of(m, "exact");
        subjects[count].kind = "exact";
        subjects[count++].denoiser = exact;
    }
    if (t)
        subjects[count++] = subject_of(t, "teacher");
    subjects[count++] =
        subject_of(m, t && m->role == ROLE_TEACHER ? "model" : model_role_name(m->role));
    if (o->teacher_steps > 0) {
        subjects[count] = subject_of(m, "hybrid");
        subjects[count].teacher = &t->denoiser;
        subjects[count++].teacher_steps = (size_t)o->teacher_steps;
    }
    const bool ok = evaluation_measure(x->evaluation, subjects, count, err);
    exact_denoiser_destroy(exact);
    return ok;
}

static bool write_json(const EvalOptions *o, const EvalObjects *x, Error *err)
{
    OutputFile out;
    char hash[65];
    if (!output_open(&out, o->json, err))
        return false;
    JsonOut j = jsonout_start(out.file);
    jsonout_object(&j, NULL);
    jsonout_string(&j, "command", provenance_command());
    jsonout_string(&j, "version", DI4C_VERSION);
    jsonout_count(&j, "seed", (uint64_t)o->seed);
    jsonout_string(&j, "sampler", o->sampler.sampler->name);
    jsonout_string(&j, "grid", o->sampler.grid ? o->sampler.grid : "uniform");
    jsonout_string(&j, "lambda", sampler_choice_lambda(&o->sampler, &x->model->denoiser));
    nn_weights_hash(x->model->net, hash);
    jsonout_string(&j, "model", hash);
    if (x->teacher)
        nn_weights_hash(x->teacher->net, hash);
    if (x->teacher)
        jsonout_string(&j, "teacher", hash);
    evaluation_json(x->evaluation, &j);
    jsonout_end(&j);
    return output_commit(&out, err);
}

/* Loss curves of a model, if its log lies beside it.  A file that is not such a log is no reason to
 * lose the report. */
static void add_curve(Report *r, const char *model, const char *title, const char *column)
{
    Error err;
    char *log = path_with_suffix(model, ".csv");
    if (platform_exists(log) && !report_csv_curve(r, title, log, column, 100, &err))
        fprintf(stderr, "%s; the report is without this curve\n", err.text);
    mem_free(log);
}

/* A recognition network's log shows whether lambda came alive: its divergence, and what is left. */
static void add_curves(Report *r, const char *path, const Model *m)
{
    add_curve(r, path, m->role == ROLE_STUDENT ? "Student's loss" : "Loss", "loss");
    if (!config_objective(&m->config, m->role)->recognition)
        return;
    add_curve(r, path, "What lambda carries: KL(q || prior), nats a picture", "kl");
    add_curve(r, path, "Reconstruction given lambda, nats a picture", "reconstruction");
}

static bool write_report(const EvalOptions *o, const EvalObjects *x, Error *err)
{
    char summary[160], hash[65];
    snprintf(summary, sizeof summary,
             "Samples of %s, measured at several numbers of network calls.", o->model);
    Report *r = report_create("di4c eval", summary);
    evaluation_report(x->evaluation, r);
    report_heading(r, "Training");
    if (o->teacher)
        add_curve(r, o->teacher, "Teacher's loss", "loss");
    add_curves(r, o->model, x->model);
    report_fact(r, "command", provenance_command());
    report_fact(r, "version", DI4C_VERSION);
    nn_weights_hash(x->model->net, hash);
    report_fact(r, "model", hash);
    if (x->teacher)
        nn_weights_hash(x->teacher->net, hash);
    if (x->teacher)
        report_fact(r, "teacher", hash);
    const bool ok = report_write(r, o->report, err);
    report_destroy(r);
    return ok;
}

/* Everything but what the command line says wrongly. */
static bool evaluate_all(const EvalOptions *o, EvalObjects *x, Error *err)
{
    if (!check_outputs(o, x->evaluation, err) || !open_all(o, x, err) || !measure_eval(o, x, err))
        return false;
    evaluation_print(x->evaluation, stdout);
    return (!o->json || write_json(o, x, err)) && (!o->report || write_report(o, x, err));
}

static int run_eval(const Command *self, int argc, char **argv)
{
    EvalOptions o = {.count = 2000, .seed = 1, .batch = 250};
    Error err;
    if (sampler_choice_list(stdout, argc, argv) || metrics_list(stdout, argc, argv))
        return 0;
    EvalObjects x = {.evaluation = evaluation_create()};
    const OptionsResult r = parse_eval(self, &o, &x.evaluation->metrics, argc, argv);
    int status = r == OPTIONS_HELP ? 0 : 2;
    if (r == OPTIONS_OK && !check_eval(&o, x.evaluation, &err))
        command_fail(self, &err, 2);
    else if (r == OPTIONS_OK) {
        platform_catch_signals();
        status = evaluate_all(&o, &x, &err) ? 0 : command_fail(self, &err, 1);
    }
    close_all(&x);
    sampler_choice_free(&o.sampler);
    return status;
}

const Command command_eval = {
    .name = "eval",
    .summary = "Measures samples of teacher and student at several numbers of steps.",
    .example = "di4c eval --model out/student.safetensors --teacher out/teacher.safetensors --data "
               "mnist:DIR --metrics fcd --steps 1,2,4,8 --count 2000",
    .run = run_eval};
