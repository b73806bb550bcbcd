/* The encoder of pictures: a U-Net's way down with one residual block a scale, then, since what
 * lambda is to say may stand anywhere in the picture, a linear layer that sees all of the bottom.
 *
 *   h = conv(x);  each scale: residual block, and but for the last a halving convolution
 *   h = Linear(norm, SiLU(h))       to BOTTOM channels, 1x1
 *   h = SiLU(Linear(h as one row)); [m, v] = Linear(h)
 * or, where lambda has numbers at each place of the bottom, m = Linear(norm, SiLU(h)) there and
 * v = Linear'(norm, SiLU(h)).  Blocks are told t by its sinusoids, as in the U-Net; for
 * ENCODER_CLEAN t is 0. */
#include "nn/unet/unet_encoder.h"

#include <stdio.h>

#include "autograd/operations.h"
#include "nn/unet/blocks.h"
#include "nn/unet/input.h"
#include "tensor/base/memory.h"

enum { BOTTOM = 32, HIDDEN = 256 };

typedef struct UNetEncoder {
    Encoder base; /* first: an Encoder * is a UNetEncoder * */
    UNetConfig config;
    size_t embed, shown;                    /* shown: states a pixel */
    bool noised;                            /* x_t is among them */
    LinearLayer time0, time1, flat, output; /* but for places, flat, output and narrow */
    PlaceLayers at_places;
    ConvLayer input, down[UNET_MAX_SCALES];
    ResBlock res[UNET_MAX_SCALES];
    NormLayer norm;
    PointwiseLayer narrow;
} UNetEncoder;

static Var *encoder_forward(const Encoder *base, Graph *g, const States *x, const double *t)
{
    const UNetEncoder *e = (const UNetEncoder *)base;
    const AgScope whole = ag_scope_begin(g);
    Var *waves = nn_sinusoid_var(g, t, x->batch, 1, e->embed, e->config.time_scale);
    Var *time = ag_silu(nn_linear(g, &e->time0, waves));
    const BlockCondition condition = {ag_silu(nn_linear(g, &e->time1, time)), NULL, NULL, 0.0};
    Var *h = nn_conv(g, &e->input, unet_input(&e->config, g, x, e->shown, e->noised), 1);
    for (size_t s = 0; s < e->config.scales; s++) {
        h = unet_res(g, &e->res[s], h, &condition);
        if (s + 1 < e->config.scales) {
            h = nn_conv(g, &e->down[s], h, 2);
        }
    }
    h = nn_norm(g, &e->norm, h, true);
    if (e->config.lambda_places) {
        return ag_scope_end(whole, nn_encoder_at_places(g, &e->at_places, h));
    }
    h = nn_pointwise(g, &e->narrow, h);
    const size_t row[] = {x->batch, tensor_size(&h->value) / (x->batch > 0 ? x->batch : 1)};
    h = ag_silu(nn_linear(g, &e->flat, ag_reshape(h, 2, row)));
    return ag_scope_end(whole, nn_linear(g, &e->output, h));
}

static void encoder_initialise(Encoder *base, Rng rng)
{
    UNetEncoder *e = (UNetEncoder *)base;
    nn_linear_init(&e->time0, true, rng);
    nn_linear_init(&e->time1, true, rng);
    nn_conv_init(&e->input, rng);
    for (size_t s = 0; s < e->config.scales; s++) {
        unet_res_init(&e->res[s], rng);
        if (s + 1 < e->config.scales) {
            nn_conv_init(&e->down[s], rng);
        }
    }
    nn_norm_init(&e->norm);
    if (e->config.lambda_places) {
        nn_encoder_init_places(base, &e->at_places, rng);
        return;
    }
    nn_pointwise_init(&e->narrow, 1.0, rng);
    nn_linear_init(&e->flat, true, rng);
    nn_encoder_init_output(base, &e->output, rng);
}

/* The way down; returns the channels at the bottom. */
static size_t add_scales(UNetEncoder *e, ParamSet *set)
{
    const UNetConfig *c = &e->config;
    char name[NN_NAME];
    size_t channels = c->ch;
    for (size_t s = 0; s < c->scales; s++) {
        const size_t wide = c->ch * c->ch_mult[s];
        snprintf(name, sizeof name, "encoder.scales.%zu.res", s);
        e->res[s] = unet_res_add(set, name, channels, wide, 4 * e->embed, 0, s);
        channels = wide;
        snprintf(name, sizeof name, "encoder.scales.%zu.down", s);
        if (s + 1 < c->scales) {
            e->down[s] = nn_conv_add(set, name, channels, channels);
        }
    }
    return channels;
}

Encoder *nn_unet_encoder_add(ParamSet *set, const UNetConfig *c)
{
    UNetEncoder *e = mem_zeroed(1, sizeof *e);
    e->base.family = c->encoder_family;
    e->base.input = c->encoder;
    e->base.dims = c->height * c->width * c->channels;
    e->base.channels = c->channels;
    e->base.lambda_dims = nn_unet_lambdas(c);
    e->base.forward = encoder_forward;
    e->base.initialise = encoder_initialise;
    e->config = *c;
    e->embed = unet_embed_width(c);
    e->noised = c->encoder == ENCODER_PAIR;
    e->shown = (e->noised ? 2 : 1) * c->channels;
    e->time0 = nn_linear_add(set, "encoder.time.0", e->embed, 4 * e->embed);
    e->time1 = nn_linear_add(set, "encoder.time.1", 4 * e->embed, 4 * e->embed);
    e->input =
        nn_conv_add(set, "encoder.input", unet_input_channels(c, e->shown, e->noised), c->ch);
    const size_t channels = add_scales(e, set);
    e->norm = nn_norm_add(set, "encoder.norm", channels, unet_groups(channels));
    if (c->lambda_places) {
        e->at_places = nn_encoder_add_places(set, channels, c->lambda_dims);
        return &e->base;
    }
    e->narrow = nn_pointwise_add(set, "encoder.narrow", channels, BOTTOM);
    e->flat = nn_linear_add(set, "encoder.flat", nn_unet_bottom_places(c) * BOTTOM, HIDDEN);
    e->output = nn_linear_add(set, "encoder.output", HIDDEN, 2 * c->lambda_dims);
    return &e->base;
}
