/* Named parameters.  Adding only records shapes; allocation then lays all values out in one block,
 * in order of creation and without gaps, so that the optimiser, the norm of the gradient and the
 * averages each are one loop over set->total numbers. */
#include "nn/param.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/picture.h"
#include "tensor/pointwise.h"

static void check_layout(const Param *p)
{
    int rank = p->value.rank;
    TENSOR_CHECK(p->layout != PARAM_LINEAR || rank == 2, "%s: a linear weight of rank %d", p->name,
                 rank);
    TENSOR_CHECK(p->layout != PARAM_CONV ||
                     (rank == 4 && p->value.shape[0] == 3 && p->value.shape[1] == 3),
                 "%s: a convolution's weight is (3, 3, in, out); rank %d", p->name, rank);
}

Param *nn_param_add(ParamSet *set, const char *name, ParamLayout layout, int rank,
                    const size_t *shape)
{
    TENSOR_CHECK(set->values == NULL, "%s: added after nn_params_allocate", name);
    TENSOR_CHECK(nn_param_find(set, name) == NULL, "two parameters are named %s", name);
    Param *p = mem_zeroed(1, sizeof *p);
    p->name = mem_string(name);
    p->value = tensor_view(NULL, rank, shape);
    p->layout = layout;
    p->offset = set->total;
    check_layout(p);
    size_t size = 1;
    for (int i = 0; i < rank; i++) {
        TENSOR_CHECK(mem_product(size, shape[i], &size), "%s: too many entries", name);
    }
    TENSOR_CHECK(size <= SIZE_MAX / sizeof(float) - set->total, "%s: too many entries", name);
    set->items = mem_resize(set->items, set->count, set->count + 1, sizeof *set->items);
    set->items[set->count++] = p;
    set->total += size;
    return p;
}

void nn_params_allocate(ParamSet *set, bool with_grads)
{
    TENSOR_CHECK(set->values == NULL, "allocated twice (%zu parameters)", set->count);
    set->values = mem_zeroed(set->total, sizeof(float));
    set->grads = with_grads ? mem_zeroed(set->total, sizeof(float)) : NULL;
    for (size_t i = 0; i < set->count; i++) {
        Param *p = set->items[i];
        p->value.data = set->values + p->offset;
        p->grad = with_grads ? set->grads + p->offset : NULL;
    }
}

void nn_params_free(ParamSet *set)
{
    for (size_t i = 0; i < set->count; i++) {
        mem_free(set->items[i]->name);
        mem_free(set->items[i]);
    }
    mem_free(set->items);
    mem_free(set->values);
    mem_free(set->grads);
    *set = (ParamSet){0};
}

Param *nn_param_find(const ParamSet *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->items[i]->name, name) == 0) {
            return set->items[i];
        }
    }
    return NULL;
}

void nn_params_zero_grads(ParamSet *set)
{
    if (set->grads != NULL) {
        tensor_fill(set->grads, 0.0f, set->total);
    }
}

Var *nn_param_var(Graph *g, const Param *p)
{
    TENSOR_CHECK(p->value.data != NULL, "%s: used before nn_params_allocate", p->name);
    return ag_leaf(g, p->value, g->recording ? p->grad : NULL);
}

/* ---- memory layout and file layout ---- */

/* The axes of the file's tensor, as axes of the one in memory. */
static const int LINEAR_TO_FILE[] = {1, 0}, CONV_TO_FILE[] = {3, 2, 0, 1};
static const int CONV_FROM_FILE[] = {2, 3, 1, 0};

int nn_param_file_shape(const Param *p, size_t shape[TENSOR_MAX_RANK])
{
    const size_t *s = p->value.shape;
    for (int i = 0; i < TENSOR_MAX_RANK; i++) {
        shape[i] = s[i];
    }
    for (int i = 0; i < p->value.rank; i++) {
        if (p->layout == PARAM_LINEAR) {
            shape[i] = s[LINEAR_TO_FILE[i]];
        } else if (p->layout == PARAM_CONV) {
            shape[i] = s[CONV_TO_FILE[i]];
        }
    }
    return p->value.rank;
}

void nn_param_to_file(const Param *p, float *out, const float *in)
{
    if (p->layout == PARAM_LINEAR) {
        tensor_permute(out, in, 2, p->value.shape, LINEAR_TO_FILE);
    } else if (p->layout == PARAM_CONV) {
        tensor_permute(out, in, 4, p->value.shape, CONV_TO_FILE);
    } else {
        tensor_copy(out, in, tensor_size(&p->value));
    }
}

void nn_param_from_file(const Param *p, float *out, const float *in)
{
    size_t shape[TENSOR_MAX_RANK];
    nn_param_file_shape(p, shape);
    if (p->layout == PARAM_LINEAR) {
        tensor_permute(out, in, 2, shape, LINEAR_TO_FILE); /* a transpose undoes itself */
    } else if (p->layout == PARAM_CONV) {
        tensor_permute(out, in, 4, shape, CONV_FROM_FILE);
    } else {
        tensor_copy(out, in, tensor_size(&p->value));
    }
}

/* ---- initialisers ---- */

/* The stream of a parameter: a child numbered by the name's 64-bit FNV-1a hash. */
static Rng name_stream(Rng rng, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    }
    return rng_child(rng, hash);
}

static void uniform(Param *p, double a, Rng rng)
{
    Rng stream = name_stream(rng, p->name);
    size_t n = tensor_size(&p->value);
    for (size_t i = 0; i < n; i++) {
        p->value.data[i] = (float)(a * (2.0 * rng_uniform(&stream) - 1.0));
    }
}

void nn_init_default(Param *p, size_t fan_in, Rng rng)
{
    TENSOR_CHECK(fan_in > 0, "%s: fan-in 0", p->name);
    uniform(p, 1.0 / sqrt((double)fan_in), rng);
}

void nn_init_fan_average(Param *p, double scale, size_t in, size_t out, Rng rng)
{
    TENSOR_CHECK(in + out > 0 && scale >= 0.0, "%s: scale %g, fans %zu and %zu", p->name, scale, in,
                 out);
    uniform(p, sqrt(3.0 * scale / (0.5 * ((double)in + (double)out))), rng);
}

void nn_init_constant(Param *p, float value)
{
    tensor_fill(p->value.data, value, tensor_size(&p->value));
}
