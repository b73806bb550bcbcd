/* Softmax head: the network's numbers are the logits, (D, S) for each sample. */
#include <string.h>

#include "diffusion/head_kinds.h"

static size_t outputs(const Head *head)
{
    return head->dims * head->states;
}

static void logits_of(const Head *head, const float *out, size_t d, float *logits)
{
    memcpy(logits, out + d * head->states, head->states * sizeof *logits);
}

static void gradient(const Head *head, const float *out, size_t d, const float *logp,
                     const float *dlogp, float total, float *dout)
{
    size_t S = head->states;
    float *row = dout + d * S;

    (void)out; /* the logits enter through logp alone */
#pragma omp simd
    for (size_t j = 0; j < S; j++)
        row[j] += head_logit_gradient(logp[j], dlogp[j], total);
}

const HeadClass diff_head_softmax = {outputs, logits_of, gradient};
