/* Birth and death: rate 1 to each neighbour, reflected at the ends; the end state is uniform.
 * Published with an exponential schedule,
 *
 *   beta(t) = sigma_min^2 r^(2t) ln r,  B(s,t) = sigma_min^2/2 (r^(2t) - r^(2s)),
 *   r = sigma_max/sigma_min
 *
 * R is the Laplacian of a path; its eigenvectors are the cosines of the discrete cosine transform:
 * u_k(i) ~ cos(pi k (i + 1/2)/S) with eigenvalue -4 sin^2(pi k/(2S)). */
#include <math.h>

#include "diffusion/process/process.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"

enum { SIGMA_MIN, SIGMA_MAX, SETTINGS };
static const Setting settings[SETTINGS] = {
    [SIGMA_MIN] =
        {.name = "sigma_min", .initial = "1", .low = 1e-6, .high = 1e6, .help = "birthdeath"},
    [SIGMA_MAX] = {.name = "sigma_max",
                   .initial = "100",
                   .low = 1e-6,
                   .high = 1e6,
                   .help = "birthdeath; 256 states need 190 to forget the data, 100 is as "
                           "published"},
};

static void cosine_modes(Process *p)
{
    size_t S = p->states;

    p->values = mem_alloc(S, sizeof *p->values);
    p->left = mem_alloc(S * S, sizeof *p->left);
    p->right = mem_alloc(S * S, sizeof *p->right);
    for (size_t k = 0; k < S; k++) {
        double wave = sin(PI * (double)k / (2.0 * (double)S));
        double norm = sqrt((k == 0 ? 1.0 : 2.0) / (double)S);
        p->values[k] = -4.0 * wave * wave;
        for (size_t i = 0; i < S; i++) {
            /* the angle in units of pi/(2S), reduced exactly */
            size_t quarter = k * (2 * i + 1) % (4 * S);
            double u = norm * cos(PI * (double)quarter / (2.0 * (double)S));
            p->left[i * S + k] = p->right[k * S + i] = u;
        }
    }
}

static bool create_birth_death(Process *p, Error *err)
{
    size_t S = p->states;

    (void)err;
    for (size_t i = 0; i + 1 < S; i++)
        p->base[i * S + i + 1] = p->base[(i + 1) * S + i] = 1.0;
    for (size_t i = 0; i < S; i++)
        p->end[i] = p->prior[i] = 1.0 / (double)S;
    p->reversible = true;
    cosine_modes(p);
    return true;
}

static bool published_birth_death(const Process *p, Schedule *schedule, Error *err)
{
    double low = p->config.own[SIGMA_MIN], high = p->config.own[SIGMA_MAX];

    if (!diffusion_process_positive(p, "sigma_min", low, err) ||
        !diffusion_process_positive(p, "sigma_max", high, err))
        return false;
    if (!(low < high))
        return error_set(err,
                         "process birthdeath: sigma_max = %g, expected more than sigma_min = %g",
                         high, low);
    schedule->kind = SCHEDULE_EXPONENTIAL;
    schedule->scale = 0.5 * low * low;
    schedule->growth = 2.0 * log(high / low);
    schedule->eps = 0.0;
    return true;
}

static ProcessConstant constant_birth_death(const Process *p, double factor)
{
    double low = p->config.own[SIGMA_MIN], high = p->config.own[SIGMA_MAX];

    return (ProcessConstant){.name = "sigma_max",
                             .value = high,
                             .needed = sqrt(low * low + factor * (high * high - low * low))};
}

const ProcessClass diffusion_birth_death = {.name = "birthdeath",
                                            .help = "to the two neighbours",
                                            .ordinal = true,
                                            .far_start = true,
                                            .setting_count = SETTINGS,
                                            .settings = settings,
                                            .create = create_birth_death,
                                            .published = published_birth_death,
                                            .constant = constant_birth_death};
