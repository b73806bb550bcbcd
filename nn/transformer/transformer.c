/* The transformer, after arXiv 2212.09748 (conditioning), 2104.09864 (rotary positions), 2406.07524
 * (masked text) and 2410.08709 (lambda as a token).  With e(.) the sinusoids:
 *
 *   time   = SiLU(Linear(SiLU(Linear(e(t)))))               (B, K), if time conditions
 *   h      = Embedding(x)  (+ a learned vector a place)     (B, D, width)
 *   token  = Linear(SiLU(Linear(e(lambda))))                (B, width), in front of h, or
 *   lambda = SiLU(Linear(SiLU(Linear(e(lambda)))))          (B, K); numbers for e(lambda) if so
 *   h      = h + Linear(lambda_d) at each place d           lambda (B, D, L/D), or so
 *   h      = block(h, time, lambda), for each block         block.h
 *   logits = Linear(LN(h) gain), without the token          (B, D, out_states)
 *
 * Where the first block's input is told by the token alone, and tokens are few, its norm, q, k and
 * v are made of the embedding's rows and not of every place's.
 *
 * Where not all places are read, the last block and what follows give numbers at those alone.
 *
 * With lambda as conditioning a new student is its teacher: the layers that bring lambda into the
 * blocks start at zero.  The token's do not: every position pays it about one part in D + 1 of its
 * attention, so a new student is near its teacher, the nearer the longer the sequence.  Attention
 * of turned queries to the token, which is not turned, also tells places apart. */
#include "nn/transformer/transformer.h"

#include <stdio.h>
#include <string.h>

#include "autograd/operations.h"
#include "nn/layers.h"
#include "nn/transformer/block.h"
#include "nn/transformer/transformer_encoder.h"
#include "tensor/base/memory.h"
#include "tensor/pointwise.h"

static const double OUTPUT_SCALE = 0.01; /* logits of a new network are near 0.1 */
enum { LAMBDA_WIDER = 4 };               /* lambda's hidden layer, in units of the sinusoids */

typedef struct Transformer {
    Network base; /* first: a Network * is a Transformer * */
    TransformerConfig config;
    Param *embedding, *place, *gain; /* place NULL: rotary positions alone */
    LinearLayer time0, time1, lambda0, lambda1, lambda_place, output;
    TransformerBlock *blocks;
} Transformer;

static bool has(const TransformerConfig *c, TransformerLambda entry)
{
    return c->lambda_dims > 0 && c->lambda_entry == entry;
}

static bool has_token(const TransformerConfig *c)
{
    return has(c, TRANSFORMER_LAMBDA_TOKEN);
}

static bool has_places(const TransformerConfig *c)
{
    return has(c, TRANSFORMER_LAMBDA_PLACES);
}

/* Numbers by which one sample's lambda enters. */
static size_t lambda_width(const TransformerConfig *c)
{
    return c->lambda_is_number ? c->lambda_dims : c->lambda_dims * c->embed;
}

/* ---- parameters ---- */

static void add_conditions(Transformer *m)
{
    const TransformerConfig *c = &m->config;
    ParamSet *set = &m->base.params;
    if (c->time_conditioning) {
        m->time0 = nn_linear_add(set, "time.0", c->embed, c->condition_width);
        m->time1 = nn_linear_add(set, "time.1", c->condition_width, c->condition_width);
    }
    if (has_places(c)) {
        m->lambda_place = nn_linear_add(set, "lambda", c->lambda_dims, c->width);
    } else if (c->lambda_dims > 0) {
        const size_t hidden = LAMBDA_WIDER * c->embed;
        m->lambda0 = nn_linear_add(set, "lambda.0", lambda_width(c), hidden);
        m->lambda1 =
            nn_linear_add(set, "lambda.1", hidden, has_token(c) ? c->width : c->condition_width);
    }
}

static void add_parameters(Transformer *m)
{
    const TransformerConfig *c = &m->config;
    ParamSet *set = &m->base.params;
    const size_t table[] = {c->states, c->width}, places[] = {c->dims, c->width};
    const BlockShape shape = {.width = c->width,
                              .heads = c->heads,
                              .condition_width = c->condition_width,
                              .time = c->time_conditioning,
                              .lambda = has(c, TRANSFORMER_LAMBDA_CONDITIONING)};
    m->embedding = nn_param_add(set, "embedding.weight", PARAM_PLAIN, 2, table);
    if (c->learned_positions) {
        m->place = nn_param_add(set, "place.weight", PARAM_PLAIN, 2, places);
    }
    add_conditions(m);
    for (size_t i = 0; i < c->blocks; i++) {
        char name[NN_NAME];
        snprintf(name, sizeof name, "blocks.%zu", i);
        m->blocks[i] = transformer_block_add(set, name, &shape, i);
    }
    m->gain = transformer_gain_add(set, "norm", c->width);
    m->output = nn_linear_add(set, "output", c->width, c->out_states);
    if (c->encoder != ENCODER_NONE) {
        m->base.encoder = nn_transformer_encoder_add(set, c);
    }
}

/* Weights of variance scale/fan_in, bias 0: scale 1 keeps the variance of unit inputs, 2 that of
 * sinusoids and, nearly, of what a SiLU leaves. */
static void init(const LinearLayer *layer, double scale, Rng rng)
{
    const size_t in = layer->weight->value.shape[0];
    nn_init_fan_average(layer->weight, scale, in, in, rng);
    nn_init_constant(layer->bias, 0.0f);
}

static void transformer_initialise(Network *net, uint64_t seed)
{
    Transformer *m = (Transformer *)net;
    const TransformerConfig *c = &m->config;
    const Rng rng = rng_root(seed);
    nn_init_default(m->embedding, c->width, rng);
    if (m->place != NULL) {
        nn_init_default(m->place, c->width, rng);
    }
    if (c->time_conditioning) {
        init(&m->time0, 2.0, rng);
        init(&m->time1, 2.0, rng);
    }
    const double gain = c->lambda_gain * c->lambda_gain;
    if (has_places(c)) {
        init(&m->lambda_place, gain, rng);
    } else if (c->lambda_dims > 0) {
        init(&m->lambda0, (c->lambda_is_number ? 1.0 : 2.0) * gain, rng);
        init(&m->lambda1, 2.0, rng);
    }
    for (size_t i = 0; i < c->blocks; i++) {
        transformer_block_init(&m->blocks[i], rng);
    }
    nn_init_constant(m->gain, 1.0f);
    init(&m->output, OUTPUT_SCALE, rng);
    nn_encoder_initialise(m->base.encoder, rng);
}

/* ---- forward ---- */

static Var *two_layers(Graph *g, const LinearLayer *first, const LinearLayer *second, Var *x)
{
    return nn_linear(g, second, ag_silu(nn_linear(g, first, x)));
}

static Var *sinusoids_of(const TransformerConfig *c, Graph *g, const double *numbers, size_t batch,
                         size_t per_sample)
{
    return nn_sinusoid_var(g, numbers, batch, per_sample, c->embed, c->time_scale);
}

/* lambda through its two layers: the token, or what conditions before its SiLU. */
static Var *lambda_vector(const Transformer *m, Graph *g, const NetworkInput *in)
{
    const TransformerConfig *c = &m->config;
    Var *numbers = c->lambda_is_number
                       ? nn_lambda_var(&m->base, g, in)
                       : sinusoids_of(c, g, in->lambda, in->x->batch, c->lambda_dims);
    return two_layers(g, &m->lambda0, &m->lambda1, numbers);
}

/* (B, D, width), or with a token in front (B, 1 + D, width).  token: (B, width), or NULL. */
static Var *sequence(const Transformer *m, Graph *g, const States *x, Var *token)
{
    const size_t row[] = {x->batch, x->dims * m->config.width};
    const size_t shape[] = {x->batch, x->dims + (token != NULL), m->config.width};
    Var *h = ag_reshape(ag_embedding(nn_param_var(g, m->embedding), x), 2, row);
    if (m->place != NULL) {
        h = ag_add_row(h, ag_reshape(nn_param_var(g, m->place), 1, row + 1));
    }
    return ag_reshape(token != NULL ? ag_concat(token, h) : h, 3, shape);
}

/* What lambda says of each place where it is 0 at all of them, as for samplers of many steps:
 * (width).  NULL where it is not, and in training. */
static Var *level_of_places(const Transformer *m, Graph *g, const NetworkInput *in)
{
    const TransformerConfig *c = &m->config;
    if (!has_places(c) || g->recording || in->lambda == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < in->x->batch * m->base.lambda_dims; i++) {
        if (in->lambda[i] != 0.0) {
            return NULL;
        }
    }
    const size_t width[] = {c->width};
    Tensor zeros = tensor_make2(g->arena, 1, c->lambda_dims);
    tensor_fill(zeros.data, (float)((0.0 - c->lambda_mean) / c->lambda_deviation), c->lambda_dims);
    return ag_reshape(nn_linear(g, &m->lambda_place, ag_constant(g, zeros)), 1, width);
}

/* Is each row of the first block's input one of few: of the table of tokens, or a sample's lambda?
 * level: of level_of_places.  States are counted in 16 bits. */
static bool has_few_rows(const Transformer *m, size_t batch, const Var *level)
{
    const TransformerConfig *c = &m->config;
    return !c->time_conditioning && m->place == NULL &&
           (c->lambda_dims == 0 || has_token(c) || level != NULL) && c->states <= c->dims &&
           c->states + (has_token(c) ? batch : 0) <= UINT16_MAX;
}

/* What `sequence` gives, and in `in` the table whose rows it consists of: the embedding, with
 * `level` added unless it is NULL, and below it the samples' tokens. */
static Var *sequence_of_table(const Transformer *m, Graph *g, const States *x, Var *token,
                              Var *level, BlockInput *in)
{
    const size_t S = m->config.states, C = m->config.width, B = x->batch, front = token != NULL;
    States *rows = arena_alloc(g->arena, 1, sizeof *rows);
    *rows = states_make(g->arena, B, front + x->dims);
    for (size_t b = 0; b < B; b++) {
        uint16_t *row = states_row(rows, b);
        row[0] = (uint16_t)(S + b);
        memcpy(row + front, states_row(x, b), x->dims * sizeof *row);
    }
    Var *table = nn_param_var(g, m->embedding);
    if (level != NULL) {
        table = ag_add_row(table, level);
    }
    if (token != NULL) {
        const size_t above[] = {1, S * C}, below[] = {1, B * C}, all[] = {S + B, C};
        table = ag_concat(ag_reshape(table, 2, above), ag_reshape(token, 2, below));
        table = ag_reshape(table, 2, all);
    }
    in->table = table;
    in->rows = rows;
    return ag_embedding(table, rows);
}

/* h (B, D, width) with what lambda says of each place added. */
static Var *with_places(const Transformer *m, Graph *g, Var *h, const NetworkInput *in)
{
    const TransformerConfig *c = &m->config;
    const size_t shape[] = {in->x->batch, c->dims, c->lambda_dims};
    Var *numbers = ag_reshape(nn_lambda_var(&m->base, g, in), 3, shape);
    return ag_add(h, nn_linear(g, &m->lambda_place, numbers));
}

static Var *without_token(Var *h, size_t dims)
{
    const size_t batch = h->value.shape[0], width = h->value.shape[2];
    const size_t row[] = {batch, (1 + dims) * width}, shape[] = {batch, dims, width};
    return ag_reshape(ag_slice(ag_reshape(h, 2, row), width, dims * width), 3, shape);
}

/* The places that are read, of sequences with `front` tokens before them; false: all are. */
static bool some_read(const NetworkInput *in, Graph *g, size_t front, Places *read)
{
    if (in->wanted == NULL) {
        return false;
    }
    *read = places_make(g->arena, in->wanted, in->x->batch, in->x->dims, front);
    return places_count(read) < in->x->batch * in->x->dims;
}

/* The logits of the last block's result; read NULL: of all places, (B, L, width). */
static Var *logits(const Transformer *m, Graph *g, const NetworkInput *in, Var *h,
                   const Places *read)
{
    const size_t dims = in->x->dims;
    Places places;
    if (read == NULL && h->value.shape[1] > dims) {
        h = without_token(h, dims);
    }
    Var *n = transformer_norm(g, m->gain, h);
    Var *result = nn_linear(g, &m->output, n);
    ag_drop(n);
    return read != NULL && some_read(in, g, 0, &places) ? ag_spread(result, &places) : result;
}

static Var *transformer_forward(const Network *net, Graph *g, const NetworkInput *in)
{
    const Transformer *m = (const Transformer *)net;
    const TransformerConfig *c = &m->config;
    const AgScope whole = ag_scope_begin(g);
    BlockInput condition = {.dropout = in->dropout, .dropout_rate = c->dropout};
    Var *token = NULL;
    Places read;
    if (c->time_conditioning) {
        Var *waves = sinusoids_of(c, g, in->t, in->x->batch, 1);
        condition.time = ag_silu(two_layers(g, &m->time0, &m->time1, waves));
    }
    if (has_token(c)) {
        token = lambda_vector(m, g, in);
        condition.front = 1;
    } else if (has(c, TRANSFORMER_LAMBDA_CONDITIONING)) {
        condition.lambda = ag_silu(lambda_vector(m, g, in));
    }
    Var *level = level_of_places(m, g, in);
    Var *h = has_few_rows(m, in->x->batch, level)
                 ? sequence_of_table(m, g, in->x, token, level, &condition)
                 : sequence(m, g, in->x, token);
    if (has_places(c) && condition.table == NULL) {
        h = with_places(m, g, h, in);
    }
    const bool some = some_read(in, g, condition.front, &read);
    const AgScope scope = ag_scope_begin(g); /* in inference each block replaces its predecessor */
    for (size_t i = 0; i < c->blocks; i++) {
        condition.read = some && i + 1 == c->blocks ? &read : NULL;
        h = ag_scope_end(scope, transformer_block(g, &m->blocks[i], h, &condition));
        condition.table = NULL;
    }
    return ag_scope_end(whole, logits(m, g, in, h, condition.read));
}

/* ---- making and freeing ---- */

static void transformer_destroy(Network *net)
{
    Transformer *m = (Transformer *)net;
    nn_params_free(&m->base.params);
    nn_encoder_destroy(m->base.encoder);
    mem_free(m->blocks);
    mem_free(m);
}

static size_t gradient_block(const TransformerConfig *c)
{
    const size_t inside = 4 * c->width;
    return nn_gradient_block(c->dims, inside > c->out_states ? inside : c->out_states);
}

Network *nn_transformer_layout(const TransformerConfig *config, Error *err)
{
    if (!nn_transformer_possible(config, err)) {
        return NULL;
    }
    Transformer *m = mem_zeroed(1, sizeof *m);
    m->config = *config;
    m->base.kind = "transformer";
    m->base.dims = config->dims;
    m->base.states = config->states;
    m->base.lambda_dims = nn_transformer_lambdas(config);
    m->base.timeless = !config->time_conditioning;
    m->base.lambda_is_number = config->lambda_is_number;
    m->base.lambda_mean = config->lambda_mean;
    m->base.lambda_deviation = config->lambda_deviation;
    m->base.outputs = config->dims * config->out_states;
    m->base.gradient_block = gradient_block(config);
    m->base.forward = transformer_forward;
    m->base.initialise = transformer_initialise;
    m->base.destroy = transformer_destroy;
    m->blocks = mem_zeroed(config->blocks, sizeof *m->blocks);
    add_parameters(m);
    return &m->base;
}

Network *nn_transformer_create(const TransformerConfig *config, bool with_grads, Error *err)
{
    return nn_network_allocate(nn_transformer_layout(config, err), with_grads);
}
