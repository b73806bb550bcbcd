/* How much the N-lambda loss can teach lambda.  With J_i = sum_d log p^d(x; lambda_i),
 *
 *   log (1/N) sum_i e^{J_i} = max_w [ sum_i w_i J_i - KL(w || 1/N) ],  w_i = e^{J_i} / sum e^{J_k},
 *
 * and w, the posterior over the N lambdas, carries KL(w || 1/N) <= log N nats about x.
 *
 * Here for students of one number, the gain g: lambda names pattern j of the law with the law's own
 * probability p_j, and then each dimension says that pattern's value with probability g and a value
 * of the marginals m else,
 *
 *   p^d(a; j) = (1 - g) m^d(a) + g [a = x_j^d].
 *
 * g = 0 is the product of the marginals, which ignores lambda; g = 1 is the law itself. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_LIMIT_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/law/finite_law.h"

enum { LIMIT_DRAWS = 1000 }; /* where N lambdas cannot be counted */

/* K patterns of `dims` equal symbols, 1/K each: K = states >= 2, at most 65535 (checked).  All
 * dimensions must know the same one of K, so lambda has to carry log K nats.  law_destroy frees. */
FiniteLaw *limit_equal(size_t dims, size_t states);
/* -sum p log p, nats: log K for K equal patterns. */
double limit_entropy(const FiniteLaw *law);

/* E KL(w || 1/N) at g = 1 over x and N lambdas, nats.  n of them name x, each with w_i = 1/n:
 * log(N/n), and 0 for n = 0, where the loss is infinite.  n is binomial (N, p_x), or, if the
 * lambdas are stratified (one uniform in each N-th part of [0, 1), in which the patterns lie one
 * after the other), a sum of independent coins.  Exact. */
double limit_ideal(const FiniteLaw *law, size_t lambdas, bool stratified);

/* Expectations over x and N independent lambdas, nats. */
typedef struct LimitValue {
    double carried; /* E KL(w || 1/N) */
    double bound;   /* E log (1/N) sum_i e^{J_i}; -infinity if no lambda may name x */
    double error;   /* standard error of bound; 0: summed exactly */
} LimitValue;

/* At gain 0 <= g <= 1.  Where all patterns but x itself give x the same probability, the sum over
 * the number of lambdas that name x is exact; else LIMIT_DRAWS draws of x and N lambdas, the same
 * ones for equal seed and N, so that values for different gains compare. */
LimitValue limit_value(const FiniteLaw *law, double gain, size_t lambdas, uint64_t seed);
/* The gain of the largest bound: the student that the N-lambda loss asks for. */
double limit_best_gain(const FiniteLaw *law, size_t lambdas, uint64_t seed);
/* sum_x p(x) log sum_j p_j e^{J_j(x)}, the limit of the bound as N grows.  held (or NULL):
 * E KL(posterior of lambda given x || p), the nats that lambda holds.  Exact; patterns^2 terms. */
double limit_likelihood(const FiniteLaw *law, double gain, double *held);

/* d^2/dg^2 at g = 0 of limit_value's bound; the first derivative is 0.  With
 * chi(d, e) = sum_ab p^{de}(a, b)^2 / (m^d(a) m^e(b)) - 1, how dependent two dimensions are,
 *
 *   sum_{d != e} chi(d, e) - (1/N) sum_{d, e} chi(d, e).
 *
 * Near g = 0 the slope is this times g.  Not positive: the loss has no use for a little lambda. */
double limit_curvature(const FiniteLaw *law, size_t lambdas);

#endif
