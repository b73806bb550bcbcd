/* How many dimensions stay masked, for samplers that choose which. */
#ifndef DI4C_DIFFUSION_SAMPLER_METHODS_MASKED_LEFT_H
#define DI4C_DIFFUSION_SAMPLER_METHODS_MASKED_LEFT_H

#include "diffusion/sampler/batch.h"

/* Of `masked` dimensions of a sample, how many are masked still after this call (now, not the last
 * one), which comes to s: floor(D share(s)) of the D that are not given, share by
 * settings->schedule; but at least one fewer than before and, for the last call, at least one.
 * One or none stay. */
size_t sampler_masked_left(const SamplerBatch *b, size_t masked);

/* What such a sampler does in a step: one call. */
size_t sampler_plan_one_move(const SamplerSettings *settings, double t, double s,
                             SamplerCall *calls);
/* No matrices. */
void sampler_open_nothing(SamplerStep *step, const SamplerCall *calls, size_t count);

#endif
