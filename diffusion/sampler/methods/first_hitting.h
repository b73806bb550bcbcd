/* First-hitting, which `exact` does for absorbing noise. */
#ifndef DI4C_DIFFUSION_SAMPLER_METHODS_FIRST_HITTING_H
#define DI4C_DIFFUSION_SAMPLER_METHODS_FIRST_HITTING_H

#include "diffusion/sampler/batch.h"

bool sampler_first_hitting_run(SamplerBatch *b, Error *err);

#endif
