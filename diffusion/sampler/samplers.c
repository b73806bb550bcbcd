/* All samplers; the first one is the default. */
#include "diffusion/sampler/samplers.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"

extern const SamplerClass diffusion_sampler_posterior, diffusion_sampler_tau_leaping,
    diffusion_sampler_predictor_corrector, diffusion_sampler_theta_trapezoidal,
    diffusion_sampler_euler, diffusion_sampler_exact, diffusion_sampler_first_hitting,
    diffusion_sampler_confidence, diffusion_sampler_halton;

static const SamplerClass *const table[] = {
    &diffusion_sampler_posterior,
    &diffusion_sampler_tau_leaping,
    &diffusion_sampler_predictor_corrector,
    &diffusion_sampler_theta_trapezoidal,
    &diffusion_sampler_euler,
    &diffusion_sampler_exact,
    &diffusion_sampler_first_hitting,
    &diffusion_sampler_confidence,
    &diffusion_sampler_halton,
};

enum { SAMPLERS = sizeof table / sizeof table[0] };

size_t diffusion_sampler_count(void)
{
    return SAMPLERS;
}

const SamplerClass *diffusion_sampler_at(size_t i)
{
    TENSOR_CHECK(i < SAMPLERS, "sampler %zu of %d", i, (int)SAMPLERS);
    return table[i];
}

const SamplerClass *diffusion_sampler_find(const char *name, Error *err)
{
    char names[400] = "";

    for (size_t i = 0; i < SAMPLERS; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    for (size_t i = 0, n = 0; i < SAMPLERS; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i > 0 ? ", " : "",
                              table[i]->name);
    error_set(err, "unknown sampler '%.40s': expected one of %s", name, names);
    return NULL;
}

const SamplerClass *diffusion_sampler_of(const SampleRequest *r)
{
    if (r->sampler != NULL)
        return r->sampler;
    return r->model != NULL && r->model->sampler != NULL ? r->model->sampler : table[0];
}

bool diffusion_sampler_set(SamplerSettings *s, const char *assignment, const SamplerClass *sampler,
                           Error *err)
{
    return sampler_settings_read(s, assignment, sampler->name, sampler->settings, err);
}
