/* The product denoiser with exact marginals q(x_0^d | x_t) of a finite law: what a perfect teacher
 * would be. */
#ifndef DI4C_EXPERIMENTS_DATA_LAW_EXACT_DENOISER_H
#define DI4C_EXPERIMENTS_DATA_LAW_EXACT_DENOISER_H

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "experiments/data/law/finite_law.h"

/* Softmax head over the law's states; out = log marginals (B, D, S), a constant.  With weights
 *   w_k(x_t) = p_k prod_d q(x_t^d | pattern_k^d),   marginal^d(a) = sum_k w_k [pattern_k^d = a].
 * Probability 0 is given as -1e30: finite, and never drawn.  An x_t that no pattern can reach gets
 * the limit of q + eps as eps goes to 0: the patterns with the fewest impossible dimensions count.
 * p: as many states as the law, plus one if it has a mask (checked).  law and p are kept, not
 * owned. */
Denoiser *exact_denoiser_create(const FiniteLaw *law, const Process *p);
void exact_denoiser_destroy(Denoiser *d); /* NULL is allowed */

#endif
