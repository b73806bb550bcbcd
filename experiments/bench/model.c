/* Models to measure. */
#include "experiments/bench/model.h"

#include <string.h>

#include "experiments/bench/bench.h"
#include "experiments/model/presets.h"
#include "tensor/base/rng.h"

static bool small(Config *c, Error *err)
{
    static const char *const settings[][2] = {
        {"height", "16"}, {"width", "16"},    {"channels", "1"},
        {"ch", "32"},     {"ch_mult", "1,2"}, {"res_blocks", "1"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!config_set(c, settings[i][0], settings[i][1], "small", err))
            return false;
    return true;
}

Model *bench_model(const char *preset, ConfigRole role, bool with_grads, bool dropout, Error *err)
{
    const bool own = strcmp(preset, "small") == 0;
    Config c;
    if (!config_preset(&c, own ? "cifar10" : preset, role, err) || (own && !small(&c, err)))
        return NULL;
    if (!dropout)
        c.dropout = 0.0;
    return config_check(&c, role, err) ? model_create(&c, role, with_grads, err) : NULL;
}

bool bench_role(const char *text, ConfigRole *role, Error *err)
{
    static const char *const names[] = {"teacher", "student"};
    size_t index;
    if (!bench_choice("--role", text, names, 2, &index, err))
        return false;
    *role = index == 0 ? ROLE_TEACHER : ROLE_STUDENT;
    return true;
}

States bench_states(const Model *m, size_t batch)
{
    States x = states_alloc(batch, m->denoiser.head.dims);
    Rng rng = rng_root(1);
    for (size_t i = 0; i < batch * x.dims; i++)
        x.x[i] = (uint16_t)rng_below(&rng, m->denoiser.head.states);
    return x;
}
