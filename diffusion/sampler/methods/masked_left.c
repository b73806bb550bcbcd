/* Schedules of masks. */
#include "diffusion/sampler/methods/masked_left.h"

#include <math.h>

#include "diffusion/process/clock.h"
#include "tensor/base/constants.h"

/* Share of the dimensions that are masked at s. */
static double share(const Process *p, int schedule, double s)
{
    if (schedule == MASKED_COSINE)
        return sin(0.5 * PI * s);
    return schedule == MASKED_LINEAR ? s : diffusion_process_clock(p, s);
}

size_t sampler_masked_left(const SamplerBatch *b, size_t masked)
{
    const double at_s = share(b->request->process, b->settings->schedule, b->now->s);
    const size_t left = (size_t)((double)b->free * at_s);

    if (masked < 2)
        return masked;
    return left > masked - 1 ? masked - 1 : left < 1 ? 1 : left;
}
