/* What all networks share: checked calls, copying by name, the cut of a batch, the sinusoids of t
 * and lambda. */
#include "nn/network.h"

#include <math.h>

#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/pointwise.h"

static void check_input(const Network *net, const NetworkInput *in)
{
    const States *x = in->x;
    TENSOR_CHECK(x->dims == net->dims, "%s takes %zu dimensions, not (%zu, %zu)", net->kind,
                 net->dims, x->batch, x->dims);
    TENSOR_CHECK((in->lambda != NULL || in->lambda_var != NULL) == (net->lambda_dims > 0),
                 "%s with %zu lambdas a sample was given %s", net->kind, net->lambda_dims,
                 in->lambda == NULL && in->lambda_var == NULL ? "none" : "some");
    TENSOR_CHECK(in->lambda_var == NULL ||
                     (net->lambda_is_number && in->lambda == NULL &&
                      tensor_size(&in->lambda_var->value) == x->batch * net->lambda_dims),
                 "%s: lambda on the graph; the network takes it as %s, (%zu, %zu)", net->kind,
                 net->lambda_is_number ? "numbers" : "sinusoids", x->batch, net->lambda_dims);
    for (size_t i = 0; i < x->batch * x->dims; i++) {
        TENSOR_CHECK(x->x[i] < net->states, "%s: state %u of %zu", net->kind, (unsigned)x->x[i],
                     net->states);
    }
    for (size_t b = 0; b < x->batch; b++) {
        TENSOR_CHECK(isfinite(in->t[b]), "%s: time %g", net->kind, in->t[b]);
    }
    for (size_t i = 0; in->lambda != NULL && i < x->batch * net->lambda_dims; i++) {
        TENSOR_CHECK(isfinite(in->lambda[i]), "%s: lambda %g", net->kind, in->lambda[i]);
    }
}

Var *nn_forward(const Network *net, Graph *g, const NetworkInput *in)
{
    check_input(net, in);
    Var *out = net->forward(net, g, in);
    TENSOR_CHECK(tensor_size(&out->value) == in->x->batch * net->outputs,
                 "%s: %zu outputs for %zu samples of %zu", net->kind, tensor_size(&out->value),
                 in->x->batch, net->outputs);
    return out;
}

Network *nn_network_allocate(Network *net, bool with_grads)
{
    if (net != NULL) {
        nn_params_allocate(&net->params, with_grads);
    }
    return net;
}

void nn_network_destroy(Network *net)
{
    if (net != NULL) {
        nn_lambda_prior_free(net->prior);
        net->destroy(net);
    }
}

size_t nn_copy_common(Network *to, const Network *from)
{
    size_t copied = 0;
    for (size_t i = 0; i < to->params.count; i++) {
        Param *p = to->params.items[i];
        const Param *source = nn_param_find(&from->params, p->name);
        if (source == NULL || !tensor_same_shape(&p->value, &source->value)) {
            continue;
        }
        tensor_copy(p->value.data, source->value.data, tensor_size(&p->value));
        copied++;
    }
    return copied;
}

Var *nn_lambda_var(const Network *net, Graph *g, const NetworkInput *in)
{
    const size_t L = net->lambda_dims;
    if (in->lambda_var != NULL) {
        Tensor shift = tensor_make1(g->arena, L);
        tensor_fill(shift.data, (float)-net->lambda_mean, L);
        return ag_scale(ag_add_row(in->lambda_var, ag_constant(g, shift)),
                        (float)(1.0 / net->lambda_deviation));
    }
    Tensor value = tensor_make2(g->arena, in->x->batch, L);
    for (size_t i = 0; i < in->x->batch * L; i++) {
        value.data[i] = (float)((in->lambda[i] - net->lambda_mean) / net->lambda_deviation);
    }
    return ag_constant(g, value);
}

size_t nn_gradient_block(size_t positions, size_t channels)
{
    const double numbers = (double)positions * (double)channels, block = 4194304.0 / numbers;
    return block < 1.0 ? 1 : block > 512.0 ? 512 : (size_t)block;
}

void nn_sinusoid(float *out, const double *t, size_t batch, size_t dim, double scale)
{
    TENSOR_CHECK(dim >= 4, "a sinusoid of width %zu; 4 or more", dim);
    const size_t half = dim / 2;
    const double step = -log(10000.0) / (double)(half - 1);
    for (size_t b = 0; b < batch; b++) {
        float *row = out + b * dim;
        for (size_t i = 0; i < half; i++) {
            double angle = exp(step * (double)i) * scale * t[b];
            row[i] = (float)sin(angle);
            row[half + i] = (float)cos(angle);
        }
        if (dim % 2 == 1) {
            row[dim - 1] = 0.0f;
        }
    }
}

Var *nn_sinusoid_var(Graph *g, const double *numbers, size_t batch, size_t per_sample, size_t dim,
                     double scale)
{
    Tensor value = tensor_make2(g->arena, batch, per_sample * dim);
    nn_sinusoid(value.data, numbers, batch * per_sample, dim, scale);
    return ag_constant(g, value);
}
