/* How many dimensions stay masked, for samplers that choose which. */
#ifndef DI4C_DIFFUSION_SAMPLER_METHODS_MASKED_LEFT_H
#define DI4C_DIFFUSION_SAMPLER_METHODS_MASKED_LEFT_H

#include "diffusion/sampler/batch.h"

/* Of `masked` dimensions of a sample, how many are masked still after this call (now, not the last
 * one), which comes to s: floor(D share(s)) of the D that are not given, share by
 * settings->schedule; but at least one fewer than before and, for the last call, at least one.
 * One or none stay. */
size_t sampler_masked_left(const SamplerBatch *b, size_t masked);

#endif
