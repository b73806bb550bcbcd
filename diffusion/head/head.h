/* Categorical heads: what a network's numbers mean as one distribution p^d per dimension.
 *
 * softmax: S logits per dimension, (B, D, S).
 * truncated logistic (D3PM A.8): two numbers per dimension; picture (B, H*W, 2C): mu_1..mu_C, then
 *   log_scale_1..log_scale_C; dimension d = pixel*C + channel.  Its algebra: head/logistic.c.
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

typedef struct HeadClass HeadClass;
typedef struct HeadLaw HeadLaw;       /* head/law.h */
typedef struct Sharpening Sharpening; /* head/sharpen.h */

typedef struct Head {
    const HeadClass *class;
    size_t dims;     /* D */
    size_t states;   /* states that get a probability (the mask does not) */
    size_t channels; /* C of the picture; 1 for flat data */
    bool fix;        /* logistic: the `fix` of the floor; off in the published model */
    int mask;        /* number of the mask state in x, or -1 */
} Head;

/* What a kind of head is: unnormalised probabilities of a dimension, logits, and gradients; the
 * rest (normalisation, known dimensions, batches) is made of it.  A file defines one of these; it
 * is named below and listed in heads.c. */
struct HeadClass {
    const char *name; /* "softmax", ... */
    bool ordinal;     /* states are a scale: no mask, and a network that knows them so */
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
    /* Sharpens the numbers of one dimension in place; NULL: the head cannot. */
    void (*sharpen)(const Head *head, const Sharpening *s, float *numbers);
};

extern const HeadClass diffusion_softmax, diffusion_logistic;

/* ---- heads.c: the list ---- */
size_t diffusion_head_count(void);
const HeadClass *diffusion_head_class(size_t i);
const HeadClass *diffusion_head_find(const char *name); /* NULL: unknown */

size_t diffusion_head_outputs(const Head *head); /* numbers per sample */
/* True if dimension d of the noised sample x (D states, or NULL) is known: a point mass. */
bool diffusion_head_known(const Head *head, const uint16_t *x, size_t d);

#endif
