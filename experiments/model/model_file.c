/* Files of either kind into models, models into files of this program. */
#include "experiments/model/model_file.h"

#include <string.h>

#include "experiments/model/model_meta.h"
#include "experiments/model/torch_import.h"
#include "tensor/base/memory.h"

Model *model_from_file(const SafetensorsFile *f, WeightChoice which, Error *err)
{
    Model *m = mem_zeroed(1, sizeof *m);
    Error cause = {""};
    bool ok = model_read_meta(f, m, err);
    for (size_t i = 0; i < f->tensor_count; i++) /* samples need none */
        m->has_encoder = m->has_encoder || strncmp(f->tensors[i].name, "net.encoder.", 12) == 0;
    m->has_encoder = m->has_encoder && m->role == ROLE_STUDENT;
    if (ok && !model_layout(m, &cause))
        ok = error_set(err, "%s: %.500s", f->path, cause.text);
    ok = ok && nn_checkpoint_check(f, m->net, which, err);
    if (ok && !model_complete(m, f->size, &cause))
        ok = error_set(err, "%s: %.500s", f->path, cause.text);
    if (ok) {
        nn_params_allocate(&m->net->params, false);
        ok = nn_checkpoint_load(f, m->net, which, err);
        if (ok && m->net->prior != NULL && !nn_lambda_prior_check(m->net->prior, &cause))
            ok = error_set(err, "%s: %.500s", f->path, cause.text);
    }
    if (ok)
        return m;
    model_destroy(m);
    return NULL;
}

Model *model_load(const char *path, WeightChoice which, Error *err)
{
    if (torch_import_recognises(path))
        return torch_import_model(path, which, err);
    SafetensorsFile *f = safetensors_read(path, err);
    Model *m = f ? model_from_file(f, which, err) : NULL;
    safetensors_free(f);
    return m;
}

/* Hash of the averaged weights of the file, which are what a student learns from. */
static bool averaged_hash(const char *path, char out[65], Error *err)
{
    Model *m = model_load(path, WEIGHTS_AVERAGED, err);
    if (!m)
        return false;
    nn_weights_hash(m->net, out);
    model_destroy(m);
    return true;
}

bool model_check_teacher(const Model *m, const Model *teacher, const char *path, Error *err)
{
    char hash[65];
    if (!config_same_process(&m->config, &teacher->config, path, err))
        return false;
    if (teacher->role == ROLE_TEACHER)
        return true;
    if (!averaged_hash(path, hash, err))
        return false;
    return strcmp(hash, m->teacher_hash) == 0 ||
           error_set(err,
                     "%s: role is student: expected a teacher, or the student that the model "
                     "was distilled from",
                     path);
}

bool model_save(const Model *m, const Optimizer *o, const char *path, Error *err)
{
    ModelMeta meta = model_meta_of(m);
    const bool ok = nn_checkpoint_write(path, m->net, o, meta.entries, meta.count, err);
    model_meta_free(&meta);
    return ok;
}

bool model_save_half(const Model *m, const char *path, Error *err)
{
    ModelMeta meta = model_meta_of(m);
    const bool ok = nn_checkpoint_write_half(path, m->net, meta.entries, meta.count, err);
    model_meta_free(&meta);
    return ok;
}
