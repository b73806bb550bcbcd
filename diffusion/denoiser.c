/* Denoisers that are networks, and evaluation in batches without recording. */
#include "diffusion/denoiser.h"

#include <string.h>

#include "tensor/base/check.h"
#include "tensor/system/threads.h"

/* (B, D): the dimensions that are not known, since no head reads the others; NULL: none is. */
static const bool *unknown(const Head *head, const States *x, Arena *arena)
{
    if (head->mask < 0)
        return NULL;
    bool *wanted = arena_alloc(arena, x->batch * x->dims, sizeof *wanted);
    for (size_t b = 0; b < x->batch; b++)
        for (size_t d = 0; d < x->dims; d++)
            wanted[b * x->dims + d] = !diffusion_head_known(head, states_row(x, b), d);
    return wanted;
}

static Var *network_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    NetworkInput told = *in;

    told.wanted = unknown(&d->head, in->x, g->arena);
    return nn_forward(d->net, g, &told);
}

Denoiser diffusion_network_denoiser(Network *net, const Head *head)
{
    Denoiser d = {
        .head = *head, .lambda_dims = net->lambda_dims, .net = net, .forward = network_forward};

    TENSOR_CHECK(net->dims == head->dims && net->outputs == diffusion_head_outputs(head),
                 "network with %zu dimensions and %zu outputs, head with %zu and %zu", net->dims,
                 net->outputs, head->dims, diffusion_head_outputs(head));
    return d;
}

Var *diffusion_run_rows(const Denoiser *d, Graph *g, const NetworkInput *in, size_t first,
                        size_t count)
{
    States x = states_rows(in->x, first, count);
    NetworkInput rows = {.x = &x, .t = in->t + first, .lambda_var = in->lambda_var};
    if (in->lambda != NULL)
        rows.lambda = in->lambda + first * d->lambda_dims;
    if (in->dropout != NULL)
        rows.dropout = in->dropout + first;
    Var *v = d->forward(d, g, &rows);
    TENSOR_CHECK(tensor_size(&v->value) == count * diffusion_head_outputs(&d->head),
                 "denoiser gave %zu numbers for %zu samples of %zu", tensor_size(&v->value), count,
                 diffusion_head_outputs(&d->head));
    return g->bad_op == NULL ? v : NULL;
}

typedef struct Part {
    const Denoiser *d;
    const NetworkInput *in;
    size_t outputs;
    float *out; /* (all, outputs) */
} Part;

static bool run_part(const Part *p, Graph *g, size_t first, size_t count)
{
    const Var *v = diffusion_run_rows(p->d, g, p->in, first, count);
    if (v == NULL)
        return false;
    memcpy(p->out + first * p->outputs, v->value.data, count * p->outputs * sizeof *p->out);
    ag_graph_reset(g);
    return true;
}

/* A call cut among the threads by samples. */
typedef struct Cut {
    Part part;
    Graph **graphs;
    size_t first, count, pieces;
} Cut;

static void run_piece(size_t i, void *context)
{
    const Cut *c = context;
    size_t from = c->count * i / c->pieces, to = c->count * (i + 1) / c->pieces;

    run_part(&c->part, c->graphs[i], c->first + from, to - from);
}

enum { LEAST_PIECE = 32 }; /* samples: below it, what a call does once for its weights counts */

/* Threads that run samples of their own meet at the end of the call only, and not in every
 * operation.  Results are the same: a sample's numbers do not depend on the others of its call. */
static bool run_call(const Part *p, Graph *g, size_t first, size_t count)
{
    size_t pieces = (size_t)threads_get();

    if (pieces < 2 || count < LEAST_PIECE * pieces || p->d->net == NULL || g->check_finite ||
        g->observer != NULL)
        return run_part(p, g, first, count);
    Cut c = {*p, ag_graph_helpers(g, pieces), first, count, pieces};
    threads_for(pieces, run_piece, &c);
    return true;
}

bool diffusion_denoise(const Denoiser *d, Graph *g, const NetworkInput *in, size_t batch,
                       float *out)
{
    Part p = {d, in, diffusion_head_outputs(&d->head), out};
    size_t all = in->x->batch, step = batch > 0 && batch < all ? batch : all;
    bool recording = g->recording;

    ag_set_recording(g, false);
    for (size_t first = 0; first < all; first += step)
        if (!run_call(&p, g, first, all - first < step ? all - first : step))
            return false;
    ag_set_recording(g, recording);
    return true;
}

bool diffusion_uses_lambda(const Denoiser *d, size_t steps)
{
    return d->lambda_dims > 0 && (d->lambda_steps == 0 || steps <= d->lambda_steps);
}

size_t diffusion_lambda_uniforms(const Denoiser *d)
{
    return d->lambda_dims + (d->lambda_law == LAMBDA_MIXTURE && d->lambda_dims > 0 ? 1 : 0);
}

void diffusion_lambda_of_uniforms(const Denoiser *d, const double *u, double *lambda)
{
    if (d->lambda_law == LAMBDA_MIXTURE) {
        TENSOR_CHECK(d->net != NULL && d->net->prior != NULL,
                     "a model of %zu lambdas whose law is a mixture, without one", d->lambda_dims);
        nn_lambda_prior_of_uniforms(d->net->prior, u, lambda);
        return;
    }
    for (size_t i = 0; i < d->lambda_dims; i++)
        lambda[i] = d->lambda_law == LAMBDA_NORMAL ? rng_normal_quantile(u[i]) : u[i];
}

void diffusion_draw_one_lambda(const Denoiser *d, Rng *rng, double *lambda)
{
    size_t count = diffusion_lambda_uniforms(d);
    double *u = threads_scratch(SCRATCH_LAMBDA, count * sizeof *u);

    for (size_t i = 0; i < count; i++)
        u[i] = rng_uniform(rng);
    diffusion_lambda_of_uniforms(d, u, lambda);
}

void diffusion_draw_lambda(const Denoiser *d, double *lambda, size_t batch, const Rng *streams)
{
    for (size_t b = 0; b < batch && d->lambda_dims > 0; b++) {
        Rng rng = streams[b];
        diffusion_draw_one_lambda(d, &rng, lambda + b * d->lambda_dims);
    }
}
