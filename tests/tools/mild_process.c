#include "tests/tools/mild_process.h"

#include <check.h>
#include <string.h>

#include "tensor/base/memory.h"

double *generator_of(const Process *p)
{
    double *R = mem_alloc(p->states * p->states, sizeof *R);
    for (size_t i = 0; i < p->states * p->states; i++)
        R[i] = diffusion_process_jump(p, i / p->states, i % p->states);
    return R;
}

Process *mild_process(const char *kind, size_t S)
{
    ProcessConfig config = diffusion_process_defaults(kind, S);
    Process *p;
    Error err;

    config.any_start = true;
    diffusion_process_set(&config, "rate_const", strcmp(kind, "uniform") == 0 ? 0.3 : 1.0);
    diffusion_process_set(&config, "time_base", 0.05);
    diffusion_process_set(&config, "time_exponential", 50);
    diffusion_process_set(&config, "rate_sigma", 2);
    diffusion_process_set(&config, "Q_sigma", 20);
    diffusion_process_set(&config, "sigma_min", 0.3);
    diffusion_process_set(&config, "sigma_max", 3);
    diffusion_process_choose(&config, "schedule", "linear");
    if (strcmp(kind, "absorbing") == 0)
        diffusion_process_set(&config, "rate_const", 2);
    p = diffusion_process_create(&config, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}
