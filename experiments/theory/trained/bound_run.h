/* The bound of Theorem 2 along a training: a student is distilled for real on a world of a few
 * points, and both sides are computed exactly every so many steps. */
#ifndef DI4C_EXPERIMENTS_THEORY_TRAINED_BOUND_RUN_H
#define DI4C_EXPERIMENTS_THEORY_TRAINED_BOUND_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/law/finite_law.h"
#include "tensor/base/error.h"

enum { BOUND_CALLS = 8 }; /* N: the teacher's calls, and terms on the right */

typedef struct BoundRow {
    size_t step;               /* finished training steps */
    size_t lambdas;            /* K: values of the student's lambda; 64, or 16 on larger spaces */
    double lhs, rhs;           /* nothing above 1 is said by an rhs above 1 */
    double terms[BOUND_CALLS]; /* of rhs: distill at t_1, consis at (t_n, t_{n+1}), n = 1..N-1 */
    double student_tv, teacher_tv; /* to the data: student in one step, teacher in N */
} BoundRow;

typedef struct BoundRun {
    BoundRow *rows; /* by step */
    size_t count;
    size_t violations; /* rows with lhs > rhs by more than rounding, 1e-6 */
} BoundRun;

/* Masks with alpha = 1 - t, the exact product teacher of the law, and an MLP student trained for
 * `steps` steps; rows at steps 0, 1, 2, 4, ... and then evenly.  NULL and a sentence if (S + 1)^D
 * is more than bound.h can hold, or a signal came; bound_run_free frees. */
BoundRun *bound_run(const FiniteLaw *law, uint64_t seed, size_t steps, Error *err);
void bound_run_free(BoundRun *run); /* NULL is allowed */

#endif
