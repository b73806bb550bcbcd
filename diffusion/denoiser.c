/* Denoisers that are networks, and evaluation in batches without recording. */
#include "diffusion/denoiser.h"

#include <string.h>

#include "tensor/check.h"

static Var *network_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    return nn_forward(d->net, g, in);
}

Denoiser diff_network_denoiser(Network *net, const Head *head)
{
    Denoiser d = {.head = *head, .lambda_dims = net->lambda_dims, .net = net,
                  .forward = network_forward};

    TENSOR_CHECK(net->dims == head->dims && net->outputs == diff_head_outputs(head),
                 "network with %zu dimensions and %zu outputs, head with %zu and %zu", net->dims,
                 net->outputs, head->dims, diff_head_outputs(head));
    return d;
}

bool diff_denoise(const Denoiser *d, Graph *g, const NetworkInput *in, size_t batch, float *out)
{
    size_t outputs = diff_head_outputs(&d->head), all = in->x->batch;
    size_t step = batch > 0 && batch < all ? batch : all;
    bool recording = g->recording;

    ag_set_recording(g, false);
    for (size_t first = 0; first < all; first += step) {
        size_t count = all - first < step ? all - first : step;
        States x = states_rows(in->x, first, count);
        NetworkInput part = {&x, in->t + first, in->lambda, in->dropout, NULL};
        if (part.lambda != NULL)
            part.lambda += first * d->lambda_dims;
        if (part.dropout != NULL)
            part.dropout += first;
        const Var *v = d->forward(d, g, &part);
        TENSOR_CHECK(tensor_size(&v->value) == count * outputs,
                     "denoiser gave %zu numbers for %zu samples of %zu", tensor_size(&v->value),
                     count, outputs);
        if (g->bad_op != NULL)
            return false;
        memcpy(out + first * outputs, v->value.data, count * outputs * sizeof *out);
        ag_graph_reset(g);
    }
    ag_set_recording(g, recording);
    return true;
}

size_t diff_lambda_uniforms(const Denoiser *d)
{
    return d->lambda_dims + (d->lambda_law == LAMBDA_MIXTURE && d->lambda_dims > 0 ? 1 : 0);
}

void diff_lambda_of_uniforms(const Denoiser *d, const double *u, double *lambda)
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

void diff_draw_lambda(const Denoiser *d, double *lambda, size_t batch, const Rng *streams)
{
    double u[DIFF_LAMBDA_UNIFORMS_MAX];
    size_t count = diff_lambda_uniforms(d);

    TENSOR_CHECK(count <= DIFF_LAMBDA_UNIFORMS_MAX, "%zu lambdas a sample", d->lambda_dims);
    for (size_t b = 0; b < batch; b++) {
        Rng rng = streams[b];
        for (size_t i = 0; i < count; i++)
            u[i] = rng_uniform(&rng);
        if (count > 0)
            diff_lambda_of_uniforms(d, u, lambda + b * d->lambda_dims);
    }
}
