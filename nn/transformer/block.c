/* The transformer's block: add, apply and initialise.  What is cheap to compute again is dropped:
 * of a block the backward pass holds x, q, k, v, attention's result, x between the halves, the
 * MLP's 4 width numbers before GELU, and, where there is a gate, what it multiplies. */
#include "nn/transformer/block.h"

#include <string.h>

#include "autograd/operations.h"
#include "tensor/pointwise.h"

static const double EPS = 1e-5;
enum { WIDER = 4 };                 /* the MLP's hidden layer */
enum { SHIFT, SCALE, GATE, KINDS }; /* of the conditioning's numbers */
enum { ATTENTION, MLP, HALVES, NUMBERS = HALVES * KINDS };

Param *transformer_gain_add(ParamSet *set, const char *name, size_t width)
{
    char part[NN_NAME];
    return nn_param_add(set, nn_name(part, name, "weight"), PARAM_PLAIN, 1, &width);
}

Var *transformer_norm(Graph *g, const Param *gain, Var *x)
{
    return ag_layer_norm(x, nn_param_var(g, gain), NULL, EPS);
}

TransformerBlock transformer_block_add(ParamSet *set, const char *name, const BlockShape *shape,
                                       uint64_t number)
{
    char part[NN_NAME];
    const size_t C = shape->width, condition = shape->condition_width;
    TransformerBlock b;
    memset(&b, 0, sizeof b);
    b.shape = *shape;
    b.number = number;
    if (shape->time) {
        b.time = nn_linear_add(set, nn_name(part, name, "time"), condition, NUMBERS * C);
    } else {
        b.gain1 = transformer_gain_add(set, nn_name(part, name, "norm1"), C);
        b.gain2 = transformer_gain_add(set, nn_name(part, name, "norm2"), C);
    }
    if (shape->lambda) {
        b.lambda = nn_linear_add(set, nn_name(part, name, "lambda"), condition, NUMBERS * C);
    }
    b.query = nn_linear_add(set, nn_name(part, name, "attention.q"), C, C);
    b.key = nn_linear_add(set, nn_name(part, name, "attention.k"), C, C);
    b.value = nn_linear_add(set, nn_name(part, name, "attention.v"), C, C);
    b.out = nn_linear_add(set, nn_name(part, name, "attention.out"), C, C);
    b.first = nn_linear_add(set, nn_name(part, name, "mlp.0"), C, WIDER * C);
    b.second = nn_linear_add(set, nn_name(part, name, "mlp.1"), WIDER * C, C);
    return b;
}

void transformer_block_init(const TransformerBlock *b, Rng rng)
{
    if (b->shape.time) {
        nn_linear_zero(&b->time);
    } else {
        nn_init_constant(b->gain1, 1.0f);
        nn_init_constant(b->gain2, 1.0f);
    }
    if (b->shape.lambda) {
        nn_linear_zero(&b->lambda);
    }
    nn_linear_init(&b->query, true, rng);
    nn_linear_init(&b->key, true, rng);
    nn_linear_init(&b->value, true, rng);
    nn_linear_init(&b->out, true, rng);
    nn_linear_init(&b->first, true, rng);
    nn_linear_init(&b->second, true, rng);
}

/* ---- apply ---- */

/* A half's conditioning: LN(x) (1 + scale) + shift, and the branch's gate, NULL: 1. */
typedef struct Modulation {
    Var *shift, *scale, *gate;
} Modulation;

static Var *constant_rows(Graph *g, size_t batch, size_t width, float value)
{
    Tensor t = tensor_make2(g->arena, batch, width);
    tensor_fill(t.data, value, batch * width);
    return ag_constant(g, t);
}

/* (s1, g1, a1, s2, g2, a2), (B, 6 width); NULL where nothing conditions the block. */
static Var *condition(Graph *g, const TransformerBlock *b, const BlockInput *in)
{
    Var *time = b->shape.time ? nn_linear(g, &b->time, in->time) : NULL;
    Var *lambda = b->shape.lambda ? nn_linear(g, &b->lambda, in->lambda) : NULL;
    return time != NULL && lambda != NULL ? ag_add(time, lambda) : time != NULL ? time : lambda;
}

/* numbers: of `condition`.  Teacher and student take one way here, so that a student whose numbers
 * are 0 has its teacher's bits. */
static Modulation modulation(Graph *g, const TransformerBlock *b, Var *numbers, size_t half,
                             size_t batch)
{
    const size_t C = b->shape.width, at = half * KINDS * C;
    const Param *gain = half == ATTENTION ? b->gain1 : b->gain2;
    Modulation m = {NULL, NULL, NULL};
    if (numbers != NULL) {
        m.shift = ag_slice(numbers, at + SHIFT * C, C);
        m.scale = ag_slice(numbers, at + SCALE * C, C);
        m.gate = ag_slice(numbers, at + GATE * C, C);
    }
    if (gain == NULL) {
        return m;
    }
    Var *own = ag_add_row(constant_rows(g, batch, C, -1.0f), nn_param_var(g, gain));
    m.scale = m.scale != NULL ? ag_add(own, m.scale) : own;
    if (numbers == NULL) {
        m.shift = constant_rows(g, batch, C, 0.0f);
    } else {
        m.gate = ag_add(m.gate, constant_rows(g, batch, C, 1.0f));
    }
    return m;
}

/* LN of x as the half has it; read not NULL: x is at those places.  A sample's own numbers need its
 * places together, so there x is spread first. */
static Var *norm(Var *x, const Modulation *m, const Places *read)
{
    if (read == NULL || m->shift->value.shape[0] == 1)
        return ag_layer_norm_adaptive(x, m->scale, m->shift, EPS);
    Var *all = ag_layer_norm_adaptive(ag_spread(x, read), m->scale, m->shift, EPS);
    Var *n = ag_pick(all, read);
    ag_drop(all);
    return n;
}

/* Linear(n) of all positions; with a table n is of its rows. */
static Var *linear(Graph *g, const LinearLayer *layer, Var *n, const BlockInput *in)
{
    Var *y = nn_linear(g, layer, n);
    const size_t rows[] = {n->value.shape[1], layer->weight->value.shape[1]};
    return in->table != NULL ? ag_embedding(ag_reshape(y, 2, rows), in->rows) : y;
}

static Var *turned(Var *straight, size_t heads, size_t front, const Places *places)
{
    Var *result = places != NULL ? ag_rotary_places(straight, heads, front, places)
                                 : ag_rotary(straight, heads, front);
    ag_drop(straight);
    return result;
}

/* What is turned into queries: at the places that are read, which only those of n need be. */
static Var *asking(Graph *g, const TransformerBlock *b, Var *n, const BlockInput *in)
{
    if (in->read == NULL) {
        return linear(g, &b->query, n, in);
    }
    Var *all = in->table != NULL ? linear(g, &b->query, n, in) : n;
    Var *some = ag_pick(all, in->read);
    if (in->table != NULL) {
        ag_drop(all);
        return some;
    }
    Var *result = nn_linear(g, &b->query, some);
    ag_drop(some);
    return result;
}

static Var *attention(Graph *g, const TransformerBlock *b, Var *n, const BlockInput *in)
{
    const size_t heads = b->shape.heads;
    const Places *read = in->read;
    Var *q = turned(asking(g, b, n, in), heads, in->front, read);
    Var *k = turned(linear(g, &b->key, n, in), heads, in->front, NULL);
    Var *v = linear(g, &b->value, n, in);
    ag_drop(n);
    Var *y = read != NULL ? ag_multihead_attention_places(q, k, v, heads, NULL, read)
                          : ag_multihead_attention(q, k, v, heads, NULL);
    return nn_linear(g, &b->out, y);
}

static Var *mlp(Graph *g, const TransformerBlock *b, Var *n)
{
    Var *wide = ag_gelu(nn_linear(g, &b->first, n));
    ag_drop(n);
    Var *z = nn_linear(g, &b->second, wide);
    ag_drop(wide);
    return z;
}

static Var *join(Var *x, Var *gate, Var *z, const BlockInput *in, uint64_t dropout)
{
    Var *kept = ag_dropout(z, in->dropout_rate, in->dropout, dropout);
    Var *sum = gate != NULL ? ag_add_gated(x, gate, kept) : ag_add(x, kept);
    if (kept != z) {
        ag_drop(z);
    }
    if (gate == NULL) {
        ag_drop(kept); /* a sum's backward pass does not look at it */
    }
    return sum;
}

/* join of x and z at the places that are read.  Gates and dropout are of samples and positions, so
 * there x and z are spread first. */
static Var *join_read(Var *x, Var *gate, Var *z, const BlockInput *in, uint64_t dropout)
{
    const Places *read = in->read;
    const bool drops = in->dropout != NULL && in->dropout_rate > 0.0;
    if (read == NULL || (gate == NULL && !drops))
        return join(x, gate, z, in, dropout);
    return ag_pick(join(ag_spread(x, read), gate, ag_spread(z, read), in, dropout), read);
}

Var *transformer_block(Graph *g, const TransformerBlock *b, Var *x, const BlockInput *in)
{
    const Places *read = in->read;
    Var *numbers = condition(g, b, in), *normed = x;
    if (in->table != NULL) {
        const size_t *rows = in->table->value.shape;
        normed = ag_reshape(in->table, 3, (const size_t[]){1, rows[0], rows[1]});
    }
    const Modulation first = modulation(g, b, numbers, ATTENTION, normed->value.shape[0]);
    Var *z = attention(g, b, norm(normed, &first, NULL), in);
    /* Where nothing conditions, places that were picked are as good as one sample's. */
    const size_t samples = read != NULL && numbers == NULL ? 1 : x->value.shape[0];
    const Modulation second = modulation(g, b, numbers, MLP, samples);
    x = join_read(read != NULL ? ag_pick(x, read) : x, first.gate, z, in,
                  HALVES * b->number + ATTENTION);
    z = mlp(g, b, norm(x, &second, read));
    return join_read(x, second.gate, z, in, HALVES * b->number + MLP);
}
