/* A transformer does only what is needed.  It is told which places are read: their numbers have the
 * bits of the whole computation, the others are 0, and the gradient is that of the whole but for
 * rounding.  And what is the same at many places is made once. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "autograd/operations.h"
#include "nn/transformer/transformer.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/network_checks.h"

enum { D = 7, BATCH = 5, OUT = 4, N = BATCH * D * OUT, LAMBDAS = 2 };

/* Time or none, learned positions or none, dropout or none; teacher, token, conditioning, places.
 */
enum { ENTRIES = 4, WAYS = 8 * ENTRIES };
static TransformerConfig config_of(int way)
{
    const int entry = way / 8;
    TransformerConfig c = nn_transformer_defaults();
    c.dims = D;
    c.states = OUT + 1;
    c.out_states = OUT;
    c.width = 24;
    c.heads = 2;
    c.blocks = 1 + (size_t)way % 3;
    c.condition_width = 5;
    c.embed = 6;
    c.time_conditioning = way % 2 == 0;
    c.learned_positions = way / 2 % 2 == 1;
    c.dropout = way / 4 % 2 == 1 ? 0.3 : 0.0;
    c.lambda_dims = entry == 0 ? 0 : LAMBDAS;
    c.lambda_entry = entry == 1   ? TRANSFORMER_LAMBDA_TOKEN
                     : entry == 2 ? TRANSFORMER_LAMBDA_CONDITIONING
                                  : TRANSFORMER_LAMBDA_PLACES;
    c.lambda_is_number = entry == 3;
    return c;
}

/* Which places are wanted: none, some (of sample 1 none, of sample 2 all), all. */
enum { NO_PLACES, SOME, ALL, WHICH };
static void choose(bool *wanted, int which)
{
    for (size_t i = 0; i < (size_t)BATCH * D; i++) {
        const size_t b = i / D;
        wanted[i] = which == ALL || (which == SOME && b != 1 && (b == 2 || i * i % 3 == 1));
    }
}

/* out (N): the numbers; and, if recording, the gradient of sum w out in net->params.grads.  Lambdas
 * are multiplied by `factor`. */
static void run_at(const Network *net, const bool *wanted, const float *w, bool recording,
                   double factor, float *out)
{
    Graph *g = ag_graph_create();
    ag_set_recording(g, recording);
    States x = states_make(g->arena, BATCH, D);
    double t[BATCH], lambda[BATCH * LAMBDAS * D];
    Rng streams[BATCH];
    for (size_t i = 0; i < (size_t)BATCH * D; i++) {
        x.x[i] = (uint16_t)(i * i * i % (OUT + 1));
    }
    for (size_t b = 0; b < BATCH; b++) {
        t[b] = (double)(b + 1) / (BATCH + 1);
        streams[b] = rng_child(rng_root(9), b);
    }
    for (size_t i = 0; i < BATCH * net->lambda_dims; i++) {
        lambda[i] = factor * sin((double)i);
    }
    const NetworkInput in = {.x = &x,
                             .t = t,
                             .lambda = net->lambda_dims > 0 ? lambda : NULL,
                             .dropout = streams,
                             .wanted = wanted};
    Var *v = nn_forward(net, g, &in);
    memcpy(out, v->value.data, N * sizeof *out);
    if (recording) {
        nn_params_zero_grads((ParamSet *)&net->params);
        ag_backward_from(v, w);
    }
    ag_graph_destroy(g);
}

static void run(const Network *net, const bool *wanted, const float *w, bool recording, float *out)
{
    run_at(net, wanted, w, recording, 1.0, out);
}

static void check_numbers(const float *some, const float *all, const bool *wanted, int which)
{
    for (size_t i = 0; i < N; i++) {
        const float want = wanted[i / OUT] ? all[i] : 0.0f;
        ck_assert_msg(memcmp(&some[i], &want, sizeof want) == 0,
                      "places %d, number %zu: %g, not %g", which, i, (double)some[i], (double)want);
    }
}

static void check_gradients(const float *some, const float *all, size_t n)
{
    double most = 0.0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)all[i]));
    }
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(fabs((double)some[i] - (double)all[i]) <= 2e-6 * (1.0 + most),
                      "gradient %zu: %g, of all places %g", i, (double)some[i], (double)all[i]);
    }
}

START_TEST(read_places_have_the_bits_of_all)
{
    const TransformerConfig c = config_of(_i);
    Error err = {""};
    Network *net = made(nn_transformer_create(&c, true, &err), &err);
    float all[N], some[N], w[N], *grads = mem_alloc(net->params.total, sizeof *grads);
    bool wanted[BATCH * D];
    randomise(net, 1);
    for (int which = 0; which < WHICH; which++) {
        choose(wanted, which);
        for (size_t i = 0; i < N; i++) {
            w[i] = wanted[i / OUT] ? (float)cos((double)i) : 0.0f;
        }
        run(net, NULL, w, true, all);
        memcpy(grads, net->params.grads, net->params.total * sizeof *grads);
        run(net, wanted, w, false, some);
        check_numbers(some, all, wanted, which == ALL ? SOME : which);
        run(net, wanted, w, true, some);
        check_numbers(some, all, wanted, which);
        check_gradients(net->params.grads, grads, net->params.total);
    }
    mem_free(grads);
    nn_network_destroy(net);
}
END_TEST

/* Where the first block's input is told by the token alone its rows are made once for each token.
 * With learned positions they are not, and positions of zeros say the same. */
START_TEST(rows_of_a_table_have_the_bits_of_all)
{
    TransformerConfig c = config_of(_i / 2 % 2 * 8 + 1 + _i % 2 * 4);
    c.blocks = 1 + (size_t)_i / 4;
    Error err = {""};
    Network *few = made(nn_transformer_create(&c, true, &err), &err);
    c.learned_positions = true;
    Network *all = made(nn_transformer_create(&c, true, &err), &err);
    float a[N], b[N], w[N];
    bool wanted[BATCH * D];
    randomise(few, 3);
    ck_assert_uint_eq(nn_copy_common(all, few), few->params.count);
    nn_init_constant(nn_param_find(&all->params, "place.weight"), 0.0f);
    for (int which = 0; which < WHICH; which++) {
        choose(wanted, which);
        for (size_t i = 0; i < N; i++) {
            w[i] = wanted[i / OUT] ? (float)cos((double)i) : 0.0f;
        }
        for (int recording = 0; recording < 2; recording++) {
            run(few, wanted, w, recording, a);
            run(all, wanted, w, recording, b);
            ck_assert_mem_eq(a, b, sizeof a);
        }
        for (size_t i = 0; i < few->params.count; i++) {
            const Param *p = few->params.items[i];
            check_gradients(p->grad, nn_param_find(&all->params, p->name)->grad,
                            tensor_size(&p->value));
        }
    }
    nn_network_destroy(all);
    nn_network_destroy(few);
}
END_TEST

/* Sizes at which products and attention are cut. */
START_TEST(threads_do_not_matter)
{
    enum { LENGTH = 96, MANY = 24, STATES = 17 };
    TransformerConfig c = nn_transformer_defaults();
    c.dims = LENGTH;
    c.states = STATES + 1;
    c.out_states = STATES;
    c.width = 96;
    c.heads = 2;
    c.blocks = 2;
    c.time_conditioning = false;
    Error err = {""};
    Network *net = made(nn_transformer_create(&c, true, &err), &err);
    const size_t n = (size_t)MANY * LENGTH * STATES, bytes = net->params.total * sizeof(float);
    float *out = mem_alloc(n, sizeof *out), *grads = mem_alloc(net->params.total, sizeof *grads);
    float *w = mem_zeroed(n, sizeof *w);
    randomise(net, 2);
    for (int turn = 0; turn < 2; turn++) {
        Graph *g = ag_graph_create();
        States x = states_make(g->arena, MANY, LENGTH);
        bool wanted[MANY * LENGTH];
        const double t[MANY] = {0.0};
        for (size_t i = 0; i < (size_t)MANY * LENGTH; i++) {
            const size_t b = i / LENGTH;
            wanted[i] = (i * 2654435761u >> 7) % MANY < b;
            x.x[i] = (uint16_t)(wanted[i] ? STATES : i * i % STATES);
            w[i * STATES + i % STATES] = wanted[i] ? (float)sin((double)i) : 0.0f;
        }
        const NetworkInput in = {.x = &x, .t = t, .wanted = wanted};
        threads_set(turn == 0 ? 1 : 3);
        Var *v = nn_forward(net, g, &in);
        nn_params_zero_grads(&net->params);
        ag_backward_from(v, w);
        if (turn == 0) {
            memcpy(out, v->value.data, n * sizeof *out);
            memcpy(grads, net->params.grads, bytes);
        }
        ck_assert_mem_eq(out, v->value.data, n * sizeof *out);
        ck_assert_mem_eq(grads, net->params.grads, bytes);
        ag_graph_destroy(g);
    }
    mem_free(w);
    mem_free(grads);
    mem_free(out);
    nn_network_destroy(net);
}
END_TEST

/* Lambda that is 0 at all places adds one vector to each token: rows are few then in inference,
 * and with other lambdas they are not.  The same bits in any case. */
START_TEST(no_lambda_at_places_leaves_few_rows)
{
    TransformerConfig c = config_of(8 * 3 + 1);
    Error err = {""};
    c.lambda_mean = 0.3;
    c.lambda_deviation = 0.7;
    Network *net = made(nn_transformer_create(&c, true, &err), &err);
    float w[N] = {0.0f}, recorded[N], inferred[N], other[N];
    randomise(net, 1);
    run_at(net, NULL, w, true, 0.0, recorded);
    run_at(net, NULL, w, false, 0.0, inferred);
    ck_assert_mem_eq(inferred, recorded, sizeof inferred);
    run_at(net, NULL, w, true, 1.0, recorded);
    run_at(net, NULL, w, false, 1.0, other);
    ck_assert_mem_eq(other, recorded, sizeof other);
    ck_assert_mem_ne(other, inferred, sizeof other);
    nn_network_destroy(net);
}
END_TEST

Suite *transformer_wanted_suite(void)
{
    Suite *s = suite_create("transformer_wanted");
    TCase *tc = tcase_create("transformer_wanted");
    tcase_add_test(tc, no_lambda_at_places_leaves_few_rows);
    tcase_add_loop_test(tc, read_places_have_the_bits_of_all, 0, WAYS);
    tcase_add_loop_test(tc, rows_of_a_table_have_the_bits_of_all, 0, 8);
    tcase_add_test(tc, threads_do_not_matter);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
