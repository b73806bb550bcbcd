/* Forward processes: every dimension is noised independently by a continuous-time Markov chain on
 * S states with generator beta(t) R, rows summing to 0 (D3PM arXiv 2107.03006, tauLDR 2205.14987).
 *
 *   P[s->t] = exp(B(s,t) R),  P[s->t][i][j] = q(x_t=j | x_s=i),  B(s,t) = integral of beta, s to t
 *
 * Times are double, 0 <= s <= t <= 1.  Everything here is double. */
#ifndef DI4C_DIFFUSION_PROCESS_PROCESS_H
#define DI4C_DIFFUSION_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diffusion/process/schedule.h"
#include "tensor/base/error.h"
#include "tensor/base/rng.h"
#include "tensor/base/setting.h"

typedef struct Process Process;
typedef struct ProcessClass ProcessClass;
enum { PROCESS_SETTINGS_MAX = 4 };

typedef struct ProcessConfig {
    const ProcessClass *class;
    size_t states;                    /* S, the mask included */
    double own[PROCESS_SETTINGS_MAX]; /* the class's settings, in the order of its table */
    double eps;                       /* of alpha: log-linear, and cosine unless published */
    /* SCHEDULE_PUBLISHED: the process's own, by the constants above.  Any other kind serves every
     * process, with b = beta_scale, a = beta_ratio and eps (see schedule.h). */
    ScheduleKind beta;
    double beta_scale, beta_ratio;
    const double *rates; /* matrix: R (S, S), read while the process is created; the diagonal is
                            recomputed.  Else NULL */
    bool any_start; /* x_1 may remember x_0: for those who look at matrices and do not sample */
} ProcessConfig;

/* The farthest (total variation) that a row of P[0->1] may be from the prior. */
#define PRIOR_DISTANCE 0.05

/* A constant, its value, and the value that would do. */
typedef struct ProcessConstant {
    const char *name;
    double value, needed;
} ProcessConstant;

/* What a process is: a file defines one of these, and processes.c lists it.  All else is made from
 * it: the settings of `--set`, help, what model files hold, checks. */
struct ProcessClass {
    const char *name; /* "gaussian", ... */
    const char *help; /* a line */
    bool has_mask;    /* the last state is a mask; S counts it, data do not have it */
    bool wants_rates; /* R is the user's: config.rates */
    bool closed;      /* P = k I + (1 - k) 1 end^T: no matrix is held */
    bool ordinal;     /* states are a scale, and jumps along it add up */
    bool far_start;   /* the published constants leave x_1 far from the prior (process/start.c) */
    size_t setting_count; /* at most PROCESS_SETTINGS_MAX */
    const Setting *settings;
    /* Checks the constants of R, then fills end and prior (S), which come zeroed; and, closed,
     * decay and exits (S); else base (off-diagonal entries; the diagonal follows), reversible and
     * perhaps left, right, values. */
    bool (*create)(Process *p, Error *err);
    double (*rate)(const Process *p, size_t i, size_t j); /* closed: R[i][j], i != j */
    /* The schedule the process was published with, from checked constants. */
    bool (*published)(const Process *p, Schedule *schedule, Error *err);
    /* What makes B(0,1) of that schedule `factor` times as large. */
    ProcessConstant (*constant)(const Process *p, double factor);
    /* NULL where the prior is the end state; else what brings it near enough. */
    ProcessConstant (*prior_constant)(const Process *p);
};

struct Process {
    ProcessConfig config; /* rates: NULL, the matrix is in base */
    const ProcessClass *class;
    Schedule schedule;
    size_t states;
    int mask;        /* the mask's number, or -1 */
    double *base;    /* dense: R (S, S); closed: NULL */
    double *exits;   /* -R[i][i] (S) */
    double *end;     /* stationary (end) distribution pi (S) */
    double *prior;   /* law of x_1 that sampling starts from (S) */
    double decay;    /* > 0: closed form P = k I + (1 - k) 1 end^T with k = exp(-decay B);
                        0: dense, no closed form */
    bool reversible; /* pi_i R[i][j] = pi_j R[j][i] */
    double *left, *right, *values; /* dense: P = left diag(exp(B values)) right; else NULL */
    double exit;                   /* largest exit rate g of R */
    double *powers;                /* dense: (I + R/g)^k, k = 1..4, (4, S, S); else NULL */
    bool spectral; /* dense: false where the chain is not reversible, or pi so uneven that the
                      spectral form loses digits; the accurate one is used instead */
};

/* ---- processes.c: the list ---- */
size_t diffusion_process_count(void);
const ProcessClass *diffusion_process_class(size_t i);
const ProcessClass *diffusion_process_find(const char *name); /* NULL: unknown */

/* The published constants (those of CIFAR-10). */
ProcessConfig diffusion_process_defaults(const char *name, size_t states); /* name: checked */
/* One of the class's own settings by name; false where the class has none of that name. */
bool diffusion_process_set(ProcessConfig *c, const char *setting, double value);
/* The same from text (checked): "linear", "0.5". */
bool diffusion_process_choose(ProcessConfig *c, const char *setting, const char *value);
/* NULL and a sentence naming the field if a value is impossible.  Refused are also a B(0,1) that
 * is infinite without a closed form, and a P[0->1] with a row farther than PRIOR_DISTANCE from
 * the prior: sampling would start from the wrong law.  Exempt are the published constants with the
 * 256 states they were published for: birth-death is 0.301 away there, the others below 0.002
 * (diffusion/README.md says what that costs). */
Process *diffusion_process_create(const ProcessConfig *config, Error *err);
void diffusion_process_destroy(Process *p);
/* R[i][j]; for i = j minus the rate at which i is left. */
double diffusion_process_jump(const Process *p, size_t i, size_t j);

/* ---- process/start.c ---- */
/* The largest total variation between a row of P[0->t] and the prior. */
double diffusion_process_distance(const Process *p, double t);
/* A class with a far start, with the published constants and their 256 states? */
bool diffusion_process_as_published(const Process *p);
/* False and a sentence that names the constant to change, its value and the one that would do. */
bool diffusion_process_check_start(const Process *p, Error *err);

/* For the classes: false and a sentence unless 0 < value < infinity. */
bool diffusion_process_positive(const Process *p, const char *field, double value, Error *err);

double diffusion_process_rate(const Process *p, double t); /* absorbing: may be infinite at t = 1 */
double diffusion_process_integral(const Process *p, double s, double t);
/* The two numbers of a closed form (checked): P[s->t] = *keep I + *leave 1 end^T, which sum to 1,
 * each accurate to its last digits. */
void diffusion_process_keep(const Process *p, double s, double t, double *keep, double *leave);
/* Survival alpha(t)/alpha(s) of an absorbing process (checked); 1 for s = t. */
double diffusion_process_survival(const Process *p, double s, double t);
void diffusion_process_draw_prior(const Process *p, Rng *rng, uint16_t *x, size_t dims);

#endif
