/* di4c inspect: what is in a .safetensors, .pt or .npy file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/commands.h"
#include "experiments/model.h"
#include "experiments/npy.h"
#include "experiments/paths.h"
#include "nn/torch_file.h"
#include "tensor/memory.h"
#include "tensor/reduce.h"

static void print_shape(int rank, const size_t *shape)
{
    int used = printf("(");
    for (int i = 0; i < rank; i++)
        used += printf("%s%zu", i ? ", " : "", shape[i]);
    used += printf(")");
    printf("%*s", used < 20 ? 20 - used : 0, "");
}

/* The types that safetensors_floats reads. */
static bool is_float(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 || strcmp(dtype, "F64") == 0 || strcmp(dtype, "F16") == 0 ||
           strcmp(dtype, "BF16") == 0;
}

/* A string from a file: control characters are not for the terminal. */
static void print_text(const char *text)
{
    for (const char *p = text; *p; p++)
        putchar((unsigned char)*p < 32 || *p == 127 ? '?' : *p);
}

/* A metadata value; of a long one, such as a rate matrix, the start. */
static void print_value(const char *text)
{
    char start[101];
    const size_t length = strlen(text);
    snprintf(start, sizeof start, "%s", text);
    print_text(start);
    if (length >= sizeof start)
        printf("... (%zu characters)", length);
}

static bool print_tensor(const SafetensorsFile *f, const FileTensor *t, Error *err)
{
    printf("%-52s %-5s ", t->name, t->dtype);
    print_shape(t->rank, t->shape);
    if (is_float(t->dtype)) {
        float *x = mem_alloc(t->count, sizeof(float));
        const bool ok = safetensors_floats(t, x, f->path, err);
        if (ok)
            printf(" norm %.6g, max %.4g", sqrt(tensor_sum_squares(x, t->count)),
                   (double)tensor_max_abs(x, t->count));
        mem_free(x);
        if (!ok)
            return false;
    }
    printf("\n");
    return true;
}

/* Parameters, hash and training state, if the file is one of ours. */
static void print_model(const char *path)
{
    Error err;
    const WeightChoice kinds[] = {WEIGHTS_RAW, WEIGHTS_AVERAGED};
    for (int i = 0; i < 2; i++) {
        Model *m = model_load(path, kinds[i], &err);
        char hash[65];
        if (!m) {
            printf("not a sound model: %s\n", err.text);
            return;
        }
        nn_weights_hash(m->net, hash);
        if (i == 0)
            printf("%s, %s network, %zu parameters, step %llu\n", model_role_name(m->role),
                   m->net->kind, m->net->params.total, (unsigned long long)m->step);
        printf("weights (%s) %s\n", i == 0 ? "raw" : "averaged", hash);
        model_destroy(m);
    }
}

static bool inspect_safetensors(const char *path, Error *err)
{
    SafetensorsFile *f = safetensors_read(path, err);
    if (!f)
        return false;
    printf("%s: %zu tensors\n", path, f->tensor_count);
    if (safetensors_meta(f, "role"))
        print_model(path);
    for (size_t i = 0; i < f->meta_count; i++) {
        printf("  ");
        print_text(f->meta[i].key);
        printf(" = ");
        print_value(f->meta[i].value);
        printf("\n");
    }
    bool ok = true;
    for (size_t i = 0; ok && i < f->tensor_count; i++)
        ok = print_tensor(f, &f->tensors[i], err);
    safetensors_free(f);
    return ok;
}

/* A tensor of a .pt file, shown like one of a .safetensors file. */
static bool print_torch_tensor(const TorchFile *f, const PickleTensor *t, const char *name,
                               Error *err)
{
    float *x = mem_try(t->count, sizeof(float));
    if (!x)
        return error_set(err, "%.200s: %.200s does not fit in memory", f->path, name);
    print_text(name);
    printf("%*s %-5s ", strlen(name) < 52 ? (int)(52 - strlen(name)) : 0, "", t->dtype);
    print_shape(t->rank, t->shape);
    const bool ok = !is_float(t->dtype) || torch_floats(f, t, name, x, err);
    if (ok && is_float(t->dtype))
        printf(" norm %.6g, max %.4g", sqrt(tensor_sum_squares(x, t->count)),
               (double)tensor_max_abs(x, t->count));
    printf("\n");
    mem_free(x);
    return ok;
}

/* Everything under v, whose path in the tree is `name`. */
static bool print_tree(const TorchFile *f, const PickleValue *v, const char *name, Error *err)
{
    char path[600];
    const bool dict = v->type == PICKLE_DICT;
    if (v->type == PICKLE_TENSOR)
        return print_torch_tensor(f, v->tensor, name, err);
    if (dict || v->type == PICKLE_LIST || v->type == PICKLE_TUPLE) {
        for (size_t i = 0; i < v->count; i++) {
            const PickleValue *key = dict ? v->items[2 * i] : NULL;
            const char *dot = *name ? "." : "";
            if (key && key->type == PICKLE_TEXT)
                snprintf(path, sizeof path, "%.400s%s%.150s", name, dot, key->text);
            else
                snprintf(path, sizeof path, "%.400s%s%lld", name, dot,
                         key ? (long long)key->integer : (long long)i);
            if (!print_tree(f, dict ? v->items[2 * i + 1] : v->items[i], path, err))
                return false;
        }
        return true;
    }
    print_text(name);
    if (v->type == PICKLE_TEXT) {
        printf(" = ");
        print_text(v->text);
        printf("\n");
    } else if (v->type == PICKLE_INTEGER) {
        printf(" = %lld\n", (long long)v->integer);
    } else if (v->type == PICKLE_NUMBER) {
        printf(" = %.9g\n", v->number);
    } else {
        printf(" = %s\n", v->type == PICKLE_NONE ? "None" : v->integer ? "True" : "False");
    }
    return true;
}

static bool inspect_torch(const char *path, Error *err)
{
    TorchFile *f = torch_read(path, err);
    if (!f)
        return false;
    printf("%s: PyTorch, %zu entries\n", path, f->zip->count);
    const bool ok = print_tree(f, f->root, "", err);
    torch_free(f);
    return ok;
}

static bool inspect_npy(const char *path, Error *err)
{
    NpyArray *a = npy_read(path, err);
    if (!a)
        return false;
    double low = INFINITY, high = -INFINITY, sum = 0;
    for (size_t i = 0; i < a->count; i++) {
        const double x = npy_number(a, i);
        low = fmin(low, x);
        high = fmax(high, x);
        sum += x;
    }
    printf("%s: %s ", path, npy_type_name(a->type));
    print_shape(a->rank, a->shape);
    if (a->count)
        printf(" min %.6g, max %.6g, mean %.6g", low, high, sum / (double)a->count);
    printf("\n");
    npy_free(a);
    return true;
}

int command_inspect(const Command *self, int argc, char **argv)
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
    const bool ok = path_has_suffix(path, ".npy")  ? inspect_npy(path, &err)
                    : path_has_suffix(path, ".pt") ? inspect_torch(path, &err)
                                                   : inspect_safetensors(path, &err);
    return ok ? 0 : command_fail(self, &err, 1);
}
