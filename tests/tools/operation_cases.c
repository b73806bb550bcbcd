#include "tests/tools/operation_cases.h"

#include <math.h>
#include <string.h>

#include "tensor/base/rng.h"
#include "tensor/system/threads.h"

Arena *operation_pool;
static const OperationTable *table;

void operation_setup(const OperationTable *of)
{
    table = of;
    operation_pool = arena_create(1 << 16);
}

void operation_teardown(void)
{
    arena_destroy(operation_pool);
}

void operation_copy(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = in[0].data[i];
}

/* Uniform on (-1, 1); or, with `apart`, numbers at least 0.05 from each other and 0.025 from 0. */
static Tensor draw(Shape s, uint64_t seed, bool apart)
{
    Rng rng = rng_root(seed);
    Tensor t = tensor_make(operation_pool, s.rank, s.n);
    const size_t n = tensor_size(&t), half = n / 2;
    uint32_t *order = arena_alloc(operation_pool, n, sizeof *order);
    rng_permutation(&rng, order, n);
    for (size_t i = 0; i < n; i++)
        t.data[i] = apart ? 0.05f * ((float)order[i] - (float)half + 0.5f)
                          : 2.0f * rng_uniform24(&rng) - 1.0f;
    return t;
}

static void draw_inputs(const OperationCase *c, Tensor in[3])
{
    for (int i = 0; i < c->inputs; i++)
        in[i] = draw(c->shape[i], 11 + (uint64_t)i, c->apart);
}

static void make_leaves(Graph *g, const OperationCase *c, const Tensor *in, Var **vars,
                        float **grads)
{
    for (int i = 0; i < c->inputs; i++) {
        grads[i] = arena_zeroed(operation_pool, tensor_size(&in[i]), sizeof(float));
        vars[i] = ag_leaf(g, in[i], grads[i]);
    }
}

START_TEST(value_against_double)
{
    const OperationCase *c = &table->cases[_i];
    Parameters p = c->parameters;
    Tensor in[3];
    Var *vars[3];
    if (!c->naive)
        return;
    draw_inputs(c, in);
    Graph *g = ag_graph_create();
    for (int i = 0; i < c->inputs; i++)
        vars[i] = ag_constant(g, in[i]);
    const Var *y = c->function(g, vars, &p);
    const size_t n = tensor_size(&y->value);
    double *want = arena_alloc(operation_pool, n, sizeof *want);
    c->naive(want, in, &p);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(y->value.data[i] - want[i]) <= 1e-5 * (0.1 + fabs(want[i])),
                      "%s: entry %d is %g, expected %g", c->name, (int)i, y->value.data[i],
                      want[i]);
    ag_graph_destroy(g);
}
END_TEST

/* What ag_drop gave back, ag_value makes again. */
START_TEST(dropped_value_comes_back)
{
    const OperationCase *c = &table->cases[_i];
    Parameters p = c->parameters;
    Tensor in[3];
    Var *vars[3];
    float *grads[3];
    draw_inputs(c, in);
    Graph *g = ag_graph_create();
    make_leaves(g, c, in, vars, grads);
    Var *y = c->function(g, vars, &p);
    const size_t n = tensor_size(&y->value);
    float *before = arena_alloc(operation_pool, n, sizeof *before);
    for (size_t i = 0; i < n; i++) {
        before[i] = y->value.data[i];
        if (y->block && y->forward) /* the next block may be this one, as it was left */
            y->value.data[i] = NAN;
    }
    ag_drop(y);
    const float *again = ag_value(y);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(again[i] == before[i], "%s: entry %d is %g, was %g", c->name, (int)i,
                      again[i], before[i]);
    ag_graph_destroy(g);
}
END_TEST

/* For every choice of inputs that need a gradient, none included. */
START_TEST(gradient_against_differences)
{
    const OperationCase *c = &table->cases[_i];
    Parameters p = c->parameters;
    for (unsigned mask = 0; mask < 1u << c->inputs; mask++) {
        GradientCheck check = {.function = c->function,
                               .context = &p,
                               .input_count = c->inputs,
                               .seed = mask,
                               .max_entries = 60};
        double worst;
        draw_inputs(c, check.inputs);
        for (int i = 0; i < c->inputs; i++)
            check.needs_grad[i] = mask >> i & 1;
        const bool right = ag_gradient_check(&check, &worst);
        ck_assert_msg(right, "%s, inputs %x: relative error %g", c->name, mask, worst);
    }
}
END_TEST

/* ---- the same bits for every number of threads ---- */

static float *value_and_gradients(const OperationCase *c, const Tensor *in, size_t *count)
{
    Parameters p = c->parameters;
    Var *vars[3];
    float *grads[3];
    Graph *g = ag_graph_create();
    make_leaves(g, c, in, vars, grads);
    Var *y = c->function(g, vars, &p);
    const size_t n = tensor_size(&y->value);
    ag_backward_from(y, y->value.data);
    *count = n;
    for (int i = 0; i < c->inputs; i++)
        *count += tensor_size(&in[i]);
    float *all = arena_alloc(operation_pool, *count, sizeof *all), *end = all;
    for (int i = 0; i < c->inputs; i++) {
        memcpy(end, grads[i], tensor_size(&in[i]) * sizeof *all);
        end += tensor_size(&in[i]);
    }
    memcpy(end, y->value.data, n * sizeof *all);
    ag_graph_destroy(g);
    return all;
}

START_TEST(same_bits_for_all_thread_counts)
{
    const OperationCase *c = &table->large[_i];
    Tensor in[3];
    size_t count = 0;
    draw_inputs(c, in);
    threads_set(1);
    const float *one = value_and_gradients(c, in, &count);
    for (int threads = 2; threads <= 5; threads += 3) {
        threads_set(threads);
        const float *more = value_and_gradients(c, in, &count);
        ck_assert_msg(memcmp(one, more, count * sizeof *one) == 0, "%s: %d threads", c->name,
                      threads);
    }
}
END_TEST

Suite *operation_suite(const char *name, const OperationTable *of, SFun setup)
{
    Suite *s = suite_create(name);
    TCase *values = tcase_create("values"), *gradients = tcase_create("gradients");

    tcase_add_checked_fixture(values, setup, operation_teardown);
    tcase_set_timeout(values, 20);
    tcase_add_loop_test(values, value_against_double, 0, of->count);
    tcase_add_loop_test(values, dropped_value_comes_back, 0, of->count);
    tcase_add_loop_test(values, same_bits_for_all_thread_counts, 0, of->large_count);
    suite_add_tcase(s, values);

    tcase_add_checked_fixture(gradients, setup, operation_teardown);
    tcase_set_timeout(gradients, 60);
    tcase_add_loop_test(gradients, gradient_against_differences, 0, of->count);
    suite_add_tcase(s, gradients);
    return s;
}
