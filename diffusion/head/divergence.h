/* Entropies and Kullback-Leibler divergences of product models, per sample, in nats: sums over the
 * dimensions of sums over S, one row at a time.  No buffer grows with D x S.
 *
 *   out (B, outputs): a head's numbers; x (B, D): the noised states they belong to (NULL without a
 *   mask).  A known dimension (head.h) is a point mass: entropy 0, divergence 0 from another point
 *   mass at the same state and infinite from one elsewhere.  0 log 0 = 0; probabilities below the
 *   smallest normal float count as 0.  Result b depends on sample b alone, whatever the threads. */
#ifndef DI4C_DIFFUSION_HEAD_DIVERGENCE_H
#define DI4C_DIFFUSION_HEAD_DIVERGENCE_H

#include "diffusion/head/head.h"
#include "tensor/states.h"

/* total[b] = -sum_d sum_a p^d(a) log p^d(a). */
void diffusion_head_entropy(const Head *head, const float *out, const States *x, size_t batch,
                            double *total);
/* total[b] = sum_d KL( mean_i p_i^d || q^d ), with p_i row b N + i of p (B N, outputs) and its
 * noised states xp (B N, D), and q (B, outputs), xq (B, D); N = 1 is the divergence of two models,
 * and a mixture's marginals are its mean over N lambdas.  Infinite where q excludes what p allows.
 */
void diffusion_head_kl(const Head *head, const float *p, const States *xp, size_t lambdas,
                       const float *q, const States *xq, size_t batch, double *total);

#endif
