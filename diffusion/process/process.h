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
#include "tensor/states.h"

typedef enum ProcessKind {
    PROCESS_UNIFORM,
    PROCESS_ABSORBING, /* the mask is the last state, S counts it */
    PROCESS_BIRTH_DEATH,
    PROCESS_GAUSSIAN,
    PROCESS_MATRIX /* any R with one recurrent class, reversible or not */
} ProcessKind;

/* The published choices for alpha(t); ABSORB_LINEAR is a constant beta. */
typedef enum AbsorbingSchedule { ABSORB_LOGLINEAR, ABSORB_LINEAR, ABSORB_COSINE } AbsorbingSchedule;

typedef struct ProcessConfig {
    ProcessKind kind;
    size_t states;     /* S, the mask included */
    double rate_const; /* uniform: R[i][j]; absorbing with linear schedule: B = c t */
    AbsorbingSchedule schedule;
    double eps;                  /* of alpha: log-linear, and cosine unless published */
    double sigma_min, sigma_max; /* birth-death */
    double rate_sigma, q_sigma, time_exponential, time_base; /* discretised Gaussian */
    /* SCHEDULE_PUBLISHED: the process's own, by the constants above.  Any other kind serves every
     * process, with b = beta_scale, a = beta_ratio and eps (see schedule.h). */
    ScheduleKind beta;
    double beta_scale, beta_ratio;
    const double *rates; /* matrix: R (S, S), read while the process is created; the diagonal is
                            recomputed.  Else NULL */
    bool any_start; /* x_1 may remember x_0: for those who look at matrices and do not sample */
} ProcessConfig;

/* The farthest (total variation) that a row of P[0->1] may be from the prior. */
#define DIFF_PRIOR_DISTANCE 0.05

typedef struct Process Process;
typedef struct Transition Transition;

/* A constant, its value, and the value that would do. */
typedef struct ProcessConstant {
    const char *name;
    double value, needed;
} ProcessConstant;

/* What a kind of process is: one file defines one of these.  Adding a process adds a file, its kind
 * above and its line in the list in process.c. */
typedef struct ProcessClass {
    const char *name; /* "gaussian", ... : the name in presets and files */
    /* Checks the constants of R, then fills base (off-diagonal entries; the diagonal follows), end
     * and prior, which come zeroed, and decay or reversible, perhaps left, right, values. */
    bool (*create)(Process *p, Error *err);
    /* The schedule the process was published with, from checked constants. */
    bool (*published)(const Process *p, Schedule *schedule, Error *err);
    /* What makes B(0,1) of that schedule `factor` times as large. */
    ProcessConstant (*constant)(const Process *p, double factor);
} ProcessClass;

struct Process {
    ProcessConfig config; /* rates: NULL, the matrix is in base */
    const ProcessClass *class;
    Schedule schedule;
    size_t states;
    int mask;        /* the mask's number, or -1 */
    double *base;    /* R (S, S) */
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

extern const ProcessClass diffusion_uniform, diffusion_absorbing, diffusion_birth_death,
    diffusion_gaussian, diffusion_matrix;

/* The published constants (those of CIFAR-10). */
ProcessConfig diffusion_process_defaults(ProcessKind kind, size_t states);
/* NULL and a sentence naming the field if a value is impossible.  Refused are also a B(0,1) that
 * is infinite without a closed form, and a P[0->1] with a row farther than DIFF_PRIOR_DISTANCE from
 * the prior: sampling would start from the wrong law.  Exempt are the published constants with the
 * 256 states they were published for: birth-death is 0.301 away there, the others below 0.002
 * (README.md says what that costs). */
Process *diffusion_process_create(const ProcessConfig *config, Error *err);
void diffusion_process_destroy(Process *p);
const char *diffusion_process_name(ProcessKind kind);
bool diffusion_process_kind(const char *name, ProcessKind *kind); /* false: unknown name */

/* ---- process/start.c ---- */
/* The largest total variation between a row of P[0->t] and the prior. */
double diffusion_process_distance(const Process *p, double t);
/* Birth-death with the published constants and their 256 states, which may start far off? */
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

/* ---- transition.c: P[s->t] for one pair of times ---- */
/* TRANSITION_SPECTRAL: about 1e-15 absolute, one S^3 product (dense processes).
 * TRANSITION_ACCURATE: every entry to about 1e-13 relative, by uniformisation and squaring; about
 * 15 to 20 such products.  Closed forms have that accuracy either way. */
typedef enum TransitionAccuracy { TRANSITION_SPECTRAL, TRANSITION_ACCURATE } TransitionAccuracy;
Transition *diffusion_transition_create(const Process *p, double s, double t, TransitionAccuracy a);
/* Recomputes in place for other times. */
void diffusion_transition_set(Transition *tr, double s, double t, TransitionAccuracy a);
/* out = P[s->t] P[t->u] from P[s->t] and P[t->u]: one product, and entries stay as accurate. */
void diffusion_transition_compose(Transition *out, const Transition *first,
                                  const Transition *second);
void diffusion_transition_destroy(Transition *tr);
size_t diffusion_transition_states(const Transition *tr);
double diffusion_transition_at(const Transition *tr, size_t i, size_t j);
void diffusion_transition_row(const Transition *tr, size_t i, double *row); /* q(. | x_s = i) */
void diffusion_transition_column(const Transition *tr, size_t j,
                                 double *column); /* q(j | x_s = .) */
/* The dense matrix (S, S), or NULL where a closed form is held. */
const double *diffusion_transition_dense(const Transition *tr);
/* Closed forms: P = keep I + leave 1 end^T; false (and nothing set) for a dense matrix. */
bool diffusion_transition_closed(const Transition *tr, double *keep, double *leave);
size_t diffusion_transition_draw(const Transition *tr, size_t i, Rng *rng); /* x_t given x_s = i */
/* out (S, S) dense = P[0->t] R (without beta): for the reverse rates of the CT-ELBO. */
void diffusion_transition_flow(const Transition *tr, double *out);

/* Dense processes: rows from[0..count-1] of P[s->t], out (count, S), with the spectral accuracy;
 * work (count, S). */
void diffusion_transition_rows(const Process *p, double s, double t, const uint16_t *from,
                               size_t count, double *work, double *out);

/* ---- marginal.c ---- */
/* x_t ~ q(. | x_0) for each sample: t (B), one stream per sample. xt: (B, D), may not alias x0.
 * Samples with equal t share their matrix, of which only the rows that occur are computed. */
void diffusion_draw_marginal(const Process *p, States *xt, const States *x0, const double *t,
                             const Rng *streams);

#endif
