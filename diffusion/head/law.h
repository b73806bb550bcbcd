/* One dimension's law p^d in the probability domain: what losses, draws and samplers stream over.
 *
 * A law is opened with one exponential for each state; its probabilities are positive sums and
 * products, good to a few units in the last place wherever they do not underflow (below 1e-38 they
 * are 0).  log p at chosen states comes from the logits instead and never underflows.  A gradient
 * has one of two forms, which together cover every loss here:
 *   dL/dlog p(a) = p(a) g(a) at all states (diffusion_law_pull), or w_k at chosen states x_k
 *   (diffusion_law_pull_at).
 * Both include the normalisation: L may treat the log p(a) as independent.  With
 * log p(a) = logit(a) - level, `dlevel` is the derivative of the level by the dimension's own
 * numbers (the mean of the logits' derivatives under p): diffusion_law_numbers floats, mu and
 * log_scale of a truncated logistic, the S logits of a softmax.
 *
 * Not for known dimensions (diffusion_head_known): those are point masses. */
#ifndef DI4C_DIFFUSION_HEAD_LAW_H
#define DI4C_DIFFUSION_HEAD_LAW_H

#include "diffusion/head/head.h"

struct HeadLaw {
    const Head *head;
    const float *out; /* its sample's numbers; not owned */
    size_t d;
    double level; /* log p(a) = logit(a) - level */
    float shift;  /* mass(a) = exp(logit(a) - shift) */
    float scale;  /* p(a) = scale mass(a) */
    /* truncated logistic, see head/logistic.c */
    float mu, k, q, dq;
    float near;
    bool remote, cut;
};

/* Opens dimension d of a sample's numbers; p (S) = p^d.  NaN among the numbers makes all NaN. */
HeadLaw diffusion_head_law(const Head *head, const float *out, size_t d, float *p);
/* The same without probabilities, for diffusion_law_pull_at alone. */
HeadLaw diffusion_head_constants(const Head *head, const float *out, size_t d);
size_t diffusion_law_numbers(const Head *head); /* numbers of a dimension: outputs / dims */

/* logp[k] = log p(x[k]); -inf where p = 0. */
void diffusion_law_log_at(const HeadLaw *law, const uint16_t *x, size_t count, float *logp);
/* dout (the sample's) += gradient for dL/dlog p(a) = p(a) g(a), g (S); g or dout NULL: none.
 * dlevel (the dimension's numbers) is set; NULL: not wanted. */
void diffusion_law_pull(const HeadLaw *law, const float *g, float *dout, float *dlevel);
/* dout += gradient for dL/dlog p(x[k]) += w[k]; dlevel as diffusion_law_pull left it. */
void diffusion_law_pull_at(const HeadLaw *law, const float *dlevel, const uint16_t *x,
                           const float *w, size_t count, float *dout);

#endif
