/* What one kind of head is: unnormalised probabilities of a dimension, logits, and gradients.
 * head.c and head/law.c do the rest (normalisation, known dimensions, batches).  Adding a head adds
 * a file that defines one of these and a line in head/law.c's table. */
#ifndef DI4C_DIFFUSION_HEAD_HEAD_KINDS_H
#define DI4C_DIFFUSION_HEAD_HEAD_KINDS_H

#include "diffusion/head/law.h"

typedef struct HeadClass {
    size_t (*outputs)(const Head *head);
    /* Fills what is constant for the dimension (head, out and d are set). */
    void (*open)(HeadLaw *law);
    /* mass (S) = exp(logit - shift), the largest near 1 or at least far from underflow; may set the
     * shift.  Returns the sum. */
    double (*masses)(HeadLaw *law, float *mass);
    void (*logits_at)(const HeadLaw *law, const uint16_t *x, size_t count, float *logit);
    /* As diffusion_law_pull and diffusion_law_pull_at. */
    void (*pull)(const HeadLaw *law, const float *g, float *dout, float *dlevel);
    void (*pull_at)(const HeadLaw *law, const float *dlevel, const uint16_t *x, const float *w,
                    size_t count, float *dout);
} HeadClass;

extern const HeadClass diffusion_head_softmax, diffusion_head_logistic;

const HeadClass *diffusion_head_class(const Head *head);

#endif
