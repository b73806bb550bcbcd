/* nn/mlp/mlp.c */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nn/mlp/mlp.h"
#include "nn/optimizer.h"
#include "tensor/base/memory.h"
#include "tests/tools/network_checks.h"
#include "tests/tools/slow.h"

Suite *mlp_suite(void);

static MlpConfig tiny(size_t lambda_dims)
{
    MlpConfig c = nn_mlp_defaults();
    c.dims = 5;
    c.states = 3;
    c.out_states = 2;
    c.width = 20;
    c.blocks = 2;
    c.embed = 9;
    c.dropout = 0.2;
    c.lambda_dims = lambda_dims;
    return c;
}

static Network *create(const MlpConfig *c)
{
    Error err = {""};
    return made(nn_mlp_create(c, true, &err), &err);
}

START_TEST(every_network)
{
    for (size_t lambdas = 0; lambdas < 3; lambdas++) {
        MlpConfig c = tiny(lambdas);
        Network *net = create(&c);
        ck_assert_uint_eq(net->outputs, 10);
        randomise(net, 1);
        check_same_bits(net);
        check_dropouts(net, 2);
        check_parameter_gradients(net, 5e-3);
        nn_network_destroy(net);
    }
    MlpConfig c = nn_mlp_defaults();
    c.lambda_dims = 1;
    Network *net = create(&c);
    net->initialise(net, 1);
    check_memory(net);
    check_samples_stand_alone(net, 40); /* more rows than gemm.c's DIRECT_ROWS */
    nn_network_destroy(net);
}
END_TEST

START_TEST(blocks_of_a_gradient)
{
    const size_t want[] = {512, 349};
    MlpConfig c = tiny(1);
    for (int i = 0; i < 2; i++) {
        Network *net = create(&c);
        ck_assert_uint_eq(net->gradient_block, want[i]);
        nn_network_destroy(net);
        c.dims = 4000; /* 12,000 one-hot entries */
    }
}
END_TEST

START_TEST(student_starts_as_teacher)
{
    MlpConfig c = tiny(0);
    Network *teacher = create(&c);
    for (size_t lambdas = 1; lambdas < 3; lambdas++) {
        c.lambda_dims = lambdas;
        Network *student = create(&c);
        check_student_starts_as_teacher(student, teacher);
        nn_network_destroy(student);
    }
    nn_network_destroy(teacher);
}
END_TEST

START_TEST(initial_values_follow_the_seed)
{
    MlpConfig c = tiny(1);
    Network *a = create(&c), *b = create(&c);
    const size_t bytes = a->params.total * sizeof(float);
    a->initialise(a, 1);
    b->initialise(b, 1);
    ck_assert_int_eq(memcmp(a->params.values, b->params.values, bytes), 0);
    b->initialise(b, 2);
    ck_assert(memcmp(a->params.values, b->params.values, bytes) != 0);
    nn_network_destroy(a);
    nn_network_destroy(b);
}
END_TEST

/* All layers begin with weights, but those that let lambda in; no two with the same. */
START_TEST(layers_begin)
{
    MlpConfig c = tiny(1);
    Network *net = create(&c);
    float first[64];
    size_t matrices = 0;

    net->initialise(net, 1);
    for (size_t i = 0; i < net->params.count; i++) {
        const Param *p = net->params.items[i];
        const size_t name = strlen(p->name);
        if (p->value.rank < 2)
            continue;
        const bool zero = strncmp(p->name, "blocks.", 7) == 0 && name > 14 &&
                          strcmp(p->name + name - 14, ".lambda.weight") == 0;
        for (size_t k = 0; k < tensor_size(&p->value); k++)
            ck_assert_msg((p->value.data[k] == 0.0f) == zero, "%s[%zu] is %g", p->name, k,
                          (double)p->value.data[k]);
        if (zero)
            continue;
        for (size_t k = 0; k < matrices; k++)
            ck_assert_msg(first[k] != p->value.data[0], "%s begins as another", p->name);
        first[matrices++] = p->value.data[0];
    }
    ck_assert_uint_eq(matrices, 6 + 3 * c.blocks + 1);
    nn_network_destroy(net);
}
END_TEST

/* DIMS dimensions that are always equal, x all mask, 16 lambdas: the mixture must leave the product
 * solution (DIMS log 2 nats) for one where lambda decides, from lambda layers of zero.  If each
 * lambda stands for one value, the loss is log 2, plus a little since 16 rarely split 8 to 8. */
enum { DIMS = 8, LAMBDAS = 16, PICTURES = 8, ROWS = LAMBDAS * PICTURES, STEPS = 400, LAST = 50 };

/* log p(every dimension is `value`) for one row of logits (DIMS, 2). */
static double row_log_likelihood(const float *z, int value)
{
    double sum = 0.0;
    for (int d = 0; d < DIMS; d++) {
        double other = (double)z[2 * d + 1 - value] - z[2 * d + value];
        sum -= other > 0.0 ? other + log1p(exp(-other)) : log1p(exp(other));
    }
    return sum;
}

/* Mean over pictures of -log (1/N) sum_i prod_d p_i(value); its gradient: dlogits. */
static double mixture_loss(const float *logits, const int *value, float *dlogits)
{
    double loss = 0.0;
    for (int b = 0; b < PICTURES; b++) {
        double like[LAMBDAS], sum = 0.0;
        for (int i = 0; i < LAMBDAS; i++) {
            like[i] = exp(row_log_likelihood(logits + (b * LAMBDAS + i) * 2 * DIMS, value[b]));
            sum += like[i];
        }
        loss -= log(sum / LAMBDAS) / PICTURES;
        for (int i = 0; i < LAMBDAS * DIMS; i++) {
            int at = (b * LAMBDAS * DIMS + i) * 2;
            double p1 = 1.0 / (1.0 + exp((double)logits[at] - logits[at + 1]));
            float slope = (float)(like[i / DIMS] / sum * (p1 - value[b]) / PICTURES);
            dlogits[at] = -slope;
            dlogits[at + 1] = slope;
        }
    }
    return loss;
}

static double train_step(Network *net, Optimizer *o, Graph *g, const States *x, uint64_t step)
{
    double t[ROWS], lambda[ROWS];
    int value[PICTURES];
    float dlogits[ROWS * DIMS * 2];
    Rng rng = rng_child(rng_root(9), step);
    for (int b = 0; b < PICTURES; b++) {
        value[b] = (int)rng_below(&rng, 2);
    }
    for (int i = 0; i < ROWS; i++) {
        t[i] = 1.0;
        lambda[i] = rng_uniform(&rng);
    }
    NetworkInput in = {x, t, lambda, NULL, NULL, NULL};
    Var *v = nn_forward(net, g, &in);
    double loss = mixture_loss(v->value.data, value, dlogits);
    nn_params_zero_grads(&net->params);
    ag_backward_from(v, dlogits);
    nn_optimizer_step(o);
    ag_graph_reset(g);
    return loss;
}

START_TEST(lambda_learns_a_correlation)
{
    MlpConfig c = tiny(1);
    c.dims = DIMS;
    c.width = 32;
    c.embed = 16;
    c.dropout = 0.0;
    Network *net = create(&c);
    net->initialise(net, 1);
    OptimizerConfig oc = nn_optimizer_defaults();
    oc.lr = 2e-3;
    Optimizer *o = nn_optimizer_create(&oc, &net->params);
    Graph *g = ag_graph_create();
    States x = states_alloc(ROWS, DIMS);
    for (int i = 0; i < ROWS * DIMS; i++) {
        x.x[i] = 2;
    }
    double loss = 0.0;
    for (uint64_t step = 0; step < STEPS; step++) {
        double now = train_step(net, o, g, &x, step);
        loss += step >= STEPS - LAST ? now / LAST : 0.0;
    }
    ck_assert_msg(loss < 1.5, "loss %.3f; a product has %.3f, the mixture can reach %.3f", loss,
                  DIMS * log(2.0), log(2.0));
    states_free(&x);
    ag_graph_destroy(g);
    nn_optimizer_destroy(o);
    nn_network_destroy(net);
}
END_TEST

static void refused(MlpConfig c, const char *word)
{
    Error err = {""};
    check_refused(nn_mlp_create(&c, false, &err), &err, word);
    ck_assert_ptr_null(nn_mlp_create(&c, false, NULL));
}

START_TEST(impossible_configurations)
{
    MlpConfig c;
    c = tiny(0), c.dims = 0, refused(c, "dims");
    c = tiny(0), c.dims = SIZE_MAX / 2, refused(c, "dims");
    c = tiny(0), c.states = 1, refused(c, "states");
    c = tiny(0), c.states = 65537, refused(c, "states");
    c = tiny(0), c.dims = 16777216, refused(c, "dims * states");
    c = tiny(0), c.out_states = 4, refused(c, "out_states");
    c = tiny(0), c.width = 0, refused(c, "width");
    c = tiny(0), c.blocks = 0, refused(c, "blocks");
    c = tiny(0), c.embed = 3, refused(c, "embed");
    c = tiny(0), c.lambda_dims = 65, refused(c, "lambda_dims");
    c = tiny(0), c.dropout = 1.0, refused(c, "dropout");
    c = tiny(0), c.dropout = NAN, refused(c, "dropout");
    c = tiny(0), c.time_scale = 0.0, refused(c, "time_scale");
}
END_TEST

START_TEST(missing_lambda_stops)
{
    const MlpConfig c = tiny(1);
    forward_once(create(&c), 5, 0, 0.5);
}
END_TEST

START_TEST(state_out_of_range_stops)
{
    const MlpConfig c = tiny(0);
    forward_once(create(&c), 5, 3, 0.5);
}
END_TEST

Suite *mlp_suite(void)
{
    Suite *s = suite_create("mlp");
    TCase *tc = tcase_create("mlp");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_network);
    tcase_add_test(tc, blocks_of_a_gradient);
    tcase_add_test(tc, student_starts_as_teacher);
    tcase_add_test(tc, initial_values_follow_the_seed);
    tcase_add_test(tc, layers_begin);
    tcase_add_test(tc, impossible_configurations);
    tcase_add_test_raise_signal(tc, missing_lambda_stops, SIGABRT);
    tcase_add_test_raise_signal(tc, state_out_of_range_stops, SIGABRT);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 120);
    tcase_add_test(slow, lambda_learns_a_correlation);
    return s;
}
