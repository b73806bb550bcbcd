/* Role, configuration and step of a .pt file, then its weights. */
#include "experiments/model/torch_import.h"

#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/model/model_meta.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

bool torch_import_recognises(const char *path)
{
    static const unsigned char zip[4] = {'P', 'K', 3, 4};
    unsigned char head[4] = {0};
    const size_t n = read_file_start(path, head, sizeof head);
    return (n == sizeof head && memcmp(head, zip, sizeof zip) == 0) ||
           path_has_suffix(path, ".pt") || path_has_suffix(path, ".pth");
}

void torch_import_note(const TorchFile *file)
{
    const char *foreign = pickle_foreign(file->pickle);
    if (*foreign != '\0')
        text_print(stderr, "note: %.200s: not read, as they are no numbers, texts or tensors: %s\n",
                   file->path, foreign);
}

/* A text without NUL that a .safetensors file can hold too. */
static bool is_text(const PickleValue *v)
{
    return v->type == PICKLE_TEXT && strlen(v->text) == v->count && text_is_utf8(v->text);
}

/* The metadata in a file by this program. */
static bool read_meta(TorchImport *t, Error *err)
{
    const PickleValue *dict = torch_model_meta(t->file);
    const char *path = t->file->file->path;
    if (!dict)
        return true;
    if (dict->type != PICKLE_DICT)
        return error_set(err, "%.200s: di4c: expected a dict of texts", path);
    t->meta = mem_zeroed(dict->count, sizeof *t->meta);
    for (size_t i = 0; i < dict->count; i++) {
        const PickleValue *k = dict->items[2 * i], *v = dict->items[2 * i + 1];
        if (!is_text(k) || !is_text(v))
            return error_set(err, "%.200s: di4c: expected a dict of texts", path);
        for (size_t j = 0; j < t->meta_count; j++)
            if (strcmp(t->meta[j].key, k->text) == 0)
                return error_set(err, "%.200s: di4c: expected every key once", path);
        t->meta[t->meta_count++] = (MetaEntry){(char *)k->text, (char *)v->text};
    }
    return true;
}

static bool apply_settings(const TextList *settings, Config *c, Error *err)
{
    for (size_t i = 0; settings && i < settings->count; i++) {
        char key[CONFIG_TEXT];
        const char *value = text_key_value(settings->values[i], key, sizeof key);
        if (!value)
            return error_set(err, "--set %.60s: expected KEY=VALUE", settings->values[i]);
        if (!config_set(c, key, value, "--set", err))
            return false;
    }
    return true;
}

/* Role, configuration and step into *m, from the metadata if there are any. */
static bool read_description(const TorchImport *t, const TextList *settings, Model *m, Error *err)
{
    const TorchModel *file = t->file;
    const SafetensorsFile stored = {
        .path = file->file->path, .meta = t->meta, .meta_count = t->meta_count};
    if (t->meta_count > 0 && settings && settings->count > 0)
        return error_set(err, "--set: %.200s holds its settings", file->file->path);
    if (t->meta_count > 0)
        return model_read_meta(&stored, m, err);
    config_defaults(&m->config);
    strcpy(m->data, "unknown");
    if (!torch_model_infer(file, &m->config, &m->role, err))
        return false;
    if (file->ema_decay >= 0 && file->ema_decay <= 1)
        m->config.ema_decay = file->ema_decay;
    m->step = file->step > 0 ? (uint64_t)file->step : 0;
    return apply_settings(settings, &m->config, err);
}

/* From the open t->file on. */
static bool describe_model(TorchImport *t, const TextList *settings, Error *err)
{
    const char *path = t->file->file->path;
    Error cause = {""};
    Model *m = t->model = mem_zeroed(1, sizeof *t->model);
    if (!read_meta(t, err) || !read_description(t, settings, m, err))
        return false;
    for (size_t i = 0; i < t->file->count; i++) /* samples need no recognition network */
        m->has_encoder = m->has_encoder || strncmp(t->file->names[i], "encoder.", 8) == 0;
    m->has_encoder = m->has_encoder && m->role == ROLE_STUDENT;
    if (!model_layout(m, &cause))
        return error_set(err, "%.200s: %.500s", path, cause.text);
    if (!torch_model_check(t->file, m->net, err))
        return false;
    return model_complete(m, t->file->file->zip->size, &cause) ||
           error_set(err, "%.200s: %.500s", path, cause.text);
}

bool torch_import_of(TorchImport *t, TorchFile *file, const TextList *settings, Error *err)
{
    memset(t, 0, sizeof *t);
    t->file = torch_model_of(file, err);
    if (t->file != NULL && describe_model(t, settings, err))
        return true;
    torch_import_close(t);
    return false;
}

void torch_import_close(TorchImport *t)
{
    model_destroy(t->model);
    mem_free(t->meta);
    torch_model_free(t->file);
    memset(t, 0, sizeof *t);
}

static TorchBlock block_of(const TorchModel *file, WeightChoice which)
{
    return which == WEIGHTS_AVERAGED && file->blocks[TORCH_EMA] ? TORCH_EMA : TORCH_WEIGHTS;
}

bool torch_import_weights(const TorchModel *file, Network *net, WeightChoice which, Error *err)
{
    ParamSet *set = &net->params;
    bool ok = true;
    if (!set->values)
        nn_params_allocate(set, false);
    for (size_t i = 0; ok && i < set->count; i++) {
        const Param *p = set->items[i];
        float *scratch = mem_alloc(tensor_size(&p->value), sizeof *scratch);
        ok = torch_model_floats(file, block_of(file, which), p->name, scratch, err);
        if (ok)
            nn_param_from_file(p, p->value.data, scratch);
        mem_free(scratch);
    }
    return ok;
}

typedef struct ImportBlock {
    const TorchModel *file;
    TorchBlock block;
} ImportBlock;

static bool from_block(const void *source, const Param *p, float *out, Error *err)
{
    const ImportBlock *from = source;
    return torch_model_floats(from->file, from->block, p->name, out, err);
}

bool torch_import_hash(const TorchModel *file, const Network *net, WeightChoice which, char out[65],
                       Error *err)
{
    const ImportBlock from = {file, block_of(file, which)};
    return nn_params_hash(&net->params, from_block, &from, out, err);
}
