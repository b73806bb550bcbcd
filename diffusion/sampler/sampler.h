/* Sampling: the reverse chain from the prior at t = 1 to data, by one of the samplers of the table
 * in sampler.c (sampler/kinds.h says what a sampler is; each has a file of its own).
 *
 * Samplers of grid times move all samples t_N -> t_{N-1} -> ... step by step; the last step draws
 * x_0 from what the network says at t_1.  `exact` and `first-hitting` choose times of their own.
 * A mixture draws a fresh lambda for each sample and step, or one for each sample, as its model's
 * scope or the request says.  Hybrid: the last K steps use the
 * teacher.
 *
 * A sample depends on the seed and on its own number, not on batch, first, count or the threads. */
#ifndef DI4C_DIFFUSION_SAMPLER_SAMPLER_H
#define DI4C_DIFFUSION_SAMPLER_SAMPLER_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/posterior.h"
#include "diffusion/sampler/settings.h"
#include "tensor/states.h"

/* Times t_N > ... > t_1 of the network calls; the state after the last step is at 0.
 *   uniform  t_n = n/N
 *   authors  linspace(1, t_min, N), N >= 2; at t_min the argmax
 *   process  equal steps in the process's own clock: the lost share 1 - keep(0, t) where P has the
 *            closed form keep I + (1 - keep) 1 end^T (for absorbing noise 1 - alpha), and otherwise
 *            sqrt(B(0, t)), the scale over which states have spread
 *   list     given, in (0, 1], strictly falling; x_{t_N} is drawn from the prior, so a t_N < 1 at
 *            which P[0->t_N] is not yet near it is refused, as diffusion_process_create does for 1
 */
typedef enum TimeGrid { GRID_UNIFORM, GRID_AUTHORS, GRID_PROCESS, GRID_LIST } TimeGrid;

typedef struct SampleRequest {
    const SamplerClass *sampler;     /* NULL: posterior */
    const SamplerSettings *settings; /* NULL: defaults */
    const Denoiser *model;
    const Denoiser *teacher; /* for hybrid sampling, or NULL */
    size_t teacher_steps;    /* K: the last K steps */
    const Process *process;
    size_t steps; /* N; ignored by samplers with own times */
    TimeGrid grid;
    const double *times;      /* GRID_LIST: N of them */
    bool stratified_lambda;   /* whenever lambdas are drawn, those of 64 samples (numbers 64 k ..
                                 64 k + 63) cut [0,1) evenly, each coordinate in its own random
                                 order */
    LambdaScope lambda_scope; /* LAMBDA_SCOPE_DEFAULT: the model's */
    size_t first;             /* number of the first sample: streams are keyed by sample number */
    size_t batch;             /* samples per network call */
    uint64_t seed;
    size_t *calls; /* or NULL: network calls, summed over the samples */
    /* Or NULL.  Grid times: network calls of batches.  Own times: hundredths of the samples. */
    void (*progress)(size_t done, size_t all, void *context);
    void *progress_context;
} SampleRequest;

/* Fills out (count, D) with samples first..first+count-1.  Grid times: runs all samples through one
 * step before the next, so each step's matrices are set up once; memory beside out is that of one
 * batch.  False with a sentence if the combination makes no sense (N = 0, times out of order, a
 * sampler that does not know the process, K > N, heads that do not fit the process), the model's
 * numbers are not finite, or a signal came; out is then undefined. */
bool diffusion_sample(const SampleRequest *request, States *out, Error *err);

/* ---- the table ---- */
size_t diffusion_sampler_count(void);
const SamplerClass *diffusion_sampler_at(size_t i);
/* NULL and a sentence that lists the names. */
const SamplerClass *diffusion_sampler_find(const char *name, Error *err);

/* ---- grids (sampler/grid.c) ---- */
/* The times t_N > ... > t_1 (steps of them) of uniform and authors; checked: steps >= 1. */
void diffusion_time_grid(TimeGrid grid, size_t steps, double t_min, double *times);
/* Those of any grid; list: copied and validated.  False and a sentence for N = 0, the authors' grid
 * with N < 2 or times that are not in (0, 1] or do not fall. */
bool diffusion_sampler_times(const SampleRequest *r, double *times, Error *err);

/* What the process's own grid steps evenly: see above.  0 at t = 0, and it rises with t. */
double diffusion_process_clock(const Process *p, double t);
/* The t > 0 at which that clock, or B(0, t), shows the value; 1 if it never does. */
double diffusion_process_time_of(const Process *p, double clock);
double diffusion_process_time_at(const Process *p, double integral);

/* ---- what will be done (sampler/plan.c): the chain, call by call ---- */
typedef enum SamplerPart {
    PART_MOVE,    /* the sampler's move t -> s */
    PART_SECOND,  /* theta-trapezoidal: the second leap, with rates of this call and the last */
    PART_CORRECT, /* a corrector leap: the time stays */
    PART_DRAW,    /* the last call: x_0 ~ p(.|x_t) */
    PART_ARGMAX   /* the last call: the most probable x_0 of each dimension */
} SamplerPart;

/* One network call and what is done with it.  The call is made with the current state at time t. */
typedef struct SamplerCall {
    SamplerPart part;
    double t; /* what the network is told */
    double s; /* time of the state afterwards */
    double h; /* length of the leap; 0 for draws */
    bool teacher;
    size_t step; /* 0 .. N-1 */
} SamplerCall;

typedef struct SamplerPlan {
    const SamplerClass *sampler;
    const Process *process;
    SamplerSettings settings;
    size_t steps, count; /* count: network calls */
    double *times;       /* (steps) */
    SamplerCall *calls;  /* (count) */
    size_t *first;       /* (steps + 1): calls first[n] .. first[n+1]-1 belong to step n */
} SamplerPlan;

/* Checks all of the request but its denoisers, which may be NULL (teacher_steps > 0 needs one
 * nevertheless).  NULL and a sentence if it makes no sense, or the sampler has times of its own. */
SamplerPlan *diffusion_sampler_plan(const SampleRequest *r, Error *err);
void diffusion_sampler_plan_destroy(SamplerPlan *plan); /* NULL is allowed */

/* ---- exact laws ----
 * Given the state x_t and the network's probabilities p^d(a|x_t), what one call does is a product
 * over dimensions for all grid samplers but confidence.  A step's matrices are opened once. */
typedef struct SamplerStep SamplerStep;
bool diffusion_sampler_is_product(const SamplerClass *sampler);
SamplerStep *diffusion_sampler_open(const SamplerPlan *plan, size_t step); /* step < plan->steps */
void diffusion_sampler_close(SamplerStep *step);                           /* NULL is allowed */
/* row (S) = law of the dimension's state after call number `call` of the plan (one of this step's;
 * checked), given its state x before and p0, the network's probabilities of the dimension: S
 * numbers, or S-1 without the mask; double, sum 1.  PART_SECOND also needs the state `before`
 * of the call before and the probabilities of then; otherwise they are not read.  The sum of the
 * row is 1 to 1e-14 or so if p0's is.  tau-leaping of ordinal states cuts sums of jumps where less
 * than 1e-15 is left; Euler's probabilities are scaled to sum 1 where h times the total rate
 * exceeds 1. */
void diffusion_sampler_row(const SamplerStep *step, size_t call, size_t x, const double *p0,
                           size_t before, const double *before_p0, double *row);

#endif
