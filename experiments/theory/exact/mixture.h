/* The best mixture of K products for a law on a small space: what a student with K values of lambda
 * could say in one step from a state that tells nothing,
 *
 *   q(x) = sum_k w_k prod_d r_k^d(x^d),
 *
 * with free weights w and rows r.  Found by descent from many starts: the distance is one that can
 * be reached, an upper bound of the best. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_MIXTURE_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_MIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "experiments/theory/exact/world.h"

typedef struct Mixture {
    size_t lambdas, dims, states; /* K, D, S */
    double *weight;               /* (K), sum 1 */
    double *rows;                 /* (K, D, S), each row of sum 1 */
} Mixture;

Mixture *mixture_create(size_t lambdas, size_t dims, size_t states); /* uniform */
void mixture_free(Mixture *m);                                       /* NULL is allowed */
/* out (S^D), places as in joint.h. */
void mixture_law(double *out, const Mixture *m);
/* Total variation distance to the world. */
double mixture_tv(const Mixture *m, const World *w);

/* Each of `starts` starts runs EM, which lowers KL(p || q), and then Adam on the total variation
 * itself, with the kinks of |p - q| rounded off less and less; what is returned has the smallest
 * total variation of all points where a start ended.  smaller (or NULL): a mixture of no more
 * lambdas; the result is no farther from the world than it.  A function of the arguments alone. */
Mixture *mixture_fit(const World *w, size_t lambdas, const Mixture *smaller, size_t starts,
                     uint64_t seed);

#endif
