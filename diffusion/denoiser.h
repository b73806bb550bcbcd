/* A denoiser: (x_t, t, optional lambda) -> head numbers.  A network with a head, or an exact table
 * (experiments/); teacher and student are both one. */
#ifndef DI4C_DIFFUSION_DENOISER_H
#define DI4C_DIFFUSION_DENOISER_H

#include <stdbool.h>

#include "diffusion/head/head.h"
#include "nn/network.h"
#include "tensor/base/rng.h"

/* The law of a mixture's lambda, and how long one lasts. */
typedef enum LambdaLaw {
    LAMBDA_UNIFORM, /* each number on [0,1) */
    LAMBDA_NORMAL,  /* each number N(0, 1) */
    LAMBDA_MIXTURE  /* the network's own: net->prior (nn/lambda_prior.h) */
} LambdaLaw;
typedef enum LambdaScope {
    LAMBDA_SCOPE_DEFAULT, /* in requests: the model's; in models: each step */
    LAMBDA_STEP,          /* a fresh one in each step: the paper's chain */
    LAMBDA_SAMPLE         /* drawn once, kept for the whole sample */
} LambdaScope;

struct SamplerClass; /* diffusion/sampler/sampler_class.h */

typedef struct Denoiser Denoiser;
struct Denoiser {
    Head head;
    size_t width;       /* of a picture, whose dimension d = (y width + x) head.channels + c; 0: D
                           in a row */
    size_t lambda_dims; /* 0: a product model */
    Network *net;       /* NULL for tables; not owned */
    /* -> B * diffusion_head_outputs(&head) numbers; of known dimensions any that are finite */
    Var *(*forward)(const Denoiser *d, Graph *g, const NetworkInput *in);
    void *self; /* of tables */
    LambdaLaw lambda_law;
    LambdaScope lambda_scope; /* what the model was trained for */
    size_t lambda_steps;      /* see diffusion_uses_lambda; 0: any number of steps */
    /* What draws from the model where a request names none; NULL: posterior.  Not owned. */
    const struct SamplerClass *sampler;
};

/* The denoiser of a network (kept, not owned) whose outputs must fit the head (checked).  It tells
 * the network which dimensions are read, those that are not known (NetworkInput.wanted, whatever
 * `in` has there): numbers of known ones, which no head reads, are up to the network. */
Denoiser diffusion_network_denoiser(Network *net, const Head *head);
/* Samples first..first+count-1 of `in` in one call on g, recorded if g records: (count, outputs).
 * in->lambda_var, if given, is of these samples alone.  NULL only if g->check_finite found a number
 * that is not finite, so that g->bad_op can be read. */
Var *diffusion_run_rows(const Denoiser *d, Graph *g, const NetworkInput *in, size_t first,
                        size_t count);
/* Runs in inference mode in batches of at most `batch` samples (0: all at once);
 * out (in->x->batch, outputs).  g must be empty and is reset; its recording flag is restored.
 * False only if g->check_finite found a number that is not finite: g is then left as it is, so that
 * g->bad_op can be read. */
bool diffusion_denoise(const Denoiser *d, Graph *g, const NetworkInput *in, size_t batch,
                       float *out);
/* Does a sampler of so many steps (SIZE_MAX: of times of its own) give the model a lambda?  If
 * not, zeros stand for it, and the model is a product: many small steps need no lambda, and one
 * that was taught for few of them costs its divergence in all. */
bool diffusion_uses_lambda(const Denoiser *d, size_t steps);
/* lambda (B, lambda_dims) from the model's law, sample b from its stream. */
void diffusion_draw_lambda(const Denoiser *d, double *lambda, size_t batch, const Rng *streams);
/* One lambda (lambda_dims) from rng. */
void diffusion_draw_one_lambda(const Denoiser *d, Rng *rng, double *lambda);
/* The law's quantiles: u (diffusion_lambda_uniforms) uniform on [0,1) become lambda (lambda_dims),
 * so that stratified u give stratified lambdas.  The draws are this of uniform ones.  u may be
 * lambda, unless the law is a mixture. */
void diffusion_lambda_of_uniforms(const Denoiser *d, const double *u, double *lambda);
/* lambda_dims, and one more for a mixture, which chooses the component. */
size_t diffusion_lambda_uniforms(const Denoiser *d);

#endif
