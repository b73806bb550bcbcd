/* Students that are really trained by the N-lambda loss, or by the posterior itself, with the same
 * number of network passes: an MLP that sees only masks at t = 1 and lambda, as in generation by
 * one step.  lambda has a finite law here, uniform on LIMIT_GRID midpoints, so that what a student
 * holds is a finite sum.  Students start with the law's marginals, and off the saddle: where a new
 * student has zeros behind lambda, they have random numbers. */
#ifndef DI4C_EXPERIMENTS_THEORY_TRAINED_LIMIT_RUN_H
#define DI4C_EXPERIMENTS_THEORY_TRAINED_LIMIT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/law/finite_law.h"
#include "tensor/base/error.h"

enum { LIMIT_GRID = 256 };

typedef struct LimitTraining {
    size_t lambdas; /* N a picture; 0: one, drawn from the posterior over the whole grid given the
                       picture, as a perfect recognition network would */
    size_t passes;  /* of the network a step, recorded ones; pictures a step = passes / max(N, 1),
                       at least 1 (checked).  Those that find the posterior are not counted */
    size_t steps;
    uint64_t seed; /* of weights, pictures and lambdas */
} LimitTraining;

typedef struct LimitStudent {
    size_t pictures; /* a step */
    double taught;   /* mean of KL(w || 1/N) in the last tenth of the training, at most log N; by
                        the posterior: of KL(posterior || 1/grid) */
    double held;     /* E KL(posterior over the grid || 1/grid) after it, nats */
    double tv, kl;   /* the student's law in one step to the data; nats */
} LimitStudent;

/* False and a sentence if a signal came. */
bool limit_train(const FiniteLaw *law, const LimitTraining *training, LimitStudent *result,
                 Error *err);

/* The norm of the exact gradient of the loss with all LIMIT_GRID lambdas, by the weights that
 * lambda passes through, at a student with the law's marginals in which those that start at zero
 * are normal numbers times gain.  0 at gain 0: a saddle. */
double limit_gradient(const FiniteLaw *law, double gain, uint64_t seed);

#endif
