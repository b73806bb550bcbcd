/* The distillation term: where one step is harmless the student is to be its teacher, for every
 * lambda.  Its time and its sum over dimensions serve the published loss too (losses.h).
 *
 *   L = (1/B) sum_b sum_d KL( p^{psi,d}_{0|tm}(. | x_tm) || p^{th,d}_{0|tm}(. | x_tm; lambda_b) ),
 *
 * a bound on the divergence of the mixture ([Di4C] L_distil, one lambda a picture). */
#ifndef DI4C_DISTILL_DISTILL_TERM_H
#define DI4C_DISTILL_DISTILL_TERM_H

#include "diffusion/denoiser.h"
#include "diffusion/workspace.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

/* A time of the term: t_min, or with probability 1/2 up to `width` later.  [Di4C code] */
double distill_time(double t_min, double width, Rng *rng);
/* sum over dimensions first..end-1 of KL( teacher^d || student^d ), nats, from a sample's numbers
 * of each and its noised states x; dout (the student's numbers), if not NULL, += scale times the
 * gradient. */
double distill_dimensions(const Head *head, const uint16_t *x, const float *teacher,
                          const float *student, size_t first, size_t end, double scale,
                          float *dout);

typedef struct DistillTerm {
    const Denoiser *teacher, *student;
    const States *xtm;            /* (B, D): noised at tm */
    const double *tm;             /* (B) */
    const double *lambda;         /* (B, L), of the student; from its law */
    const double *teacher_lambda; /* (B, L'), or NULL for a product model */
    const Rng *dropout;           /* (B), of the student, or NULL */
    double weight;                /* of L / D in the loss */
} DistillTerm;

/* Adds weight times the gradient of L / D into the student's parameters; returns L in nats, NaN if
 * a number is not finite.  The graph is empty before and, but for a NaN, after. */
double distill_term_gradient(const DistillTerm *term, const Workspace *work);

#endif
