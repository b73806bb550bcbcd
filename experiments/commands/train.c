/* di4c train and di4c distill: from options to a TrainingJob. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/results.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/measures.h"
#include "experiments/data/datasets.h"
#include "experiments/model/model.h"
#include "experiments/model/model_file.h"
#include "experiments/model/model_meta.h"
#include "experiments/model/presets.h"
#include "experiments/training/training.h"
#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/conv/conv.h"
#include "tensor/system/platform.h"

typedef struct TrainOptions {
    const char *data, *out, *preset, *log, *conv, *teacher, *rates;
    TextList set;
    int64_t steps, seed, save_seconds;
    bool resume, overwrite, check_finite, as_code, as_paper;
    MeasureOptions measures;
    CommonOptions common;
    OptionTable table;
} TrainOptions;

static OptionsResult parse_train(const Command *self, ConfigRole role, TrainOptions *o, int argc,
                                 char **argv)
{
    char specs[DATASET_SPECS];
    Option options[] = {
        {"--data", OPTION_TEXT, &o->data, "DATA", 0, 0, true, dataset_specs(specs)},
        {"--out", OPTION_TEXT, &o->out, "MODEL", 0, 0, true, "file to write (.safetensors)"},
        {"--preset", OPTION_TEXT, &o->preset, "NAME", 0, 0, false,
         "settings to start from (default: what fits the data)"},
        {"--set", OPTION_REPEAT, &o->set, "KEY=VALUE", 0, 0, false,
         "change one setting, listed below; may be given several times"},
        {"--steps", OPTION_COUNT, &o->steps, "N", 1, 1e12, false, "training steps in all"},
        {"--seed", OPTION_COUNT, &o->seed, "N", 0, 9e15, false, "of all random numbers"},
        {"--log", OPTION_TEXT, &o->log, "FILE.csv", 0, 0, false,
         "losses, a line a step (default: MODEL's name with .csv)"},
        {"--resume", OPTION_FLAG, &o->resume, NULL, 0, 0, false,
         "go on from MODEL; the result is the same as without the stop"},
        {"--overwrite", OPTION_FLAG, &o->overwrite, NULL, 0, 0, false, "replace MODEL and its log"},
        {"--save-every", OPTION_COUNT, &o->save_seconds, "SECONDS", 0, 1e9, false,
         "time between checkpoints (default 120)"},
        {"--check-finite", OPTION_FLAG, &o->check_finite, NULL, 0, 0, false,
         "look at every result and gradient; what goes wrong is named in any case"},
        {"--conv", OPTION_TEXT, &o->conv, "NAME", 0, 0, false,
         "3x3 convolutions: auto (by shape), direct, winograd where possible (auto)"},
        {"--as-code", OPTION_FLAG, &o->as_code, NULL, 0, 0, false,
         "where paper and published code differ, the code (default)"},
        {"--as-paper", OPTION_FLAG, &o->as_paper, NULL, 0, 0, false,
         "... the paper: sets eps; for students tm_width and start_from too (--set goes before)"},
        {"--rates", OPTION_TEXT, &o->rates, "FILE", 0, 0, false,
         "rates of the noise (process=matrix): S x S numbers, .csv or .npy; row i leads out of i"},
        {"--teacher", OPTION_TEXT, &o->teacher, "MODEL", 0, 0, true,
         "the model to learn from (its averaged weights)"},
    };
    const size_t count = sizeof options / sizeof options[0] - 1; /* one of the last two */
    if (role == ROLE_STUDENT) {
        options[count - 1] = options[count];
        options[0].required = false; /* a teacher can draw it */
        options[0].help = "as for train; may be left out with --set targets=teacher";
    }
    options_add(&o->table, options, count);
    measures_options(&o->measures, &o->table);
    const OptionsResult r =
        options_parse(self, o->table.rows, o->table.count, &o->common, argc, argv);
    if (r == OPTIONS_HELP) {
        printf("\n");
        dataset_help(stdout);
        config_help(stdout);
        config_presets_help(stdout);
    }
    return r;
}

/* Keys that open_data fills in. */
static bool is_of_data(const char *key)
{
    return strcmp(key, "height") == 0 || strcmp(key, "width") == 0 ||
           strcmp(key, "channels") == 0 || strcmp(key, "states") == 0;
}

/* Settings in order: preset (or the teacher's configuration), --as-paper, --rates, --set, --steps,
 * --seed. */
static bool configure(const TrainOptions *o, ConfigRole role, const Model *teacher,
                      const RateMatrix *rates, Config *c, Error *err)
{
    const char *fitting =
        config_preset_of(o->data ? o->data : teacher->data, teacher ? &teacher->config : NULL);
    if (!o->preset && !o->data && strcmp(teacher->data, "unknown") == 0)
        return error_set(err,
                         "--preset is missing: expected it, since %.200s does not say what it was "
                         "trained on",
                         o->teacher);
    if (!config_preset(c, o->preset ? o->preset : fitting, role, err))
        return false;
    if (teacher)
        config_copy_structure(c, &teacher->config);
    if (o->as_paper)
        config_as_paper(c, role);
    if (rates) {
        config_set(c, "process", "matrix", "--rates", err);
        c->rates = rates;
    }
    for (size_t i = 0; i < o->set.count; i++) {
        char key[CONFIG_TEXT];
        const char *value = text_key_value(o->set.values[i], key, sizeof key);
        if (!value)
            return error_set(err, "--set %.60s: expected KEY=VALUE", o->set.values[i]);
        if (is_of_data(key))
            return error_set(err, "--set %s: expected another key: this one is taken from the data",
                             key);
        if (!config_set(c, key, value, "--set", err))
            return false;
    }
    if (o->steps > 0)
        c->steps = o->steps;
    if (o->seed >= 0)
        c->seed = o->seed;
    if (!o->data && c->targets != CONFIG_TARGETS_TEACHER)
        return error_set(err,
                         "--data is missing: expected it, or --set targets=teacher, with which "
                         "the teacher draws the pictures");
    return config_check(c, role, err);
}

/* No pictures or sequences, of the sizes that the teacher was trained on. */
static Dataset *no_data(const Model *teacher, Error *err)
{
    const Config *c = &teacher->config;
    TextData text = {.vocabulary = teacher->vocabulary};
    if (c->states > 256 && !teacher->vocabulary) { /* pictures are bytes */
        error_set(err, "--teacher: %lld states: expected at most 256 where it draws the pictures",
                  (long long)c->states);
        return NULL;
    }
    const Dataset sizes = {.name = (char *)teacher->data,
                           .text = teacher->vocabulary ? &text : NULL,
                           .height = (size_t)c->height,
                           .width = (size_t)c->width,
                           .channels = (size_t)c->channels,
                           .states = (size_t)c->states,
                           .dims = (size_t)(c->height * c->width * c->channels)};
    return dataset_like(&sizes, 0);
}

/* Opens the data and takes its sizes into the configuration. */
static Dataset *open_data(const TrainOptions *o, const Model *teacher, Config *c, Error *err)
{
    DatasetOptions d = model_dataset(c);
    d.vocabulary = teacher ? teacher->vocabulary : NULL;
    Dataset *data = o->data ? dataset_open(o->data, false, &d, err) : no_data(teacher, err);
    if (!data)
        return NULL;
    c->height = (int64_t)data->height;
    c->width = (int64_t)data->width;
    c->channels = (int64_t)data->channels;
    c->states = (int64_t)data->states;
    return data;
}

/* A run can only go on with the configuration it had.  Two keys may change: the number of steps
 * where nothing else depends on it, and the chunk, which changes nothing. */
static bool check_same_config(const char *path, const Model *old, const Model *m, Error *err)
{
    Config before = old->config;
    char a[CONFIG_TEXT], b[CONFIG_TEXT];
    if (m->config.lr_decay == LR_CONSTANT &&
        !objective_has_length(config_objective(&m->config, m->role), &m->config))
        before.steps = m->config.steps;
    before.chunk = m->config.chunk;
    const size_t i = config_difference(&before, &m->config);
    if (i == config_count())
        return rate_matrix_equal(old->rates, m->rates) ||
               error_set(err, "%s: its rate matrix is another one: expected the same to go on with",
                         path);
    config_value(&before, i, a);
    config_value(&m->config, i, b);
    return error_set(err,
                     "%s: %s is %s in the file and %s in this run: expected the same "
                     "configuration to go on with",
                     path, config_key(i), a, b);
}

/* For --resume: the file must hold a model of the same role, teacher, data and configuration. */
static bool check_resume(const char *path, const Model *old, const Model *m, Error *err)
{
    if (old->role != m->role)
        return error_set(err, "%s: role is %s: expected a %s to go on with", path,
                         model_role_name(old->role), model_role_name(m->role));
    if (strcmp(old->teacher_hash, m->teacher_hash) != 0)
        return error_set(err, "%s: its teacher has hash %.16s: expected the same teacher (%.16s)",
                         path, old->teacher_hash, m->teacher_hash);
    if (strcmp(old->data, m->data) != 0)
        return error_set(err, "%s: trained on %s: expected the same data (%s)", path, old->data,
                         m->data);
    if (!check_same_config(path, old, m, err))
        return false;
    if (old->data_hash[0] && strcmp(old->data_hash, m->data_hash) != 0)
        return error_set(err, "%s: trained on %s of hash %.16s: expected the same (%.16s)", path,
                         m->vocabulary ? "a text" : "pictures", old->data_hash, m->data_hash);
    if (old->step > (uint64_t)m->config.steps)
        return error_set(err, "%s: has made %llu steps: expected --steps of at least as many", path,
                         (unsigned long long)old->step);
    return true;
}

/* Opens the file to go on from, and says at which step; none is fine with --resume (nothing was
 * saved before the stop). */
static bool open_resume(const TrainOptions *o, Model *m, SafetensorsFile **f, Error *err)
{
    *f = NULL;
    if (!o->resume || !platform_exists(o->out))
        return true;
    Model *old = mem_zeroed(1, sizeof *old);
    *f = safetensors_read(o->out, err);
    const bool ok = *f && model_read_meta(*f, old, err) && check_resume(o->out, old, m, err);
    m->step = old->step;
    rate_matrix_free(old->rates);
    vocabulary_free(old->vocabulary);
    mem_free(old);
    return ok;
}

static bool check_new(const TrainOptions *o, const char *path, const char *option, Error *err)
{
    if (o->resume || o->overwrite || !platform_exists(path))
        return true;
    return error_set(err,
                     "%s: exists: expected --resume to go on, --overwrite to replace it, or "
                     "another %s",
                     path, option);
}

/* Whether the file is a log of a training. */
static bool is_log(const char *path)
{
    Error err;
    CsvTable table;
    if (!csv_read(path, &table, &err))
        return false;
    const bool is =
        csv_column(&table, "step") == table.values && csv_column(&table, "loss") != NULL;
    csv_free(&table);
    return is;
}

/* A log under the model's name, without the model: its run was killed before it saved anything.
 * The log steps aside, to the first free name, so that the run can begin again. */
static bool keep_lone_log(const TrainOptions *o, const char *log, Error *err)
{
    char suffix[32];
    char *aside = NULL;
    if (o->resume || o->overwrite || o->log || platform_exists(o->out) || !is_log(log))
        return true;
    for (unsigned n = 1; aside == NULL; n++) {
        snprintf(suffix, sizeof suffix, ".before-%u.csv", n);
        aside = path_with_suffix(log, suffix);
        if (platform_exists(aside)) {
            mem_free(aside);
            aside = NULL;
        }
    }
    const bool ok = platform_rename(log, aside, err);
    if (ok)
        text_print(stderr, "note: %s, of a run that saved no model, is now %s\n", log, aside);
    mem_free(aside);
    return ok;
}

/* Nothing that exists is lost without --overwrite, and what will be written can be written. */
static bool check_outputs(const TrainOptions *o, const char *log, Error *err)
{
    return keep_lone_log(o, log, err) && check_new(o, o->out, "--out", err) &&
           check_new(o, log, "--log", err) && path_check_output(o->out, err) &&
           path_check_output(log, err);
}

static bool check_measures(const TrainOptions *o, const char *log, Error *err)
{
    return o->measures.every == 0 ||
           (check_new(o, log, "--out", err) && path_check_output(log, err));
}

/* A student with the starting weights that the configuration asks for.  The teacher, which holds
 * the averaged ones, is lent to the raw ones, so that no third network is made; file: its own. */
static bool start_student(Model *student, Model *teacher, const ModelFile *file, Error *err)
{
    const bool raw = student->config.start_from == CONFIG_START_RAW;
    nn_weights_hash(teacher->net, student->teacher_hash);
    if (raw && !model_file_weights(file, teacher, WEIGHTS_RAW, err))
        return false;
    nn_copy_common(student->net, teacher->net);
    return !raw || model_file_weights(file, teacher, WEIGHTS_AVERAGED, err);
}

/* *out NULL: nothing is to be measured. */
static bool open_measures(const TrainOptions *o, const Model *m, const Dataset *data,
                          const char *log, Measures **out, Error *err)
{
    if (o->measures.every == 0)
        return true;
    if (!o->data)
        return error_set(err, "--measure: expected --data, which samples are compared with");
    *out = measures_create(&o->measures, m, data, log, o->resume, m->step, o->common.quiet, err);
    return *out != NULL;
}

static int train_train(const Command *self, const TrainOptions *o, Model *m, const Model *teacher,
                       const Dataset *data)
{
    Error err;
    SafetensorsFile *from = NULL;
    FileLock lock = {.name = NULL};
    char *log = o->log ? mem_string(o->log) : path_with_suffix(o->out, ".csv");
    char *measured = measures_log(o->out);
    Measures *measures = NULL;
    int status = 1;
    if (!path_make_parent(o->out, &err) || !platform_lock(&lock, o->out, &err) ||
        !check_outputs(o, log, &err) || !check_measures(o, measured, &err) ||
        !open_resume(o, m, &from, &err) || !open_measures(o, m, data, measured, &measures, &err)) {
        command_fail(self, &err, 1);
    } else {
        const TrainingJob job = {.model = m,
                                 .teacher = teacher ? &teacher->denoiser : NULL,
                                 .data = data,
                                 .out = o->out,
                                 .log = log,
                                 .resume_from = from,
                                 .keep_log = o->resume,
                                 .check_finite = o->check_finite,
                                 .quiet = o->common.quiet,
                                 .save_seconds = (double)o->save_seconds,
                                 .observer = measures_observer(measures)};
        platform_catch_signals();
        const TrainingEnd end = training_run(&job, &err);
        if (end == TRAINING_FAILED)
            command_fail(self, &err, 1);
        else if (end == TRAINING_INTERRUPTED)
            fprintf(stderr,
                    "Stopped at step %llu and saved to %s.  To go on, give the same "
                    "command with --resume.\n",
                    (unsigned long long)m->step, o->out);
        else {
            char hash[65];
            nn_weights_hash(m->net, hash);
            printf("%s: %s of %llu steps, %zu parameters, weights %.16s\n", o->out,
                   model_role_name(m->role), (unsigned long long)m->step, m->net->params.total,
                   hash);
            status = 0;
        }
    }
    measures_destroy(measures);
    platform_unlock(&lock);
    safetensors_free(from);
    mem_free(measured);
    mem_free(log);
    return status;
}

/* Names that would make two files one. */
static bool check_names(const TrainOptions *o, Error *err)
{
    if (!path_has_suffix(o->out, ".safetensors"))
        return error_set(err, "--out %.200s: expected a name that ends in .safetensors", o->out);
    if (!path_check_result("--log", o->log, err) || !result_check(&o->table, "--log", err) ||
        !result_check(&o->table, "--out", err))
        return false;
    if (o->resume && o->overwrite)
        return error_set(err, "--resume and --overwrite: expected one of them");
    if (o->as_code && o->as_paper)
        return error_set(err, "--as-code and --as-paper: expected one of them");
    return true;
}

/* Winograd's and direct convolutions round differently, so a run's bits depend on the choice. */
static bool choose_convolution(const char *name, Error *err)
{
    if (strcmp(name, "auto") == 0)
        tensor_conv_choose(CONV_AUTO);
    else if (strcmp(name, "direct") == 0)
        tensor_conv_choose(CONV_DIRECT);
    else if (strcmp(name, "winograd") == 0)
        tensor_conv_choose(CONV_WINOGRAD);
    else
        return error_set(err, "--conv %.60s: expected auto, direct or winograd", name);
    return true;
}

/* What a run works with. */
typedef struct TrainObjects {
    ModelFile teacher_file; /* open while its weights may be asked for again */
    Model *teacher, *model;
    RateMatrix *rates;
    Dataset *data;
} TrainObjects;

static void close_objects(TrainObjects *x)
{
    dataset_close(x->data);
    rate_matrix_free(x->rates);
    model_destroy(x->model);
    model_destroy(x->teacher);
    model_file_close(&x->teacher_file);
}

/* What is needed before the configuration is known: the teacher and the rates. */
static bool open_sources(const TrainOptions *o, ConfigRole role, TrainObjects *x, Error *err)
{
    if (role == ROLE_STUDENT &&
        (!model_file_open(&x->teacher_file, o->teacher, err) ||
         !(x->teacher = model_file_model(&x->teacher_file, WEIGHTS_AVERAGED, err))))
        return false;
    return !o->rates || (x->rates = rate_matrix_read(o->rates, err));
}

/* The data, and the model with its starting weights. */
static bool make_model(const TrainOptions *o, ConfigRole role, Config *c, TrainObjects *x,
                       Error *err)
{
    if (c->start_from != CONFIG_START_RAW)
        model_file_close(&x->teacher_file);
    if (!(x->data = open_data(o, x->teacher, c, err)) ||
        (x->teacher && (!model_fits_data(x->teacher, o->teacher, x->data, err) ||
                        !config_same_structure(c, &x->teacher->config, o->teacher, err))) ||
        !(x->model = model_create(c, role, true, err)))
        return false;
    if (o->data)
        model_set_data(x->model, x->data);
    else
        model_set_data_of(x->model, x->teacher);
    if (!o->common.quiet) {
        model_note_start(x->model);
        if (x->teacher && o->data)
            model_note_data(x->teacher, o->teacher, x->data, x->model->data_hash);
    }
    if (x->teacher && !start_student(x->model, x->teacher, &x->teacher_file, err))
        return false;
    model_file_close(&x->teacher_file);
    return true;
}

static int train_or_distill(const Command *self, ConfigRole role, int argc, char **argv)
{
    TrainOptions o = {.seed = -1, .save_seconds = 120, .conv = "auto", .measures = {.count = 500}};
    Error err;
    const OptionsResult r = parse_train(self, role, &o, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    TrainObjects x = {.model = NULL};
    Config c;
    int status;
    if (!check_names(&o, &err) || !choose_convolution(o.conv, &err))
        return command_fail(self, &err, 2);
    if (!open_sources(&o, role, &x, &err))
        status = command_fail(self, &err, 1);
    else if (!configure(&o, role, x.teacher, x.rates, &c, &err))
        status = command_fail(self, &err, 2);
    else if (!make_model(&o, role, &c, &x, &err))
        status = command_fail(self, &err, 1);
    else
        status = train_train(self, &o, x.model, x.teacher, x.data);
    close_objects(&x);
    return status;
}

static int run_train(const Command *self, int argc, char **argv)
{
    return train_or_distill(self, ROLE_TEACHER, argc, argv);
}
static int run_distill(const Command *self, int argc, char **argv)
{
    return train_or_distill(self, ROLE_STUDENT, argc, argv);
}

const Command command_train = {
    .name = "train",
    .summary = "Trains a teacher.",
    .example = "di4c train --data mnist:DIR --preset mnist-binary --out out/teacher.safetensors",
    .run = run_train};

const Command command_distill = {
    .name = "distill",
    .summary = "Distills a teacher into a lambda-mixture student that needs fewer steps.",
    .example = "di4c distill --teacher out/teacher.safetensors --data mnist:DIR --out "
               "out/student.safetensors",
    .run = run_distill};
