/* Recognition networks: q(lambda | x_0) or q(lambda | x_0, x_t, t), with independent coordinates. A
 * student learns with one beside it what each lambda is to mean; sampling does not need it.
 * (Variational autoencoders, arXiv 1312.6114; for discrete diffusion arXiv 2505.17384.)
 *
 * For a normal lambda q is a Gaussian.  For a uniform one it is uniform on a box: boxes can tile
 * the cube without gaps, so that every lambda of the prior belongs to some picture, which Gaussians
 * cannot.
 *
 * An encoder's parameters stand in its student's ParamSet under "encoder.", so that one optimiser,
 * one average and one file hold both.  mlp/mlp_encoder.h, unet/unet_encoder.h and
 * transformer/transformer_encoder.h make the three that there are. */
#ifndef DI4C_NN_ENCODER_H
#define DI4C_NN_ENCODER_H

#include "nn/layers.h"
#include "nn/network.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

typedef enum EncoderFamily {
    ENCODER_GAUSSIAN, /* prior N(0, I);  stats: mean m, log-variance v */
    ENCODER_BOX       /* prior uniform on [0,1]^L;  stats: l and r of ag_box_draw */
} EncoderFamily;

typedef enum EncoderInput {
    ENCODER_NONE,
    ENCODER_CLEAN, /* x_0 */
    ENCODER_PAIR   /* x_0, x_t and t */
} EncoderInput;

/* The first member of each; one block of mem_zeroed. */
struct Encoder {
    EncoderFamily family;
    EncoderInput input;
    size_t dims;        /* D */
    size_t channels;    /* C of the picture; 1 for flat data */
    size_t lambda_dims; /* L */
    /* x: (B, D), or, for pairs, (B, 2 D), a pixel's C clean channels before its C noised ones;
     * t (B).  -> stats (B, 2 L): the L first numbers of the family, then the L second ones. */
    Var *(*forward)(const Encoder *e, Graph *g, const States *x, const double *t);
    void (*initialise)(Encoder *e, Rng rng);
};

/* stats (B, 2 L) of q; xt (B, D) and t (B) are read by ENCODER_PAIR alone. */
Var *nn_encode(const Encoder *e, Graph *g, const States *x0, const States *xt, const double *t);
/* lambda (B, L) ~ q, from u (B, L), uniform on [0,1): gradients reach stats. */
Var *nn_encoder_draw(const Encoder *e, Var *stats, const double *u);
/* KL(q || prior) of one row of stats, nats: 1/2 sum (m^2 + e^v - v - 1), or sum log(1 + e^l + e^r).
 * dstats (2 L), if not NULL, gets weight times the gradient added. */
double nn_encoder_kl(const Encoder *e, const float *stats, double weight, float *dstats);
/* The entropy of a Gaussian family's row of stats, nats: 1/2 sum (v + log(2 pi e)).  dstats (2 L),
 * if not NULL, gets weight times the gradient added. */
double nn_encoder_entropy(const Encoder *e, const float *stats, double weight, float *dstats);
/* log q(lambda), nats, of a Gaussian family's row of stats (2 L). */
double nn_encoder_log_density(const Encoder *e, const float *stats, const double *lambda);

/* For encoders: the last layer, whose box starts wide. */
void nn_encoder_init_output(const Encoder *e, const LinearLayer *output, Rng rng);
/* For encoders of lambdas at places: the last layers, "encoder.first" and "encoder.second", from
 * `width` channels to the two numbers of each of a place's lambdas. */
typedef struct PlaceLayers {
    LinearLayer first, second;
} PlaceLayers;
PlaceLayers nn_encoder_add_places(ParamSet *set, size_t width, size_t lambda_dims);
void nn_encoder_init_places(const Encoder *e, const PlaceLayers *layers, Rng rng);
/* h (B, places..., width) -> stats (B, 2 L), L = places times a place's lambdas, place by place. */
Var *nn_encoder_at_places(Graph *g, const PlaceLayers *layers, Var *h);
void nn_encoder_initialise(Encoder *e, Rng rng); /* NULL is allowed, here and below */
void nn_encoder_destroy(Encoder *e);

#endif
