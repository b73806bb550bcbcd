/* What one kind of head is: unnormalised log-probabilities of a dimension, and their gradient.
 * head.c does the rest (normalisation, known dimensions, batches).  Adding a head adds a file that
 * defines one of these and a line in head.c's table. */
#ifndef DI4C_DIFFUSION_HEAD_KINDS_H
#define DI4C_DIFFUSION_HEAD_KINDS_H

#include "diffusion/head.h"
#include "tensor/fast_exp.h"

typedef struct HeadClass {
    size_t (*outputs)(const Head *head);
    /* logits (states) of dimension d from one sample's numbers. */
    void (*logits)(const Head *head, const float *out, size_t d, float *logits);
    /* dout += dL/dlogit[j] dlogit[j]/dout, with dL/dlogit[j] = head_logit_gradient(...). */
    void (*gradient)(const Head *head, const float *out, size_t d, const float *logp,
                     const float *dlogp, float total, float *dout);
} HeadClass;

extern const HeadClass diff_head_softmax, diff_head_logistic;

/* dL/dlogit of logp = logit - logsumexp: dlogp - p sum(dlogp); total is that sum. */
static inline float head_logit_gradient(float logp, float dlogp, float total)
{
    return dlogp - fast_exp(logp) * total;
}

#endif
