/* How noisy is the gradient of each distillation loss, with and without control variates?  Measured
 * on real networks in the middle of a real distillation: the gradient with respect to all weights,
 * over independent draws of a training step (data, times, noise, lambdas, targets),
 *
 *   variance = sum over weights of Var(gradient entry), unbiased. */
#ifndef DI4C_EXPERIMENTS_THEORY_TRAINED_VARIANCE_H
#define DI4C_EXPERIMENTS_THEORY_TRAINED_VARIANCE_H

#include <stddef.h>
#include <stdint.h>

#include "distill/step.h"
#include "experiments/data/law/finite_law.h"
#include "tensor/states.h"

/* The three terms of distill/losses.h, data with its weight w(t), and their sum. */
typedef enum LossPart { LOSS_DISTILL, LOSS_DATA, LOSS_CONSIS, LOSS_ALL, LOSS_PARTS } LossPart;
const char *variance_part_name(LossPart part); /* "distill", "data", "consis", "all" */

/* grads (LOSS_PARTS, P), P the student's number of weights: the gradient of each loss for one
 * step's draws, which do not depend on config->loss.  Without dropout.  distill_losses gives the
 * data and the consistency term in one gradient; they are told apart by asking it once more with
 * w = 0 and a teacher that agrees with the student's mean over lambda, which leaves only the
 * consistency term.  Softmax heads, a student with gradients (checked). */
void variance_gradients(const DistillConfig *config, const Denoiser *teacher,
                        const Denoiser *student, const Process *p, const States *x0, uint64_t seed,
                        uint64_t step, const Workspace *work, float *grads);

typedef struct VarianceRow {
    LossPart loss;
    size_t step;          /* finished training steps of the student */
    double with, without; /* control variates */
    double ratio;         /* without/with */
} VarianceRow;

typedef struct VarianceRun {
    VarianceRow *rows; /* by step, then loss */
    size_t count;
} VarianceRun;

/* Under masks with alpha = 1 - t: trains a teacher and a student that starts from it, both MLPs,
 * for `steps` steps each, and measures the student after 1/16, 1/4, 1/2 and all of it.  (At the
 * start it is a product model and the data term's gradient with control variates is 0.)  draws: of
 * training steps for each measurement, at least 2 (checked).  NULL and a sentence if a signal came.
 */
VarianceRun *variance_run(const FiniteLaw *law, uint64_t seed, size_t steps, size_t draws,
                          Error *err);
void variance_run_free(VarianceRun *run); /* NULL is allowed */

#endif
