#include "experiments/theory/exact/noise.h"

Process *theory_noise(ProcessKind kind, size_t states, Error *err)
{
    const bool mask = kind == PROCESS_ABSORBING;
    ProcessConfig config = diffusion_process_defaults(kind, states + mask);

    config.eps = kind == PROCESS_BIRTH_DEATH ? 1e-6 : 0.0;
    config.rate_const = mask ? 1.0 : 1.0 / (double)states;
    config.beta = SCHEDULE_LOGLINEAR;
    config.beta_scale = 1.0;
    return diffusion_process_create(&config, err);
}
