/* Operations of one entry at a time, dropout and draws: see tools/operation_cases.h.  The
 * statistics of dropout are in test_dropout.c. */
#include <math.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tests/tools/operation_cases.h"

enum { SAMPLES = 4 };

static void sample_streams(Rng streams[SAMPLES])
{
    for (size_t b = 0; b < SAMPLES; b++)
        streams[b] = rng_child(rng_root(5), b);
}

/* A line an operation, a row a case. */
/* clang-format off */

/* The operations of one entry. */
static Var *silu(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_silu(in[0]);
}

static Var *gelu(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_gelu(in[0]);
}

static Var *relu(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_relu(in[0]);
}

static Var *hyperbolic(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_tanh(in[0]);
}

static Var *sigmoid(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_sigmoid(in[0]);
}

static Var *scale(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_scale(in[0], (float)p->p);
}

static Var *add(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add(in[0], in[1]);
}

static Var *add_scaled(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_add_scaled(in[0], in[1], (float)p->p);
}

static Var *multiply(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_multiply(in[0], in[1]);
}

static double silu1(double x) { return x / (1.0 + exp(-x)); }
static double gelu1(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}
static double relu1(double x) { return x > 0.0 ? x : 0.0; }
static double sigmoid1(double x) { return 1.0 / (1.0 + exp(-x)); }

static void map(double *y, const Tensor *x, double (*f)(double))
{
    for (size_t i = 0; i < tensor_size(x); i++)
        y[i] = f(x->data[i]);
}

static void naive_silu(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, silu1);
}

static void naive_gelu(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, gelu1);
}

static void naive_relu(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, relu1);
}

static void naive_tanh(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, tanh);
}

static void naive_sigmoid(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, sigmoid1);
}

static void naive_scale(double *y, const Tensor *in, const Parameters *p)
{
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = p->p * in[0].data[i];
}

static void naive_add(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = (double)in[0].data[i] + in[1].data[i];
}

static void naive_add_scaled(double *y, const Tensor *in, const Parameters *p)
{
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = p->p * ((double)in[0].data[i] + in[1].data[i]);
}

static void naive_multiply(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = (double)in[0].data[i] * in[1].data[i];
}

static Var *add_channel(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add_channel(in[0], in[1]);
}

static void naive_add_channel(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]);
    (void)p;
    for (size_t i = 0; i < tensor_size(&in[0]); i++)
        y[i] = (double)in[0].data[i] + in[1].data[i / (n * c) * c + i % c];
}

static Var *add_gated(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add_gated(in[0], in[1], in[2]);
}

static void naive_add_gated(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]);
    (void)p;
    for (size_t i = 0; i < tensor_size(&in[0]); i++)
        y[i] = in[0].data[i] + (double)in[1].data[i / (n * c) * c + i % c] * in[2].data[i];
}

static Var *dropout(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    Rng streams[SAMPLES];
    (void)g;
    sample_streams(streams);
    return ag_dropout(in[0], p->p, streams, 3);
}

static void naive_dropout(double *y, const Tensor *in, const Parameters *p)
{
    const size_t batch = in[0].shape[0], n = batch ? tensor_size(in) / batch : 0;
    Rng streams[SAMPLES];
    sample_streams(streams);
    for (size_t b = 0; b < batch; b++) {
        Rng rng = rng_child(streams[b], 3);
        for (size_t i = 0; i < n; i++)
            y[b * n + i] = rng_uniform24(&rng) < (float)p->p
                               ? 0.0
                               : in[0].data[b * n + i] / (1.0 - p->p);
    }
}

/* Entry i of the noise, whatever its shape. */
static double noise_at(size_t i)
{
    return 1.7 * cos(1.3 * (double)i);
}

static Var *gaussian_draw(Graph *g, Var *const *in, void *context)
{
    const size_t count = tensor_size(&in[0]->value) / 2;
    double *noise = arena_alloc(g->arena, count, sizeof *noise);
    (void)context;
    for (size_t i = 0; i < count; i++)
        noise[i] = noise_at(i);
    return ag_gaussian_draw(in[0], noise);
}

static void naive_gaussian_draw(double *y, const Tensor *in, const Parameters *p)
{
    const size_t L = in->shape[1] / 2;
    (void)p;
    for (size_t i = 0; i < in->shape[0] * L; i++) {
        const float *row = in->data + i / L * 2 * L;
        y[i] = row[i % L] + exp(0.5 * (double)row[L + i % L]) * noise_at(i);
    }
}

static double uniform_at(size_t i)
{
    return 0.5 + 0.49 * cos(1.3 * (double)i);
}

static Var *box_draw(Graph *g, Var *const *in, void *context)
{
    const size_t count = tensor_size(&in[0]->value) / 2;
    double *u = arena_alloc(g->arena, count, sizeof *u);
    (void)context;
    for (size_t i = 0; i < count; i++)
        u[i] = uniform_at(i);
    return ag_box_draw(in[0], u);
}

static void naive_box_draw(double *y, const Tensor *in, const Parameters *p)
{
    const size_t L = in->shape[1] / 2;
    (void)p;
    for (size_t i = 0; i < in->shape[0] * L; i++) {
        const float *row = in->data + i / L * 2 * L;
        const double l = exp((double)row[i % L]), r = exp((double)row[L + i % L]);
        y[i] = (l + uniform_at(i)) / (1.0 + l + r);
    }
}

static const OperationCase cases[] = {
    {"silu", silu, naive_silu, 1, {{3, {3, 5, 7}}}, {0}, false},
    {"silu far", silu, naive_silu, 1, {{1, {150}}}, {0}, true},
    {"silu one", silu, naive_silu, 1, {{0, {0}}}, {0}, false},
    {"silu none", silu, naive_silu, 1, {{2, {0, 3}}}, {0}, false},
    {"gelu", gelu, naive_gelu, 1, {{3, {3, 5, 7}}}, {0}, false},
    {"gelu far", gelu, naive_gelu, 1, {{2, {3, 50}}}, {0}, true},
    {"gelu one", gelu, naive_gelu, 1, {{0, {0}}}, {0}, false},
    {"gelu none", gelu, naive_gelu, 1, {{2, {0, 3}}}, {0}, false},
    {"relu", relu, naive_relu, 1, {{2, {3, 37}}}, {0}, true},
    {"relu none", relu, naive_relu, 1, {{1, {0}}}, {0}, true},
    {"tanh", hyperbolic, naive_tanh, 1, {{2, {7, 19}}}, {0}, true},
    {"sigmoid", sigmoid, naive_sigmoid, 1, {{4, {3, 1, 5, 7}}}, {0}, true},
    {"scale", scale, naive_scale, 1, {{1, {13}}}, {.p = -2.5}, false},
    {"add", add, naive_add, 2, {{3, {2, 3, 5}}, {3, {2, 3, 5}}}, {0}, false},
    {"add none", add, naive_add, 2, {{1, {0}}, {1, {0}}}, {0}, false},
    {"add_scaled", add_scaled, naive_add_scaled, 2, {{2, {3, 17}}, {2, {3, 17}}}, {.p = 0.7071},
     false},
    {"multiply", multiply, naive_multiply, 2, {{2, {4, 9}}, {2, {4, 9}}}, {0}, false},
    {"add_channel", add_channel, naive_add_channel, 2, {{4, {3, 2, 5, 7}}, {2, {3, 7}}}, {0},
     false},
    {"add_channel rank 2", add_channel, naive_add_channel, 2, {{2, {3, 1}}, {2, {3, 1}}}, {0},
     false},
    {"add_gated", add_gated, naive_add_gated, 3, {{3, {2, 5, 7}}, {2, {2, 7}}, {3, {2, 5, 7}}},
     {0}, false},
    {"add_gated rank 2", add_gated, naive_add_gated, 3, {{2, {3, 4}}, {2, {3, 4}}, {2, {3, 4}}},
     {0}, false},
    {"add_gated one", add_gated, naive_add_gated, 3, {{3, {1, 1, 1}}, {2, {1, 1}}, {3, {1, 1, 1}}},
     {0}, false},
    {"add_gated no positions", add_gated, naive_add_gated, 3,
     {{3, {2, 0, 3}}, {2, {2, 3}}, {3, {2, 0, 3}}}, {0}, false},
    {"add_gated batch 0", add_gated, naive_add_gated, 3,
     {{3, {0, 2, 3}}, {2, {0, 3}}, {3, {0, 2, 3}}}, {0}, false},
    {"dropout", dropout, naive_dropout, 1, {{3, {SAMPLES, 5, 7}}}, {.p = 0.3}, false},
    {"dropout long", dropout, naive_dropout, 1, {{3, {SAMPLES, 41, 27}}}, {.p = 0.1}, false},
    {"dropout one", dropout, naive_dropout, 1, {{1, {1}}}, {.p = 0.5}, false},
    {"dropout batch 0", dropout, naive_dropout, 1, {{2, {0, 3}}}, {.p = 0.5}, false},
    {"dropout p=0", dropout, operation_copy, 1, {{2, {2, 3}}}, {.p = 0.0}, false},
    {"gaussian_draw", gaussian_draw, naive_gaussian_draw, 1, {{2, {SAMPLES, 6}}}, {0}, false},
    {"gaussian_draw one", gaussian_draw, naive_gaussian_draw, 1, {{2, {1, 2}}}, {0}, false},
    {"gaussian_draw batch 0", gaussian_draw, naive_gaussian_draw, 1, {{2, {0, 2}}}, {0}, false},
    {"box_draw", box_draw, naive_box_draw, 1, {{2, {SAMPLES, 6}}}, {0}, false},
    {"box_draw far", box_draw, naive_box_draw, 1, {{2, {SAMPLES, 6}}}, {0}, true},
    {"box_draw batch 0", box_draw, naive_box_draw, 1, {{2, {0, 2}}}, {0}, false},
};

static const OperationCase large_cases[] = {
    {"dropout", dropout, NULL, 1, {{3, {SAMPLES, 99, 33}}}, {.p = 0.1}, false},
    {"add_channel", add_channel, NULL, 2, {{3, {4, 300, 33}}, {2, {4, 33}}}, {0}, false},
    {"gelu", gelu, NULL, 1, {{2, {300, 301}}}, {0}, false},
    {"add_gated", add_gated, NULL, 3, {{3, {4, 300, 33}}, {2, {4, 33}}, {3, {4, 300, 33}}}, {0},
     false},
    {"multiply", multiply, NULL, 2, {{2, {300, 301}}, {2, {300, 301}}}, {0}, false},
};
/* clang-format on */

static const OperationTable table = {
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .large = large_cases,
    .large_count = sizeof large_cases / sizeof large_cases[0],
};

static void setup(void)
{
    operation_setup(&table);
}

Suite *pointwise_operations_suite(void)
{
    return operation_suite("pointwise_operations", &table, setup);
}
