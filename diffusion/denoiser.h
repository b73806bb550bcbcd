/* A denoiser: (x_t, t, optional lambda) -> head numbers.  A network with a head, or an exact table
 * (experiments/); teacher and student are both one. */
#ifndef DI4C_DIFFUSION_DENOISER_H
#define DI4C_DIFFUSION_DENOISER_H

#include <stdbool.h>

#include "diffusion/head.h"
#include "nn/network.h"

typedef struct Denoiser Denoiser;
struct Denoiser {
    Head head;
    size_t lambda_dims; /* 0: a product model */
    Network *net;       /* NULL for tables; not owned */
    /* -> B * diff_head_outputs(&head) numbers */
    Var *(*forward)(const Denoiser *d, Graph *g, const NetworkInput *in);
    void *self;         /* of tables */
};

/* The denoiser of a network (kept, not owned) whose outputs must fit the head (checked). */
Denoiser diff_network_denoiser(Network *net, const Head *head);
/* Runs in inference mode in batches of at most `batch` samples (0: all at once);
 * out (in->x->batch, outputs).  g must be empty and is reset; its recording flag is restored.
 * False only if g->check_finite found a number that is not finite: g is then left as it is, so that
 * g->bad_op can be read. */
bool diff_denoise(const Denoiser *d, Graph *g, const NetworkInput *in, size_t batch, float *out);
/* lambda (B, lambda_dims) uniform on [0,1), sample b from its stream. */
void diff_draw_lambda(const Denoiser *d, double *lambda, size_t batch, const Rng *streams);

#endif
