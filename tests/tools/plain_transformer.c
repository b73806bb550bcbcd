#include "tests/tools/plain_transformer.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/memory.h"

enum { HALVES = 2, KINDS = 3, WIDE = 6 * PLAIN_WIDTH, WAVES = 64 };
enum { SHIFT, SCALE, GATE };

/* ---- the weights by their names ---- */

/* NULL: the network has none of this name. */
static const double *weights_of(const PlainTransformer *m, const Network *net, const char *owner,
                                const char *part)
{
    char name[NN_NAME];
    const Param *p = nn_param_find(&net->params, nn_name(name, owner, part));
    return p != NULL ? m->weights + p->offset : NULL;
}

static PlainLinear linear_of(const PlainTransformer *m, const Network *net, const char *name)
{
    char weight[NN_NAME];
    PlainLinear l = {weights_of(m, net, name, "weight"), weights_of(m, net, name, "bias"), 0, 0};
    const Param *p = nn_param_find(&net->params, nn_name(weight, name, "weight"));
    if (p != NULL) {
        l.in = p->value.shape[0];
        l.out = p->value.shape[1];
        ck_assert_uint_le(l.out, WIDE);
    }
    return l;
}

static PlainLinear layer_of(const PlainTransformer *m, const Network *net, size_t number,
                            const char *part)
{
    char name[NN_NAME];
    snprintf(name, sizeof name, "blocks.%zu.%s", number, part);
    return linear_of(m, net, name);
}

static PlainBlock block_of(const PlainTransformer *m, const Network *net, size_t number)
{
    char name[NN_NAME];
    snprintf(name, sizeof name, "blocks.%zu", number);
    return (PlainBlock){.gain = {weights_of(m, net, name, "norm1.weight"),
                                 weights_of(m, net, name, "norm2.weight")},
                        .query = layer_of(m, net, number, "attention.q"),
                        .key = layer_of(m, net, number, "attention.k"),
                        .value = layer_of(m, net, number, "attention.v"),
                        .out = layer_of(m, net, number, "attention.out"),
                        .first = layer_of(m, net, number, "mlp.0"),
                        .second = layer_of(m, net, number, "mlp.1"),
                        .time = layer_of(m, net, number, "time"),
                        .lambda = layer_of(m, net, number, "lambda")};
}

PlainTransformer plain_transformer(const Network *net, const TransformerConfig *config)
{
    PlainTransformer m = {.config = *config};
    ck_assert(config->blocks <= PLAIN_BLOCKS && config->dims < PLAIN_ROWS);
    ck_assert(config->width <= PLAIN_WIDTH && config->out_states <= WIDE);
    m.weights = mem_alloc(net->params.total, sizeof *m.weights);
    for (size_t i = 0; i < net->params.total; i++) {
        m.weights[i] = (double)net->params.values[i];
    }
    m.embedding = weights_of(&m, net, "embedding", "weight");
    m.place = weights_of(&m, net, "place", "weight");
    m.gain = weights_of(&m, net, "norm", "weight");
    m.time0 = linear_of(&m, net, "time.0");
    m.time1 = linear_of(&m, net, "time.1");
    m.lambda0 = linear_of(&m, net, "lambda.0");
    m.lambda1 = linear_of(&m, net, "lambda.1");
    m.lambda_place = linear_of(&m, net, "lambda");
    for (size_t i = 0; i < config->blocks; i++) {
        m.blocks[i] = block_of(&m, net, i);
    }
    m.output = linear_of(&m, net, "output");
    return m;
}

void plain_transformer_free(PlainTransformer *m)
{
    mem_free(m->weights);
}

/* ---- pieces ---- */

static void linear(const PlainLinear *l, const double *x, double *y)
{
    for (size_t o = 0; o < l->out; o++) {
        y[o] = l->bias[o];
        for (size_t i = 0; i < l->in; i++) {
            y[o] += x[i] * l->weight[i * l->out + o];
        }
    }
}

static void silu(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] /= 1.0 + exp(-x[i]);
    }
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

/* sin(f_i s t), then cos(f_i s t), f_i = 10000^(-i/(n/2 - 1)); an odd n ends with 0. */
static void sinusoids(double *waves, size_t n, double scale, double t)
{
    const size_t half = n / 2;
    waves[n - 1] = 0.0;
    for (size_t i = 0; i < half; i++) {
        const double angle = scale * t * pow(10000.0, -(double)i / (double)(half - 1));
        waves[i] = sin(angle);
        waves[half + i] = cos(angle);
    }
}

static void normalised(const double *x, size_t n, double *y)
{
    double mean = 0.0, variance = 0.0;
    for (size_t c = 0; c < n; c++) {
        mean += x[c] / (double)n;
    }
    for (size_t c = 0; c < n; c++) {
        variance += (x[c] - mean) * (x[c] - mean) / (double)n;
    }
    for (size_t c = 0; c < n; c++) {
        y[c] = (x[c] - mean) / sqrt(variance + 1e-5);
    }
}

/* Channels i and i + h/2 of each head turn by the place times 10000^(-2i/h). */
static void turn(double *x, size_t width, size_t heads, double place)
{
    const size_t h = width / heads;
    for (size_t c = 0; c < width; c++) {
        const size_t i = c % h;
        if (i >= h / 2) {
            continue;
        }
        const double angle = place * pow(10000.0, -2.0 * (double)i / (double)h);
        const double a = x[c], b = x[c + h / 2];
        x[c] = a * cos(angle) - b * sin(angle);
        x[c + h / 2] = a * sin(angle) + b * cos(angle);
    }
}

/* ---- one block ---- */

/* What a sample is told: vectors after their SiLU. */
typedef struct Told {
    double time[WIDE], lambda[WIDE];
    size_t front;
} Told;

typedef double Rows[PLAIN_ROWS][PLAIN_WIDTH];

/* n[half][kind][c]: shift, factor and gate. */
static void modulation(const PlainTransformer *m, const PlainBlock *b, const Told *told,
                       double n[HALVES][KINDS][PLAIN_WIDTH])
{
    double time[WIDE] = {0.0}, lambda[WIDE] = {0.0};
    const size_t C = m->config.width;
    if (b->time.weight != NULL) {
        linear(&b->time, told->time, time);
    }
    if (b->lambda.weight != NULL) {
        linear(&b->lambda, told->lambda, lambda);
    }
    for (size_t i = 0; i < (size_t)HALVES * KINDS * C; i++) {
        const size_t half = i / (KINDS * C), kind = i / C % KINDS, c = i % C;
        const double *gain = b->gain[half];
        const double start = kind == SHIFT   ? 0.0
                             : kind == SCALE ? (gain != NULL ? gain[c] : 1.0)
                                             : (gain != NULL ? 1.0 : 0.0);
        n[half][kind][c] = start + time[i] + lambda[i];
    }
}

/* y[i] = sum_j softmax_j(q[i].k[j]/sqrt(h)) v[j], for the head's h channels from `first` on. */
static void attend(Rows q, Rows k, Rows v, size_t rows, size_t first, size_t h, Rows y)
{
    for (size_t i = 0; i < rows; i++) {
        double score[PLAIN_ROWS] = {0.0}, top = -HUGE_VAL, total = 0.0;
        for (size_t j = 0; j < rows; j++) {
            for (size_t c = first; c < first + h; c++) {
                score[j] += q[i][c] * k[j][c] / sqrt((double)h);
            }
            top = fmax(top, score[j]);
        }
        for (size_t j = 0; j < rows; j++) {
            total += exp(score[j] - top);
        }
        for (size_t c = first; c < first + h; c++) {
            y[i][c] = 0.0;
            for (size_t j = 0; j < rows; j++) {
                y[i][c] += exp(score[j] - top) / total * v[j][c];
            }
        }
    }
}

static void attention(const PlainTransformer *m, const PlainBlock *b, const Told *told, Rows n,
                      size_t rows, Rows z)
{
    const size_t C = m->config.width, heads = m->config.heads;
    Rows q, k, v, y;
    for (size_t i = 0; i < rows; i++) {
        const double place = i < told->front ? 0.0 : (double)(i - told->front);
        linear(&b->query, n[i], q[i]);
        linear(&b->key, n[i], k[i]);
        linear(&b->value, n[i], v[i]);
        turn(q[i], C, heads, place);
        turn(k[i], C, heads, place);
    }
    for (size_t head = 0; head < heads; head++) {
        attend(q, k, v, rows, head * C / heads, C / heads, y);
    }
    for (size_t i = 0; i < rows; i++) {
        linear(&b->out, y[i], z[i]);
    }
}

static void mlp(const PlainBlock *b, const double *n, double *z)
{
    double wide[WIDE];
    linear(&b->first, n, wide);
    for (size_t i = 0; i < b->first.out; i++) {
        wide[i] = gelu(wide[i]);
    }
    linear(&b->second, wide, z);
}

static void block(const PlainTransformer *m, const PlainBlock *b, const Told *told, size_t rows,
                  Rows x)
{
    const size_t C = m->config.width;
    double by[HALVES][KINDS][PLAIN_WIDTH];
    Rows n, z;
    modulation(m, b, told, by);
    for (size_t half = 0; half < HALVES; half++) {
        for (size_t i = 0; i < rows; i++) {
            normalised(x[i], C, n[i]);
            for (size_t c = 0; c < C; c++) {
                n[i][c] = n[i][c] * by[half][SCALE][c] + by[half][SHIFT][c];
            }
            if (half == 1) {
                mlp(b, n[i], z[i]);
            }
        }
        if (half == 0) {
            attention(m, b, told, n, rows, z);
        }
        for (size_t i = 0; i < rows * C; i++) {
            x[i / C][i % C] += by[half][GATE][i % C] * z[i / C][i % C];
        }
    }
}

/* ---- the whole ---- */

/* y = Linear(SiLU(Linear(x))). */
static void two_layers(const PlainLinear *first, const PlainLinear *second, const double *x,
                       double *y)
{
    double hidden[WIDE];
    linear(first, x, hidden);
    silu(hidden, first->out);
    linear(second, hidden, y);
}

static double as_number(const TransformerConfig *c, double lambda)
{
    return (lambda - c->lambda_mean) / c->lambda_deviation;
}

static void lambda_vector(const PlainTransformer *m, const double *lambda, double *y)
{
    const TransformerConfig *c = &m->config;
    double in[WAVES];
    ck_assert_uint_le(c->lambda_dims * c->embed, WAVES);
    for (size_t l = 0; l < c->lambda_dims; l++) {
        if (c->lambda_is_number) {
            in[l] = as_number(c, lambda[l]);
        } else {
            sinusoids(in + l * c->embed, c->embed, c->time_scale, lambda[l]);
        }
    }
    two_layers(&m->lambda0, &m->lambda1, in, y);
}

/* What place d's numbers add to its channels. */
static void add_place(const PlainTransformer *m, const double *lambda, size_t d, double *h)
{
    const TransformerConfig *c = &m->config;
    double in[WAVES], y[PLAIN_WIDTH];
    ck_assert_uint_le(c->lambda_dims, WAVES);
    for (size_t l = 0; l < c->lambda_dims; l++) {
        in[l] = as_number(c, lambda[d * c->lambda_dims + l]);
    }
    linear(&m->lambda_place, in, y);
    for (size_t k = 0; k < c->width; k++) {
        h[k] += y[k];
    }
}

static void tell(const PlainTransformer *m, double t, const double *lambda, Told *told)
{
    const TransformerConfig *c = &m->config;
    double waves[WAVES];
    told->front = c->lambda_dims > 0 && c->lambda_entry == TRANSFORMER_LAMBDA_TOKEN ? 1 : 0;
    if (c->time_conditioning) {
        sinusoids(waves, c->embed, c->time_scale, t);
        two_layers(&m->time0, &m->time1, waves, told->time);
        silu(told->time, c->condition_width);
    }
    if (c->lambda_dims > 0 && m->lambda_place.weight == NULL) {
        lambda_vector(m, lambda, told->lambda);
    }
    if (c->lambda_dims > 0 && c->lambda_entry == TRANSFORMER_LAMBDA_CONDITIONING) {
        silu(told->lambda, c->condition_width);
    }
}

void plain_transformer_forward(const PlainTransformer *m, const uint16_t *x, double t,
                               const double *lambda, double *logits)
{
    const TransformerConfig *c = &m->config;
    const size_t C = c->width;
    Told told;
    Rows h;
    tell(m, t, lambda, &told);
    const size_t rows = told.front + c->dims;
    for (size_t i = 0; i < rows * C; i++) {
        const size_t row = i / C, k = i % C, d = row - told.front;
        h[row][k] = row < told.front   ? told.lambda[k]
                    : m->place != NULL ? m->embedding[x[d] * C + k] + m->place[d * C + k]
                                       : m->embedding[x[d] * C + k];
    }
    for (size_t d = 0; d < c->dims && m->lambda_place.weight != NULL; d++) {
        add_place(m, lambda, d, h[d]);
    }
    for (size_t i = 0; i < c->blocks; i++) {
        block(m, &m->blocks[i], &told, rows, h);
    }
    for (size_t d = 0; d < c->dims; d++) {
        double n[PLAIN_WIDTH];
        normalised(h[told.front + d], C, n);
        for (size_t k = 0; k < C; k++) {
            n[k] *= m->gain[k];
        }
        linear(&m->output, n, logits + d * c->out_states);
    }
}
