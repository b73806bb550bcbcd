/* From configuration to objects, and the model file's metadata. */
#include "experiments/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/model/torch_import.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

ProcessConfig model_process(const Config *c)
{
    const ProcessClass *class = config_process(c);
    ProcessConfig p = diffusion_process_defaults(class->name, (size_t)c->states + class->has_mask);
    for (size_t i = 0; i < class->setting_count; i++)
        p.own[i] = config_number(c, class->settings[i].name);
    p.eps = c->alpha_eps;
    p.beta = (ScheduleKind)c->beta;
    p.beta_scale = c->beta_scale;
    p.beta_ratio = c->beta_ratio;
    p.rates = c->rates != NULL ? c->rates->rates : NULL;
    return p;
}

static const double ROOT_12 = 3.46410161513775458705; /* 1/deviation of the uniform law */

static bool uniform_lambda(const Config *c)
{
    return c->lambda_law == LAMBDA_UNIFORM;
}

NetworkConfig model_network(const Config *c, size_t lambda_dims, EncoderInput encoder)
{
    const NetworkClass *class = config_network(c);
    NetworkConfig n = {.class = class,
                       .height = (size_t)c->height,
                       .width = (size_t)c->width,
                       .channels = (size_t)c->channels,
                       .states = (size_t)c->states + config_process(c)->has_mask,
                       .out_states = (size_t)c->states,
                       .logistic = config_head(c)->ordinal,
                       .input_is_number = c->state_input == CONFIG_STATE_NUMBERS,
                       .time_scale = c->time_scale,
                       .dropout = c->dropout,
                       .lambda_dims = lambda_dims,
                       .lambda_is_number =
                           lambda_dims > 0 && c->lambda_input == CONFIG_LAMBDA_NUMBERS,
                       .lambda_mean = uniform_lambda(c) ? 0.5 : 0.0,
                       .lambda_deviation = uniform_lambda(c) ? 1.0 / ROOT_12 : 1.0,
                       .lambda_gain = c->lambda_gain,
                       .encoder_family = uniform_lambda(c) ? ENCODER_BOX : ENCODER_GAUSSIAN,
                       .encoder = encoder};
    for (size_t i = 0; i < class->setting_count; i++) {
        const char *name = class->settings[i].name;
        config_numbers(c, name, nn_network_own(&n, name));
    }
    return n;
}

DatasetOptions model_dataset(const Config *c)
{
    DatasetOptions d = dataset_defaults();
    d.transform = c->transform == CONFIG_TRANSFORM_BINARY ? DATA_BINARY : DATA_AS_IS;
    d.threshold = c->threshold;
    return d;
}

/* What a student's recognition network sees; none in teachers and in files that were cut down to
 * what samples need. */
static EncoderInput encoder_input(const Model *m)
{
    if (!m->has_encoder)
        return ENCODER_NONE;
    return m->config.lambda_scope == 1 ? ENCODER_CLEAN : ENCODER_PAIR;
}

static Network *network_layout(const Model *m, size_t lambda_dims, Error *err)
{
    const NetworkConfig config = model_network(&m->config, lambda_dims, encoder_input(m));
    Network *net = config.class->layout(&config, err);
    if (net != NULL && lambda_dims > 0 && m->config.lambda_law == LAMBDA_MIXTURE)
        net->prior =
            nn_lambda_prior_add(&net->params, (size_t)m->config.prior_components, lambda_dims);
    return net;
}

bool model_layout(Model *m, Error *err)
{
    const Config *c = &m->config;
    const size_t lambda_dims = m->role == ROLE_STUDENT ? (size_t)c->lambda_dims : 0;
    if (!config_check(c, m->role, err))
        return false;
    if (c->rates != NULL && c->rates->states != (size_t)c->states)
        return error_set(err,
                         "configuration: a rate matrix of %zu states: expected %lld, as the "
                         "data has",
                         c->rates->states, (long long)c->states);
    m->net = network_layout(m, lambda_dims, err);
    return m->net != NULL;
}

/* Noise of S states takes S x S matrices of doubles while it is made: this many, or
 * none if it has a closed form. */
enum { PROCESS_MATRICES = 10 };

/* No weight of a logistic head depends on S, so a file could claim any. */
static bool check_states(const Config *c, size_t file_bytes, Error *err)
{
    const double S = (double)model_process(c).states;
    const double bytes =
        config_process(c)->closed ? 0.0 : PROCESS_MATRICES * sizeof(double) * S * S;
    return bytes <= (double)MODEL_FILE_MEMORY + 8.0 * (double)file_bytes ||
           error_set(err,
                     "configuration: states=%lld: its noise takes matrices of %.0f MiB, expected "
                     "at most %d and 8 times the %zu bytes of the file",
                     (long long)c->states, bytes / 1048576.0, MODEL_FILE_MEMORY >> 20, file_bytes);
}

/* Process and denoiser. */
static bool complete(Model *m, Error *err)
{
    const Config *c = &m->config;
    const ProcessConfig pc = model_process(c);
    m->process = diffusion_process_create(&pc, err);
    if (!m->process)
        return false;
    const Head head = {.class = config_head(c),
                       .dims = (size_t)(c->height * c->width * c->channels),
                       .states = (size_t)c->states,
                       .channels = (size_t)c->channels,
                       .fix = c->fix,
                       .mask = m->process->mask};
    m->denoiser = diffusion_network_denoiser(m->net, &head);
    m->denoiser.lambda_law = (LambdaLaw)c->lambda_law;
    m->denoiser.lambda_scope = c->lambda_scope == 1 ? LAMBDA_SAMPLE : LAMBDA_STEP;
    return true;
}

bool model_complete(Model *m, size_t file_bytes, Error *err)
{
    return check_states(&m->config, file_bytes, err) && complete(m, err);
}

Model *model_create(const Config *config, ConfigRole role, bool with_grads, Error *err)
{
    Model *m = mem_zeroed(1, sizeof *m);
    m->config = *config;
    m->config.rates = m->rates = rate_matrix_copy(config->rates);
    m->role = role;
    strcpy(m->data, "unknown");
    m->has_encoder = config_objective(config, role)->recognition;
    if (!model_layout(m, err) || !complete(m, err)) {
        model_destroy(m);
        return NULL;
    }
    nn_params_allocate(&m->net->params, with_grads);
    m->net->initialise(m->net, (uint64_t)config->seed);
    return m;
}

void model_destroy(Model *m)
{
    if (!m)
        return;
    nn_network_destroy(m->net);
    diffusion_process_destroy(m->process);
    rate_matrix_free(m->rates);
    mem_free(m);
}

void model_set_data(Model *m, const Dataset *d)
{
    const size_t sizes[] = {d->count, d->height, d->width, d->channels, d->states};
    Sha256 s;
    char text[32];
    snprintf(m->data, sizeof m->data, "%.*s", (int)strcspn(d->name, ":"), d->name);
    sha256_init(&s);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(text, sizeof text, "%zu ", sizes[i]);
        sha256_add(&s, text, strlen(text));
    }
    sha256_add(&s, d->data, d->count * d->dims);
    for (size_t k = 0; d->law && k < d->law->count; k++) {
        text_format(text, sizeof text, "%.9g ", d->law->probability[k]);
        sha256_add(&s, text, strlen(text));
    }
    sha256_hex(&s, m->data_hash);
}

void model_note_start(const Model *m)
{
    const Process *p = m->process;
    if (!diffusion_process_as_published(p))
        return;
    const ProcessConstant c = p->class->constant(p, 1.0);
    text_print(stderr,
               "note: process %s as published (%zu states, %s = %g): x_1 is %.3f (total variation) "
               "from the law that sampling starts from; where 80 %% of pixels are black and the "
               "rest white, a perfect denoiser draws 70 %% black; sigma_max=190 would do\n",
               p->class->name, p->states, c.name, c.value, diffusion_process_distance(p, 1.0));
}

const char *model_role_name(ConfigRole role)
{
    return role == ROLE_TEACHER ? "teacher" : "student";
}

static const char *need_meta(const SafetensorsFile *f, const char *key, Error *err)
{
    const char *value = safetensors_meta(f, key);
    if (!value)
        error_set(err, "%s: __metadata__ has no '%s': expected a model written by di4c", f->path,
                  key);
    return value;
}

static bool read_role(const SafetensorsFile *f, Model *m, Error *err)
{
    const char *role = need_meta(f, "role", err), *data = role ? need_meta(f, "data", err) : NULL;
    if (!data)
        return false;
    if (strcmp(role, "teacher") != 0 && strcmp(role, "student") != 0)
        return error_set(err, "%s: role '%.40s': expected teacher or student", f->path, role);
    m->role = strcmp(role, "teacher") == 0 ? ROLE_TEACHER : ROLE_STUDENT;
    const size_t length = strspn(data, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (length == 0 || data[length] != '\0' || length >= sizeof m->data)
        return error_set(err, "%s: data: expected a kind of data, in small letters and digits",
                         f->path);
    strcpy(m->data, data);
    return true;
}

/* An optional hash of 64 hexadecimal digits. */
static bool read_hash(const SafetensorsFile *f, const char *key, char out[65], Error *err)
{
    const char *value = safetensors_meta(f, key);
    if (!value)
        return true;
    if (strlen(value) != 64 || strspn(value, "0123456789abcdef") != 64)
        return error_set(err, "%s: %s '%.70s': expected 64 hexadecimal digits", f->path, key,
                         value);
    strcpy(out, value);
    return true;
}

static bool read_step(const SafetensorsFile *f, uint64_t *step, Error *err)
{
    const char *value = safetensors_meta(f, "step"); /* absent in files of weights only */
    const size_t digits = value ? strspn(value, "0123456789") : 0;
    if (value && (digits == 0 || digits > 18 || value[digits] != '\0'))
        return error_set(err, "%s: step '%.40s': expected a whole number", f->path, value);
    *step = value ? strtoull(value, NULL, 10) : 0;
    return true;
}

static bool read_config(const SafetensorsFile *f, Config *c, Error *err)
{
    static const char prefix[] = "config.";
    char key[CONFIG_TEXT + 8];
    config_defaults(c);
    for (size_t i = 0; config_is_structure(i); i++) {
        if (!config_is_needed(i))
            continue;
        snprintf(key, sizeof key, "%s%s", prefix, config_key(i));
        if (!need_meta(f, key, err))
            return false;
    }
    for (size_t i = 0; i < f->meta_count; i++) { /* an unknown setting is an error here */
        const char *name = f->meta[i].key;
        if (strncmp(name, prefix, strlen(prefix)) == 0 &&
            !config_set(c, name + strlen(prefix), f->meta[i].value, f->path, err))
            return false;
    }
    return true;
}

/* The matrix of process=matrix; the process says if it is missing or does not belong there. */
static bool read_rates(const SafetensorsFile *f, Model *m, Error *err)
{
    const char *text = safetensors_meta(f, "rates");
    char where[400];
    if (!text)
        return true;
    snprintf(where, sizeof where, "%.300s: rates", f->path);
    m->config.rates = m->rates = rate_matrix_parse(text, where, err);
    return m->rates != NULL;
}

bool model_read_meta(const SafetensorsFile *f, Model *m, Error *err)
{
    const char *format = need_meta(f, "format", err);
    if (!format)
        return false;
    if (strcmp(format, "di4c-1") != 0)
        return error_set(err, "%s: format '%.40s': expected di4c-1", f->path, format);
    return read_role(f, m, err) && read_step(f, &m->step, err) && read_config(f, &m->config, err) &&
           read_rates(f, m, err) && read_hash(f, "data_hash", m->data_hash, err) &&
           read_hash(f, "teacher", m->teacher_hash, err);
}

Model *model_from_file(const SafetensorsFile *f, WeightChoice which, Error *err)
{
    Model *m = mem_zeroed(1, sizeof *m);
    Error cause = {""};
    bool ok = model_read_meta(f, m, err);
    for (size_t i = 0; i < f->tensor_count; i++) /* samples need none */
        m->has_encoder = m->has_encoder || strncmp(f->tensors[i].name, "net.encoder.", 12) == 0;
    m->has_encoder = m->has_encoder && m->role == ROLE_STUDENT;
    if (ok && !model_layout(m, &cause))
        ok = error_set(err, "%s: %.500s", f->path, cause.text);
    ok = ok && nn_checkpoint_check(f, m->net, which, err);
    if (ok && !model_complete(m, f->size, &cause))
        ok = error_set(err, "%s: %.500s", f->path, cause.text);
    if (ok) {
        nn_params_allocate(&m->net->params, false);
        ok = nn_checkpoint_load(f, m->net, which, err);
        if (ok && m->net->prior != NULL && !nn_lambda_prior_check(m->net->prior, &cause))
            ok = error_set(err, "%s: %.500s", f->path, cause.text);
    }
    if (ok)
        return m;
    model_destroy(m);
    return NULL;
}

Model *model_load(const char *path, WeightChoice which, Error *err)
{
    if (torch_import_recognises(path))
        return torch_import_model(path, which, err);
    SafetensorsFile *f = safetensors_read(path, err);
    Model *m = f ? model_from_file(f, which, err) : NULL;
    safetensors_free(f);
    return m;
}

/* Hash of the averaged weights of the file, which are what a student learns from. */
static bool averaged_hash(const char *path, char out[65], Error *err)
{
    Model *m = model_load(path, WEIGHTS_AVERAGED, err);
    if (!m)
        return false;
    nn_weights_hash(m->net, out);
    model_destroy(m);
    return true;
}

bool model_check_teacher(const Model *m, const Model *teacher, const char *path, Error *err)
{
    char hash[65];
    if (!config_same_process(&m->config, &teacher->config, path, err))
        return false;
    if (teacher->role == ROLE_TEACHER)
        return true;
    if (!averaged_hash(path, hash, err))
        return false;
    return strcmp(hash, m->teacher_hash) == 0 ||
           error_set(err,
                     "%s: role is student: expected a teacher, or the student that the model "
                     "was distilled from",
                     path);
}

/* The metadata beside the configuration; returns their number, at most FACTS_MAX. */
enum { FACTS_MAX = 6 };
static size_t facts(const Model *m, MetaEntry *meta, char *rates)
{
    size_t n = 0;
    meta[n++] = (MetaEntry){(char *)"role", (char *)model_role_name(m->role)};
    meta[n++] = (MetaEntry){(char *)"data", (char *)m->data};
    meta[n++] = (MetaEntry){(char *)"version", (char *)DI4C_VERSION};
    if (m->data_hash[0])
        meta[n++] = (MetaEntry){(char *)"data_hash", (char *)m->data_hash};
    if (m->teacher_hash[0])
        meta[n++] = (MetaEntry){(char *)"teacher", (char *)m->teacher_hash};
    if (rates)
        meta[n++] = (MetaEntry){(char *)"rates", rates};
    return n;
}

static bool save(const Model *m, const Optimizer *o, bool half, const char *path, Error *err)
{
    const size_t keys = config_count();
    MetaEntry *meta = mem_zeroed(keys + FACTS_MAX, sizeof *meta);
    char(*text)[CONFIG_TEXT] = mem_alloc(keys, sizeof *text);
    char(*key)[CONFIG_TEXT + 8] = mem_alloc(keys, sizeof *key);
    char *rates = m->rates ? rate_matrix_text(m->rates) : NULL;
    const size_t first = facts(m, meta, rates), count = first + keys;
    for (size_t i = 0; i < keys; i++) {
        config_value(&m->config, i, text[i]);
        snprintf(key[i], sizeof key[i], "config.%s", config_key(i));
        meta[first + i] = (MetaEntry){key[i], text[i]};
    }
    const bool ok = half ? nn_checkpoint_write_half(path, m->net, meta, count, err)
                         : nn_checkpoint_write(path, m->net, o, meta, count, err);
    mem_free(rates);
    mem_free(key);
    mem_free(text);
    mem_free(meta);
    return ok;
}

bool model_save(const Model *m, const Optimizer *o, const char *path, Error *err)
{
    return save(m, o, false, path, err);
}

bool model_save_half(const Model *m, const char *path, Error *err)
{
    return save(m, NULL, true, path, err);
}
