/* Both sides of the error bound of a distilled student ([Di4C] arXiv 2410.08709, Theorem 2),
 * exactly, by enumeration of a small space.  Times t_n = n/N; r_n is the law of the teacher's chain
 * at t_n, r_N the prior; the teacher moves by the product p^psi_{s|t}, the student is a mixture
 * p^th_{0|t}:
 *
 *   TV( r_0, E_{x ~ r_N} p^th_{0|1}(.|x) )
 *     <= sqrt(L_distil(t_1)/2) + sum_{n=1}^{N-1} sqrt(L_consis(t_n, t_{n+1})/2)
 *
 *   L_distil(t_1)        = E_{x ~ r_1} KL( p^psi_{0|t_1}(.|x) || p^th_{0|t_1}(.|x) )
 *   L_consis(t_n, t_n+1) = E_{x ~ r_n+1} KL( sum_y p^psi_{t_n|t_n+1}(y|x) p^th_{0|t_n}(.|y)
 *                                            || p^th_{0|t_n+1}(.|x) )
 *
 * The student's lambda has a finite law here: uniform on the K midpoints (k + 1/2)/K.  That is a
 * mixture in its own right, so both sides are exact for it, up to the network's float32: no bound
 * of the KL by convexity, no sampling. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_BOUND_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_BOUND_H

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"

enum { BOUND_MAX_POINTS = 1024 };

typedef struct BoundChain BoundChain;

/* The teacher's chain of `steps` = N >= 1 calls.  teacher: a product model (lambda_dims 0).  Both
 * are kept, not owned.  states^D points of the noised space, at most BOUND_MAX_POINTS; N of their
 * square in doubles are held (all checked). */
BoundChain *bound_chain_create(const Process *p, const Denoiser *teacher, size_t steps);
void bound_chain_destroy(BoundChain *c); /* NULL is allowed */

/* Points of the clean space, S^D with S the head's states; point number = sum_d x^d S^d. */
size_t bound_clean_points(const BoundChain *c);
/* r_0, what the teacher puts out (clean points). */
const double *bound_teacher_law(const BoundChain *c);
/* law (clean points): what the student puts out in one step, E_{x ~ r_N} p^th_{0|1}(.|x). */
void bound_student_law(const BoundChain *c, const Denoiser *student, size_t lambdas, double *law);

/* Returns the left side; terms (N): sqrt(L_distil(t_1)/2), then sqrt(L_consis(t_n, t_{n+1})/2) for
 * n = 1..N-1.  Infinite where the student excludes what its target allows.  student: lambda_dims 1,
 * or 0 for a product model, which needs lambdas = 1 (checked). */
double bound_measure(const BoundChain *c, const Denoiser *student, size_t lambdas, double *terms);

#endif
