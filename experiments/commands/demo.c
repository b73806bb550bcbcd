/* di4c demo: the whole method on built-in data: a teacher is trained, a student distilled from it,
 * both are sampled beside the exact product denoiser, and everything is written to one folder. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "experiments/data/datasets.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/metrics/evaluation.h"
#include "experiments/model/model.h"
#include "experiments/model/presets.h"
#include "experiments/training/training.h"
#include "nn/checkpoint.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { DEMO_SAMPLES = 4000, DEMO_BATCH = 500 };
static const CountList demo_steps = {6, {1, 2, 4, 8, 16, 32}};

typedef struct Demo {
    const char *out;
    int64_t seed;
    CommonOptions common;
    Dataset *data;
    Model *teacher, *student;
    Evaluation *evaluation;
} Demo;

/* Trains one of the two models into DIR/NAME.safetensors and DIR/NAME.csv. */
static bool train_demo(const Demo *d, Model *m, const Denoiser *teacher, Error *err)
{
    char name[48];
    snprintf(name, sizeof name, "%s.safetensors", model_role_name(m->role));
    char *out = path_join(d->out, name), *log = path_with_suffix(out, ".csv");
    const TrainingJob job = {.model = m,
                             .teacher = teacher,
                             .data = d->data,
                             .out = out,
                             .log = log,
                             .quiet = d->common.quiet,
                             .save_seconds = 60};
    const TrainingEnd end = training_run(&job, err);
    if (end == TRAINING_INTERRUPTED)
        error_set(err, "stopped at step %llu of the %s; run it again to start anew",
                  (unsigned long long)m->step, model_role_name(m->role));
    mem_free(log);
    mem_free(out);
    return end == TRAINING_DONE;
}

static Model *create(const Demo *d, ConfigRole role, Error *err)
{
    Config c;
    if (!config_preset(&c, "glyphs", role, err))
        return NULL;
    c.seed = d->seed;
    Model *m = model_create(&c, role, true, err);
    if (m)
        model_set_data(m, d->data);
    return m;
}

static bool train_both(Demo *d, Error *err)
{
    if (!(d->teacher = create(d, ROLE_TEACHER, err)) || !train_demo(d, d->teacher, NULL, err))
        return false;
    if (!(d->student = create(d, ROLE_STUDENT, err)))
        return false;
    nn_copy_common(d->student->net, d->teacher->net);
    nn_weights_hash(d->teacher->net, d->student->teacher_hash);
    return train_demo(d, d->student, &d->teacher->denoiser, err);
}

/* The evaluation, whose setting is the same for all models. */
static Evaluation *prepare_demo(const Demo *d, Error *err)
{
    Evaluation *e = evaluation_create();
    e->setting = (MetricSetting){
        .count = DEMO_SAMPLES,
        .steps = demo_steps,
        .sampling = {.grid = GRID_UNIFORM, .batch = DEMO_BATCH, .seed = (uint64_t)d->seed},
        .known_law = true,
        .beside_teacher = true,
        .quiet = true,
        .train = d->data};
    e->style = (GridStyle){.height = d->data->height,
                           .width = d->data->width,
                           .channels = 1,
                           .states = d->data->states,
                           .mask = d->teacher->process->mask,
                           .columns = 16,
                           .zoom = 4,
                           .padding = 4};
    if (metrics_choose(&e->metrics, "valid", METRIC_OF_LAW, err) && evaluation_prepare(e, err))
        return e;
    evaluation_destroy(e);
    return NULL;
}

static MetricSubject subject_of(const Demo *d, const char *name, const Denoiser *model)
{
    return (MetricSubject){
        .name = name, .kind = name, .denoiser = model, .process = d->teacher->process};
}

static bool measure_demo(Demo *d, Error *err)
{
    if (!(d->evaluation = prepare_demo(d, err)))
        return false;
    Denoiser *exact = exact_denoiser_create(d->data->law, d->teacher->process);
    MetricSubject subjects[3];
    subjects[0] = subject_of(d, "exact", exact);
    subjects[1] = subject_of(d, "teacher", &d->teacher->denoiser);
    subjects[2] = subject_of(d, "student", &d->student->denoiser);
    const bool ok = evaluation_measure(d->evaluation, subjects, 3, err);
    exact_denoiser_destroy(exact);
    return ok;
}

/* Share of real patterns. */
static double valid(const Demo *d, const EvalRow *row)
{
    return evaluation_value(d->evaluation, row, "valid");
}

/* What the table shows, in one sentence made from its numbers. */
static void sentence(const Demo *d, char *text, size_t size)
{
    const EvalRow *student = evaluation_find(d->evaluation, "student", 2);
    const EvalRow *same = evaluation_find(d->evaluation, "teacher", 2), *needs = NULL;
    for (size_t i = 0; i < demo_steps.count && !needs; i++) {
        const size_t steps = (size_t)demo_steps.values[i];
        const EvalRow *t = evaluation_find(d->evaluation, "teacher", steps);
        if (valid(d, t) >= valid(d, student))
            needs = t;
    }
    int n = text_format(text, size,
                        "In 2 steps the student draws a real pattern %.1f %% of the time, its "
                        "teacher %.1f %%",
                        100 * valid(d, student), 100 * valid(d, same));
    if (n < 0 || (size_t)n >= size)
        return;
    if (needs)
        snprintf(text + n, size - (size_t)n, "; the teacher needs %zu steps to reach as much.",
                 needs->steps);
    else
        snprintf(text + n, size - (size_t)n, ", and not even 32 steps bring the teacher there.");
}

static bool write_json(const Demo *d, const char *text, Error *err)
{
    char hash[65];
    char *path = path_join(d->out, "results.json");
    OutputFile out;
    bool ok = output_open(&out, path, err);
    if (ok) {
        JsonOut j = jsonout_start(out.file);
        jsonout_object(&j, NULL);
        jsonout_string(&j, "command", provenance_command());
        jsonout_string(&j, "version", DI4C_VERSION);
        jsonout_count(&j, "seed", (uint64_t)d->seed);
        nn_weights_hash(d->teacher->net, hash);
        jsonout_string(&j, "teacher", hash);
        nn_weights_hash(d->student->net, hash);
        jsonout_string(&j, "student", hash);
        jsonout_string(&j, "summary", text);
        evaluation_json(d->evaluation, &j);
        jsonout_end(&j);
        ok = output_commit(&out, err);
    }
    mem_free(path);
    return ok;
}

static bool write_pictures(const Demo *d, Error *err)
{
    char seed[24], steps[24], name[64];
    bool ok = true;
    snprintf(seed, sizeof seed, "%lld", (long long)d->seed);
    for (size_t i = 0; ok && i < d->evaluation->row_count; i++) {
        const EvalRow *r = &d->evaluation->rows[i];
        char hash[65] = "none (exact)";
        if (strcmp(r->model, "teacher") == 0)
            nn_weights_hash(d->teacher->net, hash);
        if (strcmp(r->model, "student") == 0)
            nn_weights_hash(d->student->net, hash);
        snprintf(steps, sizeof steps, "%zu", r->steps);
        snprintf(name, sizeof name, "%s-%zu.png", r->model, r->steps);
        const PngText text[] = {{"Software", "di4c " DI4C_VERSION},
                                {"command", provenance_command()},
                                {"model", hash},
                                {"steps", steps},
                                {"seed", seed}};
        char *path = path_join(d->out, name);
        ok = png_write(path, &r->picture, text, sizeof text / sizeof text[0], err);
        mem_free(path);
    }
    return ok;
}

static bool write_report(const Demo *d, const char *text, Error *err)
{
    char hash[65], seed[24];
    Report *r = report_create("di4c demo: built-in glyphs", text);
    char *teacher = path_join(d->out, "teacher.csv"), *student = path_join(d->out, "student.csv");
    char *path = path_join(d->out, "report.html");
    report_paragraph(r,
                     "A product model draws every pixel on its own, so in few steps its pictures "
                     "fall apart; the student is a mixture of product models over a shared lambda "
                     "and keeps pixels together. 'exact' is the product model with the true "
                     "marginals: what the best possible teacher would draw.");
    evaluation_report(d->evaluation, r);
    report_heading(r, "Training");
    const bool ok =
        report_csv_curve(r, "Teacher's loss, nats a pixel", teacher, "loss", 100, err) &&
        report_csv_curve(r, "Student's loss, nats a pixel", student, "loss", 100, err) &&
        report_csv_curve(r, "What lambda carries: KL(q || prior), nats a picture", student, "kl",
                         100, err);
    snprintf(seed, sizeof seed, "%lld", (long long)d->seed);
    report_fact(r, "command", provenance_command());
    report_fact(r, "version", DI4C_VERSION);
    report_fact(r, "seed", seed);
    nn_weights_hash(d->teacher->net, hash);
    report_fact(r, "teacher", hash);
    nn_weights_hash(d->student->net, hash);
    report_fact(r, "student", hash);
    const bool written = ok && report_write(r, path, err);
    mem_free(path);
    mem_free(student);
    mem_free(teacher);
    report_destroy(r);
    return written;
}

static bool make_demo(Demo *d, Error *err)
{
    char text[256];
    const DatasetOptions options = dataset_defaults();
    if (!platform_make_folder(d->out, err))
        return false;
    if (!(d->data = dataset_open("glyphs", false, &options, err)))
        return false;
    if (!train_both(d, err) || !measure_demo(d, err))
        return false;
    sentence(d, text, sizeof text);
    if (!write_json(d, text, err) || !write_pictures(d, err) || !write_report(d, text, err))
        return false;
    evaluation_print(d->evaluation, stdout);
    printf("\n%s\nPictures, results.json and report.html are in %s.\n", text, d->out);
    return true;
}

static int run_demo(const Command *self, int argc, char **argv)
{
    Demo d = {.out = "out/demo", .seed = 1};
    const Option options[] = {
        {"--out", OPTION_TEXT, &d.out, "DIR", 0, 0, false,
         "folder for all results (default out/demo)"},
        {"--seed", OPTION_COUNT, &d.seed, "N", 0, 9e15, false, "of all random numbers (default 1)"},
    };
    Error err;
    const OptionsResult r = options_parse(self, options, 2, &d.common, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    platform_catch_signals();
    const bool ok = make_demo(&d, &err);
    evaluation_destroy(d.evaluation);
    model_destroy(d.student);
    model_destroy(d.teacher);
    dataset_close(d.data);
    return ok ? 0 : command_fail(self, &err, 1);
}

const Command command_demo = {
    .name = "demo",
    .summary =
        "Built-in data: trains a teacher, distills a student, samples both, writes a report.",
    .example = "di4c demo --out out/demo",
    .run = run_demo};
