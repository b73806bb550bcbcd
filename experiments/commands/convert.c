/* di4c convert: .safetensors to PyTorch's .pt and back; and a model's averaged weights alone, as
 * 16-bit numbers, into a small .safetensors.
 *
 * Tensors keep names, shapes and numbers.  What only one of the formats has travels along as text:
 * a .pt file by this program holds the metadata in a dict "di4c"; a .safetensors file from a
 * foreign .pt holds PyTorch's counters and Adam's settings under "torch.KEY". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/commands/commands.h"
#include "experiments/model/model_file.h"
#include "experiments/model/model_meta.h"
#include "experiments/model/torch_import.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

static const char *const block_names[TORCH_BLOCKS] = {"net.", "ema.", "adam.m.", "adam.v."};
static const char group_key[] = "torch.group.";
enum { TEXT = 400 };

/* ---- from .pt ---- */

/* None, bools, numbers and tuples of them as Python writes them; false for other values. */
static bool value_text(const TorchModel *t, const PickleValue *v, char *out, size_t room)
{
    double x;
    size_t n;
    if (v->type == PICKLE_NONE)
        return snprintf(out, room, "None") < (int)room;
    if (v->type == PICKLE_BOOL)
        return snprintf(out, room, v->integer ? "True" : "False") < (int)room;
    if (v->type == PICKLE_TUPLE || v->type == PICKLE_LIST) {
        n = (size_t)snprintf(out, room, "(");
        for (size_t i = 0; i < v->count; i++) {
            if (v->items[i]->type == PICKLE_TUPLE || v->items[i]->type == PICKLE_LIST ||
                n + 32 > room || !value_text(t, v->items[i], out + n, room - n))
                return false;
            n += strlen(out + n);
            n += (size_t)snprintf(out + n, room - n, i + 1 < v->count ? ", " : "");
        }
        return snprintf(out + n, room - n, v->count == 1 ? ",)" : ")") < (int)(room - n);
    }
    if (v->type == PICKLE_INTEGER)
        return snprintf(out, room, "%lld", (long long)v->integer) < (int)room;
    if (!torch_number(t->file, v, &x) || !isfinite(x))
        return false;
    n = text_shortest(out, room, 15, x);
    if (n + 3 < room && strpbrk(out, ".e") == NULL)
        strcpy(out + n, ".0");
    return n + 3 < room;
}

static void add_number(SafetensorsWriter *w, const char *key, double x)
{
    char text[40];
    text_shortest(text, sizeof text, 15, x);
    if (x >= 0)
        safetensors_add_meta(w, key, text);
}

/* Settings of the optimiser, but for the list of its parameters. */
static bool add_group(const TorchModel *t, SafetensorsWriter *w, Error *err)
{
    char key[TEXT], text[TEXT];
    for (size_t i = 0; t->group != NULL && i < t->group->count; i++) {
        const PickleValue *k = t->group->items[2 * i];
        if ((k->type == PICKLE_TEXT && strcmp(k->text, "params") == 0) ||
            t->group->items[2 * i + 1]->type == PICKLE_OPAQUE)
            continue;
        if (k->type != PICKLE_TEXT || strlen(k->text) > 60 || !text_is_utf8(k->text) ||
            !value_text(t, t->group->items[2 * i + 1], text, sizeof text))
            return error_set(err,
                             "%.200s: optimizer: %.60s: expected None, a bool, a number or a tuple "
                             "of these",
                             t->file->path, k->type == PICKLE_TEXT ? k->text : "a key");
        snprintf(key, sizeof key, "%s%s", group_key, k->text);
        if (pickle_get(t->group, k->text) == t->group->items[2 * i + 1])
            safetensors_add_meta(w, key, text);
    }
    return true;
}

/* Metadata of a model that PyTorch trained. */
static bool add_foreign_meta(const TorchModel *t, const Model *m, SafetensorsWriter *w, Error *err)
{
    ModelMeta meta = model_meta_of(m);
    safetensors_add_meta(w, "format", "di4c-1");
    add_number(w, "step", t->step);
    for (size_t i = 0; i < meta.count; i++)
        safetensors_add_meta(w, meta.entries[i].key, meta.entries[i].value);
    model_meta_free(&meta);
    safetensors_add_meta(w, "torch.prefix", t->prefix);
    add_number(w, "torch.n_iter", t->n_iter);
    add_number(w, "torch.ema_decay", t->ema_decay);
    add_number(w, "torch.ema_num_updates", t->ema_updates);
    return add_group(t, w, err);
}

/* All tensors, block by block in the network's order; so are their numbers, in `numbers`. */
static bool add_tensors(const TorchModel *t, const ParamSet *set, SafetensorsWriter *w,
                        float *numbers, Error *err)
{
    for (int b = 0; b < TORCH_BLOCKS; b++) {
        if (t->blocks[b] == NULL)
            continue;
        for (size_t i = 0; i < set->count; i++) {
            const Param *p = set->items[i];
            char name[600];
            size_t shape[TENSOR_MAX_RANK];
            const int rank = nn_param_file_shape(p, shape);
            float *at = numbers + p->offset;
            if (!torch_model_floats(t, (TorchBlock)b, p->name, at, err))
                return false;
            snprintf(name, sizeof name, "%s%s", block_names[b], p->name);
            safetensors_add(w, name, rank, shape, at);
        }
        numbers += set->total;
    }
    return true;
}

static bool write_safetensors(const TorchImport *t, const char *out, Error *err)
{
    SafetensorsWriter *w = safetensors_writer();
    const ParamSet *set = &t->model->net->params;
    size_t blocks = 0;
    for (int b = 0; b < TORCH_BLOCKS; b++)
        blocks += t->file->blocks[b] != NULL;
    float *numbers = mem_alloc(blocks, set->total * sizeof *numbers);
    for (size_t i = 0; i < t->meta_count; i++)
        safetensors_add_meta(w, t->meta[i].key, t->meta[i].value);
    const bool ok = (t->meta_count > 0 || add_foreign_meta(t->file, t->model, w, err)) &&
                    add_tensors(t->file, set, w, numbers, err) && safetensors_write(w, out, err);
    mem_free(numbers);
    safetensors_writer_free(w);
    return ok;
}

static bool from_torch(const char *in, const char *out, const TextList *settings, Error *err)
{
    TorchImport t;
    TorchFile *file = torch_read(in, err);
    bool ok = file != NULL && torch_import_of(&t, file, settings, err);
    if (ok) {
        torch_import_note(file);
        ok = write_safetensors(&t, out, err);
        torch_import_close(&t);
    }
    torch_free(file);
    return ok;
}

/* ---- to .pt ---- */

typedef struct Export {
    const Model *model;
    const SafetensorsFile *file;
    TorchWriter *writer;
    PickleWriter *pickle;         /* the writer's */
    float *numbers[TORCH_BLOCKS]; /* NULL: not in the file */
} Export;

static const FileTensor *find(const Export *e, int block, const char *name)
{
    char text[600];
    snprintf(text, sizeof text, "%s%s", block_names[block], name);
    return safetensors_find(e->file, text);
}

static bool has_block(const Export *e, int block)
{
    return find(e, block, e->model->net->params.items[0]->name) != NULL;
}

/* A number of the metadata, or another one. */
static double meta_number(const Export *e, const char *key, double otherwise)
{
    const char *text = safetensors_meta(e->file, key);
    char *end = NULL;
    const double x = text != NULL ? text_number(text, &end) : otherwise;
    return text != NULL && (end == text || *end != '\0' || !(x >= 0 && x < 1e15)) ? otherwise : x;
}

static bool put_tensor(const Export *e, int block, const Param *p, Error *err)
{
    const FileTensor *f = find(e, block, p->name);
    size_t shape[TENSOR_MAX_RANK];
    const int rank = nn_param_file_shape(p, shape);
    if (f == NULL || f->rank != rank || f->count != tensor_size(&p->value))
        return error_set(err, "%.200s: expected a tensor \"%s%.200s\" of the parameter's shape",
                         e->file->path, block_names[block], p->name);
    float *at = e->numbers[block] + p->offset;
    torch_put_floats(e->writer, rank, shape, at);
    if (!safetensors_floats(f, at, e->file->path, err))
        return false;
    for (size_t i = 0; i < f->count; i++)
        if (!isfinite(at[i]))
            return error_set(err,
                             "%.200s: tensor \"%.200s\": expected finite numbers, entry %zu is %s",
                             e->file->path, f->name, i, isnan(at[i]) ? "NaN" : "infinite");
    return true;
}

static bool put_model(const Export *e, Error *err)
{
    const ParamSet *set = &e->model->net->params;
    const char *prefix = safetensors_meta(e->file, "torch.prefix");
    char name[600];
    pickle_open_dict(e->pickle, true);
    for (size_t i = 0; i < set->count; i++) {
        snprintf(name, sizeof name, "%.40s%s", prefix != NULL ? prefix : "net.",
                 set->items[i]->name);
        pickle_put_text(e->pickle, name);
        if (!put_tensor(e, TORCH_WEIGHTS, set->items[i], err))
            return false;
    }
    if (has_block(e, TORCH_EMA)) {
        const double decay = meta_number(e, "torch.ema_decay", e->model->config.ema_decay);
        pickle_put_text(e->pickle, "ema_decay");
        pickle_put_number(e->pickle, decay);
        pickle_put_text(e->pickle, "ema_num_updates");
        pickle_put_integer(
            e->pickle, (int64_t)meta_number(e, "torch.ema_num_updates", (double)e->model->step));
        pickle_put_text(e->pickle, "ema_shadow_params");
        pickle_open_list(e->pickle);
        for (size_t i = 0; i < set->count; i++)
            if (!put_tensor(e, TORCH_EMA, set->items[i], err))
                return false;
        pickle_close_list(e->pickle);
    }
    pickle_close_dict(e->pickle);
    return true;
}

/* The value that value_text wrote, from *text on. */
static bool put_value(PickleWriter *p, const char **text)
{
    static const char *const words[] = {"None", "True", "False"};
    char *end;
    for (size_t i = 0; i < 3; i++)
        if (strncmp(*text, words[i], strlen(words[i])) == 0) {
            *text += strlen(words[i]);
            if (i == 0)
                pickle_put_none(p);
            else
                pickle_put_bool(p, i == 1);
            return true;
        }
    const double x = text_number(*text, &end);
    if (end == *text || !isfinite(x))
        return false;
    const size_t length = (size_t)(end - *text);
    if (strspn(*text, "-0123456789") >= length && fabs(x) < 9e15)
        pickle_put_integer(p, (int64_t)x);
    else
        pickle_put_number(p, x);
    *text = end;
    return true;
}

static bool put_setting(const Export *e, const char *key, const char *text, Error *err)
{
    const char *at = text;
    bool ok = true;
    pickle_put_text(e->pickle, key);
    if (*at != '(') {
        ok = put_value(e->pickle, &at);
    } else {
        at++;
        pickle_open_tuple(e->pickle);
        while (ok && *at != ')' && *at != '\0') {
            ok = put_value(e->pickle, &at);
            at += strspn(at, ", ");
        }
        pickle_close_tuple(e->pickle);
        ok = ok && *at++ == ')';
    }
    return (ok && *at == '\0') ||
           error_set(err, "%.200s: %s%.60s: expected None, a bool, a number or a tuple of these",
                     e->file->path, group_key, key);
}

/* Settings as they came from PyTorch, or those of Adam in PyTorch with this model's rate. */
static bool put_group(const Export *e, Error *err)
{
    static const char *const usual[][2] = {{"betas", "(0.9, 0.999)"}, {"eps", "1e-08"},
                                           {"weight_decay", "0"},     {"amsgrad", "False"},
                                           {"maximize", "False"},     {"foreach", "None"},
                                           {"capturable", "False"},   {"differentiable", "False"},
                                           {"fused", "None"}};
    bool stored = false;
    for (size_t i = 0; i < e->file->meta_count; i++) {
        const MetaEntry *m = &e->file->meta[i];
        if (strncmp(m->key, group_key, strlen(group_key)) != 0)
            continue;
        stored = true;
        if (!put_setting(e, m->key + strlen(group_key), m->value, err))
            return false;
    }
    if (stored)
        return true;
    pickle_put_text(e->pickle, "lr");
    pickle_put_number(e->pickle, e->model->config.lr);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (!put_setting(e, usual[i][0], usual[i][1], err))
            return false;
    return true;
}

/* *step: as float32, which PyTorch's Adam counts in. */
static bool put_optimizer(const Export *e, const float *step, Error *err)
{
    const ParamSet *set = &e->model->net->params;
    PickleWriter *p = e->pickle;
    pickle_open_dict(p, false);
    pickle_put_text(p, "state");
    pickle_open_dict(p, false);
    for (size_t i = 0; i < set->count; i++) {
        pickle_put_integer(p, (int64_t)i);
        pickle_open_dict(p, false);
        pickle_put_text(p, "step");
        torch_put_floats(e->writer, 0, NULL, step);
        pickle_put_text(p, "exp_avg");
        if (!put_tensor(e, TORCH_ADAM_M, set->items[i], err))
            return false;
        pickle_put_text(p, "exp_avg_sq");
        if (!put_tensor(e, TORCH_ADAM_V, set->items[i], err))
            return false;
        pickle_close_dict(p);
    }
    pickle_close_dict(p);
    pickle_put_text(p, "param_groups");
    pickle_open_list(p);
    pickle_open_dict(p, false);
    if (!put_group(e, err))
        return false;
    pickle_put_text(p, "params");
    pickle_open_list(p);
    for (size_t i = 0; i < set->count; i++)
        pickle_put_integer(p, (int64_t)i);
    pickle_close_list(p);
    pickle_close_dict(p);
    pickle_close_list(p);
    pickle_close_dict(p);
    return true;
}

static bool put_all(const Export *e, const float *step, Error *err)
{
    PickleWriter *p = e->pickle;
    const double last = e->model->step > 0 ? (double)e->model->step - 1 : 0;
    pickle_open_dict(p, false);
    pickle_put_text(p, "model");
    if (!put_model(e, err))
        return false;
    if (has_block(e, TORCH_ADAM_M)) {
        pickle_put_text(p, "optimizer");
        if (!put_optimizer(e, step, err))
            return false;
    }
    pickle_put_text(p, "n_iter");
    pickle_put_integer(p, (int64_t)meta_number(e, "torch.n_iter", last));
    pickle_put_text(p, "di4c");
    pickle_open_dict(p, false);
    for (size_t i = 0; i < e->file->meta_count; i++) {
        pickle_put_text(p, e->file->meta[i].key);
        pickle_put_text(p, e->file->meta[i].value);
    }
    pickle_close_dict(p);
    pickle_close_dict(p);
    return true;
}

static bool write_torch(const SafetensorsFile *f, const Model *m, const char *out, Error *err)
{
    TorchWriter *w = torch_writer();
    const float step = (float)m->step;
    Export e = {.model = m, .file = f, .writer = w, .pickle = torch_pickle(w)};
    for (int b = 0; b < TORCH_BLOCKS; b++)
        if (has_block(&e, b))
            e.numbers[b] = mem_alloc(m->net->params.total, sizeof(float));
    const bool ok = put_all(&e, &step, err) && torch_write(w, out, err);
    for (int b = 0; b < TORCH_BLOCKS; b++)
        mem_free(e.numbers[b]);
    torch_writer_free(w);
    return ok;
}

static bool to_torch(const char *in, const char *out, Error *err)
{
    ModelFile f = {.own = safetensors_read(in, err)};
    Model *m = f.own != NULL ? model_file_model(&f, WEIGHTS_RAW, err) : NULL;
    const bool ok = m != NULL && write_torch(f.own, m, out, err);
    model_file_close(&f);
    model_destroy(m);
    return ok;
}

/* The averaged weights of a model by this program. */
static bool to_half(const char *in, const char *out, Error *err)
{
    ModelFile f = {.own = safetensors_read(in, err)};
    Model *m = f.own != NULL ? model_file_model(&f, WEIGHTS_AVERAGED, err) : NULL;
    model_file_close(&f);
    const bool ok = m != NULL && model_save_half(m, out, err);
    model_destroy(m);
    return ok;
}

static int run_convert(const Command *self, int argc, char **argv)
{
    const char *in = NULL, *out = NULL;
    TextList settings = {0};
    bool overwrite = false;
    CommonOptions common = {0};
    const Option options[] = {
        {"IN", OPTION_TEXT, &in, NULL, 0, 0, true, "a .safetensors or .pt file"},
        {"OUT", OPTION_TEXT, &out, NULL, 0, 0, true,
         "the other kind of file; .safetensors to .safetensors: the averaged weights alone, as "
         "16-bit numbers"},
        {"--set", OPTION_REPEAT, &settings, "KEY=VALUE", 0, 0, false,
         "from a .pt by PyTorch: settings that shapes do not tell; unset, the paper's CIFAR-10"},
        {"--overwrite", OPTION_FLAG, &overwrite, NULL, 0, 0, false, "replace OUT if it exists"},
    };
    Error err;
    const OptionsResult r =
        options_parse(self, options, sizeof options / sizeof options[0], &common, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    const bool from = path_has_suffix(in, ".pt") && path_has_suffix(out, ".safetensors");
    const bool to = path_has_suffix(in, ".safetensors") && path_has_suffix(out, ".pt");
    const bool half = path_has_suffix(in, ".safetensors") && path_has_suffix(out, ".safetensors") &&
                      !platform_same_file(in, out);
    if (!from && !to && !half) {
        error_set(&err,
                  "%.100s to %.100s: expected .pt to .safetensors, or back, or another "
                  ".safetensors",
                  in, out);
        return command_fail(self, &err, 2);
    }
    if (!from && settings.count > 0) {
        error_set(&err, "--set: only when reading a .pt file");
        return command_fail(self, &err, 2);
    }
    const bool free = overwrite || !platform_exists(out) ||
                      error_set(&err,
                                "%.200s: exists: expected --overwrite to replace it, or "
                                "another name",
                                out);
    const bool ok = free && path_check_output(out, &err) &&
                    (from ? from_torch(in, out, &settings, &err)
                     : to ? to_torch(in, out, &err)
                          : to_half(in, out, &err));
    if (ok && !common.quiet)
        printf("%s\n", out);
    return ok ? 0 : command_fail(self, &err, 1);
}

const Command command_convert = {.name = "convert",
                                 .summary =
                                     "Turns a PyTorch checkpoint (.pt) into a model file, or back.",
                                 .example = "di4c convert ckpt.pt out/teacher.safetensors",
                                 .run = run_convert};
