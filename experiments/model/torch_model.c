/* Finding the parts of a checkpoint, and the configuration in its names and shapes. */
#include "experiments/model/torch_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

enum { MAX_STEPS = 64 };

static bool wrong_entry(const TorchModel *t, const char *key, const char *what, Error *err)
{
    return error_set(err, "%.200s: %.200s: %s", t->file->path, key, what);
}

/* The name without what wrappers of modules put in front: training, several devices, compilers. */
static const char *bare_name(const char *name)
{
    static const char *const prefixes[] = {"net.", "module.", "_orig_mod."};
    size_t i = 0;
    while (i < sizeof prefixes / sizeof prefixes[0]) {
        const size_t length = strlen(prefixes[i]);
        const bool found = strncmp(name, prefixes[i], length) == 0;
        name += found ? length : 0;
        i = found ? 0 : i + 1; /* behind one there may be any other */
    }
    return name;
}

static size_t find_weight(const TorchModel *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->names[i], name) == 0)
            return i;
    return t->count;
}

static const PickleTensor *weight(const TorchModel *t, const char *name)
{
    const size_t i = find_weight(t, name);
    return i < t->count ? t->blocks[TORCH_WEIGHTS][i] : NULL;
}

/* ---- the parts ---- */

static bool read_weights(TorchModel *t, const PickleValue *state, Error *err)
{
    t->names = mem_zeroed(state->count, sizeof *t->names);
    t->blocks[TORCH_WEIGHTS] = mem_zeroed(state->count, sizeof *t->blocks[0]);
    for (size_t i = 0; i < state->count; i++) {
        const PickleValue *key = state->items[2 * i], *v = state->items[2 * i + 1];
        if (key->type != PICKLE_TEXT || strlen(key->text) != key->count)
            return wrong_entry(t, "model", "expected names of weights", err);
        if (strncmp(key->text, "ema_", 4) == 0)
            continue;
        const char *name = bare_name(key->text);
        if (v->type != PICKLE_TENSOR)
            return error_set(err, "%.200s: %.200s: expected a tensor, found %.100s", t->file->path,
                             key->text, pickle_found(v));
        if (find_weight(t, name) < t->count)
            return wrong_entry(t, key->text, "expected every weight once", err);
        const size_t length = (size_t)(name - key->text);
        if (t->count == 0 && length < TORCH_PREFIX)
            memcpy(t->prefix, key->text, length);
        t->blocks[TORCH_WEIGHTS][t->count] = v->tensor;
        t->names[t->count++] = name;
    }
    return t->count > 0 || wrong_entry(t, "model", "expected weights, found none", err);
}

static bool same_shape(const PickleTensor *a, const PickleTensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

/* Takes v as entry i of the block. */
static bool set_entry(TorchModel *t, TorchBlock block, size_t i, const PickleValue *v, Error *err)
{
    static const char *const what[] = {"weight", "average", "exp_avg", "exp_avg_sq"};
    if (v == NULL || v->type != PICKLE_TENSOR ||
        !same_shape(v->tensor, t->blocks[TORCH_WEIGHTS][i]))
        return error_set(err, "%.200s: %s %zu: expected a tensor of the shape of \"%.200s\"",
                         t->file->path, what[block], i, t->names[i]);
    t->blocks[block][i] = v->tensor;
    return true;
}

/* A number at least 0, if the key is there. */
static bool optional_number(const TorchModel *t, const PickleValue *dict, const char *key,
                            double *number, Error *err)
{
    const PickleValue *v = pickle_get(dict, key);
    *number = -1;
    return v == NULL || (torch_number(t->file, v, number) && *number >= 0 && *number < 1e15) ||
           wrong_entry(t, key, "expected a number of at least 0", err);
}

static bool read_averages(TorchModel *t, const PickleValue *state, Error *err)
{
    const PickleValue *list = pickle_get(state, "ema_shadow_params");
    if (!optional_number(t, state, "ema_decay", &t->ema_decay, err) ||
        !optional_number(t, state, "ema_num_updates", &t->ema_updates, err))
        return false;
    if (list == NULL)
        return true;
    if (list->type != PICKLE_LIST || list->count != t->count)
        return wrong_entry(t, "ema_shadow_params", "expected a list of as many tensors as weights",
                           err);
    t->blocks[TORCH_EMA] = mem_zeroed(t->count, sizeof *t->blocks[0]);
    for (size_t i = 0; i < t->count; i++)
        if (!set_entry(t, TORCH_EMA, i, list->items[i], err))
            return false;
    return true;
}

/* The value of a key that is an integer. */
static const PickleValue *get_number(const PickleValue *dict, int64_t key)
{
    for (size_t i = 0; i < dict->count; i++)
        if (dict->items[2 * i]->type == PICKLE_INTEGER && dict->items[2 * i]->integer == key)
            return dict->items[2 * i + 1];
    return NULL;
}

static bool read_moments(TorchModel *t, const PickleValue *state, Error *err)
{
    const PickleValue *order = pickle_get(t->group, "params");
    if (order == NULL || order->type != PICKLE_LIST || order->count != t->count)
        return wrong_entry(t, "optimizer", "expected params to name as many as there are weights",
                           err);
    for (int b = TORCH_ADAM_M; b <= TORCH_ADAM_V; b++)
        t->blocks[b] = mem_zeroed(t->count, sizeof *t->blocks[0]);
    for (size_t i = 0; i < t->count; i++) {
        if (order->items[i]->type != PICKLE_INTEGER)
            return wrong_entry(t, "optimizer", "expected params to be integers", err);
        const PickleValue *of = get_number(state, order->items[i]->integer);
        double step;
        if (!set_entry(t, TORCH_ADAM_M, i, pickle_get(of, "exp_avg"), err) ||
            !set_entry(t, TORCH_ADAM_V, i, pickle_get(of, "exp_avg_sq"), err))
            return false;
        if (!torch_number(t->file, pickle_get(of, "step"), &step) || !(step >= 0 && step < 1e15) ||
            floor(step) != step || (i > 0 && step != t->step))
            return wrong_entry(t, "optimizer", "expected one and the same step for all weights",
                               err);
        t->step = step;
    }
    return true;
}

static bool read_optimizer(TorchModel *t, Error *err)
{
    const PickleValue *o = pickle_get(t->file->root, "optimizer");
    const PickleValue *state = pickle_get(o, "state"), *groups = pickle_get(o, "param_groups");
    if (o == NULL)
        return true;
    if (state == NULL || state->type != PICKLE_DICT || groups == NULL ||
        groups->type != PICKLE_LIST || groups->count != 1 || groups->items[0]->type != PICKLE_DICT)
        return wrong_entry(t, "optimizer", "expected Adam's state and one group of parameters",
                           err);
    t->group = groups->items[0];
    return state->count == 0 || read_moments(t, state, err);
}

/* Finished steps: Adam's, or those of the averages, or one more than the last step's number. */
static bool read_parts(TorchModel *t, Error *err)
{
    static const char *const around[] = {"model", "state_dict", "model_state_dict"};
    const PickleValue *root = t->file->root, *state = NULL;
    for (size_t i = 0; state == NULL && i < sizeof around / sizeof around[0]; i++)
        state = pickle_get(root, around[i]);
    state = state != NULL ? state : root;
    t->step = -1;
    if (state->type != PICKLE_DICT)
        return wrong_entry(t, "model", "expected a dict of names and tensors", err);
    if (!read_weights(t, state, err) || !read_averages(t, state, err) ||
        !optional_number(t, root, "n_iter", &t->n_iter, err) || !read_optimizer(t, err))
        return false;
    if (t->step < 0)
        t->step = t->ema_updates >= 0 ? t->ema_updates : t->n_iter >= 0 ? t->n_iter + 1 : -1;
    return true;
}

TorchModel *torch_model_of(TorchFile *file, Error *err)
{
    TorchModel *t = mem_zeroed(1, sizeof *t);
    t->file = file;
    if (read_parts(t, err))
        return t;
    torch_model_free(t);
    return NULL;
}

TorchModel *torch_model_read(const char *path, Error *err)
{
    TorchFile *file = torch_read(path, err);
    TorchModel *t = file != NULL ? torch_model_of(file, err) : NULL;
    if (t != NULL)
        t->owns_file = true;
    else
        torch_free(file);
    return t;
}

void torch_model_free(TorchModel *t)
{
    if (t == NULL)
        return;
    for (int b = 0; b < TORCH_BLOCKS; b++)
        mem_free(t->blocks[b]);
    mem_free(t->names);
    if (t->owns_file)
        torch_free(t->file);
    mem_free(t);
}

const PickleValue *torch_model_meta(const TorchModel *t)
{
    return pickle_get(t->file->root, "di4c");
}

/* ---- configuration ---- */

/* Blocks on the way down: a residual block widens to its first convolution's outputs, attention
 * belongs to the scale, "conv" starts the next one. */
static bool infer_scales(const TorchModel *t, Config *c, Error *err)
{
    size_t mult[8] = {0}, scale = 0, blocks = 0;
    char name[80];
    config_put(c, "attn_scale", -1);
    for (size_t i = 0; i < (size_t)MAX_STEPS * 8; i++) {
        static const char *const kinds[] = {"conv0", "NIN_0", "conv"};
        const PickleTensor *found[3];
        for (size_t k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "downsampling_modules.%zu.%s.%s", i, kinds[k],
                     k == 1 ? "W" : "weight");
            found[k] = weight(t, name);
        }
        if (found[0] != NULL && found[0]->rank == 4) {
            mult[scale] = found[0]->shape[0] / (size_t)config_number(c, "ch");
            blocks += scale == 0;
        } else if (found[1] != NULL) {
            config_put(c, "attn_scale", (double)scale);
        } else if (found[2] != NULL && scale < 7) {
            scale++;
        } else {
            break;
        }
    }
    char list[CONFIG_TEXT] = "";
    for (size_t s = 0; s <= scale; s++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, s > 0 ? ",%zu" : "%zu", mult[s]);
        if (mult[s] == 0)
            return wrong_entry(t, "downsampling_modules", "expected residual blocks at every scale",
                               err);
    }
    config_put(c, "res_blocks", (double)blocks);
    return config_set(c, "ch_mult", list, t->file->path, err);
}

bool torch_model_infer(const TorchModel *t, Config *c, ConfigRole *role, Error *err)
{
    const PickleTensor *input = weight(t, "input_conv.weight"), *mix = weight(t, "tlam_mix.weight"),
                       *output = weight(t, "output_modules.1.weight"),
                       *time = weight(t, "temb_modules.0.weight");
    if (input == NULL || output == NULL || time == NULL || input->rank != 4 || output->rank != 4 ||
        time->rank != 2 || input->shape[0] < 4 || time->shape[1] < 4)
        return wrong_entry(
            t, "model", "expected the published U-Net (input_conv, temb_modules, output_modules)",
            err);
    if (output->shape[0] != 2 * input->shape[1])
        return wrong_entry(
            t, "output_modules.1.weight",
            "expected twice as many numbers as input_conv has channels, the logistic "
            "head's",
            err);
    const size_t embed = time->shape[1];
    config_put(c, "ch", (double)input->shape[0]);
    c->channels = (int64_t)input->shape[1];
    config_put(c, "embed", embed == input->shape[0] ? 0 : (double)embed);
    *role = mix != NULL ? ROLE_STUDENT : ROLE_TEACHER;
    if (mix != NULL && (mix->rank != 2 || mix->shape[1] % embed != 0 || mix->shape[1] < 2 * embed))
        return wrong_entry(t, "tlam_mix.weight", "expected inputs for time and for each lambda",
                           err);
    if (mix != NULL)
        c->lambda_dims = (int64_t)(mix->shape[1] / embed) - 1;
    return infer_scales(t, c, err);
}

/* ---- weights ---- */

/* Tensors may share their storage; a number takes at least two bytes if they do not. */
static bool check_room(const TorchModel *t, size_t total, Error *err)
{
    const size_t bytes = t->file->zip->size;
    size_t blocks = 0;
    for (int b = 0; b < TORCH_BLOCKS; b++)
        blocks += t->blocks[b] != NULL;
    return total <= bytes / 2 / blocks ||
           error_set(err,
                     "%.200s: expected tensors with a storage of their own: %zu times %zu "
                     "numbers are more than %zu bytes can hold",
                     t->file->path, blocks, total, bytes);
}

bool torch_model_check(const TorchModel *t, const Network *net, Error *err)
{
    const ParamSet *set = &net->params;
    for (size_t i = 0; i < t->count; i++)
        if (nn_param_find(set, t->names[i]) == NULL)
            return wrong_entry(t, t->names[i],
                               "expected only the names of this network's parameters", err);
    for (size_t i = 0; i < set->count; i++) {
        size_t shape[TENSOR_MAX_RANK];
        const int rank = nn_param_file_shape(set->items[i], shape);
        const PickleTensor *w = weight(t, set->items[i]->name);
        bool fits = w != NULL && w->rank == rank;
        for (int k = 0; fits && k < rank; k++)
            fits = w->shape[k] == shape[k];
        if (!fits)
            return wrong_entry(t, set->items[i]->name,
                               w == NULL ? "expected this parameter, which is not in the file"
                                         : "expected the shape of this network's parameter",
                               err);
    }
    return check_room(t, set->total, err);
}

bool torch_model_floats(const TorchModel *t, TorchBlock block, const char *name, float *out,
                        Error *err)
{
    static const char *const what[] = {"", ", average", ", exp_avg", ", exp_avg_sq"};
    const size_t i = find_weight(t, name);
    TENSOR_CHECK(i < t->count && t->blocks[block] != NULL, "no parameter \"%s\"", name);
    const PickleTensor *tensor = t->blocks[block][i];
    if (!torch_floats(t->file, tensor, name, out, err))
        return false;
    for (size_t k = 0; k < tensor->count; k++)
        if (!isfinite(out[k]))
            return error_set(err,
                             "%.200s: tensor \"%.200s\"%s: expected finite numbers, entry %zu "
                             "is %s",
                             t->file->path, name, what[block], k,
                             isnan(out[k]) ? "NaN" : "infinite");
    return true;
}
