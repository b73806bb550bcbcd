/* nn/network.c: what networks of all kinds share. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "nn/mlp/mlp.h"
#include "tests/tools/network_checks.h"

Suite *network_suite(void);

enum { B = 2, L = 3, D = 4 };

/* A small MLP; lambdas 0: without lambda. */
static Network *net_with(size_t lambdas)
{
    Error err = {""};
    const MlpConfig c = small_mlp(D, 3, 2, lambdas);
    return made(nn_mlp_create(&c, false, &err), &err);
}

/* (lambda - mean)/deviation of numbers, and of a Var, whose gradient is 1/deviation. */
START_TEST(lambda_is_standardised_both_ways)
{
    const double lambda[B * L] = {0.25, 0.75, -0.5, 1.25, 0.0, 0.5}, t[B] = {0.5, 0.5};
    const double want[B * L] = {0.0, 1.0, -1.5, 2.0, -0.5, 0.5};
    Network *net = net_with(L);
    Graph *g = ag_graph_create();
    States x = states_make(g->arena, B, D);
    Tensor value = tensor_make2(g->arena, B, L);
    float gradient[B * L] = {0};
    for (size_t i = 0; i < (size_t)B * L; i++)
        value.data[i] = (float)lambda[i];
    Var *leaf = ag_leaf(g, value, gradient);
    const NetworkInput numbers = {.x = &x, .t = t, .lambda = lambda};
    const NetworkInput graph = {.x = &x, .t = t, .lambda_var = leaf};
    const Var *a = nn_lambda_var(net, g, &numbers);
    Var *b = nn_lambda_var(net, g, &graph);
    ag_backward_from(b, (const float[B * L]){1, 1, 1, 1, 1, 1});
    for (size_t i = 0; i < (size_t)B * L; i++) {
        ck_assert_double_eq((double)a->value.data[i], want[i]);
        ck_assert_double_eq((double)b->value.data[i], want[i]);
        ck_assert_float_eq(gradient[i], 2.0f);
    }
    ag_graph_destroy(g);
    nn_network_destroy(net);
}
END_TEST

/* Of a former student with other sizes, what has another shape starts anew, also where it has as
 * many numbers. */
START_TEST(only_like_parameters_are_copied)
{
    Network *a = net_with(2), *b = net_with(2);
    const Param *p = nn_param_find(&a->params, "input.weight");
    Param *q = nn_param_find(&b->params, "input.weight");
    ck_assert(p->value.shape[0] == 12 && q->value.shape[1] == 8);
    randomise(a, 1);
    q->value = tensor_view(q->value.data, 2, (const size_t[]){8, 12});
    ck_assert_uint_eq(nn_copy_common(b, a), b->params.count - 1);
    for (size_t i = 0; i < b->params.count; i++) {
        const Param *to = b->params.items[i], *from = a->params.items[i];
        const size_t bytes = tensor_size(&to->value) * sizeof(float);
        ck_assert((memcmp(to->value.data, from->value.data, bytes) == 0) == (to != q));
    }
    nn_network_destroy(a);
    nn_network_destroy(b);
}
END_TEST

START_TEST(samples_of_a_recorded_call)
{
    static const size_t rows[][3] = {{1, 1, 512},     {1, 8192, 512},  {1, 8193, 511},
                                     {1024, 4096, 1}, {1024, 2048, 2}, {65536, 65536, 1},
                                     {1024, 128, 32}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_uint_eq(nn_gradient_block(rows[i][0], rows[i][1]), rows[i][2]);
}
END_TEST

/* ---- inputs that stop ---- */

/* A network that checks nothing itself. */
static Var *zeros(const Network *net, Graph *g, const NetworkInput *in)
{
    Tensor out = tensor_make2(g->arena, in->x->batch, D);
    (void)net;
    memset(out.data, 0, tensor_size(&out) * sizeof *out.data);
    return ag_constant(g, out);
}

enum {
    STATE,
    DIMENSIONS,
    TIME,
    LAMBDA,
    NO_LAMBDA,
    NEEDLESS_LAMBDA,
    TWO_LAMBDAS,
    WIDE_LAMBDA,
    OUTPUTS,
    MISTAKES
};

/* One call with this mistake; MISTAKES: with none. */
static void call_with(int mistake)
{
    double t[B] = {0.5, 0.5}, lambda[B * L] = {0};
    Network net = {.kind = "zeros",
                   .dims = mistake == DIMENSIONS ? D + 1 : D,
                   .states = 3,
                   .lambda_dims = mistake == NEEDLESS_LAMBDA ? 0 : L,
                   .lambda_is_number = true,
                   .outputs = mistake == OUTPUTS ? D + 1 : D,
                   .forward = zeros};
    Graph *g = ag_graph_create();
    States x = states_make(g->arena, B, D);
    memset(x.x, 0, (size_t)B * D * sizeof *x.x);
    x.x[B * D - 1] = mistake == STATE ? 3 : 2;
    t[B - 1] = mistake == TIME ? (double)INFINITY : 0.25;
    lambda[B * L - 1] = mistake == LAMBDA ? (double)NAN : 0.0;
    NetworkInput in = {.x = &x, .t = t, .lambda = lambda};
    if (mistake == TWO_LAMBDAS || mistake == WIDE_LAMBDA)
        in.lambda_var =
            ag_constant(g, tensor_make2(g->arena, B, mistake == WIDE_LAMBDA ? L + 1 : L));
    if (mistake == NO_LAMBDA || mistake == WIDE_LAMBDA)
        in.lambda = NULL;
    nn_forward(&net, g, &in);
    ag_graph_destroy(g);
}

START_TEST(mistakes_stop)
{
    call_with(_i);
}
END_TEST

START_TEST(no_mistake_goes_on)
{
    call_with(MISTAKES);
}
END_TEST

Suite *network_suite(void)
{
    Suite *s = suite_create("network");
    TCase *tc = tcase_create("network");
    tcase_add_test(tc, lambda_is_standardised_both_ways);
    tcase_add_test(tc, only_like_parameters_are_copied);
    tcase_add_test(tc, samples_of_a_recorded_call);
    tcase_add_test(tc, no_mistake_goes_on);
    tcase_add_loop_test_raise_signal(tc, mistakes_stop, SIGABRT, 0, MISTAKES);
    suite_add_tcase(s, tc);
    return s;
}
