/* Layers: parameters by name, and the operation that uses them. */
#include "nn/layers.h"

#include <stdio.h>

#include "autograd/operations.h"
#include "tensor/base/check.h"

static const double NORM_EPS = 1e-6;

const char *nn_name(char name[NN_NAME], const char *owner, const char *part)
{
    int length = snprintf(name, NN_NAME, "%s.%s", owner, part);
    TENSOR_CHECK(length > 0 && length < NN_NAME, "the name %s.%s is too long", owner, part);
    return name;
}

static Param *add(ParamSet *set, const char *layer, const char *part, ParamLayout layout, int rank,
                  const size_t *shape)
{
    char name[NN_NAME];
    return nn_param_add(set, nn_name(name, layer, part), layout, rank, shape);
}

LinearLayer nn_linear_add(ParamSet *set, const char *name, size_t in, size_t out)
{
    const size_t shape[] = {in, out};
    LinearLayer layer;
    layer.weight = add(set, name, "weight", PARAM_LINEAR, 2, shape);
    layer.bias = add(set, name, "bias", PARAM_PLAIN, 1, &out);
    return layer;
}

Var *nn_linear(Graph *g, const LinearLayer *layer, Var *x)
{
    return ag_linear(x, nn_param_var(g, layer->weight), nn_param_var(g, layer->bias));
}

void nn_linear_init(const LinearLayer *layer, bool zero_bias, Rng rng)
{
    size_t in = layer->weight->value.shape[0];
    nn_init_default(layer->weight, in, rng);
    if (zero_bias) {
        nn_init_constant(layer->bias, 0.0f);
    } else {
        nn_init_default(layer->bias, in, rng);
    }
}

void nn_linear_zero(const LinearLayer *layer)
{
    nn_init_constant(layer->weight, 0.0f);
    nn_init_constant(layer->bias, 0.0f);
}

ConvLayer nn_conv_add(ParamSet *set, const char *name, size_t in, size_t out)
{
    const size_t shape[] = {3, 3, in, out};
    ConvLayer layer;
    layer.weight = add(set, name, "weight", PARAM_CONV, 4, shape);
    layer.bias = add(set, name, "bias", PARAM_PLAIN, 1, &out);
    return layer;
}

Var *nn_conv(Graph *g, const ConvLayer *layer, Var *x, int stride)
{
    return ag_conv3x3(x, nn_param_var(g, layer->weight), nn_param_var(g, layer->bias), stride);
}

Var *nn_conv_residual(Graph *g, const ConvLayer *layer, Var *x, Var *residual, float alpha)
{
    return ag_conv3x3_residual(x, nn_param_var(g, layer->weight), nn_param_var(g, layer->bias),
                               residual, alpha);
}

void nn_conv_init(const ConvLayer *layer, Rng rng)
{
    size_t fan_in = 9 * layer->weight->value.shape[2];
    nn_init_default(layer->weight, fan_in, rng);
    nn_init_default(layer->bias, fan_in, rng);
}

PointwiseLayer nn_pointwise_add(ParamSet *set, const char *name, size_t in, size_t out)
{
    const size_t shape[] = {in, out};
    PointwiseLayer layer;
    layer.weight = add(set, name, "W", PARAM_PLAIN, 2, shape);
    layer.bias = add(set, name, "b", PARAM_PLAIN, 1, &out);
    return layer;
}

Var *nn_pointwise(Graph *g, const PointwiseLayer *layer, Var *x)
{
    return ag_linear(x, nn_param_var(g, layer->weight), nn_param_var(g, layer->bias));
}

void nn_pointwise_init(const PointwiseLayer *layer, double scale, Rng rng)
{
    const size_t *shape = layer->weight->value.shape;
    nn_init_fan_average(layer->weight, scale, shape[0], shape[1], rng);
    nn_init_constant(layer->bias, 0.0f);
}

NormLayer nn_norm_add(ParamSet *set, const char *name, size_t channels, size_t groups)
{
    TENSOR_CHECK(groups > 0 && channels % groups == 0, "%s: %zu groups of %zu channels", name,
                 groups, channels);
    NormLayer layer;
    layer.weight = add(set, name, "weight", PARAM_PLAIN, 1, &channels);
    layer.bias = add(set, name, "bias", PARAM_PLAIN, 1, &channels);
    layer.groups = groups;
    return layer;
}

Var *nn_norm(Graph *g, const NormLayer *layer, Var *x, bool silu)
{
    return nn_norm_shifted(g, layer, x, NULL, silu);
}

Var *nn_norm_shifted(Graph *g, const NormLayer *layer, Var *x, Var *shift, bool silu)
{
    return ag_group_norm_shifted(x, shift, nn_param_var(g, layer->weight),
                                 nn_param_var(g, layer->bias), layer->groups, NORM_EPS, silu);
}

void nn_norm_init(const NormLayer *layer)
{
    nn_init_constant(layer->weight, 1.0f);
    nn_init_constant(layer->bias, 0.0f);
}
