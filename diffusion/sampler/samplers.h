/* The list of samplers. */
#ifndef DI4C_DIFFUSION_SAMPLER_SAMPLERS_H
#define DI4C_DIFFUSION_SAMPLER_SAMPLERS_H

#include "diffusion/sampler/sampler_class.h"

size_t diffusion_sampler_count(void);
const SamplerClass *diffusion_sampler_at(size_t i);
/* NULL and a sentence that lists the names. */
const SamplerClass *diffusion_sampler_find(const char *name, Error *err);

/* Sets the key of "KEY=VALUE".  False and a sentence if it is none of the sampler's or the value is
 * out of range. */
bool diffusion_sampler_set(SamplerSettings *s, const char *assignment, const SamplerClass *sampler,
                           Error *err);
/* Who draws: the request's sampler, else its model's, else posterior. */
const SamplerClass *diffusion_sampler_of(const SampleRequest *r);

#endif
