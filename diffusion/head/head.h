/* Categorical heads: what a network's numbers mean as one distribution p^d per dimension.
 *
 * softmax: S logits per dimension, (B, D, S).
 * truncated logistic (D3PM A.8): two numbers per dimension; picture (B, H*W, 2C): mu_1..mu_C, then
 *   log_scale_1..log_scale_C; dimension d = pixel*C + channel.
 *
 * Everything is built on the law of one dimension (head/law.h), so that losses and samplers stream
 * over S: no buffer of B x D x S exists.
 *
 * With absorbing noise an unmasked dimension copies x_t: head.mask >= 0 and a noised state
 * x[d] != mask make p^d the point mass at x[d], with no gradient. */
#ifndef DI4C_DIFFUSION_HEAD_HEAD_H
#define DI4C_DIFFUSION_HEAD_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/rng.h"
#include "tensor/states.h"

typedef enum HeadKind { HEAD_SOFTMAX, HEAD_LOGISTIC } HeadKind;

typedef struct Head {
    HeadKind kind;
    size_t dims;     /* D */
    size_t states;   /* states that get a probability (the mask does not) */
    size_t channels; /* C of the picture; 1 for flat data */
    bool fix;        /* logistic: the `fix` of the floor; off in the published model */
    int mask;        /* number of the mask state in x, or -1 */
} Head;

size_t diffusion_head_outputs(const Head *head); /* numbers per sample */
/* True if dimension d of the noised sample x (D states, or NULL) is known: a point mass. */
bool diffusion_head_known(const Head *head, const uint16_t *x, size_t d);

/* logp (states) = log p^d(.), normalised; -inf for probability 0.  out: this sample's numbers; x:
 * this sample's noised states (may be NULL where head.mask < 0). */
void diffusion_head_row(const Head *head, const float *out, const uint16_t *x, size_t d,
                        float *logp);
/* dout += gradient, given dlogp[j] = dL/dlogp[j].  The normalisation is included: L may treat the
 * logp[j] as independent. */
void diffusion_head_row_gradient(const Head *head, const float *out, const uint16_t *x, size_t d,
                                 const float *dlogp, float *dout);

/* ---- batches: out (B, outputs), x the noised states (B, D) ---- */
/* x0 (B, D) ~ p; one stream per sample, its dimensions are drawn in order. */
void diffusion_head_draw(const Head *head, const float *out, const States *x, const Rng *streams,
                         States *x0);
void diffusion_head_argmax(const Head *head, const float *out, const States *x, States *x0);
/* total[b] = sum_d log p^d(x0[b,d]), nats. */
void diffusion_head_log_prob(const Head *head, const float *out, const States *x, const States *x0,
                             double *total);

#endif
