#include "tests/tools/mild_process.h"

#include <check.h>

Process *mild_process(ProcessKind kind, size_t S)
{
    ProcessConfig config = diffusion_process_defaults(kind, S);
    Process *p;
    Error err;

    config.any_start = true;
    config.rate_const = kind == PROCESS_UNIFORM ? 0.3 : 1.0;
    config.time_base = 0.05;
    config.time_exponential = 50;
    config.rate_sigma = 2;
    config.q_sigma = 20;
    config.sigma_min = 0.3;
    config.sigma_max = 3;
    config.schedule = ABSORB_LINEAR;
    if (kind == PROCESS_ABSORBING)
        config.rate_const = 2;
    p = diffusion_process_create(&config, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}
