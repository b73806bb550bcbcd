/* Metadata into a model, every entry checked; and a model into metadata. */
#include "experiments/model/model_meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"

static const char config_prefix[] = "config.";

/* ---- reading ---- */

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
    char key[CONFIG_TEXT + 8];
    config_defaults(c);
    for (size_t i = 0; i < f->meta_count; i++) { /* an unknown setting is an error here */
        const char *name = f->meta[i].key;
        if (strncmp(name, config_prefix, strlen(config_prefix)) == 0 &&
            !config_set(c, name + strlen(config_prefix), f->meta[i].value, f->path, err))
            return false;
    }
    for (size_t i = 0; config_is_structure(i); i++) {
        if (!config_is_needed(c, i))
            continue;
        snprintf(key, sizeof key, "%s%s", config_prefix, config_key(i));
        if (!need_meta(f, key, err))
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

/* What the states of a text stand for. */
static bool read_alphabet(const SafetensorsFile *f, Model *m, Error *err)
{
    const char *text = safetensors_meta(f, "alphabet");
    const Config *c = &m->config;
    char where[400];
    if (!text)
        return true;
    snprintf(where, sizeof where, "%.300s: alphabet", f->path);
    m->vocabulary = vocabulary_parse(text, strlen(text), where, err);
    if (!m->vocabulary)
        return false;
    if (m->vocabulary->size != (size_t)c->states)
        return error_set(err, "%s: %zu tokens, expected %lld, as there are states", where,
                         m->vocabulary->size, (long long)c->states);
    return (c->height == 1 && c->channels == 1) ||
           error_set(err, "%s: expected none, since the model is one of pictures", where);
}

bool model_read_meta(const SafetensorsFile *f, Model *m, Error *err)
{
    const char *format = need_meta(f, "format", err);
    if (!format)
        return false;
    if (strcmp(format, "di4c-1") != 0)
        return error_set(err, "%s: format '%.40s': expected di4c-1", f->path, format);
    return read_role(f, m, err) && read_step(f, &m->step, err) && read_config(f, &m->config, err) &&
           read_rates(f, m, err) && read_alphabet(f, m, err) &&
           read_hash(f, "data_hash", m->data_hash, err) &&
           read_hash(f, "teacher", m->teacher_hash, err);
}

/* ---- writing ---- */

static void add_entry(ModelMeta *meta, const char *key, const char *value)
{
    meta->entries[meta->count++] = (MetaEntry){(char *)key, (char *)value};
}

ModelMeta model_meta_of(const Model *m)
{
    enum { FACTS = 7, KEY = CONFIG_TEXT + sizeof config_prefix, ROW = KEY + CONFIG_TEXT };
    const size_t keys = config_count();
    ModelMeta meta = {.entries = mem_alloc(FACTS + keys, sizeof *meta.entries),
                      .texts = mem_alloc(keys, ROW),
                      .rates = m->rates != NULL ? rate_matrix_text(m->rates) : NULL,
                      .alphabet = m->vocabulary ? vocabulary_text(m->vocabulary) : NULL};
    add_entry(&meta, "role", model_role_name(m->role));
    add_entry(&meta, "data", m->data);
    add_entry(&meta, "version", DI4C_VERSION);
    if (m->data_hash[0] != '\0')
        add_entry(&meta, "data_hash", m->data_hash);
    if (m->teacher_hash[0] != '\0')
        add_entry(&meta, "teacher", m->teacher_hash);
    if (meta.rates != NULL)
        add_entry(&meta, "rates", meta.rates);
    if (meta.alphabet != NULL)
        add_entry(&meta, "alphabet", meta.alphabet);
    for (size_t i = 0; i < keys; i++) {
        char *key = meta.texts + i * ROW, *value = key + KEY;
        snprintf(key, KEY, "%s%s", config_prefix, config_key(i));
        config_value(&m->config, i, value);
        add_entry(&meta, key, value);
    }
    return meta;
}

void model_meta_free(ModelMeta *meta)
{
    mem_free(meta->alphabet);
    mem_free(meta->rates);
    mem_free(meta->texts);
    mem_free(meta->entries);
}
