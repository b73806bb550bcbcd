/* The bound of Theorem 2 along a training: a student is distilled for real on a world of a few
 * points, and both sides are computed exactly every so many steps. */
#ifndef DI4C_EXPERIMENTS_THEORY_BOUND_RUN_H
#define DI4C_EXPERIMENTS_THEORY_BOUND_RUN_H

#include <stddef.h>
#include <stdint.h>

enum { BOUND_CALLS = 8 };    /* N: the teacher's calls, and terms on the right */
enum { BOUND_LAMBDAS = 64 }; /* K: values of the student's lambda */

typedef struct BoundRow {
    const char *world; /* "equal-bits", "xor" */
    size_t step;       /* finished training steps */
    double lhs, rhs;   /* nothing above 1 is said by an rhs above 1 */
    double terms[BOUND_CALLS]; /* of rhs: distil at t_1, consis at (t_n, t_{n+1}), n = 1..N-1 */
    double student_tv, teacher_tv; /* to the data: student in one step, teacher in N */
} BoundRow;

typedef struct BoundRun {
    BoundRow *rows; /* by world, then step */
    size_t count;
    size_t violations; /* rows with lhs > rhs by more than rounding, 1e-6 */
} BoundRun;

/* Two equal bits and the exclusive or of two bits, masks with alpha = 1 - t, exact product teacher,
 * MLP student.  `steps` of training for each world (0: the experiment's own, some seconds); rows at
 * steps 0, 1, 2, 4, ... and then evenly. */
BoundRun *bound_run(uint64_t seed, size_t steps);
void bound_run_free(BoundRun *run); /* NULL is allowed */

#endif
