/* The whole transformer against the plain one in double: values, and gradients of all parameters
 * and of lambda by central differences that keep their digits. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "autograd/operations.h"
#include "nn/transformer/transformer.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tests/tools/network_checks.h"
#include "tests/tools/one_thread.h"
#include "tests/tools/plain_transformer.h"

static const double STEP = 1e-5;

/* Batches, lengths and sizes, odd ones among them. */
typedef struct Size {
    size_t batch, dims, width, heads, blocks, embed, condition_width;
} Size;
static const Size sizes[] = {
    {1, 1, 4, 2, 1, 4, 1}, {3, 5, 12, 3, 2, 9, 7}, {2, 4, 8, 1, 2, 6, 3},
    {5, 7, 8, 4, 1, 7, 5}, {4, 13, 6, 1, 1, 5, 4}, {7, 2, 16, 2, 3, 11, 8},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Time or none, learned positions or none; teacher, token, conditioning, places; sinusoids or
 * numbers. */
enum { ENTRIES = 7, WAYS = 4 * ENTRIES };

static TransformerConfig config_of(const Size *s, int way)
{
    const int entry = way / 4; /* 0 teacher, 1, 2 token, 3, 4 conditioning, 5, 6 places */
    TransformerConfig c = nn_transformer_defaults();
    c.dims = s->dims;
    c.states = 5;
    c.out_states = 3 + s->batch % 2;
    c.width = s->width;
    c.heads = s->heads;
    c.blocks = s->blocks;
    c.embed = s->embed;
    c.condition_width = s->condition_width;
    c.time_scale = 7.0;
    c.time_conditioning = way % 2 == 0;
    c.learned_positions = way / 2 % 2 == 1;
    c.lambda_dims = entry == 0 ? 0 : 1 + (size_t)entry % 2 + (size_t)(entry > 2);
    c.lambda_entry = entry < 3   ? TRANSFORMER_LAMBDA_TOKEN
                     : entry < 5 ? TRANSFORMER_LAMBDA_CONDITIONING
                                 : TRANSFORMER_LAMBDA_PLACES;
    c.lambda_is_number = entry == 2 || entry >= 4;
    c.lambda_mean = 0.4;
    c.lambda_deviation = 0.3;
    return c;
}

typedef struct Case {
    TransformerConfig config;
    size_t batch;
    Network *net;
    PlainTransformer plain;
    States x;
    double *t, *lambda, *weight; /* (B), (B, L), (B, outputs): of the sum of outputs */
    float *out, *dlambda;        /* (B, outputs), (B, L) */
} Case;

static void case_make(Case *c, int number)
{
    const Size *s = &sizes[number % SIZES];
    Rng rng = rng_root(20 + (uint64_t)number);
    Error err = {""};
    c->config = config_of(s, number / SIZES);
    c->batch = s->batch;
    c->net = made(nn_transformer_create(&c->config, true, &err), &err);
    randomise(c->net, 100 + (uint64_t)number);
    for (size_t i = 0; i < c->net->params.total; i++) {
        c->net->params.values[i] *= 1.7f; /* attention that chooses, a GELU that bends */
    }
    c->plain = plain_transformer(c->net, &c->config);
    const size_t L = c->net->lambda_dims, outputs = s->batch * c->net->outputs;
    c->x = states_alloc(s->batch, s->dims);
    c->t = mem_alloc(s->batch, sizeof *c->t);
    c->lambda = mem_alloc(s->batch * L, sizeof *c->lambda);
    c->weight = mem_alloc(outputs, sizeof *c->weight);
    c->out = mem_alloc(outputs, sizeof *c->out);
    c->dlambda = mem_zeroed(s->batch * L, sizeof *c->dlambda);
    for (size_t i = 0; i < s->batch * s->dims; i++) {
        c->x.x[i] = (uint16_t)rng_below(&rng, c->config.states);
    }
    for (size_t b = 0; b < s->batch; b++) {
        c->t[b] = rng_uniform(&rng);
    }
    for (size_t i = 0; i < s->batch * L; i++) {
        c->lambda[i] = (double)rng_uniform24(&rng);
    }
    for (size_t i = 0; i < outputs; i++) {
        c->weight[i] = (double)(float)rng_normal(&rng);
    }
}

static void case_free(Case *c)
{
    plain_transformer_free(&c->plain);
    nn_network_destroy(c->net);
    states_free(&c->x);
    mem_free(c->t);
    mem_free(c->lambda);
    mem_free(c->weight);
    mem_free(c->out);
    mem_free(c->dlambda);
}

/* Outputs of the network, and the gradients of sum w out. */
static void run_network(Case *c)
{
    const size_t B = c->batch, L = c->net->lambda_dims, n = B * c->net->outputs;
    Graph *g = ag_graph_create();
    NetworkInput in = {.x = &c->x, .t = c->t, .lambda = L > 0 ? c->lambda : NULL};
    if (c->config.lambda_is_number) {
        Tensor value = tensor_make2(g->arena, B, L);
        for (size_t i = 0; i < B * L; i++) {
            value.data[i] = (float)c->lambda[i];
        }
        in.lambda = NULL;
        in.lambda_var = ag_leaf(g, value, c->dlambda);
    }
    Var *v = nn_forward(c->net, g, &in);
    float *w = arena_alloc(g->arena, n, sizeof *w);
    for (size_t i = 0; i < n; i++) {
        w[i] = (float)c->weight[i];
    }
    memcpy(c->out, v->value.data, n * sizeof *c->out);
    nn_params_zero_grads(&c->net->params);
    ag_backward_from(v, w);
    ag_graph_destroy(g);
}

/* sum w out of the plain transformer. */
static double plain_sum(const Case *c)
{
    double out[PLAIN_ROWS * PLAIN_WIDTH], sum = 0.0;
    for (size_t b = 0; b < c->batch; b++) {
        plain_transformer_forward(&c->plain, states_row(&c->x, b), c->t[b],
                                  c->lambda + b * c->net->lambda_dims, out);
        for (size_t i = 0; i < c->net->outputs; i++) {
            sum += c->weight[b * c->net->outputs + i] * out[i];
        }
    }
    return sum;
}

/* Derivative of the plain sum as the n numbers at x move along v. */
static double slope_along(const Case *c, double *x, const double *v, size_t n)
{
    double *kept = mem_alloc(n, sizeof *kept), sum[2];
    memcpy(kept, x, n * sizeof *kept);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < n; i++) {
            x[i] = kept[i] + (k == 0 ? STEP : -STEP) * v[i];
        }
        sum[k] = plain_sum(c);
    }
    memcpy(x, kept, n * sizeof *kept);
    mem_free(kept);
    return (sum[0] - sum[1]) / (2.0 * STEP);
}

/* gradient (n) along v against differences, within what float leaves of numbers of this size. */
static void check_along(const Case *c, const char *name, double *x, const float *gradient,
                        const double *v, size_t n)
{
    double along = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        along += v[i] * (double)gradient[i];
        size += v[i] * v[i] * (double)gradient[i] * (double)gradient[i];
    }
    const double slope = slope_along(c, x, v, n);
    ck_assert_msg(fabs(along - slope) <= 1.5e-4 * (1.0 + sqrt(size)),
                  "%s: backward %.9g, differences %.9g (%g)", name, along, slope,
                  fabs(along - slope) / (1.0 + sqrt(size)));
}

/* A random direction through all n numbers, in which a wrong entry shows, and the entry that has
 * the largest gradient alone. */
static void check_numbers(const Case *c, const char *name, double *x, const float *gradient,
                          size_t n, Rng *rng)
{
    double *v = mem_alloc(n, sizeof *v);
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = rng_normal(rng);
        most = fabsf(gradient[i]) > fabsf(gradient[most]) ? i : most;
    }
    check_along(c, name, x, gradient, v, n);
    memset(v, 0, n * sizeof *v);
    v[most] = 1.0;
    check_along(c, name, x, gradient, v, n);
    mem_free(v);
}

static void check_values(Case *c)
{
    double out[PLAIN_ROWS * PLAIN_WIDTH], worst = 0.0, size = 0.0;
    for (size_t b = 0; b < c->batch; b++) {
        plain_transformer_forward(&c->plain, states_row(&c->x, b), c->t[b],
                                  c->lambda + b * c->net->lambda_dims, out);
        for (size_t i = 0; i < c->net->outputs; i++) {
            worst = larger_of(worst, fabs(out[i] - (double)c->out[b * c->net->outputs + i]));
            size = larger_of(size, fabs(out[i]));
        }
    }
    ck_assert(size > 0.3); /* no near-zero outputs */
    ck_assert_msg(worst < 1e-5 * (1.0 + size), "error %g of outputs up to %g", worst, size);
}

static void check_gradients(Case *c, Rng rng)
{
    for (size_t i = 0; i < c->net->params.count; i++) {
        const Param *p = c->net->params.items[i];
        check_numbers(c, p->name, c->plain.weights + p->offset, p->grad, tensor_size(&p->value),
                      &rng);
    }
    if (c->config.lambda_is_number) {
        check_numbers(c, "lambda", c->lambda, c->dlambda, c->batch * c->net->lambda_dims, &rng);
    }
}

START_TEST(values_and_gradients_are_those_of_plain_loops)
{
    for (int size = 0; size < SIZES; size++) {
        Case c;
        case_make(&c, SIZES * _i + size);
        run_network(&c);
        check_values(&c);
        check_gradients(&c, rng_root(50 + (uint64_t)size));
        case_free(&c);
    }
}
END_TEST

Suite *transformer_gradient_suite(void);
Suite *transformer_gradient_suite(void)
{
    Suite *s = suite_create("transformer_gradient");
    TCase *tc = one_thread_case("transformer_gradient", 60);
    tcase_add_loop_test(tc, values_and_gradients_are_those_of_plain_loops, 0, WAYS);
    suite_add_tcase(s, tc);
    return s;
}
