/* What all forward processes share: constants, checks, the schedule, the diagonal of R, and for
 * dense reversible ones the eigendecomposition of A = diag(sqrt(pi)) R diag(1/sqrt(pi)), which is
 * symmetric by detailed balance: exp(B R) = diag(1/sqrt(pi)) V exp(B L) V^T diag(sqrt(pi)). */
#include "diffusion/process/process.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/eigen/eigen.h"
#include "tensor/product/gemm.h"

enum { MAX_STATES = 65535 };

ProcessConfig diffusion_process_defaults(const char *name, size_t states)
{
    const ProcessClass *class = diffusion_process_find(name);
    ProcessConfig config = {.class = class,
                            .states = states,
                            .eps = 1e-3, /* log-linear alpha of SEDD (arXiv 2310.16834) */
                            .beta = SCHEDULE_PUBLISHED,
                            .beta_scale = 1.0,
                            .beta_ratio = 100.0};

    TENSOR_CHECK(class != NULL, "process %s is unknown", name);
    TENSOR_CHECK(class->setting_count <= PROCESS_SETTINGS_MAX, "process %s: %zu settings of %d",
                 name, class->setting_count, (int)PROCESS_SETTINGS_MAX);
    for (size_t i = 0; i < class->setting_count; i++) {
        TENSOR_CHECK(setting_slots(&class->settings[i]) == 1, "process %s: %s is a list", name,
                     class->settings[i].name);
        setting_default(&class->settings[i], &config.own[i]);
    }
    return config;
}

bool diffusion_process_set(ProcessConfig *c, const char *setting, double value)
{
    const size_t i = setting_place(c->class->settings, c->class->setting_count, setting);

    if (i == c->class->setting_count)
        return false;
    c->own[i] = value;
    return true;
}

bool diffusion_process_choose(ProcessConfig *c, const char *setting, const char *value)
{
    const size_t i = setting_place(c->class->settings, c->class->setting_count, setting);
    Error err = {""};

    if (i == c->class->setting_count)
        return false;
    const bool read = setting_read(&c->class->settings[i], value, &c->own[i], c->class->name, &err);
    TENSOR_CHECK(read, "%s", err.text);
    return true;
}

bool diffusion_process_positive(const Process *p, const char *field, double value, Error *err)
{
    if (value > 0.0 && value <= DBL_MAX)
        return true;
    return error_set(err, "process %s: %s = %g, expected a finite number above 0", p->class->name,
                     field, value);
}

/* R[i][i] = -sum of the row's other entries. */
static void fill_diagonal(Process *p)
{
    size_t S = p->states;

    for (size_t i = 0; i < S; i++) {
        for (size_t j = 0; j < S; j++)
            if (j != i)
                p->exits[i] += p->base[i * S + j];
        p->base[i * S + i] = -p->exits[i];
    }
}

/* (I + R/g)^k, k = 1..4: what uniformisation sums up. */
static void fill_powers(Process *p)
{
    size_t S = p->states, n = S * S;
    double *q = p->powers = mem_alloc(4 * n, sizeof *p->powers);

    for (size_t i = 0; i < n; i++)
        q[i] = (i % (S + 1) == 0 ? p->exit + p->base[i] : p->base[i]) / p->exit;
    tensor_dgemm(GEMM_NN, S, S, S, q, q, q + n);
    tensor_dgemm(GEMM_NN, S, S, S, q, q + n, q + 2 * n);
    tensor_dgemm(GEMM_NN, S, S, S, q + n, q + n, q + 3 * n);
}

/* Errors of the spectral form in P[i][j] are those of a symmetric matrix times sqrt(pi_j/pi_i).  Up
 * to this factor they go from about 1e-15 to 3e-14. */
static const double EVEN = 30.0;

static bool nearly_even(const double *pi, size_t S)
{
    double low = pi[0], high = pi[0];

    for (size_t i = 1; i < S; i++) {
        low = pi[i] < low ? pi[i] : low;
        high = pi[i] > high ? pi[i] : high;
    }
    return sqrt(high / low) <= EVEN;
}

/* The stationary mode is known: eigenvalue 0, eigenvector u = sqrt(pi).  Columns of V become
 * orthogonal to it and of length 1 to the last digits, or rows of P would sum to 1 within 2e-13. */
static void set_stationary(const double *pi, double *v, size_t S)
{
    for (size_t k = 0; k + 1 < S; k++) {
        double along = 0.0, square = 0.0;
        for (size_t i = 0; i < S; i++)
            along += sqrt(pi[i]) * v[i * S + k];
        for (size_t i = 0; i < S; i++) {
            v[i * S + k] -= along * sqrt(pi[i]);
            square += v[i * S + k] * v[i * S + k];
        }
        for (size_t i = 0; i < S; i++)
            v[i * S + k] /= sqrt(square);
    }
    for (size_t i = 0; i < S; i++)
        v[i * S + S - 1] = sqrt(pi[i]);
}

static bool decompose(Process *p, Error *err)
{
    size_t S = p->states;
    double *v = mem_alloc(S * S, sizeof *v);

    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j <= i; j++) {
            double a = p->base[i * S + j] * sqrt(p->end[i] / p->end[j]);
            v[i * S + j] = v[j * S + i] = a;
        }
    p->values = mem_alloc(S, sizeof *p->values);
    if (!tensor_eigen_symmetric(S, v, p->values)) {
        mem_free(v);
        return error_set(err, "process %s: the eigenvalues of the rate matrix do not converge",
                         p->class->name);
    }
    p->values[S - 1] = 0.0;
    set_stationary(p->end, v, S);
    p->left = mem_alloc(S * S, sizeof *p->left);
    p->right = mem_alloc(S * S, sizeof *p->right);
    for (size_t i = 0; i < S; i++)
        for (size_t k = 0; k < S; k++) {
            p->left[i * S + k] = v[i * S + k] / sqrt(p->end[i]);
            p->right[k * S + i] = v[i * S + k] * sqrt(p->end[i]);
        }
    for (size_t k = 0; k < S; k++)
        p->values[k] = p->values[k] < 0.0 ? p->values[k] : 0.0;
    mem_free(v);
    return true;
}

static bool fill_schedule(Process *p, Error *err)
{
    const ProcessConfig *c = &p->config;
    char where[64];

    if (c->beta == SCHEDULE_PUBLISHED)
        return p->class->published(p, &p->schedule, err);
    snprintf(where, sizeof where, "process %s", p->class->name);
    return diffusion_schedule_make(&p->schedule, c->beta, c->beta_scale, c->beta_ratio, c->eps,
                                   where, err);
}

/* For dense processes: how often the fastest state jumps, and what both forms of P need. */
static bool fill_dense(Process *p, Error *err)
{
    double events = p->exit * diffusion_process_integral(p, 0.0, 1.0);

    if (events > DBL_MAX && diffusion_schedule_is_infinite(&p->schedule))
        return error_set(err,
                         "process %s: B(0,1) is infinite with schedule %s and alpha_eps = 0, "
                         "expected alpha_eps above 0: only uniform and absorbing noise have "
                         "a limit at t = 1",
                         p->class->name, diffusion_schedule_name(p->schedule.kind));
    if (!(events <= 1e12)) /* 42 squarings of the accurate form */
        return error_set(err, "process %s: %g jumps between t = 0 and 1, expected at most 1e12",
                         p->class->name, events);
    fill_powers(p);
    p->spectral = p->reversible && nearly_even(p->end, p->states);
    return !p->spectral || p->values != NULL || decompose(p, err);
}

static bool fill(Process *p, Error *err)
{
    size_t S = p->states;

    if (S < 2 || S > MAX_STATES)
        return error_set(err, "process %s: %zu states, expected 2 to %d%s", p->class->name, S,
                         (int)MAX_STATES, p->mask >= 0 ? " (the mask counts)" : "");
    if (!p->class->closed)
        p->base = mem_zeroed(S * S, sizeof *p->base);
    p->exits = mem_zeroed(S, sizeof *p->exits);
    p->end = mem_zeroed(S, sizeof *p->end);
    p->prior = mem_zeroed(S, sizeof *p->prior);
    if (!p->class->create(p, err) || !fill_schedule(p, err))
        return false;
    if (!p->class->closed)
        fill_diagonal(p);
    for (size_t i = 0; i < S; i++)
        p->exit = p->exits[i] > p->exit ? p->exits[i] : p->exit;
    if (!p->class->closed && !fill_dense(p, err))
        return false;
    return p->config.any_start || diffusion_process_as_published(p) ||
           diffusion_process_check_start(p, err);
}

Process *diffusion_process_create(const ProcessConfig *config, Error *err)
{
    TENSOR_CHECK(config->class != NULL, "a process without a class, %zu states", config->states);
    Process *p = mem_zeroed(1, sizeof *p);
    p->config = *config;
    p->class = config->class;
    p->states = config->states;
    p->mask = p->class->has_mask ? (int)config->states - 1 : -1;
    bool ok = fill(p, err);
    p->config.rates = NULL;
    if (ok)
        return p;
    diffusion_process_destroy(p);
    return NULL;
}

void diffusion_process_destroy(Process *p)
{
    if (p == NULL)
        return;
    mem_free(p->base);
    mem_free(p->exits);
    mem_free(p->end);
    mem_free(p->prior);
    mem_free(p->left);
    mem_free(p->right);
    mem_free(p->values);
    mem_free(p->powers);
    mem_free(p);
}

double diffusion_process_jump(const Process *p, size_t i, size_t j)
{
    if (i == j)
        return -p->exits[i];
    return p->base != NULL ? p->base[i * p->states + j] : p->class->rate(p, i, j);
}

double diffusion_process_rate(const Process *p, double t)
{
    TENSOR_CHECK(t >= 0.0 && t <= 1.0, "t = %g", t);
    return diffusion_schedule_rate(&p->schedule, t);
}

double diffusion_process_integral(const Process *p, double s, double t)
{
    TENSOR_CHECK(0.0 <= s && s <= t && t <= 1.0, "s = %g, t = %g", s, t);
    return diffusion_schedule_integral(&p->schedule, s, t);
}

void diffusion_process_keep(const Process *p, double s, double t, double *keep, double *leave)
{
    TENSOR_CHECK(p->class->closed, "process %s has no closed form", p->class->name);
    TENSOR_CHECK(0.0 <= s && s <= t && t <= 1.0, "s = %g, t = %g", s, t);
    diffusion_schedule_keep(&p->schedule, p->decay, s, t, keep, leave);
}

double diffusion_process_survival(const Process *p, double s, double t)
{
    double keep, leave;

    TENSOR_CHECK(p->mask >= 0, "process %s has no mask", p->class->name);
    diffusion_process_keep(p, s, t, &keep, &leave);
    return keep;
}

void diffusion_process_draw_prior(const Process *p, Rng *rng, uint16_t *x, size_t dims)
{
    for (size_t d = 0; d < dims; d++)
        x[d] =
            (uint16_t)(p->mask >= 0 ? (size_t)p->mask : rng_categorical(rng, p->prior, p->states));
}
