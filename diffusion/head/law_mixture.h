/* The mixture of N laws of one dimension, mbar(a) = (1/N) sum_i p_i(a): divergences from it and
 * their gradients, streamed: nothing here is larger than S.  With N = 1 it is a single law.
 *
 * Probabilities below 1e-36 are not divided by.  States where mbar is that small and the other law
 * is not (above 1e-15) are computed one by one from logits; where both are small, a state adds less
 * than 1e-15 times a logarithm, and nothing here. */
#ifndef DI4C_DIFFUSION_HEAD_LAW_MIXTURE_H
#define DI4C_DIFFUSION_HEAD_LAW_MIXTURE_H

#include "diffusion/head/law.h"

typedef struct LawMixture {
    const HeadLaw *laws; /* (N) of one dimension and one head; not owned */
    size_t count;        /* N >= 1 */
    const float *mean;   /* (S): mbar */
} LawMixture;

/* logm[k] = log mbar(x[k]), from the logits: no underflow. */
void diffusion_mixture_log_at(const LawMixture *m, const uint16_t *x, size_t count, float *logm);
/* KL(p || mbar) = sum_a p(a) log(p(a)/mbar(a)), nats; p (S).  Infinite where only mbar is 0. */
double diffusion_mixture_kl(const LawMixture *m, const float *p);
/* Gradient of a sum of such divergences and logarithms, L = - sum_a pull(a) log mbar(a):
 *   dL/dlog p_i(a) = -pull(a) p_i(a)/(N mbar(a)),
 * times `scale`, added to dout[i * stride ...] (each a sample's numbers; NULL: no gradient).  pull
 * (S) is overwritten; NULL: zero.  dlevel[i * stride ...] is set as by diffusion_law_pull. */
void diffusion_mixture_pull(const LawMixture *m, float *pull, double scale, float *dout,
                            float *dlevel, size_t stride);

#endif
