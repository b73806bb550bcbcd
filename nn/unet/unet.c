/* The U-Net.  A plan of steps (residual block, attention, down, up) is laid out once from the
 * configuration; parameters, initial values and the forward pass are each one loop over it.
 *
 * Invariant: going down, the result of every step with `keeps` is pushed on a stack of skips; going
 * up, every residual block pops one and reads it beside its input.  The stack ends empty. */
#include "nn/unet/unet.h"

#include <stdio.h>

#include "autograd/operations.h"
#include "nn/unet/blocks.h"
#include "nn/unet/input.h"
#include "nn/unet/unet_encoder.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/pointwise.h"

typedef enum UNetStepKind { STEP_RES, STEP_ATTENTION, STEP_DOWN, STEP_UP } UNetStepKind;

typedef struct UNetStep {
    UNetStepKind kind;
    size_t cin, cout;
    bool keeps;   /* on the way down: the result becomes a skip */
    ResBlock res; /* by kind, one of these three is used */
    AttentionBlock attention;
    ConvLayer conv;
} UNetStep;

/* Two linear layers with a SiLU between. */
typedef struct Embedding {
    LinearLayer first, second;
} Embedding;

typedef struct UNet {
    Network base; /* first: a Network * is a UNet * */
    UNetConfig config;
    Embedding time, lambda_down, lambda_up;
    LinearLayer mix_down, mix_up; /* in front of the two lambda embeddings */
    LinearLayer lambda_map;       /* lambda_is_number: lambda to a picture at the bottom; at
                                     places, the numbers of one to its channels */
    ConvLayer input, output;
    PointwiseLayer narrow; /* narrow_output: instead of `output` */
    NormLayer output_norm;
    UNetStep *steps; /* down, then middle, then up */
    size_t down, middle, up;
    size_t bottom_channels, top_channels; /* after the way down, after the way up */
    size_t skips;                         /* pushed going down, the input convolution's included */
} UNet;

/* ---- the plan ---- */

static size_t plan_step(UNet *u, size_t at, UNetStepKind kind, size_t cin, size_t cout)
{
    u->steps[at].kind = kind;
    u->steps[at].cin = cin;
    u->steps[at].cout = cout;
    return at + 1;
}

/* The way down from step 0 and the middle; channels of each skip into `skip`. */
static void plan_down(UNet *u, size_t *skip)
{
    const UNetConfig *c = &u->config;
    size_t at = 0, channels = c->ch;
    skip[u->skips++] = channels;
    for (size_t s = 0; s < c->scales; s++) {
        for (size_t i = 0; i < c->res_blocks; i++) {
            at = plan_step(u, at, STEP_RES, channels, c->ch * c->ch_mult[s]);
            channels = c->ch * c->ch_mult[s];
            if ((int)s == c->attn_scale) {
                at = plan_step(u, at, STEP_ATTENTION, channels, channels);
            }
            u->steps[at - 1].keeps = true;
            skip[u->skips++] = channels;
        }
        if (s + 1 < c->scales) {
            at = plan_step(u, at, STEP_DOWN, channels, channels);
            u->steps[at - 1].keeps = true;
            skip[u->skips++] = channels;
        }
    }
    u->down = at;
    u->bottom_channels = channels;
    at = plan_step(u, at, STEP_RES, channels, channels);
    at = plan_step(u, at, STEP_ATTENTION, channels, channels);
    at = plan_step(u, at, STEP_RES, channels, channels);
    u->middle = at - u->down;
}

static void plan_up(UNet *u, const size_t *skip)
{
    const UNetConfig *c = &u->config;
    size_t at = u->down + u->middle, channels = u->bottom_channels, left = u->skips;
    for (size_t s = c->scales; s-- > 0;) {
        for (size_t i = 0; i < c->res_blocks + 1; i++) {
            at = plan_step(u, at, STEP_RES, channels + skip[--left], c->ch * c->ch_mult[s]);
            channels = c->ch * c->ch_mult[s];
            if ((int)s == c->attn_scale) {
                at = plan_step(u, at, STEP_ATTENTION, channels, channels);
            }
        }
        if (s > 0) {
            at = plan_step(u, at, STEP_UP, channels, channels);
        }
    }
    TENSOR_CHECK(left == 0, "%zu of %zu skips are left over", left, u->skips);
    u->up = at - u->down - u->middle;
    u->top_channels = channels;
}

/* False if a block's channels cannot be cut into its normalisation's groups. */
static bool plan_steps(UNet *u, Error *err)
{
    const UNetConfig *c = &u->config;
    const size_t most = c->scales * (4 * c->res_blocks + 4) + 3;
    u->steps = mem_zeroed(most, sizeof *u->steps);
    size_t *skip = mem_alloc(1 + c->scales * (c->res_blocks + 1), sizeof *skip);
    plan_down(u, skip);
    plan_up(u, skip);
    mem_free(skip);
    size_t count = u->down + u->middle + u->up;
    TENSOR_CHECK(count <= most, "%zu steps in room for %zu", count, most);
    for (size_t i = 0; i < count; i++) {
        size_t channels = u->steps[i].cin;
        if (channels % unet_groups(channels) != 0) {
            return error_set(err,
                             "U-Net: ch %zu and its multipliers give a block of %zu channels,"
                             " not a multiple of %zu groups",
                             c->ch, channels, unet_groups(channels));
        }
    }
    return true;
}

/* ---- parameters, in the order of the published checkpoints ---- */

/* Lambda is told to every block. */
static bool conditions(const UNetConfig *c)
{
    return c->lambda_dims > 0 && !c->lambda_places;
}

static bool has_places(const UNetConfig *c)
{
    return c->lambda_dims > 0 && c->lambda_places;
}

static size_t lambda_width(const UNetConfig *c)
{
    return c->lambda_is_number ? c->lambda_dims : c->lambda_dims * unet_embed_width(c);
}

static Embedding add_embedding(ParamSet *set, const char *first, const char *second, size_t embed)
{
    Embedding e;
    e.first = nn_linear_add(set, first, embed, 4 * embed);
    e.second = nn_linear_add(set, second, 4 * embed, 4 * embed);
    return e;
}

static void add_steps(UNet *u, const char *list, size_t first, size_t count)
{
    ParamSet *set = &u->base.params;
    size_t time_width = 4 * unet_embed_width(&u->config);
    size_t lambda_width = conditions(&u->config) ? time_width : 0;
    for (size_t i = 0; i < count; i++) {
        UNetStep *step = &u->steps[first + i];
        char name[NN_NAME];
        snprintf(name, sizeof name, "%s.%zu%s", list, i,
                 step->kind == STEP_DOWN || step->kind == STEP_UP ? ".conv" : "");
        if (step->kind == STEP_RES) {
            step->res =
                unet_res_add(set, name, step->cin, step->cout, time_width, lambda_width, first + i);
        } else if (step->kind == STEP_ATTENTION) {
            step->attention = unet_attention_add(set, name, step->cin);
        } else {
            step->conv = nn_conv_add(set, name, step->cin, step->cout);
        }
    }
}

static void add_parameters(UNet *u)
{
    const UNetConfig *c = &u->config;
    ParamSet *set = &u->base.params;
    const size_t embed = unet_embed_width(c), known = embed + lambda_width(c);
    u->time = add_embedding(set, "temb_modules.0", "temb_modules.1", embed);
    if (conditions(c)) {
        u->lambda_down = add_embedding(set, "lemb_modules.0", "lemb_modules.1", embed);
        u->lambda_up = add_embedding(set, "hlemb_modules.0", "hlemb_modules.1", embed);
        u->mix_down = nn_linear_add(set, "tlam_mix", known, embed);
    }
    u->input = nn_conv_add(set, "input_conv", unet_input_channels(c, c->channels, true), c->ch);
    add_steps(u, "downsampling_modules", 0, u->down);
    if (conditions(c)) {
        u->mix_up = nn_linear_add(set, "h_t_lam_mix", known + u->bottom_channels, embed);
    }
    if (has_places(c)) {
        u->lambda_map = nn_linear_add(set, "lambda_map", c->lambda_dims, u->bottom_channels);
    } else if (c->lambda_dims > 0 && c->lambda_is_number) {
        u->lambda_map = nn_linear_add(set, "lambda_map", c->lambda_dims,
                                      nn_unet_bottom_places(c) * u->bottom_channels);
    }
    add_steps(u, "middle_modules", u->down, u->middle);
    add_steps(u, "upsampling_modules", u->down + u->middle, u->up);
    u->output_norm =
        nn_norm_add(set, "output_modules.0", u->top_channels, unet_groups(u->top_channels));
    if (c->narrow_output) {
        u->narrow =
            nn_pointwise_add(set, "output_modules.1", u->top_channels, unet_output_channels(c));
    } else {
        u->output = nn_conv_add(set, "output_modules.1", u->top_channels, unet_output_channels(c));
    }
    if (c->encoder != ENCODER_NONE) {
        u->base.encoder = nn_unet_encoder_add(set, c);
    }
}

static void init_embedding(const Embedding *e, Rng rng)
{
    nn_linear_init(&e->first, true, rng);
    nn_linear_init(&e->second, true, rng);
}

/* All lambdas alike is a saddle of the mixture's losses, and the way out is as slow as lambda's
 * embedding is small.  PyTorch's default shrinks it at each of three layers, to a rms of about
 * 0.02; a gain of sqrt(6) (He's initialisation) keeps it near 1/2. */
static void init_lambda(const LinearLayer *layer, double gain, Rng rng)
{
    nn_linear_init(layer, true, rng);
    tensor_scale(layer->weight->value.data, (float)gain, layer->weight->value.data,
                 tensor_size(&layer->weight->value));
}

static void unet_initialise(Network *net, uint64_t seed)
{
    UNet *u = (UNet *)net;
    const Rng rng = rng_root(seed);
    init_embedding(&u->time, rng);
    if (conditions(&u->config)) {
        const LinearLayer *layers[] = {&u->mix_down, &u->lambda_down.first, &u->lambda_down.second,
                                       &u->mix_up,   &u->lambda_up.first,   &u->lambda_up.second};
        for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
            init_lambda(layers[i], u->config.lambda_gain, rng);
    }
    nn_conv_init(&u->input, rng);
    for (size_t i = 0; i < u->down + u->middle + u->up; i++) {
        const UNetStep *step = &u->steps[i];
        if (step->kind == STEP_RES) {
            unet_res_init(&step->res, rng);
        } else if (step->kind == STEP_ATTENTION) {
            unet_attention_init(&step->attention, rng);
        } else {
            nn_conv_init(&step->conv, rng);
        }
    }
    nn_norm_init(&u->output_norm);
    if (u->config.narrow_output) {
        nn_pointwise_init(&u->narrow, 1.0, rng);
    } else {
        nn_conv_init(&u->output, rng);
    }
    if (has_places(&u->config)) {
        init_lambda(&u->lambda_map, u->config.lambda_gain, rng); /* from 0 lambda dies */
    } else if (u->lambda_map.weight != NULL) {
        nn_linear_zero(&u->lambda_map); /* a new student is its teacher */
    }
    nn_encoder_initialise(u->base.encoder, rng);
}

/* ---- forward ---- */

static Var *sinusoids_of(const UNetConfig *c, Graph *g, const double *numbers, size_t batch,
                         size_t per_sample)
{
    return nn_sinusoid_var(g, numbers, batch, per_sample, unet_embed_width(c), c->time_scale);
}

/* SiLU(second(SiLU(first(x)))): with the SiLU that every block would apply. */
static Var *embed(Graph *g, const Embedding *e, Var *x)
{
    return ag_silu(nn_linear(g, &e->second, ag_silu(nn_linear(g, &e->first, x))));
}

static Var *apply_step(Graph *g, const UNetStep *step, Var *h, const BlockCondition *condition)
{
    switch (step->kind) {
    case STEP_RES: return unet_res(g, &step->res, h, condition);
    case STEP_ATTENTION: return unet_attention(g, &step->attention, h);
    case STEP_DOWN: return nn_conv(g, &step->conv, h, 2);
    case STEP_UP: break;
    }
    Var *large = ag_upsample2(h);
    h = nn_conv(g, &step->conv, large, 1);
    ag_drop(large);
    return h;
}

/* Down; every skip is stored in skip[] and the last one returned.  In inference each stretch
 * between two skips keeps only its result. */
static Var *go_down(const UNet *u, Graph *g, Var *h, const BlockCondition *condition, Var **skip)
{
    size_t pushed = 0;
    skip[pushed++] = h;
    AgScope scope = ag_scope_begin(g);
    for (size_t i = 0; i < u->down; i++) {
        h = apply_step(g, &u->steps[i], h, condition);
        if (u->steps[i].keeps) {
            h = skip[pushed++] = ag_scope_end(scope, h);
            scope = ag_scope_begin(g);
        }
    }
    return h;
}

/* Middle and up.  One scope, ended after every step: in inference h moves down to the scope's
 * start each time, over its predecessor, which nobody needs any more. */
static Var *go_up(const UNet *u, Graph *g, Var *h, const BlockCondition *condition,
                  Var *const *skip)
{
    size_t left = u->skips;
    const AgScope scope = ag_scope_begin(g);
    for (size_t i = u->down; i < u->down + u->middle + u->up; i++) {
        const UNetStep *step = &u->steps[i];
        Var *both = NULL;
        if (step->kind == STEP_RES && i >= u->down + u->middle) {
            h = both = ag_concat(h, skip[--left]);
        }
        h = apply_step(g, step, h, condition);
        if (both != NULL) {
            ag_drop(both);
        }
        h = ag_scope_end(scope, h);
    }
    return h;
}

/* The logistic head's numbers: mu = tanh(c(x) + h[0:C]), log_scale = h[C:2C], c(x) the centred x_t:
 * h = 0 means "what was seen".  What they mean: diffusion/head/logistic.c. */
static Var *logistic_numbers(Var *h, Var *centred, size_t channels)
{
    Var *mu = ag_tanh(ag_add(centred, ag_slice(h, 0, channels)));
    return ag_concat(mu, ag_slice(h, channels, channels));
}

/* What lambda's map adds at the bottom, of this shape (B, H, W, C). */
static Var *at_bottom(const UNet *u, Graph *g, Var *lambda, const size_t *shape)
{
    if (u->config.lambda_places) {
        const size_t numbers[] = {shape[0], shape[1], shape[2], u->config.lambda_dims};
        return nn_linear(g, &u->lambda_map, ag_reshape(lambda, 4, numbers));
    }
    return ag_reshape(nn_linear(g, &u->lambda_map, lambda), 4, shape);
}

static Var *unet_forward(const Network *net, Graph *g, const NetworkInput *in)
{
    const UNet *u = (const UNet *)net;
    const UNetConfig *c = &u->config;
    const AgScope whole = ag_scope_begin(g);
    Var **skip = arena_alloc(g->arena, u->skips, sizeof *skip);
    Var *x = unet_input(c, g, in->x, c->channels, true);
    Var *known = sinusoids_of(c, g, in->t, in->x->batch, 1); /* what lambda's networks see */
    Var *lambda = NULL;
    BlockCondition condition = {embed(g, &u->time, known), NULL, in->dropout, c->dropout};
    if (c->lambda_dims > 0) {
        lambda = c->lambda_is_number ? nn_lambda_var(net, g, in)
                                     : sinusoids_of(c, g, in->lambda, in->x->batch, c->lambda_dims);
    }
    if (conditions(c)) {
        known = ag_concat(lambda, known);
        Var *mixed = ag_silu(nn_linear(g, &u->mix_down, known));
        condition.lambda = embed(g, &u->lambda_down, mixed);
    }
    Var *h = go_down(u, g, nn_conv(g, &u->input, x, 1), &condition, skip);
    if (conditions(c)) {
        Var *mixed = ag_silu(nn_linear(g, &u->mix_up, ag_concat(known, ag_mean_positions(h))));
        condition.lambda = embed(g, &u->lambda_up, mixed);
    }
    if (u->lambda_map.weight != NULL) {
        h = ag_add(h, at_bottom(u, g, lambda, h->value.shape));
    }
    h = go_up(u, g, h, &condition, skip);
    Var *n = nn_norm(g, &u->output_norm, h, true);
    h = c->narrow_output ? nn_pointwise(g, &u->narrow, n) : nn_conv(g, &u->output, n, 1);
    ag_drop(n);
    if (c->head == UNET_HEAD_LOGISTIC) {
        h = logistic_numbers(h, x, c->channels);
    }
    return ag_scope_end(whole, h);
}

/* ---- making and freeing ---- */

static size_t gradient_block(const UNetConfig *c)
{
    const size_t in = unet_input_channels(c, c->channels, true), out = unet_output_channels(c);
    size_t channels = c->ch * c->ch_mult[0];
    channels = channels > in ? channels : in;
    channels = channels > out ? channels : out;
    return nn_gradient_block(c->height * c->width, channels);
}

static void unet_destroy(Network *net)
{
    UNet *u = (UNet *)net;
    nn_params_free(&u->base.params);
    nn_encoder_destroy(u->base.encoder);
    mem_free(u->steps);
    mem_free(u);
}

Network *nn_unet_layout(const UNetConfig *config, Error *err)
{
    if (!nn_unet_possible(config, err)) {
        return NULL;
    }
    UNet *u = mem_zeroed(1, sizeof *u);
    u->config = *config;
    u->base.kind = "unet";
    u->base.dims = config->height * config->width * config->channels;
    u->base.states = config->states;
    u->base.lambda_dims = nn_unet_lambdas(config);
    u->base.lambda_is_number = config->lambda_is_number;
    u->base.lambda_mean = config->lambda_mean;
    u->base.lambda_deviation = config->lambda_deviation;
    u->base.outputs = config->height * config->width * unet_output_channels(config);
    u->base.gradient_block = gradient_block(config);
    u->base.forward = unet_forward;
    u->base.initialise = unet_initialise;
    u->base.destroy = unet_destroy;
    if (!plan_steps(u, err)) {
        unet_destroy(&u->base);
        return NULL;
    }
    add_parameters(u);
    return &u->base;
}

Network *nn_unet_create(const UNetConfig *config, bool with_grads, Error *err)
{
    return nn_network_allocate(nn_unet_layout(config, err), with_grads);
}
