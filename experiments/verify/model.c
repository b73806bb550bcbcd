/* Networks that a manifest describes, and vectors over all parameters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/verify/verify.h"
#include "nn/formats/safetensors.h"
#include "nn/unet/unet.h"
#include "tensor/base/memory.h"

/* ---- network ---- */

static bool read_sizes(VerifyCase *c, const Json *config, UNetConfig *u, Head *head, Error *err)
{
    const char *where = c->name;
    const Json *lam = json_get(config, "lam"), *mult = json_get(config, "ch_mult");
    const Json *fix = json_get(config, "fix_logistic");
    double attn_scale, vmax;
    *u = nn_unet_defaults();
    if (!lam || (lam->type != JSON_BOOL && !json_size(config, "lam", &u->lambda_dims, where, err)))
        return error_set(err, "%s: expected \"lam\" to be a bool or a number of lambdas", where);
    if (lam->type == JSON_BOOL)
        u->lambda_dims = lam->boolean ? 1 : 0;
    if (!json_size(config, "ch", &u->ch, where, err) ||
        !json_size(config, "res_blocks", &u->res_blocks, where, err) ||
        !json_size(config, "channels", &u->channels, where, err) ||
        !json_size(config, "height", &u->height, where, err) ||
        !json_size(config, "width", &u->width, where, err) ||
        !json_size(config, "S", &u->states, where, err) ||
        !json_size(config, "embed", &u->embed, where, err) ||
        !json_number(config, "attn_scale", &attn_scale, where, err) ||
        !json_number(config, "dropout", &u->dropout, where, err) ||
        !json_number(config, "time_scale", &u->time_scale, where, err) ||
        !json_number(config, "vmax", &vmax, where, err))
        return false;
    if (!fix || fix->type != JSON_BOOL || !mult || mult->type != JSON_ARRAY ||
        mult->count > UNET_MAX_SCALES)
        return error_set(err, "%s: expected a bool fix_logistic and at most %d ch_mult", where,
                         UNET_MAX_SCALES);
    if (!(attn_scale >= -1 && attn_scale < UNET_MAX_SCALES) || floor(attn_scale) != attn_scale)
        return error_set(err, "%s: attn_scale is %g: expected -1 (none) or a scale", where,
                         attn_scale);
    u->vmax = vmax > 0 ? vmax : 0;
    u->attn_scale = (int)attn_scale;
    u->scales = mult->count;
    for (size_t i = 0; i < mult->count; i++) {
        const double m = mult->items[i].number;
        u->ch_mult[i] = m >= 1 && m < 10000 && floor(m) == m ? (size_t)m : 0; /* 0 is refused */
    }
    u->head = UNET_HEAD_LOGISTIC;
    u->out_states = u->states;
    *head = (Head){.class = &diffusion_logistic,
                   .dims = u->channels * u->height * u->width,
                   .states = u->states,
                   .channels = u->channels,
                   .fix = fix->boolean,
                   .mask = -1};
    return true;
}

/* The flat vectors' parameters and the network's are the same, in name and shape. */
static bool check_params(const VerifyModel *m, const char *where, Error *err)
{
    size_t shape[TENSOR_MAX_RANK], offset = 0;
    if (!m->params || m->params->type != JSON_ARRAY || m->params->count != m->net->params.count)
        return error_set(err, "%s: expected the manifest to list %zu parameters", where,
                         m->net->params.count);
    for (size_t i = 0; i < m->params->count; i++) {
        const Json *entry = &m->params->items[i], *dims = json_get(entry, "shape");
        const char *name = json_string(entry, "name", where, err);
        const Param *p = name ? nn_param_find(&m->net->params, name) : NULL;
        const int rank = p ? nn_param_file_shape(p, shape) : 0;
        size_t at;
        bool same = p && dims && dims->type == JSON_ARRAY && dims->count == (size_t)rank;
        for (int k = 0; same && k < rank; k++)
            same = dims->items[k].number == (double)shape[k];
        if (!same || !json_size(entry, "offset", &at, where, err) || at != offset)
            return error_set(err,
                             "%s: parameter \"%.100s\": expected a name, shape and offset of "
                             "this network",
                             where, name ? name : "?");
        offset += tensor_size(&p->value);
    }
    return offset == m->net->params.total || error_set(err, "%s: expected all parameters", where);
}

static const FileTensor *find_weight(const SafetensorsFile *f, const Param *p, Error *err)
{
    char name[300];
    snprintf(name, sizeof name, "net.%s", p->name);
    const FileTensor *t = safetensors_find(f, name);
    if (t && t->count == tensor_size(&p->value))
        return t;
    error_set(err, "%s: expected a tensor \"%.200s\" of %zu entries", f->path, name,
              tensor_size(&p->value));
    return NULL;
}

/* The tensors "net.NAME" of the network's parameters; the file may hold more. */
static bool load_weights(VerifyModel *m, const char *path, Error *err)
{
    SafetensorsFile *f = safetensors_read(path, err);
    ParamSet *set = &m->net->params;
    bool ok = f != NULL;
    for (size_t i = 0; ok && i < set->count; i++)
        ok = find_weight(f, set->items[i], err) != NULL;
    if (ok)
        nn_params_allocate(set, true);
    float *scratch = ok ? mem_alloc(set->total, sizeof *scratch) : NULL;
    for (size_t i = 0; ok && i < set->count; i++) {
        const Param *p = set->items[i];
        const FileTensor *t = find_weight(f, p, err);
        ok = safetensors_floats(t, scratch, path, err);
        for (size_t k = 0; ok && k < t->count; k++)
            if (!isfinite(scratch[k]))
                ok =
                    error_set(err, "%s: tensor \"%.200s\": expected finite numbers", path, t->name);
        if (ok)
            nn_param_from_file(p, p->value.data, scratch);
    }
    mem_free(scratch);
    safetensors_free(f);
    return ok;
}

const char *verify_model_name(VerifyCase *c, const char *key)
{
    const char *name = json_string(c->json, key, c->name, NULL);
    if (name)
        return name;
    verify_break(c, "expected a name of a model in \"%s\"", key);
    return "";
}

/* Bytes of a call with gradients for one picture, rather too many: a dozen numbers for each
 * position and channel of a block, and the scores of attention, which the lowest scale has in any
 * case. */
static double call_bytes(const UNetConfig *u)
{
    const double blocks = 2 * (double)u->res_blocks + 3;
    double positions = (double)u->height * (double)u->width;
    double numbers = 4 * positions * (double)u->channels;
    for (size_t s = 0; s < u->scales; s++) {
        numbers += blocks * 12 * positions * (double)(u->ch * u->ch_mult[s]);
        if ((int)s == u->attn_scale || s + 1 == u->scales)
            numbers += blocks * 2 * positions * positions;
        positions /= 4;
    }
    return sizeof(float) * numbers;
}

bool verify_call_fits(VerifyCase *c, const VerifyModel *m, size_t pictures)
{
    const double bytes = m->call_bytes * (double)pictures;
    if (bytes <= (double)VERIFY_CALL_MEMORY)
        return true;
    verify_break(c,
                 "%zu pictures of %zux%zu in one call of the network take about %.0f MiB: expected "
                 "at most %d",
                 pictures, m->picture.height, m->picture.width, bytes / 1048576,
                 VERIFY_CALL_MEMORY >> 20);
    return false;
}

static bool read_network(VerifyCase *c, const char *name, VerifyModel *m, Error *err)
{
    UNetConfig u;
    Head head;
    char path[1024];
    const Json *entry = json_get(json_get(c->manifest, "models"), name);
    if (!entry)
        return error_set(err, "expected a model \"%.100s\" in the manifest", name);
    if (!read_sizes(c, json_get(entry, "config"), &u, &head, err))
        return false;
    m->net = nn_unet_layout(&u, err);
    if (!m->net)
        return false;
    m->denoiser = diffusion_network_denoiser(m->net, &head);
    m->picture = (Layout){u.channels, u.height, u.width};
    m->output = (Layout){2 * u.channels, u.height, u.width};
    m->states = u.states;
    m->call_bytes = call_bytes(&u);
    m->params = json_get(entry, "params");
    const char *file = json_string(entry, "weights", name, err);
    if (!file || !check_params(m, name, err))
        return false;
    const int n = snprintf(path, sizeof path, "%s/%s", c->dir, file);
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(err, "%s: expected a shorter path", name);
    return load_weights(m, path, err);
}

bool verify_model_open(VerifyCase *c, const char *name, VerifyModel *m)
{
    Error err;
    *m = (VerifyModel){0};
    if (read_network(c, name, m, &err))
        return true;
    verify_model_close(m);
    verify_break(c, "%s", err.text);
    return false;
}

void verify_model_close(VerifyModel *m)
{
    nn_network_destroy(m->net);
    m->net = NULL;
}

/* ---- vectors over all parameters ---- */

/* A key's bias adds one number to all scores of a row, so the softmax does not see it. */
static bool has_no_gradient(const char *name)
{
    static const char end[] = "NIN_1.b";
    const size_t n = strlen(name);
    return n >= strlen(end) && strcmp(name + n - strlen(end), end) == 0;
}

/* Whether the parameter's gradient is rounding noise: by its name, or because the case says so. */
static bool is_left_out(const VerifyCase *c, const char *name)
{
    const Json *list = json_get(c->json, "zero_gradient");
    for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->count; i++)
        if (list->items[i].type == JSON_STRING && strcmp(list->items[i].string, name) == 0)
            return true;
    return has_no_gradient(name);
}

void verify_compare_flat(VerifyCase *c, const char *role, const VerifyModel *m, const float *block,
                         size_t stride)
{
    const size_t total = m->net->params.total, count = (total + stride - 1) / stride;
    const ArenaMark mark = arena_mark(c->arena);
    double *got = verify_results(c, role, count);
    if (!got)
        return;
    float *flat = arena_alloc(c->arena, total, sizeof *flat);
    bool *out_of_it = arena_alloc(c->arena, total, sizeof *out_of_it);
    bool *skip = arena_alloc(c->arena, count, sizeof *skip);
    for (size_t i = 0, at = 0; i < m->params->count; i++) {
        const char *name = json_get(&m->params->items[i], "name")->string;
        const Param *p = nn_param_find(&m->net->params, name);
        const size_t n = tensor_size(&p->value);
        nn_param_to_file(p, flat + at, block + p->offset);
        const bool left_out = is_left_out(c, name);
        for (size_t k = 0; k < n; k++)
            out_of_it[at + k] = left_out;
        at += n;
    }
    for (size_t i = 0; i < count; i++) {
        got[i] = (double)flat[i * stride];
        skip[i] = out_of_it[i * stride];
    }
    verify_compare(c, role, "", got, count, skip);
    arena_release(c->arena, mark);
}

/* block: the gradients. */
static void compare_norms(VerifyCase *c, const char *role, const VerifyModel *m, const float *block)
{
    const size_t count = m->params->count;
    double *got = verify_results(c, role, count);
    if (!got)
        return;
    bool *skip = arena_alloc(c->arena, count, sizeof *skip);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_get(&m->params->items[i], "name")->string;
        const Param *p = nn_param_find(&m->net->params, name);
        double sum = 0;
        for (size_t k = 0; k < tensor_size(&p->value); k++) {
            const double g = (double)block[p->offset + k];
            sum += g * g;
        }
        got[i] = sqrt(sum);
        skip[i] = is_left_out(c, name);
    }
    verify_compare(c, role, "", got, count, skip);
}

/* N of "grad_every_N" + suffix; 1 of "grad" + suffix; 0 of other roles. */
static size_t stride_of(const char *role, const char *suffix)
{
    static const char plain[] = "grad", every[] = "grad_every_";
    char *end;
    if (strncmp(role, every, strlen(every)) != 0)
        return strncmp(role, plain, strlen(plain)) == 0 &&
               strcmp(role + strlen(plain), suffix) == 0;
    const unsigned long n = strtoul(role + strlen(every), &end, 10);
    return end > role + strlen(every) && strcmp(end, suffix) == 0 && n < 1000000 ? n : 0;
}

bool verify_compare_gradient(VerifyCase *c, const char *suffix, const VerifyModel *m)
{
    const Json *arrays = json_get(c->json, "arrays");
    const float *grads = m->net->params.grads;
    bool found = false;
    compare_norms(c, verify_role(c, "", "grad_norms", suffix), m, grads);
    for (size_t i = 0; i < arrays->count; i++) {
        const size_t stride = stride_of(arrays->keys[i], suffix);
        if (stride > 0)
            verify_compare_flat(c, arrays->keys[i], m, grads, stride);
        found = found || stride > 0;
    }
    return found;
}
