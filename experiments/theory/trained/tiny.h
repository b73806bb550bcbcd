/* Networks on spaces of a few points, trained by the program's own steps: what experiments about
 * training need. */
#ifndef DI4C_EXPERIMENTS_THEORY_TRAINED_TINY_H
#define DI4C_EXPERIMENTS_THEORY_TRAINED_TINY_H

#include <stdint.h>

#include "diffusion/teacher.h"
#include "distill/step.h"
#include "experiments/data/law/finite_law.h"
#include "nn/optimizer.h"
#include "tensor/states.h"

/* D bits of which the last is the exclusive or of the others, else uniform: every D-1 of them are
 * independent, all D are not.  2 <= D <= 8 (checked); law_destroy frees. */
FiniteLaw *tiny_xor(size_t dims);

typedef struct TinyModel {
    Network *net; /* an MLP with a softmax head */
    Denoiser denoiser;
    Optimizer *optimizer;
    Workspace work;
    uint64_t seed; /* of weights, data and draws */
} TinyModel;

/* A model with random weights for the law's dimensions and states under p; `steps` is the length of
 * the training, over which the rate falls to 0 along a cosine. */
TinyModel *tiny_create(const FiniteLaw *law, const Process *p, size_t lambda_dims, double lr,
                       uint64_t steps, uint64_t seed);
void tiny_destroy(TinyModel *m); /* NULL is allowed */

/* x0 (B, D) drawn from the law; a function of seed and step. */
void tiny_draw_data(const FiniteLaw *law, uint64_t seed, uint64_t step, States *x0);
/* One training step of a teacher or of a student on fresh data of x0's size.  Returns the loss. */
double tiny_teach(TinyModel *m, const TeacherConfig *config, const FiniteLaw *law, const Process *p,
                  States *x0);
double tiny_distill(TinyModel *m, const DistillConfig *config, const Denoiser *teacher,
                    const FiniteLaw *law, const Process *p, States *x0);

#endif
