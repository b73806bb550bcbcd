#include "experiments/theory/exact/noise.h"

Process *theory_noise(const char *process, size_t states, Error *err)
{
    const bool mask = diffusion_process_find(process)->has_mask;
    ProcessConfig config = diffusion_process_defaults(process, states + mask);

    config.eps = config.class->closed ? 0.0 : 1e-6;
    diffusion_process_set(&config, "rate_const", 1.0 / (double)states);
    config.beta = SCHEDULE_LOGLINEAR;
    config.beta_scale = 1.0;
    return diffusion_process_create(&config, err);
}
