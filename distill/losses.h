/* The Di4C losses as functions of network outputs and explicit draws (arXiv 2410.08709, section 3
 * and appendix): distillation, data and consistency terms with the dimensionally independent
 * control variates.  No network is called here; gradients come back for the student's outputs. */
#ifndef DI4C_DISTILL_LOSSES_H
#define DI4C_DISTILL_LOSSES_H

#include "diffusion/head/head.h"
#include "tensor/states.h"

typedef enum DataWeight {
    DATA_WEIGHT_SIGMOID, /* w(t) = sigmoid(20 (t - 1/2)), the paper's */
    DATA_WEIGHT_ONE,
    DATA_WEIGHT_LINEAR, /* t */
    DATA_WEIGHT_ZERO
} DataWeight;
double distill_data_weight(DataWeight kind, double t);

typedef struct Di4cOptions {
    bool control_variates;
    DataWeight data_weight;
} Di4cOptions;

/* B pictures x N lambdas; row b*N + i belongs to picture b.  The distillation term, a plain average
 * over (picture, lambda), may have another number M of rows for each picture: M = xtm.batch / B. */
typedef struct Di4cInput {
    size_t images, lambdas;  /* B, N */
    const double *t;         /* (B) */
    States x0, xt;           /* (B, D): data; noised at t */
    States xu, x0u;          /* (B N, D): teacher's step to u; student's x_0 from there */
    States xtm;              /* (B M, D): noised at tm */
    const float *student_t;  /* (B N, outputs) at (x_t, t, lambda_i)           gradient */
    const float *student_tm; /* (B M, outputs) at (x_tm, tm, lambda_i)         gradient */
    const float *student_u;  /* (B N, outputs) at (x_u, u, lambda'_j)          no gradient */
    const float *teacher_t;  /* (B, outputs) at (x_t, t) */
    const float *teacher_tm; /* (B M, outputs) at (x_tm, tm) */
} Di4cInput;

/* Per picture (B), nats; each pointer may be NULL.  data = w data_cor + data_indep,
 * consis = consis_cor + consis_indep; loss = mean over pictures of distill + data + consis. */
typedef struct Di4cTerms {
    double *distill, *data_cor, *data_indep, *consis_cor, *consis_indep;
} Di4cTerms;

/* Returns the loss.  dstudent_t, dstudent_tm: accumulated gradients like student_t, student_tm; may
 * be NULL.  Streams over S and the lambdas: scratch is 3 S + O(N) numbers per thread. */
double distill_losses(const Di4cOptions *options, const Head *head, const Di4cInput *in,
                      const Di4cTerms *terms, float *dstudent_t, float *dstudent_tm);

#endif
