/* The U-Net's blocks: each is an add, an apply and an initialise, in the order of unet/blocks.h. */
#include "nn/unet/blocks.h"

#include <math.h>
#include <string.h>

#include "autograd/operations.h"

static const float HALF_ROOT = 0.70710678f; /* 1/sqrt(2): sums of two keep their variance */
/* Of initial weights, as published; nn/README.md, "Initial values". */
static const double POINTWISE_SCALE = 0.1, CLOSED_SCALE = 1e-10;

size_t unet_groups(size_t channels)
{
    return channels / 4 < 32 ? channels / 4 : 32;
}

static NormLayer add_norm(ParamSet *set, const char *name, size_t channels)
{
    return nn_norm_add(set, name, channels, unet_groups(channels));
}

/* ---- residual block ---- */

ResBlock unet_res_add(ParamSet *set, const char *name, size_t cin, size_t cout, size_t time_width,
                      size_t lambda_width, uint64_t number)
{
    char part[NN_NAME];
    ResBlock block;
    memset(&block, 0, sizeof block);
    block.number = number;
    block.norm0 = add_norm(set, nn_name(part, name, "groupnorm0"), cin);
    block.conv0 = nn_conv_add(set, nn_name(part, name, "conv0"), cin, cout);
    block.dense0 = nn_linear_add(set, nn_name(part, name, "dense0"), time_width, cout);
    if (lambda_width > 0) {
        block.dense1 = nn_linear_add(set, nn_name(part, name, "dense1"), lambda_width, cout);
    }
    block.norm1 = add_norm(set, nn_name(part, name, "groupnorm1"), cout);
    block.conv1 = nn_conv_add(set, nn_name(part, name, "conv1"), cout, cout);
    if (cin != cout) {
        block.nin = nn_pointwise_add(set, nn_name(part, name, "nin"), cin, cout);
    }
    return block;
}

Var *unet_res(Graph *g, const ResBlock *block, Var *x, const BlockCondition *condition)
{
    /* All biases are at most (B, cout) and go into the normalisation, so that adding them touches
     * no picture.  What is cheap to compute again is dropped: the backward pass holds x and conv0's
     * result only. */
    Var *bias = nn_linear(g, &block->dense0, condition->time);
    if (block->dense1.weight != NULL) {
        bias = ag_add(bias, nn_linear(g, &block->dense1, condition->lambda));
    }
    bias = ag_add_row(bias, nn_param_var(g, block->conv0.bias));
    Var *n = nn_norm(g, &block->norm0, x, true);
    Var *h = ag_conv3x3(n, nn_param_var(g, block->conv0.weight), NULL, 1);
    ag_drop(n);
    n = nn_norm_shifted(g, &block->norm1, h, bias, true);
    Var *dropped = ag_dropout(n, condition->dropout_rate, condition->dropout, block->number);
    if (dropped != n) {
        ag_drop(n);
    }
    Var *straight = block->nin.weight != NULL ? nn_pointwise(g, &block->nin, x) : x;
    h = nn_conv_residual(g, &block->conv1, dropped, straight, HALF_ROOT);
    ag_drop(dropped);
    if (straight != x) {
        ag_drop(straight); /* a sum's backward pass does not look at it */
    }
    return h;
}

void unet_res_init(const ResBlock *block, Rng rng)
{
    nn_norm_init(&block->norm0);
    nn_conv_init(&block->conv0, rng);
    nn_linear_init(&block->dense0, true, rng);
    if (block->dense1.weight != NULL) {
        nn_linear_zero(&block->dense1); /* a new student is its teacher */
    }
    nn_norm_init(&block->norm1);
    nn_conv_init(&block->conv1, rng);
    if (block->nin.weight != NULL) {
        nn_pointwise_init(&block->nin, POINTWISE_SCALE, rng);
    }
}

/* ---- attention block ---- */

AttentionBlock unet_attention_add(ParamSet *set, const char *name, size_t channels)
{
    char part[NN_NAME];
    AttentionBlock block;
    block.norm = add_norm(set, nn_name(part, name, "GroupNorm_0"), channels);
    block.query = nn_pointwise_add(set, nn_name(part, name, "NIN_0"), channels, channels);
    block.key = nn_pointwise_add(set, nn_name(part, name, "NIN_1"), channels, channels);
    block.value = nn_pointwise_add(set, nn_name(part, name, "NIN_2"), channels, channels);
    block.out = nn_pointwise_add(set, nn_name(part, name, "NIN_3"), channels, channels);
    return block;
}

Var *unet_attention(Graph *g, const AttentionBlock *block, Var *x)
{
    size_t channels = x->value.shape[x->value.rank - 1];
    Var *n = nn_norm(g, &block->norm, x, false);
    Var *q = nn_pointwise(g, &block->query, n);
    Var *k = nn_pointwise(g, &block->key, n);
    Var *v = nn_pointwise(g, &block->value, n);
    ag_drop(n);
    Var *h = ag_attention(q, k, v, (float)(1.0 / sqrt((double)channels)));
    Var *out = nn_pointwise(g, &block->out, h);
    Var *sum = ag_add_scaled(x, out, HALF_ROOT);
    ag_drop(out);
    return sum;
}

void unet_attention_init(const AttentionBlock *block, Rng rng)
{
    nn_norm_init(&block->norm);
    nn_pointwise_init(&block->query, POINTWISE_SCALE, rng);
    nn_pointwise_init(&block->key, POINTWISE_SCALE, rng);
    nn_pointwise_init(&block->value, POINTWISE_SCALE, rng);
    nn_pointwise_init(&block->out, CLOSED_SCALE, rng);
}
