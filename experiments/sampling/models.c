/* Opening models for samples. */
#include "experiments/sampling/models.h"

#include "experiments/model/model_file.h"

bool models_open(Models *m, const char *model, const char *teacher, WeightChoice which, Error *err)
{
    m->model = model_load(model, which, err);
    m->teacher = m->model && teacher ? model_load_teacher(m->model, teacher, which, err) : NULL;
    return m->model && (!teacher || m->teacher);
}

void models_close(Models *m)
{
    model_destroy(m->teacher);
    model_destroy(m->model);
    *m = (Models){0};
}

GridStyle models_style(const Model *m)
{
    const Config *c = &m->config;
    return (GridStyle){.height = (size_t)c->height,
                       .width = (size_t)c->width,
                       .channels = (size_t)c->channels,
                       .states = (size_t)c->states,
                       .mask = m->process->mask,
                       .padding = 2};
}
