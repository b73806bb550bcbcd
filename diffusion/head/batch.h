/* Heads over rows and batches: log-probabilities of a dimension, draws, the most probable states.
 */
#ifndef DI4C_DIFFUSION_HEAD_BATCH_H
#define DI4C_DIFFUSION_HEAD_BATCH_H

#include "diffusion/head/head.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

/* logp (states) = log p^d(.), normalised; -inf for probability 0.  out: this sample's numbers; x:
 * this sample's noised states (may be NULL where head.mask < 0). */
void diffusion_head_row(const Head *head, const float *out, const uint16_t *x, size_t d,
                        float *logp);
/* dout += gradient, given dlogp[j] = dL/dlogp[j].  The normalisation is included: L may treat the
 * logp[j] as independent. */
void diffusion_head_row_gradient(const Head *head, const float *out, const uint16_t *x, size_t d,
                                 const float *dlogp, float *dout);

/* ---- batches: out (B, outputs), x the noised states (B, D) ---- */
/* x0 (B, D) ~ p; one stream per sample, its dimensions are drawn in order.  The streams are copied:
 * they stand where they stood, and who draws from them again gets the same numbers. */
void diffusion_head_draw(const Head *head, const float *out, const States *x, const Rng *streams,
                         States *x0);
void diffusion_head_argmax(const Head *head, const float *out, const States *x, States *x0);
/* total[b] = sum_d log p^d(x0[b,d]), nats. */
void diffusion_head_log_prob(const Head *head, const float *out, const States *x, const States *x0,
                             double *total);

#endif
