#include "tests/tools/process_cases.h"

#include <check.h>
#include <string.h>

/* A user's matrix: case 8 has no detailed balance, case 9 also a state that is left for ever. */
static const double *matrix_of(size_t kase, size_t S)
{
    static double R[PROCESS_CASE_STATES * PROCESS_CASE_STATES];

    memset(R, 0, sizeof R);
    for (size_t i = 0; i < S; i++) {
        R[i * S + (i + 1) % S] += 2.0 + (double)(i % 3);
        R[i * S + (5 * i + 2) % S] += 0.25;
        R[i * S] += 1.0;
    }
    for (size_t i = 0; i < S; i++) {
        double sum = 0.0;
        if (kase == 9 && S > 2)
            R[i * S + S - 1] = 0.0;
        R[i * S + i] = 0.0;
        for (size_t j = 0; j < S; j++)
            sum += R[i * S + j];
        R[i * S + i] = -sum;
    }
    return R;
}

ProcessConfig process_case_config(size_t kase, size_t S)
{
    static const char *const kinds[PROCESS_CASES] = {
        "uniform",    "absorbing", "absorbing", "absorbing", "absorbing",
        "birthdeath", "gaussian",  "gaussian",  "matrix",    "matrix"};
    ProcessConfig c = diffusion_process_defaults(kinds[kase], S);

    diffusion_process_choose(&c, "schedule",
                             kase == 3   ? "linear"
                             : kase == 4 ? "cosine"
                                         : "loglinear");
    c.eps = kase == 2 ? 0.0 : 1e-3;
    if (kase == 5)
        diffusion_process_set(&c, "sigma_max", 4.0);
    if (kase == 6)
        diffusion_process_set(&c, "time_base", 0.05);
    if (kase == 7) { /* so uneven that the spectral form would lose digits */
        diffusion_process_set(&c, "Q_sigma", (double)S / 12.0);
        diffusion_process_set(&c, "rate_sigma", 1.5);
        diffusion_process_set(&c, "time_exponential", 8.0);
    }
    c.any_start = true;
    c.beta_scale = 6.0;
    if (kase >= 8)
        c.rates = matrix_of(kase, S);
    return c;
}

Process *process_case(size_t kase, size_t S)
{
    ProcessConfig c = process_case_config(kase, S);
    Error err = {""};
    Process *p = diffusion_process_create(&c, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}
