/* Schedules: how fast time runs for a forward process.  beta(t) >= 0 multiplies its rates;
 * B(s,t) is the integral of beta from s to t, so that P[s->t] = exp(B(s,t) R).  0 <= s <= t <= 1.
 *
 *   constant     beta = b                       B = b (t - s)
 *   exponential  beta = b g e^(g t)             B = b (e^(g t) - e^(g s)),  g = ln(a)
 *   linear       beta = b (1 + g t)             B = b (t - s) (1 + g (s + t)/2),  g = a - 1
 *   cosine       alpha = 1 - (1-eps) sin(pi t/2)
 *   loglinear    alpha = 1 - (1-eps) t          both: beta = -b alpha'/alpha, B = -b log alpha,
 *                                                     from s to t: b log(alpha(s)/alpha(t))
 *
 * with a = beta(1)/beta(0) and, for an absorbing process with b = 1, alpha(t) the probability of
 * being unmasked at t.  eps = 0 makes B(s,1) and beta(1) infinite; only closed forms stand that.
 * Sources: exponential tauLDR (arXiv 2205.14987), log-linear SEDD (arXiv 2310.16834). */
#ifndef DI4C_DIFFUSION_PROCESS_SCHEDULE_H
#define DI4C_DIFFUSION_PROCESS_SCHEDULE_H

#include <stdbool.h>

#include "tensor/base/error.h"

/* Adding a schedule is a kind here and a row of the table in schedule.c, in the same order. */
typedef enum ScheduleKind {
    SCHEDULE_PUBLISHED, /* in a configuration: what the process was published with */
    SCHEDULE_CONSTANT,
    SCHEDULE_EXPONENTIAL,
    SCHEDULE_LINEAR,
    SCHEDULE_COSINE,
    SCHEDULE_LOGLINEAR,
    SCHEDULE_KINDS
} ScheduleKind;

typedef struct Schedule {
    ScheduleKind kind; /* not SCHEDULE_PUBLISHED */
    double scale;      /* b > 0 */
    double growth;     /* g > 0: exponential and linear only */
    double eps;        /* 0 <= eps < 1: cosine and loglinear only */
} Schedule;

/* From b, a (> 1 where it counts) and eps; false and a sentence that starts with `where` and names
 * beta_scale, beta_ratio or alpha_eps if a value is impossible or kind is not one of the five. */
bool diffusion_schedule_make(Schedule *schedule, ScheduleKind kind, double scale, double ratio,
                             double eps, const char *where, Error *err);
const char *diffusion_schedule_name(ScheduleKind kind); /* "constant", ...; checked */
/* B(0,1) is infinite. */
bool diffusion_schedule_is_infinite(const Schedule *schedule);

/* beta(t); infinite at t = 1 for cosine and loglinear with eps = 0. */
double diffusion_schedule_rate(const Schedule *schedule, double t);
/* B(s,t); infinite for s < t = 1 where beta(1) is. */
double diffusion_schedule_integral(const Schedule *schedule, double s, double t);
/* *keep = exp(-rate B(s,t)) and *leave = 1 - keep, both accurate to their last digits, rate > 0:
 * the shares of a state that stay and that leave at this rate. */
void diffusion_schedule_keep(const Schedule *schedule, double rate, double s, double t,
                             double *keep, double *leave);

#endif
