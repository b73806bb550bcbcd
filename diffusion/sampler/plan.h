/* What will be done, call by call, and the law of a single call. */
#ifndef DI4C_DIFFUSION_SAMPLER_PLAN_H
#define DI4C_DIFFUSION_SAMPLER_PLAN_H

#include "diffusion/sampler/sampler_class.h"

struct SamplerPlan {
    const SamplerClass *sampler;
    const Process *process;
    SamplerSettings settings;
    size_t steps, count; /* count: network calls */
    double *times;       /* (steps) */
    SamplerCall *calls;  /* (count) */
    size_t *first;       /* (steps + 1): calls first[n] .. first[n+1]-1 belong to step n */
};

/* Checks all of the request but its denoisers, which may be NULL (teacher_steps > 0 needs one
 * nevertheless).  NULL and a sentence if it makes no sense, or the sampler has times of its own. */
SamplerPlan *diffusion_sampler_plan(const SampleRequest *r, Error *err);
void diffusion_sampler_plan_destroy(SamplerPlan *plan); /* NULL is allowed */

/* All of a request but its denoisers and times; diffusion_sampler_plan checks the times too. */
bool sampler_check_request(const SampleRequest *r, Error *err);

/* SamplerClass.plan of samplers whose step is one call and one move. */
size_t sampler_plan_one_move(const SamplerSettings *settings, double t, double s,
                             SamplerCall *calls);

/* ---- exact laws ----
 * Given the state x_t and the network's probabilities p^d(a|x_t), what one call does is a product
 * over dimensions for all grid samplers but confidence and halton.  A step's matrices are opened
 * once. */
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
