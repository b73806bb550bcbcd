/* One distillation step: draws, the five network evaluations, the losses, the gradient. */
#ifndef DI4C_DISTILL_STEP_H
#define DI4C_DISTILL_STEP_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "diffusion/workspace.h"
#include "distill/distill_config.h"
#include "distill/draws.h"

typedef struct Di4cReport { /* means over pictures, nats */
    double loss, distill, data_cor, data_indep, consis_cor, consis_indep;
} Di4cReport;

/* Draws for B = x0->batch pictures (keyed by seed, step, pass, picture, lambda), runs the networks
 * in calls of at most work->chunk samples, and adds the gradient of the loss into
 * student->net->params.grads.  Recorded calls have net->gradient_block samples, even if `chunk` is
 * less; `chunk` changes no bit of loss or gradient.  The teacher runs without dropout, the student
 * with it in every pass.
 *
 * The teacher may be a mixture: it is then given one lambda per picture at t and one per row at tm.
 * The gradient is linear in the teacher's marginals, so its expectation is that of the mixture.
 *
 * A model's output that is not finite ends the step with loss NaN.  If the graph's check_finite
 * is set and finds where it began, the graph is left as it is, so that its bad_op can be read;
 * otherwise it is empty before and after. */
Di4cReport distill_gradient(const DistillConfig *config, const Denoiser *teacher,
                            const Denoiser *student, const Process *p, const States *x0,
                            uint64_t seed, uint64_t step, const Workspace *work);
/* The same with the draws given (x0u included): for comparison with reference vectors. */
Di4cReport distill_gradient_with(const DistillConfig *config, const Denoiser *teacher,
                                 const Denoiser *student, const States *x0, const Di4cDraws *draws,
                                 const Workspace *work, const Di4cTerms *terms);

#endif
