/* di4c eval: teacher and student on the same time grids, measured by the metrics that fit the data;
 * or pictures that came from elsewhere (--samples). */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/cli/results.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/eval_json.h"
#include "experiments/commands/measures.h"
#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/metrics/evaluation.h"
#include "experiments/metrics/outside_samples.h"
#include "experiments/metrics/statistics.h"
#include "experiments/sampling/models.h"
#include "experiments/sampling/sampler_options.h"
#include "nn/formats/byte_order.h"
#include "nn/formats/csv.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

typedef struct EvalOptions {
    const char *model, *teacher, *data, *samples, *metrics, *json, *report, *shard, *statistics;
    SamplerChoice sampler;
    Shard part; /* of --shard */
    CountList steps;
    int64_t count, seed, batch, teacher_steps;
    bool resume;
    CommonOptions common;
    char metrics_help[METRICS_HELP_ROOM], data_help[DATASET_SPECS + 60];
    OptionTable table; /* all rows, those of the sampler and of the metrics too */
} EvalOptions;

typedef struct EvalObjects {
    Models models;
    Dataset *train, *test;
    OutsideSamples outside;
    Evaluation *evaluation;
    RunFacts facts; /* of the run, from when all is open */
} EvalObjects;

static OptionsResult parse_eval(const Command *self, EvalOptions *o, Metrics *metrics, int argc,
                                char **argv)
{
    char specs[DATASET_SPECS];
    snprintf(o->data_help, sizeof o->data_help, "what the model was trained on (required): %s",
             dataset_specs(specs));
    metrics_help(o->metrics_help);
    const Option options[] = {
        {"--model", OPTION_TEXT, &o->model, "MODEL", 0, 0, false,
         "teacher or student (required, but with --samples)"},
        {"--data", OPTION_TEXT, &o->data, "DATA", 0, 0, false, o->data_help},
        {"--samples", OPTION_TEXT, &o->samples, "FILE.npy", 0, 0, false,
         "fid and is of these pictures (pictures, height, width, 1 or 3), levels 0 to 255"},
        {"--teacher", OPTION_TEXT, &o->teacher, "MODEL", 0, 0, false,
         "measured beside the model: its teacher"},
        {"--teacher-steps", OPTION_COUNT, &o->teacher_steps, "K", 0, 1e5, false,
         "adds hybrid rows: the last K steps are the teacher's"},
        {"--steps", OPTION_LIST, &o->steps, "1,2,4,8", 1, 1e5, false,
         "steps from noise to data (default 1,2,4,8,16,32)"},
        {"--count", OPTION_COUNT, &o->count, "M", 2, 1e8, false, "samples of a row (default 2000)"},
        {"--json", OPTION_TEXT, &o->json, "FILE", 0, 0, false,
         "results as JSON, written after each row"},
        {"--resume", OPTION_FLAG, &o->resume, NULL, 0, 0, false,
         "go on with a run of the same command that was stopped; needs --json, whose FILE.part has "
         "what it measured"},
        {"--report", OPTION_TEXT, &o->report, "FILE.html", 0, 0, false,
         "one HTML page: table, charts, samples, loss curves"},
        {"--shard", OPTION_TEXT, &o->shard, "I/N", 0, 0, false,
         "measure only part I of N (from 0) of each row's samples; needs --statistics"},
        {"--statistics", OPTION_TEXT, &o->statistics, "FILE", 0, 0, false,
         "what was measured of the part: `di4c merge` makes the table of all parts' files"},
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

/* A result must not fall on what is read, on another result, nor on a model. */
static bool check_name(const EvalOptions *o, const char *option, const char *name, Error *err)
{
    return result_check(&o->table, option, err) && path_check_result(option, name, err);
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

static const int64_t MOST_SAMPLES = 4294967295; /* outside_samples_read takes no more */

/* A part's rows are measured when all parts are there. */
static bool check_shard(EvalOptions *o, Error *err)
{
    if ((o->shard == NULL) != (o->statistics == NULL))
        return error_set(err, "--shard and --statistics: expected both or neither");
    if (o->shard == NULL)
        return true;
    if (o->json || o->report)
        return error_set(err,
                         "--shard: expected neither --json nor --report, which are made of all "
                         "parts");
    /* Of pictures from elsewhere it is cut when they are counted. */
    return check_name(o, "--statistics", o->statistics, err) &&
           shard_parse(o->shard, o->samples ? MOST_SAMPLES : o->count, &o->part, err);
}

/* How rows are measured, as far as the options say it. */
static MetricSetting setting_of(const EvalOptions *o)
{
    MetricSetting setting = {
        .count = (size_t)o->count,
        .shard = o->part,
        .steps = o->steps,
        .sampling = {.batch = (size_t)o->batch, .seed = (uint64_t)o->seed},
        .eps = sampler_choice_eps(&o->sampler),
        .known_law = o->data != NULL && dataset_has_law(o->data),
        .text = o->data != NULL && dataset_is_text(o->data),
        .outside = o->samples != NULL,
        .beside_teacher = o->teacher != NULL,
        .quiet = o->common.quiet,
    };
    sampler_choice_apply(&o->sampler, &setting.sampling);
    return setting;
}

/* With --samples there is neither a model nor its data; without, both are there. */
static bool check_source(const EvalOptions *o, Error *err)
{
    if (!o->samples)
        return (o->model || error_set(err, "--model is missing")) &&
               (o->data || error_set(err, "--data is missing"));
    if (o->model || o->data || o->teacher || o->report)
        return error_set(err, "--samples: expected no %s",
                         o->model     ? "--model"
                         : o->data    ? "--data"
                         : o->teacher ? "--teacher"
                                      : "--report");
    return true;
}

/* What is measured of samples from elsewhere: metrics that look at nothing else. */
static bool check_metrics(const EvalOptions *o, const Evaluation *e, Error *err)
{
    const char *other = o->samples ? metrics_need_more(&e->metrics) : NULL;
    if (o->samples && !o->metrics)
        return error_set(err, "--samples: expected --metrics fid, is or both");
    return !other ||
           error_set(err, "--samples: expected --metrics fid, is or both, found %s", other);
}

/* Wrong usage; fills in setting and chooses metrics. */
static bool check_eval(EvalOptions *o, Evaluation *e, Error *err)
{
    if (!check_source(o, err) || !sampler_choice_resolve(&o->sampler, err) || !check_steps(o, err))
        return false;
    if (o->teacher_steps > 0 && !o->teacher)
        return error_set(err, "--teacher-steps: expected --teacher too");
    if (o->resume && (!o->json || o->samples))
        return error_set(err, "--resume: expected --json too, and no --samples");
    if (!check_name(o, "--json", o->json, err) || !check_name(o, "--report", o->report, err) ||
        !check_name(o, "--save-statistics", e->metrics.eye.statistics, err) || !check_shard(o, err))
        return false;
    e->setting = setting_of(o);
    e->setting.eye = &e->metrics.eye;
    e->metrics.eye.quiet = o->common.quiet;
    const MetricDefault data = e->setting.known_law ? METRIC_OF_LAW
                               : e->setting.text    ? METRIC_OF_TEXTS
                                                    : METRIC_OF_PICTURES;
    return metrics_choose(&e->metrics, o->metrics, data, err) && check_metrics(o, e, err) &&
           metrics_check(&e->metrics, &e->setting, err) && (!o->shard || statistics_check(e, err));
}

/* Before any work: can the results be written? */
static bool check_outputs(const EvalOptions *o, const Evaluation *e, Error *err)
{
    return (!o->json || path_check_output(o->json, err)) &&
           (!o->report || path_check_output(o->report, err)) &&
           (!o->statistics || path_check_output(o->statistics, err)) &&
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

static bool open_data(const EvalOptions *o, EvalObjects *x, Error *err)
{
    DatasetOptions d = model_dataset(&x->models.model->config);
    d.vocabulary = x->models.model->vocabulary;
    if (!(x->train = dataset_open(o->data, false, &d, err)) ||
        !model_fits_data(x->models.model, o->model, x->train, err) ||
        !check_sizes(o, x->train, x->models.model, o->model, err))
        return false;
    if (!metrics_look_at_test(&x->evaluation->metrics) || !dataset_has_test(o->data))
        return true;
    return (x->test = dataset_open(o->data, true, &d, err)) &&
           check_test(o, x->train, x->test, err);
}

/* How the rows' samples are shown, and seen by the Inception network. */
static void shape_samples(Evaluation *e, const GridStyle *style)
{
    InceptionEye *eye = &e->metrics.eye;
    e->style = *style;
    eye->height = style->height;
    eye->width = style->width;
    eye->channels = style->channels;
    eye->states = style->states;
}

static bool open_all(const EvalOptions *o, EvalObjects *x, Error *err)
{
    Evaluation *e = x->evaluation;
    if (!models_open(&x->models, o->model, o->teacher, sampler_choice_weights(&o->sampler), err) ||
        !open_data(o, x, err))
        return false;
    e->setting.train = x->train;
    e->setting.test = x->test;
    e->vocabulary = x->models.model->vocabulary;
    const GridStyle style = models_style(x->models.model);
    shape_samples(e, &style);
    return evaluation_prepare(e, err);
}

static bool open_samples(const EvalOptions *o, EvalObjects *x, Error *err)
{
    enum { LEVELS = 256 };
    Evaluation *e = x->evaluation;
    OutsideSamples *s = &x->outside;
    if (!outside_samples_read(s, o->samples, LEVELS, err))
        return false;
    e->setting.count = s->x.batch;
    if (o->shard && !shard_parse(o->shard, (int64_t)s->x.batch, &e->setting.shard, err))
        return false;
    const GridStyle style = {.height = s->height,
                             .width = s->width,
                             .channels = s->channels,
                             .states = LEVELS,
                             .mask = -1,
                             .padding = 2};
    shape_samples(e, &style);
    return evaluation_prepare(e, err);
}

static void close_all(EvalObjects *x)
{
    evaluation_destroy(x->evaluation);
    run_facts_free(&x->facts);
    states_free(&x->outside.x);
    dataset_close(x->test);
    dataset_close(x->train);
    models_close(&x->models);
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
    model_note_data(x->models.model, o->model, x->train, hash);
    if (x->models.teacher)
        model_note_data(x->models.teacher, o->teacher, x->train, hash);
}

/* The perfect product model where the law is known, the teacher, the model, both. */
static bool measure_eval(const EvalOptions *o, EvalObjects *x, Error *err)
{
    enum { SUBJECTS = 4 };
    const Model *m = x->models.model, *t = x->models.teacher;
    const FiniteLaw *law = x->train->law;
    MetricSubject subjects[SUBJECTS];
    size_t count = 0;
    if (!o->common.quiet) {
        model_note_start(m);
        sampler_choice_note(&o->sampler, &m->denoiser, o->model);
        if (t)
            sampler_choice_note(&o->sampler, &t->denoiser, o->teacher);
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

/* SHA-256 of samples from elsewhere, as numbers of 16 bits. */
static void add_samples(const EvalObjects *x, RunFacts *f)
{
    const States *s = &x->outside.x;
    char hash[65];
    Sha256 sha;
    sha256_init(&sha);
    sha256_add(&sha, s->x, s->batch * s->dims * sizeof *s->x);
    sha256_hex(&sha, hash);
    run_facts_add(f, "samples_hash", hash);
}

/* Which models were measured on what data, and how they were sampled. */
static void add_models(const EvalOptions *o, const EvalObjects *x, RunFacts *f)
{
    char hash[65];
    const Models *m = &x->models;
    const char *sampler = sampler_choice_name(&o->sampler, &m->model->denoiser);
    const char *other =
        m->teacher ? sampler_choice_name(&o->sampler, &m->teacher->denoiser) : sampler;
    run_facts_add(f, "data", dataset_kind_of(o->data)->name);
    run_facts_add(f, "sampler", sampler);
    if (strcmp(sampler, other) != 0)
        run_facts_add(f, "teacher_sampler", other);
    run_facts_add(f, "grid", o->sampler.grid ? o->sampler.grid : "uniform");
    run_facts_add(f, "lambda", sampler_choice_lambda(&o->sampler, &x->models.model->denoiser));
    nn_weights_hash(x->models.model->net, hash);
    run_facts_add(f, "model", hash);
    if (x->models.teacher) {
        nn_weights_hash(x->models.teacher->net, hash);
        run_facts_add(f, "teacher", hash);
    }
}

/* What the run was made of: the same in all parts. */
static void add_facts(const EvalOptions *o, const EvalObjects *x, RunFacts *f)
{
    static const char *const except[] = {"--model",           "--teacher",   "--data",
                                         "--metrics",         "--json",      "--report",
                                         "--shard",           "--batch",     "--statistics",
                                         "--classifier",      "--inception", "--samples",
                                         "--save-statistics", "--resume",    NULL};
    const Metrics *m = &x->evaluation->metrics;
    Buffer names = {0};
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].chosen)
            buffer_format(&names, names.length > 0 ? ",%s" : "%s", m->at[i].kind->name);
    run_facts_add(f, "version", DI4C_VERSION);
    run_facts_add(f, "metrics", names.bytes);
    if (o->samples)
        add_samples(x, f);
    else
        add_models(o, x, f);
    run_facts_options(f, &o->table, except);
    buffer_free(&names);
}

static bool write_statistics(const EvalOptions *o, const EvalObjects *x, Error *err)
{
    if (!statistics_write(x->evaluation, &x->facts, o->statistics, err))
        return false;
    printf("%s: %zu of %zu samples in each of %zu rows\n", o->statistics,
           x->evaluation->setting.shard.count, x->evaluation->setting.count,
           x->evaluation->row_count);
    return true;
}

/* ---- row by row ---- */

/* SHA-256 of what a prepared metric holds. */
static void hash_metric(const Metric *m, char out[65])
{
    RunFacts facts = {0};
    Numbers numbers = {0};
    Sha256 sha;
    state_fields_save(m->kind->parts->fields, m->state, &facts, &numbers);
    sha256_init(&sha);
    for (size_t i = 0; i < facts.count; i++)
        sha256_add(&sha, facts.at[i].value, strlen(facts.at[i].value) + 1);
    for (size_t i = 0; i < numbers.count; i++)
        for (size_t k = 0; k < numbers.at[i].count; k++) {
            unsigned char bytes[8];
            little_endian_put(bytes, 8, bits_of_double(numbers.at[i].values[k]));
            sha256_add(&sha, bytes, sizeof bytes);
        }
    sha256_hex(&sha, out);
    run_facts_free(&facts);
    numbers_free(&numbers);
}

/* What decides, beside the run's facts, whether kept rows are those that would be measured: the
 * data, and what the metrics made of them. */
static void add_sources(const EvalObjects *x, RunFacts *f)
{
    char hash[65], key[64];
    const Metrics *m = &x->evaluation->metrics;
    model_data_hash(x->train, hash);
    run_facts_add(f, "data_hash", hash);
    for (size_t i = 0; i < m->count; i++) {
        if (!m->at[i].chosen || !m->at[i].kind->parts)
            continue;
        hash_metric(&m->at[i], hash);
        snprintf(key, sizeof key, "of_%s", m->at[i].kind->name);
        run_facts_add(f, key, hash);
    }
}

/* What EvalNews has to know. */
typedef struct EvalRun {
    const EvalOptions *o;
    EvalObjects *x;
    RunFacts sources; /* facts and add_sources */
    char *kept;       /* NULL: nothing is kept */
} EvalRun;

/* Shown, kept, and in the JSON: a run that is stopped loses the row that it was at. */
static bool row_is_there(Evaluation *e, bool fresh, void *context, Error *err)
{
    const EvalRun *run = context;
    evaluation_print_news(e, false, stdout);
    return !fresh || !run->kept ||
           (evaluation_keep(e, &run->sources, run->kept, err) &&
            eval_json_write(run->o->json, &run->x->facts, e, err));
}

static bool start_rows(EvalRun *run, Error *err)
{
    const EvalOptions *o = run->o;
    Evaluation *e = run->x->evaluation;
    if (o->shard)
        return true;
    e->news = row_is_there;
    e->news_context = run;
    if (!o->json)
        return true;
    run->kept = path_with_end(o->json, ".part");
    for (size_t i = 0; i < run->x->facts.count; i++)
        run_facts_add(&run->sources, run->x->facts.at[i].key, run->x->facts.at[i].value);
    add_sources(run->x, &run->sources);
    return !o->resume || !platform_exists(run->kept) ||
           evaluation_recall(e, &run->sources, run->kept, err);
}

/* All rows, of which some may have been there already. */
static bool measure_rows(const EvalOptions *o, EvalObjects *x, Error *err)
{
    EvalRun run = {.o = o, .x = x};
    bool ok = start_rows(&run, err) && measure_eval(o, x, err);
    if (!ok && run.kept && platform_signal() && platform_exists(run.kept)) {
        const Error cause = *err;
        error_set(err, "%.300s; the same command with --resume goes on", cause.text);
    }
    if (ok && !o->shard)
        evaluation_print_news(x->evaluation, true, stdout);
    ok = ok && (!o->json || eval_json_write(o->json, &x->facts, x->evaluation, err));
    if (ok && run.kept)
        remove(run.kept);
    x->evaluation->news = NULL;
    run_facts_free(&run.sources);
    mem_free(run.kept);
    return ok;
}

/* Samples from elsewhere: one row. */
static bool measure_samples(const EvalOptions *o, EvalObjects *x, Error *err)
{
    if (!evaluation_add_samples(x->evaluation, "samples", &x->outside.x, err))
        return false;
    if (o->shard)
        return true;
    evaluation_print(x->evaluation, stdout);
    return !o->json || eval_json_write(o->json, &x->facts, x->evaluation, err);
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

/* Curves of what `--measure` wrote while the model was trained, if it did. */
static void add_measures(Report *r, const char *model)
{
    Error err;
    CsvTable table;
    char *log = measures_log(model);
    bool ok = !platform_exists(log);
    if (!ok && csv_read(log, &table, &err)) {
        ok = true;
        for (size_t i = 1; ok && i < table.columns; i++) {
            char title[80];
            snprintf(title, sizeof title, "While training: %.40s", table.names[i]);
            ok = report_csv_curve(r, title, log, table.names[i], 1, &err);
        }
        csv_free(&table);
    }
    if (!ok)
        fprintf(stderr, "%s; the report is without these curves\n", err.text);
    mem_free(log);
}

/* A recognition network's log shows whether lambda came alive: its divergence, and what is left. */
static void add_curves(Report *r, const char *path, const Model *m)
{
    add_curve(r, path, m->role == ROLE_STUDENT ? "Student's loss" : "Loss", "loss");
    add_measures(r, path);
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
    add_curves(r, o->model, x->models.model);
    report_fact(r, "command", provenance_command());
    report_fact(r, "version", DI4C_VERSION);
    nn_weights_hash(x->models.model->net, hash);
    report_fact(r, "model", hash);
    if (x->models.teacher)
        nn_weights_hash(x->models.teacher->net, hash);
    if (x->models.teacher)
        report_fact(r, "teacher", hash);
    const bool ok = report_write(r, o->report, err);
    report_destroy(r);
    return ok;
}

static bool open_and_measure(const EvalOptions *o, EvalObjects *x, Error *err)
{
    if (o->samples ? !open_samples(o, x, err) : !open_all(o, x, err))
        return false;
    add_facts(o, x, &x->facts);
    if (o->samples ? !measure_samples(o, x, err) : !measure_rows(o, x, err))
        return false;
    if (o->shard)
        return write_statistics(o, x, err);
    return !o->report || write_report(o, x, err);
}

/* Everything but what the command line says wrongly. */
static bool evaluate_all(const EvalOptions *o, EvalObjects *x, Error *err)
{
    FileLock lock = {.name = NULL};
    const bool ok = check_outputs(o, x->evaluation, err) &&
                    (!o->json || platform_lock(&lock, o->json, err)) && open_and_measure(o, x, err);
    platform_unlock(&lock);
    return ok;
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
