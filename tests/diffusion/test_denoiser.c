/* Denoisers: batches of any size give the same numbers, lambdas belong to their stream. */
#include "diffusion/denoiser.h"

#include <check.h>
#include <signal.h>
#include <string.h>

#include "autograd/operations.h"
#include "nn/mlp/mlp.h"
#include "tensor/system/threads.h"
#include "tests/tools/toy_prior.h"

enum { B = 7, D = 4, S = 3, L = 2 };

typedef struct Case {
    Network *net;
    Denoiser d;
    Graph *g;
    States x;
    double t[B], lambda[B * L];
    Rng streams[B];
} Case;

static Head head_of(size_t dims)
{
    Head head = {&diffusion_softmax, dims, S, 1, false, -1};

    return head;
}

static void case_make(Case *c)
{
    MlpConfig config = nn_mlp_defaults();
    Head head = head_of(D);

    config.dims = D;
    config.states = config.out_states = S;
    config.width = 16;
    config.embed = 8;
    config.blocks = 1;
    config.dropout = 0.2;
    config.lambda_dims = L;
    c->net = nn_mlp_create(&config, false, NULL);
    c->net->initialise(c->net, 5);
    c->d = diffusion_network_denoiser(c->net, &head);
    c->g = ag_graph_create();
    c->x = states_alloc(B, D);
    for (size_t b = 0; b < B; b++)
        c->streams[b] = rng_child(rng_root(6), b);
    for (size_t i = 0; i < (size_t)B * D; i++)
        c->x.x[i] = (uint16_t)(i * i % S);
    for (size_t b = 0; b < B; b++)
        c->t[b] = (double)(b + 1) / B;
    diffusion_draw_lambda(&c->d, c->lambda, B, c->streams);
}

static void case_free(Case *c)
{
    nn_network_destroy(c->net);
    ag_graph_destroy(c->g);
    states_free(&c->x);
}

/* Calls large enough to be cut among the threads: the same bits for any number of them, and for a
 * graph whose every operation is looked at, which is not cut. */
START_TEST(threads_do_not_matter)
{
    enum { MANY = 200 };
    Case c;
    case_make(&c);
    States x = states_alloc(MANY, D);
    double t[MANY], lambda[MANY * L];
    Rng streams[MANY];
    float one[MANY * D * S], many[MANY * D * S];
    for (size_t b = 0; b < MANY; b++) {
        streams[b] = rng_child(rng_root(8), b);
        t[b] = (double)(b + 1) / MANY;
    }
    for (size_t i = 0; i < (size_t)MANY * D; i++)
        x.x[i] = (uint16_t)(i * i % 7 % S);
    diffusion_draw_lambda(&c.d, lambda, MANY, streams);
    const NetworkInput in = {&x, t, lambda, streams, NULL, NULL};
    c.g->check_finite = true;
    ck_assert(diffusion_denoise(&c.d, c.g, &in, 0, one));
    c.g->check_finite = false;
    for (int threads = 1; threads <= 6; threads++) {
        threads_set(threads);
        for (size_t batch = 0; batch < MANY; batch += 70) {
            memset(many, 0, sizeof many);
            ck_assert(diffusion_denoise(&c.d, c.g, &in, batch, many));
            ck_assert_mem_eq(one, many, sizeof one);
        }
    }
    ck_assert_uint_eq(c.g->helper_count, threads_get() > 1 ? 6 : 0);
    ck_assert(c.g->recording && c.g->last == NULL);
    threads_set(0);
    states_free(&x);
    case_free(&c);
}
END_TEST

START_TEST(batches_do_not_matter)
{
    Case c;
    float whole[B * D * S], parts[B * D * S];

    case_make(&c);
    for (int dropout = 0; dropout < 2; dropout++) {
        NetworkInput in = {&c.x, c.t, c.lambda, dropout ? c.streams : NULL, NULL, NULL};
        ck_assert(diffusion_denoise(&c.d, c.g, &in, 0, whole));
        for (size_t batch = 1; batch <= B + 1; batch++) {
            ck_assert(diffusion_denoise(&c.d, c.g, &in, batch, parts));
            for (size_t i = 0; i < (size_t)B * D * S; i++)
                ck_assert_double_eq_tol(parts[i], whole[i], 1e-5);
        }
    }
    ck_assert(c.g->recording && c.g->last == NULL);
    case_free(&c);
}
END_TEST

START_TEST(recording_flag_comes_back)
{
    Case c;
    float out[B * D * S];

    case_make(&c);
    NetworkInput in = {&c.x, c.t, c.lambda, NULL, NULL, NULL};
    ag_set_recording(c.g, false);
    ck_assert(diffusion_denoise(&c.d, c.g, &in, 3, out));
    ck_assert(!c.g->recording);
    case_free(&c);
}
END_TEST

START_TEST(no_samples)
{
    Case c;

    case_make(&c);
    States none = states_rows(&c.x, 0, 0);
    NetworkInput in = {&none, c.t, c.lambda, NULL, NULL, NULL};
    ck_assert(diffusion_denoise(&c.d, c.g, &in, 3, NULL));
    case_free(&c);
}
END_TEST

/* A lambda is made of the uniforms of its stream, by each law as it says. */
static void check_laws(Case *c, size_t b)
{
    static const LambdaLaw laws[] = {LAMBDA_NORMAL, LAMBDA_MIXTURE, LAMBDA_UNIFORM};
    double u[L + 1], one[L], expected[3][L];
    Rng rng = c->streams[b];

    for (size_t i = 0; i < L + 1; i++)
        u[i] = rng_uniform(&rng);
    for (size_t i = 0; i < L; i++) {
        expected[0][i] = rng_normal_quantile(u[i]);
        expected[2][i] = u[i];
    }
    nn_lambda_prior_of_uniforms(c->net->prior, u, expected[1]);
    for (size_t k = 0; k < 3; k++) {
        c->d.lambda_law = laws[k];
        diffusion_draw_lambda(&c->d, one, 1, c->streams + b);
        for (size_t i = 0; i < L; i++)
            ck_assert_double_eq(one[i], expected[k][i]);
    }
}

START_TEST(lambdas_belong_to_their_streams)
{
    ToyPrior law = toy_prior(3, L, PRIOR_DIAGONAL);
    Case c;
    double one[L];

    for (size_t i = 0; i < (size_t)3 * L; i++)
        law.prior->mean->value.data[i] = (float)i;
    case_make(&c);
    c.net->prior = law.prior;
    for (size_t b = 0; b < B; b++) {
        diffusion_draw_lambda(&c.d, one, 1, c.streams + b);
        ck_assert_mem_eq(one, c.lambda + b * L, sizeof one);
        ck_assert(one[0] >= 0 && one[0] < 1 && one[0] != one[1]);
        check_laws(&c, b);
    }
    c.net->prior = NULL;
    case_free(&c);
    toy_prior_free(&law);
}
END_TEST

static Var *broken_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Tensor value = tensor_make2(g->arena, in->x->batch, diffusion_head_outputs(&d->head));

    for (size_t i = 0; i < tensor_size(&value); i++)
        value.data[i] = 3e38f;
    return ag_scale(ag_constant(g, value), 10.0f);
}

START_TEST(the_broken_operation_is_named)
{
    Case c;
    float out[B * D * S];

    case_make(&c);
    Denoiser broken = {.head = head_of(D), .forward = broken_forward};
    NetworkInput in = {&c.x, c.t, NULL, NULL, NULL, NULL};
    ck_assert(diffusion_denoise(&broken, c.g, &in, 3, out));
    c.g->check_finite = true;
    ck_assert(!diffusion_denoise(&broken, c.g, &in, 3, out));
    ck_assert_ptr_nonnull(c.g->bad_op);
    case_free(&c);
}
END_TEST

/* ---- a network is told which dimensions are read ---- */

static bool told[B * D];
static bool all_read;

static Var *note_wanted(const Network *net, Graph *g, const NetworkInput *in)
{
    all_read = in->wanted == NULL;
    if (!all_read)
        memcpy(told, in->wanted, in->x->batch * in->x->dims * sizeof *told);
    return ag_constant(g, tensor_make2(g->arena, in->x->batch, net->outputs));
}

START_TEST(masked_dimensions_are_wanted)
{
    float out[B * D * S];
    Case c;

    case_make(&c);
    c.net->forward = note_wanted;
    const NetworkInput in = {.x = &c.x, .t = c.t, .lambda = c.lambda};
    ck_assert(diffusion_denoise(&c.d, c.g, &in, 0, out));
    ck_assert(all_read);
    c.d.head.mask = S - 1;
    ck_assert(diffusion_denoise(&c.d, c.g, &in, 0, out));
    ck_assert(!all_read);
    for (size_t i = 0; i < (size_t)B * D; i++)
        ck_assert(told[i] == (c.x.x[i] == S - 1));
    case_free(&c);
}
END_TEST

START_TEST(head_of_another_size_stops)
{
    Case c;

    case_make(&c);
    Head other = head_of(D + 1);
    diffusion_network_denoiser(c.net, &other);
}
END_TEST

Suite *denoiser_suite(void)
{
    Suite *s = suite_create("denoiser");
    TCase *tc = tcase_create("denoiser");

    tcase_add_test(tc, batches_do_not_matter);
    tcase_add_test(tc, threads_do_not_matter);
    tcase_add_test(tc, recording_flag_comes_back);
    tcase_add_test(tc, no_samples);
    tcase_add_test(tc, lambdas_belong_to_their_streams);
    tcase_add_test(tc, the_broken_operation_is_named);
    tcase_add_test(tc, masked_dimensions_are_wanted);
    tcase_add_test_raise_signal(tc, head_of_another_size_stops, SIGABRT);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
