/* Checkpoints: names, layouts and checks around safetensors files.
 *
 * Loading reads everything twice: once to check it, and only when all of it is sound into the
 * network, so that a refused file leaves the network as it was and no second copy is made. */
#include "nn/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/sha256.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static const char format_name[] = "di4c-1";

enum { NAME_TEXT = 512, SHAPE_TEXT = 200, HASH_CHUNK = 1024 };

/* ---- writing ---- */

static void add_block(SafetensorsWriter *w, const ParamSet *set, const char *prefix,
                      const float *block, float *file_block)
{
    char name[NAME_TEXT];
    size_t shape[TENSOR_MAX_RANK];
    for (size_t i = 0; i < set->count; i++) {
        const Param *p = set->items[i];
        int rank = nn_param_file_shape(p, shape);
        int n = snprintf(name, sizeof name, "%s%s", prefix, p->name);
        TENSOR_CHECK(n > 0 && n < NAME_TEXT, "name of %d characters", n);
        nn_param_to_file(p, file_block + p->offset, block + p->offset);
        safetensors_add(w, name, rank, shape, file_block + p->offset);
    }
}

static bool write_file(const char *path, const Network *net, const Optimizer *o, bool half,
                       const MetaEntry *meta, size_t meta_count, Error *err)
{
    const ParamSet *set = &net->params;
    size_t total = set->total;
    TENSOR_CHECK(o == NULL || o->params->total == total, "optimiser of %zu floats, network of %zu",
                 o->params->total, total);
    SafetensorsWriter *w = safetensors_writer();
    float *blocks = mem_alloc(o != NULL ? 4 : 1, total * sizeof *blocks);

    safetensors_add_meta(w, "format", format_name);
    if (o != NULL) {
        char step[32];
        snprintf(step, sizeof step, "%" PRIu64, o->steps);
        safetensors_add_meta(w, "step", step);
    }
    for (size_t i = 0; i < meta_count; i++)
        safetensors_add_meta(w, meta[i].key, meta[i].value);
    add_block(w, set, "net.", set->values, blocks);
    if (o != NULL) {
        add_block(w, set, "ema.", o->ema, blocks + total);
        add_block(w, set, "adam.m.", o->m, blocks + 2 * total);
        add_block(w, set, "adam.v.", o->v, blocks + 3 * total);
    }
    if (half)
        safetensors_use_half(w);
    bool ok = safetensors_write(w, path, err);
    safetensors_writer_free(w);
    mem_free(blocks);
    return ok;
}

bool nn_checkpoint_write(const char *path, const Network *net, const Optimizer *o,
                         const MetaEntry *meta, size_t meta_count, Error *err)
{
    return write_file(path, net, o, false, meta, meta_count, err);
}

bool nn_checkpoint_write_half(const char *path, const Network *net, const MetaEntry *meta,
                              size_t meta_count, Error *err)
{
    return write_file(path, net, NULL, true, meta, meta_count, err);
}

/* ---- loading ---- */

static const char *shape_text(int rank, const size_t *shape, char text[SHAPE_TEXT])
{
    size_t used = (size_t)snprintf(text, SHAPE_TEXT, "(");
    for (int i = 0; i < rank; i++)
        used +=
            (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%zu", i > 0 ? ", " : "", shape[i]);
    snprintf(text + used, SHAPE_TEXT - used, ")");
    return text;
}

static bool same_shape(const FileTensor *t, int rank, const size_t *shape)
{
    if (t->rank != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (t->shape[i] != shape[i])
            return false;
    return true;
}

/* The tensor prefix + p->name, of p's shape; NULL and a sentence if the file has it not. */
static const FileTensor *find_param(const SafetensorsFile *f, const char *prefix, const Param *p,
                                    Error *err)
{
    char name[NAME_TEXT], expected[SHAPE_TEXT], found[SHAPE_TEXT];
    size_t shape[TENSOR_MAX_RANK];
    const int rank = nn_param_file_shape(p, shape);
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    const FileTensor *t = safetensors_find(f, name);
    shape_text(rank, shape, expected);
    if (t == NULL)
        error_set(err, "%.200s: expected a tensor \"%.200s\" of shape %s, found none", f->path,
                  name, expected);
    else if (!same_shape(t, rank, shape))
        error_set(err, "%.200s: tensor \"%.200s\": expected shape %s, found %s", f->path, name,
                  expected, shape_text(t->rank, t->shape, found));
    else
        return t;
    return NULL;
}

/* The numbers of a parameter, in the file's layout, into scratch; finite ones only. */
static bool read_param(const SafetensorsFile *f, const char *prefix, const Param *p, float *scratch,
                       Error *err)
{
    const FileTensor *t = find_param(f, prefix, p, err);
    if (t == NULL || !safetensors_floats(t, scratch, f->path, err))
        return false;
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(scratch[i]))
            return error_set(err,
                             "%.200s: tensor \"%.200s\": expected finite numbers, entry %zu "
                             "is %s",
                             f->path, t->name, i, isnan(scratch[i]) ? "NaN" : "infinite");
    return true;
}

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Every tensor with the prefix belongs to a parameter. */
static bool check_unknown(const SafetensorsFile *f, const char *prefix, const ParamSet *set,
                          Error *err)
{
    for (size_t i = 0; i < f->tensor_count; i++) {
        const char *name = f->tensors[i].name;
        if (has_prefix(name, prefix) && nn_param_find(set, name + strlen(prefix)) == NULL)
            return error_set(err,
                             "%.200s: tensor \"%.200s\": expected only the %zu names of this "
                             "network's parameters (another kind or size of network, or a "
                             "student's weights for a teacher)",
                             f->path, name, set->count);
    }
    return true;
}

static size_t largest_param(const ParamSet *set)
{
    size_t largest = 0;
    for (size_t i = 0; i < set->count; i++) {
        const size_t n = tensor_size(&set->items[i]->value);
        largest = n > largest ? n : largest;
    }
    return largest;
}

/* All parameters into block (memory layout); all of it is checked before anything is written there,
 * also against `least`. */
static bool load_block(const SafetensorsFile *f, const char *prefix, const ParamSet *set,
                       float *block, double least, Error *err)
{
    bool ok = check_unknown(f, prefix, set, err);
    for (size_t i = 0; ok && i < set->count; i++)
        ok = find_param(f, prefix, set->items[i], err) != NULL;
    if (!ok)
        return false;
    float *scratch = mem_alloc(largest_param(set), sizeof *scratch);
    for (size_t i = 0; ok && i < set->count; i++) {
        ok = read_param(f, prefix, set->items[i], scratch, err);
        const size_t count = tensor_size(&set->items[i]->value);
        for (size_t k = 0; ok && k < count; k++)
            if ((double)scratch[k] < least)
                ok = error_set(err,
                               "%.200s: tensors \"%s*\": expected no negative number, found "
                               "%g",
                               f->path, prefix, (double)scratch[k]);
    }
    for (size_t i = 0; ok && i < set->count; i++) {
        const Param *p = set->items[i];
        ok = read_param(f, prefix, p, scratch, err);
        if (ok)
            nn_param_from_file(p, block + p->offset, scratch);
    }
    mem_free(scratch);
    return ok;
}

/* "pt" is what PyTorch's own writer of safetensors files puts there. */
static bool check_format(const SafetensorsFile *f, Error *err)
{
    const char *format = safetensors_meta(f, "format");
    if (format == NULL || (strcmp(format, format_name) != 0 && strcmp(format, "pt") != 0))
        return error_set(err, "%.200s: __metadata__: expected format \"%s\", found %.60s", f->path,
                         format_name, format != NULL ? format : "none");
    return true;
}

static const char *prefix_of(const SafetensorsFile *f, WeightChoice which)
{
    for (size_t i = 0; which == WEIGHTS_AVERAGED && i < f->tensor_count; i++)
        if (has_prefix(f->tensors[i].name, "ema."))
            return "ema.";
    return "net.";
}

bool nn_checkpoint_check(const SafetensorsFile *f, const Network *net, WeightChoice which,
                         Error *err)
{
    const ParamSet *set = &net->params;
    const char *prefix = prefix_of(f, which);
    bool ok = check_format(f, err) && check_unknown(f, "net.", set, err) &&
              check_unknown(f, prefix, set, err);
    for (size_t i = 0; ok && i < set->count; i++)
        ok = find_param(f, prefix, set->items[i], err) != NULL;
    return ok;
}

bool nn_checkpoint_load(const SafetensorsFile *f, Network *net, WeightChoice which, Error *err)
{
    return nn_checkpoint_check(f, net, which, err) &&
           load_block(f, prefix_of(f, which), &net->params, net->params.values, -HUGE_VAL, err);
}

static bool parse_step(const SafetensorsFile *f, uint64_t *step, Error *err)
{
    const char *text = safetensors_meta(f, "step");
    size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return error_set(err,
                         "%.200s: __metadata__: expected step to be a whole number, found "
                         "%.40s",
                         f->path, text != NULL ? text : "none");
    *step = strtoull(text, NULL, 10);
    return true;
}

bool nn_checkpoint_resume(const SafetensorsFile *f, const Network *net, Optimizer *o, Error *err)
{
    const ParamSet *set = &net->params;
    size_t total = set->total;
    uint64_t step = 0;
    TENSOR_CHECK(o->params->total == total, "optimiser of %zu floats, network of %zu",
                 o->params->total, total);
    if (!check_format(f, err) || !parse_step(f, &step, err))
        return false;
    float *blocks = mem_alloc(3, total * sizeof *blocks);
    bool ok = load_block(f, "ema.", set, blocks, -HUGE_VAL, err) &&
              load_block(f, "adam.m.", set, blocks + total, -HUGE_VAL, err) &&
              load_block(f, "adam.v.", set, blocks + 2 * total, 0.0, err);
    if (ok && total > 0) {
        memcpy(o->ema, blocks, total * sizeof *blocks);
        memcpy(o->m, blocks + total, total * sizeof *blocks);
        memcpy(o->v, blocks + 2 * total, total * sizeof *blocks);
    }
    if (ok)
        o->steps = step;
    mem_free(blocks);
    return ok;
}

/* ---- hash ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(Param *const *)a)->name, (*(Param *const *)b)->name);
}

/* The bits of the floats, low bytes first. */
static void hash_floats(Sha256 *s, const float *x, size_t count)
{
    unsigned char bytes[4 * HASH_CHUNK];
    for (size_t first = 0; first < count; first += HASH_CHUNK) {
        const size_t n = count - first < HASH_CHUNK ? count - first : HASH_CHUNK;
        for (size_t i = 0; i < n; i++)
            little_endian_put(bytes + 4 * i, 4, bits_of_float(x[first + i]));
        sha256_add(s, bytes, 4 * n);
    }
}

bool nn_params_hash(const ParamSet *set, ParamReader read, const void *source, char out[65],
                    Error *err)
{
    Sha256 s;
    bool ok = true;
    Param **sorted = mem_alloc(set->count, sizeof *sorted);
    float *numbers = mem_alloc(largest_param(set), sizeof *numbers);
    sha256_init(&s);
    for (size_t i = 0; i < set->count; i++)
        sorted[i] = set->items[i];
    if (set->count > 0)
        qsort(sorted, set->count, sizeof *sorted, compare_names);
    for (size_t i = 0; ok && i < set->count; i++) {
        sha256_add(&s, sorted[i]->name, strlen(sorted[i]->name) + 1);
        ok = read(source, sorted[i], numbers, err);
        if (ok)
            hash_floats(&s, numbers, tensor_size(&sorted[i]->value));
    }
    sha256_hex(&s, out);
    mem_free(numbers);
    mem_free(sorted);
    return ok;
}

static bool from_memory(const void *source, const Param *p, float *out, Error *err)
{
    (void)source;
    (void)err;
    nn_param_to_file(p, out, p->value.data);
    return true;
}

void nn_weights_hash(const Network *net, char out[65])
{
    nn_params_hash(&net->params, from_memory, NULL, out, NULL);
}

typedef struct CheckpointBlock {
    const SafetensorsFile *file;
    const char *prefix;
} CheckpointBlock;

static bool from_block(const void *source, const Param *p, float *out, Error *err)
{
    const CheckpointBlock *block = source;
    return read_param(block->file, block->prefix, p, out, err);
}

bool nn_checkpoint_hash(const SafetensorsFile *f, const Network *net, WeightChoice which,
                        char out[65], Error *err)
{
    const CheckpointBlock block = {f, prefix_of(f, which)};
    return nn_checkpoint_check(f, net, which, err) &&
           nn_params_hash(&net->params, from_block, &block, out, err);
}
