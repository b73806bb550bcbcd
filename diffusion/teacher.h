/* Teacher losses and one teacher training step.
 *
 * Losses take head numbers and return their gradients; draws are explicit, so that two programs can
 * be compared number by number.  All in nats. */
#ifndef DI4C_DIFFUSION_TEACHER_H
#define DI4C_DIFFUSION_TEACHER_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "diffusion/workspace.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

typedef enum TeacherLoss {
    TEACHER_CT_ELBO,      /* continuous-time ELBO of [tauLDR], one or two passes */
    TEACHER_CROSS_ENTROPY /* denoising cross entropy, weighted over t; for absorbing noise with
                             TIME_WEIGHT_ELBO the exact ELBO */
} TeacherLoss;

typedef enum TimeWeight {
    TIME_WEIGHT_ONE, /* 1 */
    TIME_WEIGHT_ELBO /* absorbing: -alpha'(t)/(1 - alpha(t)), which is 1/t for alpha = 1-t */
} TimeWeight;

typedef struct TeacherConfig {
    TeacherLoss loss;
    TimeWeight time_weight;
    double t_min;          /* t ~ U[t_min, 1); with TIME_WEIGHT_ELBO above 0 */
    double nll_weight;     /* CT-ELBO: weight of the cross entropy, 0.001 */
    double eps;            /* 1e-9, added in denominators and logarithms */
    bool two_passes;       /* CT-ELBO: reg and cross entropy at x_t, sig at x~ */
    bool stratified_times; /* one t in each of B equal slices of [t_min, 1]: picture b of the batch
                              in slice b, so pictures must come in random order */
} TeacherConfig;

/* As the published CIFAR-10 teacher was trained: [tauLDR] (arXiv 2205.14987) and its code. */
TeacherConfig diffusion_teacher_defaults(void);

/* Jump of the forward process: x~ = x_t after one jump, (d, v) with probability proportional to
 * R[x_t^d][v]. */
void diffusion_draw_jump(const Process *p, States *xtilde, const States *xt, const Rng *streams);

/* CT-ELBO.  out: head numbers at x~ (B, outputs).  Two passes: out_t at x_t; else out_t and xt are
 * NULL.  Not for absorbing noise (checked).
 *   loss = mean_b(reg - sig/norm) + nll_weight ce, ce averaged over batch and dimensions.
 * reg, sig (B): per-picture parts, sig as -sig/norm; may be NULL.  *ce may be NULL.  dout, dout_t
 * (accumulated) may be NULL.  Returns the loss. */
double diffusion_ct_elbo(const TeacherConfig *config, const Head *head, const Process *p,
                         const double *t, const States *x0, const States *xtilde, const float *out,
                         const States *xt, const float *out_t, double *reg, double *sig, double *ce,
                         float *dout, float *dout_t);
/* Mean over pictures of weight[b] (1/D) sum_d -log p^d(x0^d | x_t).  weight NULL: ones.  dout
 * (accumulated) may be NULL.  With absorbing noise unmasked dimensions add 0; they count in D. */
double diffusion_cross_entropy(const Head *head, const States *x0, const States *xt,
                               const double *weight, const float *out, float *dout);

/* One training step's gradient: draws (keyed by seed, step, picture), forward, loss, backward into
 * net->params.grads, in calls of net->gradient_block pictures.  Returns the loss; the
 * graph is empty before and after, except if its check_finite found a number that is not finite:
 * then the loss is NaN, nothing more is computed, and the graph is left as it is, so that its
 * bad_op can be read. */
double diffusion_teacher_gradient(const TeacherConfig *config, const Denoiser *d, const Process *p,
                                  const States *x0, uint64_t seed, uint64_t step,
                                  const Workspace *work);

#endif
