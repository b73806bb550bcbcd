/* One distillation step: draws, the five network evaluations, the losses, the gradient. */
#ifndef DI4C_DISTILL_STEP_H
#define DI4C_DISTILL_STEP_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "distill/losses.h"
#include "tensor/states.h"

typedef struct DistillConfig {
    Di4cOptions loss;
    size_t lambdas;              /* N per picture */
    size_t distill_lambdas;      /* M per picture in the distillation term; 0: N, as in the paper */
    double t_min;                /* t ~ U[t_min + delta_t, 1]; tm starts here: 0.01 */
    double delta_min, delta_max; /* t - u log-uniform in [delta_min, delta_max] */
    double tm_width;             /* tm = t_min + coin U(0,1) tm_width */
    double share_at_one;         /* share of pictures with t = 1 exactly */
    double eps;                  /* posterior's, 1e-9 */
    bool stratified_lambda;      /* the N lambdas of a picture cut [0,1) evenly, in random order */
} DistillConfig;

DistillConfig distill_defaults(void); /* the paper's setting */

/* The explicit draws of a step; memory from an arena. */
typedef struct Di4cDraws {
    double *t, *u;               /* (B) */
    double *lambda_t, *lambda_u; /* (B N, lambda_dims) */
    double *tm, *lambda_tm;      /* (B M) and (B M, lambda_dims); M = xtm.batch / B */
    States xt, xtm, xu, x0u;     /* (B, D), (B N, D) ... */
    /* The teacher's lambdas at (x_t, t) and (x_tm, tm): (B, its lambda_dims), (B M, ...); NULL for
     * a product teacher. */
    double *teacher_lambda_t, *teacher_lambda_tm;
} Di4cDraws;

typedef struct Di4cReport { /* means over pictures, nats */
    double loss, distill, data_cor, data_indep, consis_cor, consis_indep;
} Di4cReport;

/* Draws for B = x0->batch pictures (keyed by seed, step, pass, picture, lambda), runs the networks
 * in calls of at most `chunk` samples (0: all at once), and adds the gradient of the loss into
 * student->net->params.grads.  Recorded calls have net->gradient_block samples, even if `chunk` is
 * less; `chunk` changes no bit of loss or gradient.  The teacher runs without dropout, the student
 * with it in every pass.
 *
 * The teacher may be a mixture: it is then given one lambda per picture at t and one per row at tm.
 * The gradient is linear in the teacher's marginals, so its expectation is that of the mixture.
 *
 * A model's output that is not finite ends the step with loss NaN.  If g->check_finite is set and
 * finds where it began, g is left as it is, so that g->bad_op can be read; otherwise g is empty
 * before and after.  What the step takes from the arena beside g's is released at its end. */
Di4cReport distill_gradient(const DistillConfig *config, const Denoiser *teacher,
                            const Denoiser *student, const Process *p, const States *x0,
                            uint64_t seed, uint64_t step, size_t chunk, Graph *g, Arena *arena);
/* The same with the draws given (x0u included): for comparison with reference vectors. */
Di4cReport distill_gradient_with(const DistillConfig *config, const Denoiser *teacher,
                                 const Denoiser *student, const States *x0, const Di4cDraws *draws,
                                 size_t chunk, Graph *g, Arena *arena, const Di4cTerms *terms);

#endif
