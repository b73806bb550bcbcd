/* Recognition networks: q(lambda | x_0) or q(lambda | x_0, x_t, t), a Gaussian with diagonal
 * covariance.  A student learns with one beside it what each lambda is to mean; sampling does not
 * need it.  (Variational autoencoders, arXiv 1312.6114; for discrete diffusion arXiv 2505.17384.)
 *
 * An encoder's parameters stand in its student's ParamSet under "encoder.", so that one optimiser,
 * one average and one file hold both.  mlp_encoder.h and unet_encoder.h make the two that there
 * are. */
#ifndef DI4C_NN_ENCODER_H
#define DI4C_NN_ENCODER_H

#include "nn/network.h"

typedef enum EncoderInput {
    ENCODER_NONE,
    ENCODER_CLEAN, /* x_0 */
    ENCODER_PAIR   /* x_0, x_t and t */
} EncoderInput;

struct Encoder {
    EncoderInput input;
    size_t dims;        /* D */
    size_t channels;    /* C of the picture; 1 for flat data */
    size_t lambda_dims; /* L */
    /* x: (B, D), or, for pairs, (B, 2 D), a pixel's C clean channels before its C noised ones;
     * t (B).  -> stats (B, 2 L): mean m, then log-variance v. */
    Var *(*forward)(const Encoder *e, Graph *g, const States *x, const double *t);
    void (*initialise)(Encoder *e, Rng rng);
    void (*destroy)(Encoder *e);
};

/* stats (B, 2 L) of q = N(m, diag e^v); xt (B, D) and t (B) are read by ENCODER_PAIR alone. */
Var *nn_encode(const Encoder *e, Graph *g, const States *x0, const States *xt, const double *t);
/* KL(q || N(0, I)) = 1/2 sum (m^2 + e^v - v - 1) of one row of stats, nats.  dstats (2 L), if not
 * NULL, gets weight times the gradient added. */
double nn_encoder_kl(const float *stats, size_t lambda_dims, double weight, float *dstats);

void nn_encoder_initialise(Encoder *e, Rng rng); /* NULL is allowed, here and below */
void nn_encoder_destroy(Encoder *e);

#endif
