/* The student's other objective: a recognition network q tells what lambda is to mean for a picture
 * (nn/encoder.h), and the loss is an evidence bound.  One lambda and one network call a picture, in
 * place of N of each, and no limit of log N nats on what lambda can carry (distill/README.md).
 * VAE: arXiv 1312.6114; for discrete diffusion: arXiv 2505.17384.
 *
 * LAMBDA_SAMPLE, one lambda for the whole sample, q(lambda | x_0): the bound of the N-step sampler
 * on the grid n/N itself,
 *   -log p_N(x_0) <= KL(q || prior) + KL(q(x_1|x_0) || p_1)
 *                    + E_lambda sum_n E KL( q(x_{(n-1)/N} | x_{n/N}, x_0) || p(. | x_{n/N}; lambda)
 * ), where the last step (n = 1) counts -sum_d log p^d(x_0 | x_{1/N}; lambda).  With a mask the
 * n-th divergence is w_n times the cross entropy of the masked dimensions, w_n = (alpha_{(n-1)/N} -
 * alpha_{n/N}) / (1 - alpha_{n/N}).  One N of 1, 2, 4, ... and one n a picture.  Where the student
 * has no lambda for N steps (diffusion_uses_lambda), it is told zeros, KL(q || prior) is left out,
 * and q learns nothing of it.  From a fitted law (fitted_law) the divergence has no closed form; it
 * is -H(q) - log p(lambda) at the lambda that is drawn, whose mean it is.
 * LAMBDA_STEP, a lambda for each step, q(lambda | x_0, x_t, t):
 *   -log p(x_0 | x_t) <= E_q[ - sum_d log p^d(x_0 | x_t; lambda) ] + KL(q || prior),
 * x_0 from the data, and, as consistency term, from the student at u < t after a step of the
 * teacher from t to u, as in the published loss; and, as there, a distillation term at small t. */
#ifndef DI4C_DISTILL_VARIATIONAL_H
#define DI4C_DISTILL_VARIATIONAL_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "diffusion/workspace.h"
#include "tensor/states.h"

/* Times go by a picture's place in the batch: picture b has its own in slice b of B equal ones, and
 * the first pictures those of share_at_one.  So pictures must come in random order. */
typedef struct VariationalConfig {
    LambdaScope scope;   /* LAMBDA_STEP or LAMBDA_SAMPLE */
    double kl_weight;    /* beta: of the divergence, in this step */
    size_t most_steps;   /* LAMBDA_SAMPLE: N of 1, 2, 4, ..., most_steps, alike often */
    double share_at_one; /* of the pictures at t = 1 (LAMBDA_SAMPLE: with N = 1) beside those */
    /* LAMBDA_SAMPLE: the prior is the student's fitted law, net->prior, and not N(0, I) */
    bool fitted_law;
    /* LAMBDA_STEP */
    double t_min;                /* t ~ U[t_min, 1] */
    double consistency_weight;   /* of the consistency term; 0: none, and no teacher is called */
    double delta_min, delta_max; /* t - u log-uniform in [delta_min, delta_max] */
    double distill_weight;       /* of the distillation term (distill_term.h); 0: none */
    double tm_width; /* its time: t_min, and for half of the pictures up to this later */
    double eps;      /* posterior's */
} VariationalConfig;

typedef struct VariationalReport { /* means over pictures, nats; loss: what is minimised, nats a
                                      dimension */
    double loss, reconstruction, kl, consistency, consistency_kl, distill;
} VariationalReport;

/* Draws for B = x0->batch pictures (keyed by seed, step, pass, picture), runs encoder and student,
 * and adds the gradient of the mean loss a dimension into student->net->params.grads.  teacher may
 * be NULL without consistency and distillation terms.
 *
 * A number that is not finite ends the step with loss NaN; the graph as in distill_gradient. */
VariationalReport variational_gradient(const VariationalConfig *config, const Denoiser *teacher,
                                       const Denoiser *student, const Process *p, const States *x0,
                                       uint64_t seed, uint64_t step, const Workspace *work);

#endif
