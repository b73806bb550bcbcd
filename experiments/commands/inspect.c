/* di4c inspect: what is in a .safetensors, .pt or .npy file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/commands/commands.h"
#include "experiments/model/model_file.h"
#include "experiments/model/torch_import.h"
#include "nn/formats/npy.h"
#include "nn/formats/sha256.h"
#include "nn/formats/torch/torch_file.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/reduce.h"

/* Control characters are not for the terminal: neither those of ASCII nor U+0080 to U+009F. */
static void print_bytes(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool high = c == 0xC2 && i + 1 < count && (unsigned char)text[i + 1] < 0xA0;
        putchar(c < 32 || c == 127 || high ? '?' : c);
        i += high;
    }
}

/* A text from a file. */
static void print_text(const char *text)
{
    print_bytes(text, strlen(text));
}

/* Tokens, one a line: their number and the first of them, with blanks between. */
static void print_alphabet(const char *text)
{
    enum { SHOWN = 300 };
    const size_t length = strlen(text);
    size_t tokens = length > 0 && text[length - 1] != '\n', end = length < SHOWN ? length : SHOWN;
    for (const char *p = text; *p; p++)
        tokens += *p == '\n';
    printf("%zu tokens: ", tokens);
    while (end < length && (text[end] & 0xC0) == 0x80) /* ends between characters */
        end++;
    for (size_t at = 0; at < end; at++) { /* from token to token */
        const size_t n = strcspn(text + at, "\n"), left = end - at;
        print_bytes(text + at, n < left ? n : left);
        at += n;
        printf("%s", at < end ? " " : "");
    }
    printf("%s", end < length ? "..." : "");
}

static void print_meta(const MetaEntry *meta, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("  ");
        print_text(meta[i].key);
        printf(" = ");
        if (strcmp(meta[i].key, "alphabet") == 0)
            print_alphabet(meta[i].value);
        else
            print_text(meta[i].value);
        printf("\n");
    }
}

/* Name, type, shape and number of entries, in columns. */
static void print_entry(const char *name, const char *dtype, int rank, const size_t *shape,
                        size_t count)
{
    const size_t length = strlen(name);
    print_text(name);
    printf("%*s %-5s ", length < 52 ? (int)(52 - length) : 0, "", dtype);
    int used = printf("(");
    for (int i = 0; i < rank; i++)
        used += printf("%s%zu", i ? ", " : "", shape[i]);
    used += printf(")");
    printf("%*s %8zu", used < 20 ? 20 - used : 0, "", count);
}

static void print_norm(const float *x, size_t count)
{
    text_print(stdout, "  norm %.6g, max %.4g", sqrt(tensor_sum_squares(x, count)),
               (double)tensor_max_abs(x, count));
}

/* The types that safetensors_floats reads. */
static bool is_float(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 || strcmp(dtype, "F64") == 0 || strcmp(dtype, "F16") == 0 ||
           strcmp(dtype, "BF16") == 0;
}

/* SHA-256 of the whole file, as sha256sum prints it. */
static void print_hash(const unsigned char *bytes, size_t count)
{
    char hash[65];
    Sha256 s;
    sha256_init(&s);
    sha256_add(&s, bytes, count);
    sha256_hex(&s, hash);
    printf("file SHA-256 %s\n", hash);
}

/* ---- models ---- */

static void print_role(const Model *m)
{
    printf("%s, %s network, %zu parameters, step %llu\n", model_role_name(m->role), m->net->kind,
           m->net->params.total, (unsigned long long)m->step);
}

static bool print_weights(const ModelFile *f, const Model *m, WeightChoice which, Error *err)
{
    char hash[65];
    if (!model_file_hash(f, m, which, hash, err))
        return false;
    printf("weights (%s) %s\n", which == WEIGHTS_RAW ? "raw" : "averaged", hash);
    return true;
}

/* Parameters, hashes and training state, if the .safetensors file is one of ours. */
static void print_model(const ModelFile *f)
{
    Error err;
    char raw[65];
    Model *m = model_file_layout(f, WEIGHTS_RAW, &err);
    bool ok = m != NULL && model_file_hash(f, m, WEIGHTS_RAW, raw, &err);
    if (ok && m->net->prior != NULL) /* a law of lambda is looked at in memory */
        ok = model_file_weights(f, m, WEIGHTS_RAW, &err);
    if (ok) {
        print_role(m);
        printf("weights (raw) %s\n", raw);
        ok = print_weights(f, m, WEIGHTS_AVERAGED, &err);
    }
    if (!ok)
        printf("not a sound model: %s\n", err.text);
    model_destroy(m);
}

/* The same for a .pt file, and its configuration: stored by `di4c convert`, or what names and
 * shapes tell and the defaults of the rest. */
static void print_torch_model(const ModelFile *f)
{
    Error err;
    TorchImport t;
    char value[CONFIG_TEXT];
    if (!torch_import_of(&t, f->torch, NULL, &err)) {
        printf("not a model: %s\n", err.text);
        return;
    }
    print_role(t.model);
    if ((t.model->net->prior != NULL && !model_file_weights(f, t.model, WEIGHTS_RAW, &err)) ||
        !print_weights(f, t.model, WEIGHTS_RAW, &err) ||
        !print_weights(f, t.model, WEIGHTS_AVERAGED, &err))
        printf("not a sound model: %s\n", err.text);
    print_meta(t.meta, t.meta_count);
    if (t.meta_count == 0)
        printf(
            "  configuration inferred from names and shapes; the rest is the paper's CIFAR-10\n");
    for (size_t i = 0; t.meta_count == 0 && config_is_structure(i); i++) {
        config_value(&t.model->config, i, value);
        printf("  config.%s = %s\n", config_key(i), value);
    }
    torch_import_close(&t);
}

/* ---- .safetensors ---- */

static bool print_tensor(const SafetensorsFile *f, const FileTensor *t, Error *err)
{
    bool ok = true;
    print_entry(t->name, t->dtype, t->rank, t->shape, t->count);
    if (is_float(t->dtype)) {
        float *x = mem_try(t->count, sizeof *x);
        ok = x ? safetensors_floats(t, x, f->path, err)
               : error_set(err, "%.200s: %.200s does not fit in memory", f->path, t->name);
        if (ok)
            print_norm(x, t->count);
        mem_free(x);
    }
    printf("\n");
    return ok;
}

static bool inspect_safetensors(const ModelFile *model, Error *err)
{
    const SafetensorsFile *f = model->own;
    printf("%s: %zu tensors\n", f->path, f->tensor_count);
    if (safetensors_meta(f, "role"))
        print_model(model);
    print_meta(f->meta, f->meta_count);
    print_hash(f->buffer, f->size);
    bool ok = true;
    for (size_t i = 0; ok && i < f->tensor_count; i++)
        ok = print_tensor(f, &f->tensors[i], err);
    return ok;
}

/* ---- .pt ---- */

static bool print_torch_tensor(const TorchFile *f, const PickleTensor *t, const char *name,
                               Error *err)
{
    bool ok = true;
    print_entry(name, t->dtype, t->rank, t->shape, t->count);
    if (is_float(t->dtype)) {
        float *x = mem_try(t->count, sizeof *x);
        ok = x ? torch_floats(f, t, name, x, err)
               : error_set(err, "%.200s: %.200s does not fit in memory", f->path, name);
        if (ok)
            print_norm(x, t->count);
        mem_free(x);
    }
    printf("\n");
    return ok;
}

/* No dict, list, tuple or tensor. */
static bool is_plain(const PickleValue *v)
{
    return v->type == PICKLE_OPAQUE || v->type == PICKLE_NONE || v->type == PICKLE_BOOL ||
           v->type == PICKLE_INTEGER || v->type == PICKLE_NUMBER || v->type == PICKLE_TEXT;
}

static bool all_plain(const PickleValue *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_plain(list->items[i]))
            return false;
    return true;
}

static void print_plain(const PickleValue *v)
{
    if (v->type == PICKLE_TEXT)
        print_text(v->text);
    else if (v->type == PICKLE_OPAQUE)
        printf("%s, not read", v->text);
    else if (v->type == PICKLE_INTEGER)
        printf("%lld", (long long)v->integer);
    else if (v->type == PICKLE_NUMBER)
        text_print(stdout, "%.9g", v->number);
    else
        printf("%s", v->type == PICKLE_NONE ? "None" : v->integer ? "True" : "False");
}

/* One line for a plain value, or for a list or tuple of them: its first ones. */
static void print_value(const char *name, const PickleValue *v)
{
    print_text(name);
    printf(" = ");
    if (is_plain(v)) {
        print_plain(v);
    } else {
        for (size_t i = 0; i < v->count && i < 8; i++) {
            printf("%s", i ? ", " : "(");
            print_plain(v->items[i]);
        }
        if (v->count > 8)
            printf(", ... %zu in all", v->count);
        printf("%s", v->count ? ")" : "()");
    }
    printf("\n");
}

/* Everything under v, whose path in the tree is `name`; the metadata of ours is shown already. */
static bool print_tree(const TorchFile *f, const PickleValue *v, const char *name, Error *err)
{
    char path[600];
    const bool dict = v->type == PICKLE_DICT;
    if (v->type == PICKLE_TENSOR)
        return print_torch_tensor(f, v->tensor, name, err);
    if (!dict && (is_plain(v) || all_plain(v))) {
        print_value(name, v);
        return true;
    }
    for (size_t i = 0; i < v->count && v != pickle_get(f->root, "di4c"); i++) {
        const PickleValue *key = dict ? v->items[2 * i] : NULL;
        const char *dot = *name ? "." : "";
        if (key && key->type == PICKLE_TEXT)
            snprintf(path, sizeof path, "%.400s%s%.150s", name, dot, key->text);
        else
            snprintf(path, sizeof path, "%.400s%s%lld", name, dot,
                     key && key->type == PICKLE_INTEGER ? (long long)key->integer : (long long)i);
        if (!print_tree(f, dict ? v->items[2 * i + 1] : v->items[i], path, err))
            return false;
    }
    return true;
}

static bool inspect_torch(const ModelFile *model, Error *err)
{
    const TorchFile *f = model->torch;
    printf("%s: PyTorch, %zu entries\n", f->path, f->zip->count);
    print_torch_model(model);
    print_hash(f->zip->buffer, f->zip->size);
    return print_tree(f, f->root, "", err);
}

static bool inspect_model(const char *path, Error *err)
{
    ModelFile f;
    if (!model_file_open(&f, path, err))
        return false;
    const bool ok = f.torch != NULL ? inspect_torch(&f, err) : inspect_safetensors(&f, err);
    model_file_close(&f);
    return ok;
}

/* ---- .npy ---- */

static bool inspect_npy(const char *path, Error *err)
{
    NpyArray *a = npy_read(path, err);
    if (!a)
        return false;
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
    for (size_t i = 0; i < a->count; i++) {
        const double x = npy_number(a, i);
        low = fmin(low, x);
        high = larger_of(high, x);
        sum += x;
        squares += x * x;
    }
    printf("%s: %s (", path, npy_type_name(a->type));
    for (int i = 0; i < a->rank; i++)
        printf("%s%zu", i ? ", " : "", a->shape[i]);
    printf("), %zu entries", a->count);
    if (a->count)
        text_print(stdout, ", min %.6g, max %.6g, mean %.6g, norm %.6g", low, high,
                   sum / (double)a->count, sqrt(squares));
    printf("\n");
    print_hash(a->buffer, a->size);
    npy_free(a);
    return true;
}

static int run_inspect(const Command *self, int argc, char **argv)
{
    const char *path = NULL;
    CommonOptions common = {0};
    const Option options[] = {
        {"FILE", OPTION_TEXT, &path, NULL, 0, 0, true, "a .safetensors, .pt or .npy file"},
    };
    Error err;
    const OptionsResult r = options_parse(self, options, 1, &common, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    const bool ok =
        path_has_suffix(path, ".npy") ? inspect_npy(path, &err) : inspect_model(path, &err);
    return ok ? 0 : command_fail(self, &err, 1);
}

const Command command_inspect = {.name = "inspect",
                                 .summary = "Shows what is in a model file or an .npy array.",
                                 .example = "di4c inspect out/student.safetensors",
                                 .run = run_inspect};
