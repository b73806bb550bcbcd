/* Operations that move, join, pool or sum entries along axes, softmax and its loss: see
 * tools/operation_cases.h. */
#include <check.h>
#include <math.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/larger.h"
#include "tests/tools/operation_cases.h"

enum { SAMPLES = 4 };
static const uint16_t labels[SAMPLES] = {1, 0, 2, 1};

/* A line an operation, a row a case. */
/* clang-format off */

static Var *reshape(Graph *g, Var *const *in, void *context)
{
    const size_t shape[] = {1, tensor_size(&in[0]->value)};
    (void)g, (void)context;
    return ag_reshape(in[0], 2, shape);
}

static Var *concat(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_concat(in[0], in[1]);
}

static void naive_concat(double *y, const Tensor *in, const Parameters *p)
{
    const size_t ca = axes_last(&in[0]), cb = axes_last(&in[1]), c = ca + cb;
    (void)p;
    for (size_t i = 0; i < axes_rows(&in[0]) * c; i++)
        y[i] = i % c < ca ? in[0].data[i / c * ca + i % c] : in[1].data[i / c * cb + i % c - ca];
}

static Var *slice(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_slice(in[0], p->first, p->count);
}

static void naive_slice(double *y, const Tensor *in, const Parameters *p)
{
    for (size_t i = 0; i < axes_rows(in) * p->count; i++)
        y[i] = in[0].data[i / p->count * axes_last(in) + p->first + i % p->count];
}

static Var *upsample2(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_upsample2(in[0]);
}

static void naive_upsample2(double *y, const Tensor *in, const Parameters *p)
{
    const size_t h = in->shape[1], w = in->shape[2], c = in->shape[3];
    (void)p;
    for (size_t i = 0; i < 4 * tensor_size(in); i++) {
        const size_t k = i % c, column = i / c % (2 * w), row = i / c / (2 * w) % (2 * h);
        const size_t b = i / c / (2 * w) / (2 * h);
        y[i] = in->data[((b * h + row / 2) * w + column / 2) * c + k];
    }
}

static Var *max_pool2(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_max_pool2(in[0]);
}

static void naive_max_pool2(double *y, const Tensor *in, const Parameters *p)
{
    const size_t h = in->shape[1], w = in->shape[2], c = in->shape[3];
    (void)p;
    for (size_t i = 0; i < in->shape[0] * (h / 2) * (w / 2) * c; i++) {
        const size_t k = i % c, column = i / c % (w / 2), row = i / c / (w / 2) % (h / 2);
        const size_t b = i / c / (w / 2) / (h / 2);
        double top = -HUGE_VAL;
        for (size_t q = 0; q < 4; q++)
            top = larger_of(top, in->data[((b * h + 2 * row + q / 2) * w + 2 * column + q % 2) * c + k]);
        y[i] = top;
    }
}

static Var *mean_positions(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_mean_positions(in[0]);
}

static void naive_mean_positions(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(in), c = axes_last(in);
    (void)p;
    for (size_t i = 0; i < in->shape[0] * c; i++) {
        y[i] = 0.0;
        for (size_t j = 0; j < n; j++)
            y[i] += in->data[(i / c * n + j) * c + i % c] / (double)n;
    }
}

static Var *softmax(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_softmax(in[0]);
}

static Var *log_softmax(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_log_softmax(in[0]);
}

static void naive_log_softmax(double *y, const Tensor *in, const Parameters *p)
{
    const size_t c = axes_last(in);
    (void)p;
    for (size_t r = 0; r < axes_rows(in); r++) {
        double total = 0.0;
        for (size_t j = 0; j < c; j++)
            total += exp(in->data[r * c + j]);
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = in->data[r * c + j] - log(total);
    }
}

static void naive_softmax(double *y, const Tensor *in, const Parameters *p)
{
    naive_log_softmax(y, in, p);
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = exp(y[i]);
}

static Var *sum(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_sum(in[0]);
}

static Var *mean(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_mean(in[0]);
}

static void naive_sum(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    y[0] = 0.0;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[0] += in->data[i];
}

static void naive_mean(double *y, const Tensor *in, const Parameters *p)
{
    naive_sum(y, in, p);
    y[0] /= (double)tensor_size(in);
}

static Var *cross_entropy(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_cross_entropy(in[0], labels);
}

static void naive_cross_entropy(double *y, const Tensor *in, const Parameters *p)
{
    const size_t batch = in->shape[0], c = in->shape[1];
    double *row = arena_alloc(operation_pool, tensor_size(in), sizeof *row);
    naive_log_softmax(row, in, p);
    y[0] = 0.0;
    for (size_t b = 0; b < batch; b++)
        y[0] -= row[b * c + labels[b]] / (double)batch;
}

static const OperationCase cases[] = {
    {"reshape", reshape, operation_copy, 1, {{3, {2, 3, 4}}}, {0}, false},
    {"concat", concat, naive_concat, 2, {{3, {2, 3, 5}}, {3, {2, 3, 4}}}, {0}, false},
    {"concat with nothing", concat, naive_concat, 2, {{2, {3, 0}}, {2, {3, 4}}}, {0}, false},
    {"slice", slice, naive_slice, 1, {{3, {2, 3, 7}}}, {.first = 2, .count = 4}, false},
    {"slice all", slice, naive_slice, 1, {{1, {5}}}, {.first = 0, .count = 5}, false},
    {"slice nothing", slice, naive_slice, 1, {{2, {2, 5}}}, {.first = 5, .count = 0}, false},
    {"upsample2", upsample2, naive_upsample2, 1, {{4, {2, 3, 1, 5}}}, {0}, false},
    {"max_pool2", max_pool2, naive_max_pool2, 1, {{4, {2, 4, 6, 3}}}, {0}, true},
    {"max_pool2 odd", max_pool2, naive_max_pool2, 1, {{4, {1, 5, 3, 2}}}, {0}, true},
    {"max_pool2 none", max_pool2, naive_max_pool2, 1, {{4, {1, 1, 1, 2}}}, {0}, true},
    {"mean_positions", mean_positions, naive_mean_positions, 1, {{4, {2, 3, 4, 5}}}, {0}, false},
    {"mean_positions rank 2", mean_positions, naive_mean_positions, 1, {{2, {2, 5}}}, {0}, false},
    {"softmax", softmax, naive_softmax, 1, {{3, {2, 3, 7}}}, {0}, false},
    {"softmax far", softmax, naive_softmax, 1, {{2, {4, 33}}}, {0}, true},
    {"softmax one", softmax, naive_softmax, 1, {{2, {3, 1}}}, {0}, false},
    {"log_softmax", log_softmax, naive_log_softmax, 1, {{2, {5, 9}}}, {0}, false},
    {"log_softmax far", log_softmax, naive_log_softmax, 1, {{2, {4, 33}}}, {0}, true},
    {"log_softmax none", log_softmax, naive_log_softmax, 1, {{2, {0, 9}}}, {0}, false},
    {"sum", sum, naive_sum, 1, {{2, {5, 9}}}, {0}, false},
    {"sum of none", sum, naive_sum, 1, {{2, {5, 0}}}, {0}, false},
    {"mean", mean, naive_mean, 1, {{2, {5, 9}}}, {0}, false},
    {"mean of one", mean, naive_mean, 1, {{0, {0}}}, {0}, false},
    {"cross_entropy", cross_entropy, naive_cross_entropy, 1, {{2, {SAMPLES, 5}}}, {0}, false},
    {"cross_entropy far", cross_entropy, naive_cross_entropy, 1, {{2, {SAMPLES, 40}}}, {0}, true},
};

static const OperationCase large_cases[] = {
    {"slice", slice, NULL, 1, {{2, {700, 99}}}, {.first = 11, .count = 80}, false},
    {"mean_positions", mean_positions, NULL, 1, {{3, {4, 300, 33}}}, {0}, false},
    {"sum", sum, NULL, 1, {{2, {500, 301}}}, {0}, false},
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

/* ---- extreme values ---- */

START_TEST(cross_entropy_of_large_logits)
{
    float x[] = {1000.0f, -1000.0f, 0.0f, -HUGE_VALF, 5.0f, 5.0f}, dx[6] = {0};
    const uint16_t label[] = {1, 2};
    const size_t shape[] = {2, 3};
    Graph *g = ag_graph_create();
    Var *y = ag_cross_entropy(ag_leaf(g, tensor_view(x, 2, shape), dx), label);
    ag_backward(y);
    ck_assert_float_eq_tol(y->value.data[0], (2000.0f + 0.693147f) / 2, 1e-3f);
    const float want[] = {0.5f, -0.5f, 0.0f, 0.0f, 0.25f, -0.25f};
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq_tol(dx[i], want[i], 1e-6f);
    ag_graph_destroy(g);
}
END_TEST

Suite *axis_operations_suite(void)
{
    Suite *s = operation_suite("axis_operations", &table, setup);
    TCase *extreme = tcase_create("extreme values");
    tcase_add_test(extreme, cross_entropy_of_large_logits);
    suite_add_tcase(s, extreme);
    return s;
}
