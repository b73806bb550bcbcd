/* Layers: the few groups of parameters that networks are made of.  Each has three functions: add
 * (names and shapes, before nn_params_allocate), apply (one or two operations of the tape), and an
 * initialiser.  A layer is a small struct of borrowed pointers into its ParamSet. */
#ifndef DI4C_NN_LAYERS_H
#define DI4C_NN_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/param.h"
#include "tensor/base/rng.h"

enum { NN_NAME = 128 };
/* "OWNER.PART" into name, which is returned. */
const char *nn_name(char name[NN_NAME], const char *owner, const char *part);

/* y = x W + b: "NAME.weight" (in, out), "NAME.bias" (out); x (..., in) -> (..., out). */
typedef struct LinearLayer {
    Param *weight, *bias;
} LinearLayer;
LinearLayer nn_linear_add(ParamSet *set, const char *name, size_t in, size_t out);
Var *nn_linear(Graph *g, const LinearLayer *layer, Var *x);
/* Weight and bias U(-1/sqrt(in), 1/sqrt(in)), or the bias 0. */
void nn_linear_init(const LinearLayer *layer, bool zero_bias, Rng rng);
void nn_linear_zero(const LinearLayer *layer);

/* 3x3 convolution: "NAME.weight" (3, 3, in, out), "NAME.bias" (out); stride: see
 * tensor/conv/conv.h. */
typedef struct ConvLayer {
    Param *weight, *bias;
} ConvLayer;
ConvLayer nn_conv_add(ParamSet *set, const char *name, size_t in, size_t out);
Var *nn_conv(Graph *g, const ConvLayer *layer, Var *x, int stride);
/* alpha (residual + the convolution of x), stride 1. */
Var *nn_conv_residual(Graph *g, const ConvLayer *layer, Var *x, Var *residual, float alpha);
/* Weight and bias U(-1/sqrt(9 in), 1/sqrt(9 in)). */
void nn_conv_init(const ConvLayer *layer, Rng rng);

/* 1x1 convolution, "network in network": "NAME.W" (in, out), "NAME.b" (out). */
typedef struct PointwiseLayer {
    Param *weight, *bias;
} PointwiseLayer;
PointwiseLayer nn_pointwise_add(ParamSet *set, const char *name, size_t in, size_t out);
Var *nn_pointwise(Graph *g, const PointwiseLayer *layer, Var *x);
/* Weight fan-average uniform with the scale, bias 0. */
void nn_pointwise_init(const PointwiseLayer *layer, double scale, Rng rng);

/* Group normalisation, eps 1e-6: "NAME.weight" (channels) starts at 1, "NAME.bias" at 0. */
typedef struct NormLayer {
    Param *weight, *bias;
    size_t groups;
} NormLayer;
NormLayer nn_norm_add(ParamSet *set, const char *name, size_t channels, size_t groups);
/* With silu: SiLU of the result, in the same pass. */
Var *nn_norm(Graph *g, const NormLayer *layer, Var *x, bool silu);
/* The same of x[b, ..., c] + shift[b, c]. */
Var *nn_norm_shifted(Graph *g, const NormLayer *layer, Var *x, Var *shift, bool silu);
void nn_norm_init(const NormLayer *layer);

#endif
