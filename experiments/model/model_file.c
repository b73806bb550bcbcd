/* Files of either kind into models, models into files of this program. */
#include "experiments/model/model_file.h"

#include <string.h>

#include "experiments/model/model_meta.h"
#include "experiments/model/torch_import.h"
#include "tensor/base/memory.h"

/* ---- opening ---- */

bool model_file_open(ModelFile *f, const char *path, Error *err)
{
    *f = (ModelFile){0};
    if (torch_import_recognises(path))
        f->torch = torch_read(path, err);
    else
        f->own = safetensors_read(path, err);
    if (f->torch != NULL)
        torch_import_note(f->torch);
    return f->torch != NULL || f->own != NULL;
}

void model_file_close(ModelFile *f)
{
    safetensors_free(f->own);
    torch_free(f->torch);
    *f = (ModelFile){0};
}

const char *model_file_path(const ModelFile *f)
{
    return f->own != NULL ? f->own->path : f->torch->path;
}

/* ---- loading ---- */

static bool describe_own(const SafetensorsFile *f, Model *m, WeightChoice which, Error *err)
{
    Error cause = {""};
    if (!model_read_meta(f, m, err))
        return false;
    for (size_t i = 0; i < f->tensor_count; i++) /* samples need none */
        m->has_encoder = m->has_encoder || strncmp(f->tensors[i].name, "net.encoder.", 12) == 0;
    m->has_encoder = m->has_encoder && m->role == ROLE_STUDENT;
    if (!model_layout(m, &cause))
        return error_set(err, "%s: %.500s", f->path, cause.text);
    if (!nn_checkpoint_check(f, m->net, which, err))
        return false;
    return model_complete(m, f->size, &cause) || error_set(err, "%s: %.500s", f->path, cause.text);
}

static Model *own_layout(const SafetensorsFile *f, WeightChoice which, Error *err)
{
    Model *m = mem_zeroed(1, sizeof *m);
    if (describe_own(f, m, which, err))
        return m;
    model_destroy(m);
    return NULL;
}

static Model *torch_layout(TorchFile *f, Error *err)
{
    TorchImport t;
    if (!torch_import_of(&t, f, NULL, err))
        return NULL;
    Model *m = t.model;
    t.model = NULL;
    torch_import_close(&t);
    return m;
}

Model *model_file_layout(const ModelFile *f, WeightChoice which, Error *err)
{
    return f->own != NULL ? own_layout(f->own, which, err) : torch_layout(f->torch, err);
}

static bool torch_weights(TorchFile *f, Network *net, WeightChoice which, Error *err)
{
    TorchModel *parts = torch_model_of(f, err);
    const bool ok = parts != NULL && torch_import_weights(parts, net, which, err);
    torch_model_free(parts);
    return ok;
}

bool model_file_weights(const ModelFile *f, Model *m, WeightChoice which, Error *err)
{
    Error cause = {""};
    if (m->net->params.values == NULL)
        nn_params_allocate(&m->net->params, false);
    if (f->own != NULL ? !nn_checkpoint_load(f->own, m->net, which, err)
                       : !torch_weights(f->torch, m->net, which, err))
        return false;
    return m->net->prior == NULL || nn_lambda_prior_check(m->net->prior, &cause) ||
           error_set(err, "%s: %.500s", model_file_path(f), cause.text);
}

Model *model_file_model(const ModelFile *f, WeightChoice which, Error *err)
{
    Model *m = model_file_layout(f, which, err);
    if (m == NULL || model_file_weights(f, m, which, err))
        return m;
    model_destroy(m);
    return NULL;
}

bool model_file_hash(const ModelFile *f, const Model *m, WeightChoice which, char out[65],
                     Error *err)
{
    if (f->own != NULL)
        return nn_checkpoint_hash(f->own, m->net, which, out, err);
    TorchModel *parts = torch_model_of(f->torch, err);
    const bool ok = parts != NULL && torch_import_hash(parts, m->net, which, out, err);
    torch_model_free(parts);
    return ok;
}

Model *model_load(const char *path, WeightChoice which, Error *err)
{
    ModelFile f;
    if (!model_file_open(&f, path, err))
        return NULL;
    Model *m = model_file_model(&f, which, err);
    model_file_close(&f);
    return m;
}

/* ---- teachers ---- */

bool model_check_teacher(const Model *m, const Model *teacher, const ModelFile *file, Error *err)
{
    char hash[65];
    const char *path = model_file_path(file);
    if (!config_same_process(&m->config, &teacher->config, path, err))
        return false;
    if (!vocabulary_equal(m->vocabulary, teacher->vocabulary))
        return error_set(err,
                         "%s: its alphabet is another one: expected that which the rest of this "
                         "command has",
                         path);
    if (teacher->role == ROLE_TEACHER)
        return true;
    if (!model_file_hash(file, teacher, WEIGHTS_AVERAGED, hash, err))
        return false;
    return strcmp(hash, m->teacher_hash) == 0 ||
           error_set(err,
                     "%s: role is student: expected a teacher, or the student that the model "
                     "was distilled from",
                     path);
}

Model *model_load_teacher(const Model *m, const char *path, WeightChoice which, Error *err)
{
    ModelFile f;
    if (!model_file_open(&f, path, err))
        return NULL;
    Model *teacher = model_file_model(&f, which, err);
    if (teacher != NULL && !model_check_teacher(m, teacher, &f, err)) {
        model_destroy(teacher);
        teacher = NULL;
    }
    model_file_close(&f);
    return teacher;
}

/* ---- saving ---- */

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
