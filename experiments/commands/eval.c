/* di4c eval: teacher and student on the same time grids, measured by the metrics that fit the data.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/sampler_options.h"
#include "experiments/data/exact_denoiser.h"
#include "experiments/metrics/evaluation.h"
#include "experiments/model/model_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

typedef struct EvalOptions {
    const char *model, *teacher, *data, *metrics, *classifier, *json, *report;
    SamplerChoice sampler;
    CountList steps;
    int64_t count, seed, batch, teacher_steps, bound_lambdas;
    bool raw, stratified;
    bool want_valid, want_fcd, want_elbo, want_bound; /* from metrics */
    CommonOptions common;
} EvalOptions;

typedef struct EvalObjects {
    Model *model, *teacher;
    Dataset *train, *test;
    Classifier *classifier;
    Evaluation *evaluation;
} EvalObjects;

static OptionsResult parse(const Command *self, EvalOptions *o, int argc, char **argv)
{
    const Option options[] = {
        {"--model", OPTION_TEXT, &o->model, "MODEL", 0, 0, true, "teacher or student"},
        {"--data", OPTION_TEXT, &o->data, "DATA", 0, 0, true, "what the model was trained on"},
        {"--teacher", OPTION_TEXT, &o->teacher, "MODEL", 0, 0, false,
         "measured beside the model: its teacher"},
        {"--steps", OPTION_LIST, &o->steps, "1,2,4,8", 1, 1e5, false,
         "steps from noise to data (default 1,2,4,8,16,32)"},
        {"--sampler", OPTION_TEXT, &o->sampler.name, "NAME", 0, 0, false,
         "posterior (default), or another; list prints them all"},
        {"--sampler-set", OPTION_REPEAT, &o->sampler.set, "KEY=VALUE", 0, 0, false,
         "a setting of the sampler, see --sampler list"},
        {"--count", OPTION_COUNT, &o->count, "M", 2, 1e8, false, "samples of a row (default 2000)"},
        {"--metrics", OPTION_TEXT, &o->metrics, "LIST", 0, 0, false,
         "of valid, fcd, elbo, bound (default: valid or fcd, what fits the data)"},
        {"--bound-lambdas", OPTION_COUNT, &o->bound_lambdas, "K", 1, 4096, false,
         "bound: lambdas averaged over in each step of a student without a recognition network "
         "(default 16)"},
        {"--classifier", OPTION_TEXT, &o->classifier, "FILE", 0, 0, false,
         "FCD's classifier: read if it exists, else trained and written"},
        {"--teacher-steps", OPTION_COUNT, &o->teacher_steps, "K", 0, 1e5, false,
         "adds hybrid rows: the last K steps are the teacher's"},
        {"--grid", OPTION_TEXT, &o->sampler.grid, "NAME", 0, 0, false,
         "times: uniform (default), authors, process, or a list such as 1,0.5,0.2"},
        {"--json", OPTION_TEXT, &o->json, "FILE", 0, 0, false, "results as JSON"},
        {"--report", OPTION_TEXT, &o->report, "FILE.html", 0, 0, false,
         "one HTML page: table, charts, samples, loss curves"},
        {"--seed", OPTION_COUNT, &o->seed, "N", 0, 9e15, false,
         "of all random numbers (default 1)"},
        {"--batch", OPTION_COUNT, &o->batch, "N", 1, 1e6, false,
         "samples in one network call (default 250)"},
        {"--lambda", OPTION_TEXT, &o->sampler.lambda, "WHEN", 0, 0, false,
         "lambda drawn for each step, or once for the whole sample: step or sample (default: as "
         "the model was trained)"},
        {"--as-code", OPTION_FLAG, &o->sampler.as_code, NULL, 0, 0, false,
         "where paper and published code differ, the code (default): eps = 1e-9, argmax at the end "
         "of --grid authors"},
        {"--as-paper", OPTION_FLAG, &o->sampler.as_paper, NULL, 0, 0, false,
         "... the paper: eps = 0, a draw at the end"},
        {"--raw", OPTION_FLAG, &o->raw, NULL, 0, 0, false, "weights without averaging"},
        {"--stratified-lambda", OPTION_FLAG, &o->stratified, NULL, 0, 0, false,
         "lambdas of one call cut [0,1) evenly"},
    };
    return options_parse(self, options, sizeof options / sizeof options[0], &o->common, argc, argv);
}

/* Which metrics: those asked for, or those that the data allow. */
static bool choose_metrics(EvalOptions *o, Error *err)
{
    const bool law = strcmp(o->data, "glyphs") == 0;
    if (!o->metrics) {
        o->want_valid = law;
        o->want_fcd = !law;
        return true;
    }
    for (const char *p = o->metrics;; p++) {
        const size_t n = strcspn(p, ",");
        if (n == 5 && strncmp(p, "valid", n) == 0)
            o->want_valid = true;
        else if (n == 3 && strncmp(p, "fcd", n) == 0)
            o->want_fcd = true;
        else if (n == 4 && strncmp(p, "elbo", n) == 0)
            o->want_elbo = true;
        else if (n == 5 && strncmp(p, "bound", n) == 0)
            o->want_bound = true;
        else
            return error_set(err, "--metrics %.60s: expected a list of valid, fcd, elbo, bound",
                             o->metrics);
        p += n;
        if (*p == '\0')
            break;
    }
    if (o->want_valid && !law)
        return error_set(err, "--metrics valid: expected --data glyphs, whose law is known");
    return true;
}

/* What is written must not fall on what is read, nor on each other. */
static bool check_names(const EvalOptions *o, Error *err)
{
    const char *const names[] = {o->json, o->report, o->model, o->teacher, o->classifier};
    static const char *const options[] = {"--json", "--report", "--model", "--teacher",
                                          "--classifier"};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = i + 1; k < sizeof names / sizeof names[0]; k++)
            if (names[i] && names[k] && strcmp(names[i], names[k]) == 0)
                return error_set(err, "%s %.200s: expected another file than %s", options[i],
                                 names[i], options[k]);
    return path_check_result(options[0], o->json, err) &&
           path_check_result(options[1], o->report, err);
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
    if (o->teacher_steps > 0 && sampler_choice_own(&o->sampler))
        return error_set(err, "--teacher-steps: sampler %s has no grid of steps to share",
                         o->sampler.name);
    return true;
}

/* The bound is that of exact draws on the grid n/N. */
static bool check_bound(const EvalOptions *o, Error *err)
{
    const bool other = o->sampler.name && strcmp(o->sampler.name, "posterior") != 0;
    if (o->want_bound && (other || o->sampler.kind != GRID_UNIFORM))
        return error_set(err, "--metrics bound: expected --sampler posterior and --grid uniform, "
                              "whose bound it is");
    return true;
}

static bool check(EvalOptions *o, Error *err)
{
    if (!sampler_choice_resolve(&o->sampler, err) || !check_steps(o, err))
        return false;
    if (o->teacher_steps > 0 && !o->teacher)
        return error_set(err, "--teacher-steps: expected --teacher too");
    return check_names(o, err) && choose_metrics(o, err) && check_bound(o, err);
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

/* The classifier's file if it exists; else one trained now, and written if a file was named. */
static Classifier *get_classifier(const EvalOptions *o, const Dataset *train, Error *err)
{
    if (o->classifier && platform_exists(o->classifier))
        return classifier_load(o->classifier, train, err);
    Classifier *c = classifier_train(train, 1, o->common.quiet, err);
    if (!c || !o->classifier)
        return c;
    if (classifier_save(c, o->classifier, err))
        return c;
    classifier_destroy(c);
    return NULL;
}

/* Before any work: can the results be written? */
static bool check_outputs(const EvalOptions *o, Error *err)
{
    return (!o->json || path_check_output(o->json, err)) &&
           (!o->report || path_check_output(o->report, err)) &&
           (!o->classifier || !o->want_fcd || platform_exists(o->classifier) ||
            path_check_output(o->classifier, err));
}

static bool open_all(const EvalOptions *o, EvalObjects *x, Error *err)
{
    const WeightChoice which = o->raw ? WEIGHTS_RAW : WEIGHTS_AVERAGED;
    if (!(x->model = model_load(o->model, which, err)))
        return false;
    if (o->teacher && !(x->teacher = model_load_teacher(x->model, o->teacher, which, err)))
        return false;
    const DatasetOptions d = model_dataset(&x->model->config);
    if (!(x->train = dataset_open(o->data, false, &d, err)))
        return false;
    if (!check_sizes(o, x->train, x->model, o->model, err))
        return false;
    Evaluation *e = x->evaluation = mem_zeroed(1, sizeof *x->evaluation);
    e->count = (size_t)o->count;
    e->style = (GridStyle){.height = x->train->height,
                           .width = x->train->width,
                           .channels = x->train->channels,
                           .states = x->train->states,
                           .mask = x->model->process->mask,
                           .padding = 2};
    if (o->want_valid)
        evaluation_use_law(e, x->train->law, (uint64_t)o->seed);
    if ((o->want_fcd || o->want_elbo || o->want_bound) && dataset_has_test(o->data) &&
        !((x->test = dataset_open(o->data, true, &d, err)) &&
          check_test(o, x->train, x->test, err)))
        return false;
    if (!o->want_fcd)
        return true;
    if (!evaluation_check_counts(x->train, x->test, err) ||
        !(x->classifier = get_classifier(o, x->train, err)))
        return false;
    return evaluation_use_classifier(e, x->classifier, x->train, x->test, err);
}

static void close_all(EvalObjects *x)
{
    if (x->evaluation)
        evaluation_free(x->evaluation);
    mem_free(x->evaluation);
    classifier_destroy(x->classifier);
    dataset_close(x->test);
    dataset_close(x->train);
    model_destroy(x->teacher);
    model_destroy(x->model);
}

/* One model over all numbers of steps; hybrid rows only where the model has calls of its own. */
static bool add_rows(const EvalOptions *o, EvalObjects *x, const char *name, const Denoiser *d,
                     const Denoiser *teacher, const Process *p, Error *err)
{
    for (size_t i = 0; i < o->steps.count; i++) {
        SampleRequest request = {.model = d,
                                 .teacher = teacher,
                                 .teacher_steps = teacher ? (size_t)o->teacher_steps : 0,
                                 .process = p,
                                 .steps = (size_t)o->steps.values[i],
                                 .stratified_lambda = o->stratified,
                                 .batch = (size_t)o->batch,
                                 .seed = (uint64_t)o->seed};
        sampler_choice_apply(&o->sampler, &request);
        if (teacher && request.teacher_steps >= request.steps)
            continue;
        if (!o->common.quiet)
            fprintf(stderr, "sampling: %s, %zu step%s\n", name, request.steps,
                    request.steps == 1 ? "" : "s");
        if (!evaluation_add(x->evaluation, name, &request, err))
            return false;
    }
    return true;
}

enum { ELBO_TIMES = 256, BOUND_DATA = 0xE1B1 }; /* slices of its integral; a random stream */

/* Pictures for the bound: drawn from a known law, else the first of the test split, or of the
 * training data.  states_free. */
static States bound_data(const EvalOptions *o, const EvalObjects *x, const char **split)
{
    const Dataset *data = x->test ? x->test : x->train;
    const FiniteLaw *law = x->train->law;
    const size_t most = law ? (size_t)o->count : data->count;
    States x0 = states_alloc((size_t)o->count < most ? (size_t)o->count : most, data->dims);
    *split = law ? "drawn" : x->test ? "test" : "training";
    if (!law) {
        dataset_rows(data, 0, &x0, NULL);
        return x0;
    }
    Rng draw = rng_child(rng_root((uint64_t)o->seed), BOUND_DATA);
    for (size_t b = 0; b < x0.batch; b++)
        memcpy(states_row(&x0, b), law->patterns + law_draw(law, &draw) * law->dims,
               law->dims * sizeof *x0.x);
    return x0;
}

static bool add_bound(const EvalOptions *o, EvalObjects *x, const char *name, const Denoiser *d,
                      const Model *m, Error *err)
{
    const ElboRequest request = {.model = d,
                                 .process = m->process,
                                 .t_min = m->config.t_min,
                                 .eps = sampler_choice_eps(&o->sampler),
                                 .times = ELBO_TIMES,
                                 .batch = (size_t)o->batch,
                                 .seed = (uint64_t)o->seed};
    const char *split;
    States x0 = bound_data(o, x, &split);
    if (!o->common.quiet)
        fprintf(stderr, "elbo: %s, %zu pictures\n", name, x0.batch);
    const bool ok = evaluation_add_bound(x->evaluation, name, &request, &x0, split, err);
    states_free(&x0);
    return ok;
}

/* Bounds of all product models; a student has none, which is said if nothing else has one. */
static bool measure_bounds(const EvalOptions *o, EvalObjects *x, const Denoiser *exact, Error *err)
{
    const Model *m = x->model, *t = x->teacher;
    if (exact && !add_bound(o, x, "exact", exact, m, err))
        return false;
    if (t && t->role == ROLE_TEACHER && !add_bound(o, x, "teacher", &t->denoiser, t, err))
        return false;
    if (m->role == ROLE_STUDENT && t)
        return true;
    return add_bound(o, x, model_role_name(m->role), &m->denoiser, m, err);
}

static bool add_step_bounds(const EvalOptions *o, EvalObjects *x, const char *name,
                            const Denoiser *d, const Process *p, Error *err)
{
    const char *split;
    States x0 = bound_data(o, x, &split);
    bool ok = true;
    for (size_t i = 0; ok && i < o->steps.count; i++) {
        const StepBoundRequest request = {.model = d,
                                          .process = p,
                                          .steps = (size_t)o->steps.values[i],
                                          .lambda_scope = o->sampler.lambda_scope,
                                          .lambdas = (size_t)o->bound_lambdas,
                                          .batch = (size_t)o->batch,
                                          .seed = (uint64_t)o->seed};
        if (!o->common.quiet)
            fprintf(stderr, "bound: %s, %zu step%s, %zu pictures\n", name, request.steps,
                    request.steps == 1 ? "" : "s", x0.batch);
        ok = evaluation_add_step_bound(x->evaluation, name, &request, &x0, split, err);
    }
    states_free(&x0);
    return ok;
}

/* Bounds of the samplers of N steps: all models. */
static bool measure_step_bounds(const EvalOptions *o, EvalObjects *x, const Denoiser *exact,
                                Error *err)
{
    const Model *m = x->model, *t = x->teacher;
    const char *name = t && m->role == ROLE_TEACHER ? "model" : model_role_name(m->role);
    return (!exact || add_step_bounds(o, x, "exact", exact, m->process, err)) &&
           (!t || add_step_bounds(o, x, "teacher", &t->denoiser, t->process, err)) &&
           add_step_bounds(o, x, name, &m->denoiser, m->process, err);
}

static bool measure(const EvalOptions *o, EvalObjects *x, Error *err)
{
    const Model *m = x->model, *t = x->teacher;
    if (!o->common.quiet)
        model_note_start(m);
    if (!o->common.quiet)
        sampler_choice_note(&o->sampler, &m->denoiser, o->model);
    if (o->want_elbo || o->want_bound) {
        Denoiser *exact = x->train->law ? exact_denoiser_create(x->train->law, m->process) : NULL;
        const bool ok = (!o->want_elbo || measure_bounds(o, x, exact, err)) &&
                        (!o->want_bound || measure_step_bounds(o, x, exact, err));
        exact_denoiser_destroy(exact);
        if (!ok)
            return false;
    }
    if (!o->want_valid && !o->want_fcd)
        return true;
    if (x->train->law) {
        Denoiser *exact = exact_denoiser_create(x->train->law, m->process);
        const bool ok = add_rows(o, x, "exact", exact, NULL, m->process, err);
        exact_denoiser_destroy(exact);
        if (!ok)
            return false;
    }
    const char *name = t && m->role == ROLE_TEACHER ? "model" : model_role_name(m->role);
    if (t && !add_rows(o, x, "teacher", &t->denoiser, NULL, t->process, err))
        return false;
    if (!add_rows(o, x, name, &m->denoiser, NULL, m->process, err))
        return false;
    return o->teacher_steps == 0 ||
           add_rows(o, x, "hybrid", &m->denoiser, &t->denoiser, m->process, err);
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
    jsonout_string(&j, "sampler", o->sampler.name ? o->sampler.name : "posterior");
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
    const bool student = m->role == ROLE_STUDENT;
    add_curve(r, path, student ? "Student's loss" : "Loss", "loss");
    if (!student || m->config.objective != CONFIG_OBJECTIVE_VARIATIONAL)
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

int command_eval(const Command *self, int argc, char **argv)
{
    EvalOptions o = {.count = 2000, .seed = 1, .batch = 250, .bound_lambdas = 16};
    Error err;
    if (sampler_choice_list(stdout, argc, argv))
        return 0;
    const OptionsResult r = parse(self, &o, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    if (!check(&o, &err)) {
        sampler_choice_free(&o.sampler);
        return command_fail(self, &err, 2);
    }
    EvalObjects x = {0};
    platform_catch_signals();
    bool ok = check_outputs(&o, &err) && open_all(&o, &x, &err) && measure(&o, &x, &err);
    if (ok) {
        evaluation_print(x.evaluation, stdout);
        ok = (!o.json || write_json(&o, &x, &err)) && (!o.report || write_report(&o, &x, &err));
    }
    close_all(&x);
    sampler_choice_free(&o.sampler);
    return ok ? 0 : command_fail(self, &err, 1);
}
