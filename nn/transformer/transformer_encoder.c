/* The encoder of sequences, with e(.) the sinusoids:
 *
 *   h = Embedding(x_0) + place;  for pairs  h = h + Embedding'(x_t) + Linear(e(t))
 *   h = block(h), twice;  [m, v] = Linear(mean over positions of LN(h) gain)
 *
 * or, where lambda has numbers at each place, m = Linear(LN(h) gain), v = Linear'(LN(h) gain).
 * A mean forgets where things are, and blocks with rotary positions know distances alone, so every
 * place has a learned vector. */
#include "nn/transformer/transformer_encoder.h"

#include <stdio.h>

#include "autograd/operations.h"
#include "nn/transformer/block.h"
#include "tensor/base/memory.h"

enum { BLOCKS = 2 };

typedef struct TransformerEncoder {
    Encoder base; /* first: an Encoder * is a TransformerEncoder * */
    size_t width, embed;
    double time_scale;
    Param *clean, *noised, *place, *gain; /* noised NULL: no x_t and no t */
    bool places;
    LinearLayer time, output; /* output: but for places */
    PlaceLayers at_places;
    TransformerBlock blocks[BLOCKS];
} TransformerEncoder;

/* Every second state of pairs (B, 2 D), from the first or the second on: (B, D). */
static States every_second(Graph *g, const States *x, size_t first)
{
    States half = states_make(g->arena, x->batch, x->dims / 2);
    for (size_t i = 0; i < half.batch * half.dims; i++) {
        half.x[i] = x->x[2 * i + first];
    }
    return half;
}

/* h of the first line above, (B, D, width). */
static Var *embed(const TransformerEncoder *e, Graph *g, const States *x, const double *t)
{
    const bool pair = e->noised != NULL;
    const States clean = pair ? every_second(g, x, 0) : *x;
    const size_t rows[] = {clean.batch, clean.dims * e->width};
    const size_t sequence[] = {clean.batch, clean.dims, e->width};
    Var *h = ag_reshape(ag_embedding(nn_param_var(g, e->clean), &clean), 2, rows);
    h = ag_add_row(h, ag_reshape(nn_param_var(g, e->place), 1, rows + 1));
    h = ag_reshape(h, 3, sequence);
    if (pair) {
        const States noised = every_second(g, x, 1);
        Var *waves = nn_sinusoid_var(g, t, x->batch, 1, e->embed, e->time_scale);
        h = ag_add(h, ag_embedding(nn_param_var(g, e->noised), &noised));
        h = ag_add_channel(h, nn_linear(g, &e->time, waves));
    }
    return h;
}

static Var *encoder_forward(const Encoder *base, Graph *g, const States *x, const double *t)
{
    const TransformerEncoder *e = (const TransformerEncoder *)base;
    const BlockInput nothing = {.time = NULL};
    const AgScope whole = ag_scope_begin(g);
    Var *h = embed(e, g, x, t);
    for (size_t i = 0; i < BLOCKS; i++) {
        h = transformer_block(g, &e->blocks[i], h, &nothing);
    }
    h = transformer_norm(g, e->gain, h);
    if (!e->places) {
        return ag_scope_end(whole, nn_linear(g, &e->output, ag_mean_positions(h)));
    }
    return ag_scope_end(whole, nn_encoder_at_places(g, &e->at_places, h));
}

static void encoder_initialise(Encoder *base, Rng rng)
{
    TransformerEncoder *e = (TransformerEncoder *)base;
    nn_init_default(e->clean, e->width, rng);
    nn_init_default(e->place, e->width, rng);
    if (e->noised != NULL) {
        nn_init_default(e->noised, e->width, rng);
        nn_linear_init(&e->time, true, rng);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        transformer_block_init(&e->blocks[i], rng);
    }
    nn_init_constant(e->gain, 1.0f);
    if (e->places) {
        nn_encoder_init_places(base, &e->at_places, rng);
    } else {
        nn_encoder_init_output(base, &e->output, rng);
    }
}

static void add_parameters(TransformerEncoder *e, ParamSet *set, const TransformerConfig *c)
{
    const size_t table[] = {c->states, c->width}, places[] = {c->dims, c->width};
    const BlockShape shape = {.width = c->width, .heads = c->heads};
    e->clean = nn_param_add(set, "encoder.clean.weight", PARAM_PLAIN, 2, table);
    e->place = nn_param_add(set, "encoder.place.weight", PARAM_PLAIN, 2, places);
    if (c->encoder == ENCODER_PAIR) {
        e->noised = nn_param_add(set, "encoder.noised.weight", PARAM_PLAIN, 2, table);
        e->time = nn_linear_add(set, "encoder.time", c->embed, c->width);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        char name[NN_NAME];
        snprintf(name, sizeof name, "encoder.blocks.%zu", i);
        e->blocks[i] = transformer_block_add(set, name, &shape, i);
    }
    e->gain = transformer_gain_add(set, "encoder.norm", c->width);
    if (e->places) {
        e->at_places = nn_encoder_add_places(set, c->width, c->lambda_dims);
    } else {
        e->output = nn_linear_add(set, "encoder.output", c->width, 2 * c->lambda_dims);
    }
}

Encoder *nn_transformer_encoder_add(ParamSet *set, const TransformerConfig *c)
{
    TransformerEncoder *e = mem_zeroed(1, sizeof *e);
    e->base.family = c->encoder_family;
    e->base.input = c->encoder;
    e->base.dims = c->dims;
    e->base.channels = 1;
    e->base.lambda_dims = nn_transformer_lambdas(c);
    e->base.forward = encoder_forward;
    e->base.initialise = encoder_initialise;
    e->width = c->width;
    e->embed = c->embed;
    e->time_scale = c->time_scale;
    e->places = c->lambda_entry == TRANSFORMER_LAMBDA_PLACES;
    add_parameters(e, set, c);
    return &e->base;
}
