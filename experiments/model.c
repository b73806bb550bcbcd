/* From configuration to objects, and the model file's metadata. */
#include "experiments/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/mlp.h"
#include "nn/unet.h"
#include "tensor/memory.h"

static ProcessConfig process_config(const Config *c)
{
    const bool mask = c->process == PROCESS_ABSORBING;
    ProcessConfig p =
        diff_process_defaults((ProcessKind)c->process, (size_t)c->states + (mask ? 1 : 0));
    p.rate_const = c->rate_const;
    p.schedule = (AbsorbingSchedule)c->schedule;
    p.eps = c->alpha_eps;
    p.sigma_min = c->sigma_min;
    p.sigma_max = c->sigma_max;
    p.rate_sigma = c->rate_sigma;
    p.q_sigma = c->q_sigma;
    p.time_exponential = c->time_exponential;
    p.time_base = c->time_base;
    return p;
}

/* "1,2,2" into numbers. */
static bool parse_scales(const char *text, UNetConfig *u, Error *err)
{
    u->scales = 0;
    for (const char *p = text; *p;) {
        char *end;
        if (u->scales == UNET_MAX_SCALES)
            return error_set(err, "configuration: ch_mult=%s: expected at most %d numbers", text,
                             UNET_MAX_SCALES);
        u->ch_mult[u->scales++] = (size_t)strtoul(p, &end, 10);
        p = *end == ',' ? end + 1 : end;
    }
    return true;
}

static Network *create_unet(const Config *c, size_t states, size_t lambda_dims, bool with_grads,
                            Error *err)
{
    UNetConfig u = nn_unet_defaults();
    u.height = (size_t)c->height;
    u.width = (size_t)c->width;
    u.channels = (size_t)c->channels;
    u.states = states;
    u.out_states = (size_t)c->states;
    u.head = c->head == HEAD_LOGISTIC ? UNET_HEAD_LOGISTIC : UNET_HEAD_SOFTMAX;
    u.ch = (size_t)c->ch;
    u.res_blocks = (size_t)c->res_blocks;
    u.attn_scale = (int)c->attn_scale;
    u.embed = (size_t)c->embed;
    u.time_scale = c->time_scale;
    u.dropout = c->dropout;
    u.lambda_dims = lambda_dims;
    if (!parse_scales(c->ch_mult, &u, err))
        return NULL;
    return nn_unet_create(&u, with_grads, err);
}

static Network *create_mlp(const Config *c, size_t states, size_t lambda_dims, bool with_grads,
                           Error *err)
{
    MlpConfig m = nn_mlp_defaults();
    m.dims = (size_t)(c->height * c->width * c->channels);
    m.states = states;
    m.out_states = (size_t)c->states;
    m.width = (size_t)c->width_mlp;
    m.blocks = (size_t)c->blocks_mlp;
    if (c->embed > 0)
        m.embed = (size_t)c->embed;
    m.time_scale = c->time_scale;
    m.dropout = c->dropout;
    m.lambda_dims = lambda_dims;
    return nn_mlp_create(&m, with_grads, err);
}

/* Creates process, network and denoiser of m->config. */
static bool build(Model *m, bool with_grads, Error *err)
{
    const Config *c = &m->config;
    const size_t lambda_dims = m->role == ROLE_STUDENT ? (size_t)c->lambda_dims : 0;
    if (!config_check(c, err))
        return false;
    const ProcessConfig pc = process_config(c);
    m->process = diff_process_create(&pc, err);
    if (!m->process)
        return false;
    m->net = c->net == CONFIG_NET_MLP
                 ? create_mlp(c, m->process->states, lambda_dims, with_grads, err)
                 : create_unet(c, m->process->states, lambda_dims, with_grads, err);
    if (!m->net)
        return false;
    const Head head = {.kind = (HeadKind)c->head,
                       .dims = (size_t)(c->height * c->width * c->channels),
                       .states = (size_t)c->states,
                       .channels = (size_t)c->channels,
                       .fix = c->fix,
                       .mask = m->process->mask};
    m->denoiser = diff_network_denoiser(m->net, &head);
    return true;
}

Model *model_create(const Config *config, ConfigRole role, bool with_grads, Error *err)
{
    Model *m = mem_zeroed(1, sizeof *m);
    m->config = *config;
    m->role = role;
    strcpy(m->data, "glyphs");
    if (!build(m, with_grads, err)) {
        model_destroy(m);
        return NULL;
    }
    m->net->initialise(m->net, (uint64_t)config->seed);
    return m;
}

void model_destroy(Model *m)
{
    if (!m)
        return;
    nn_network_destroy(m->net);
    diff_process_destroy(m->process);
    mem_free(m);
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

bool model_read_meta(const SafetensorsFile *f, Model *m, Error *err)
{
    const char *format = need_meta(f, "format", err);
    if (!format)
        return false;
    if (strcmp(format, "di4c-1") != 0)
        return error_set(err, "%s: format '%.40s': expected di4c-1", f->path, format);
    const char *role = need_meta(f, "role", err);
    const char *data = role ? need_meta(f, "data", err) : NULL;
    const char *step = safetensors_meta(f, "step"); /* absent in files of weights only */
    if (!data)
        return false;
    if (strcmp(role, "teacher") != 0 && strcmp(role, "student") != 0)
        return error_set(err, "%s: role '%.40s': expected teacher or student", f->path, role);
    m->role = strcmp(role, "teacher") == 0 ? ROLE_TEACHER : ROLE_STUDENT;
    if (strlen(data) >= sizeof m->data)
        return error_set(err, "%s: data '%.40s': expected a kind of data", f->path, data);
    strcpy(m->data, data);
    m->step = step ? strtoull(step, NULL, 10) : 0;
    config_defaults(&m->config);
    for (size_t i = 0; i < config_count(); i++) {
        char key[CONFIG_TEXT + 8];
        snprintf(key, sizeof key, "config.%s", config_key(i));
        const char *value = safetensors_meta(f, key); /* absent: older than the key */
        if (value && !config_set(&m->config, config_key(i), value, f->path, err))
            return false;
    }
    const char *teacher = safetensors_meta(f, "teacher");
    if (teacher && strlen(teacher) == 64)
        strcpy(m->teacher_hash, teacher);
    return true;
}

Model *model_load(const char *path, WeightChoice which, Error *err)
{
    SafetensorsFile *f = safetensors_read(path, err);
    if (!f)
        return NULL;
    Model *m = mem_zeroed(1, sizeof *m);
    const bool ok = model_read_meta(f, m, err) && build(m, false, err) &&
                    nn_checkpoint_load(f, m->net, which, err);
    safetensors_free(f);
    if (ok)
        return m;
    model_destroy(m);
    return NULL;
}

bool model_expect_role(const Model *m, ConfigRole role, const char *path, Error *err)
{
    if (m->role == role)
        return true;
    return error_set(err, "%s: role is %s: expected a %s", path, model_role_name(m->role),
                     model_role_name(role));
}

bool model_save(const Model *m, const Optimizer *o, const char *path, Error *err)
{
    const size_t fixed = 3, count = config_count() + fixed + (m->teacher_hash[0] ? 1 : 0);
    MetaEntry *meta = mem_zeroed(count, sizeof *meta);
    char(*text)[CONFIG_TEXT] = mem_alloc(config_count(), sizeof *text);
    char(*key)[CONFIG_TEXT + 8] = mem_alloc(config_count(), sizeof *key);
    meta[0] = (MetaEntry){(char *)"role", (char *)model_role_name(m->role)};
    meta[1] = (MetaEntry){(char *)"data", (char *)m->data};
    meta[2] = (MetaEntry){(char *)"version", (char *)DI4C_VERSION};
    for (size_t i = 0; i < config_count(); i++) {
        config_value(&m->config, i, text[i]);
        snprintf(key[i], sizeof key[i], "config.%s", config_key(i));
        meta[fixed + i] = (MetaEntry){key[i], text[i]};
    }
    if (m->teacher_hash[0])
        meta[count - 1] = (MetaEntry){(char *)"teacher", (char *)m->teacher_hash};
    const bool ok = nn_checkpoint_write(path, m->net, o, meta, count, err);
    mem_free(key);
    mem_free(text);
    mem_free(meta);
    return ok;
}
