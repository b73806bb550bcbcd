/* distill/distill_term.c: the value in double, its gradient against differences, a student that is
 * its teacher. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "distill/distill_term.h"
#include "nn/mlp/mlp.h"
#include "tensor/base/memory.h"
#include "tests/tools/network_checks.h"

enum { D = 5, S = 3, L = 2, B = 7 };

/* States 0..S-1 and, of masked noise, the mask S. */
static Network *network(size_t lambdas, bool mask, double dropout, uint64_t seed)
{
    Error err = {""};
    MlpConfig c = nn_mlp_defaults();
    c.dims = D;
    c.states = mask ? S + 1 : S;
    c.out_states = S;
    c.width = 12;
    c.blocks = 1;
    c.embed = 8;
    c.dropout = dropout;
    c.lambda_dims = lambdas;
    c.lambda_is_number = lambdas > 0;
    Network *net = nn_mlp_create(&c, true, &err);
    ck_assert_msg(net != NULL, "%s", err.text);
    randomise(net, seed);
    return net;
}

typedef struct Case {
    Network *nets[2];
    Denoiser teacher, student;
    States xtm;
    double tm[B], lambda[B * L];
    DistillTerm term;
    Workspace work;
} Case;

/* With dropout in the teacher's network and in the student's. */
static void case_with_dropout(Case *c, bool mask, double teacher, double student)
{
    const Head head = {&diffusion_softmax, D, S, 1, false, mask ? S : -1};
    c->nets[0] = network(0, mask, teacher, 1);
    c->nets[1] = network(L, mask, student, 2);
    c->teacher = diffusion_network_denoiser(c->nets[0], &head);
    c->student = diffusion_network_denoiser(c->nets[1], &head);
    c->xtm = states_alloc(B, D);
    for (size_t i = 0; i < (size_t)B * D; i++)
        c->xtm.x[i] = (uint16_t)(i * i % 11 % (mask ? S + 1 : S));
    for (size_t b = 0; b < B; b++)
        c->tm[b] = 0.01 + 0.02 * (double)b;
    for (size_t i = 0; i < (size_t)B * L; i++)
        c->lambda[i] = sin((double)i);
    c->term = (DistillTerm){&c->teacher, &c->student, &c->xtm, c->tm, c->lambda, NULL, NULL, 1.5};
    c->work = (Workspace){ag_graph_create(), arena_create(1 << 16), 0};
}

static void case_make(Case *c, bool mask)
{
    case_with_dropout(c, mask, 0.0, 0.0);
}

static void case_free(Case *c)
{
    diffusion_workspace_destroy(&c->work);
    states_free(&c->xtm);
    nn_network_destroy(c->nets[0]);
    nn_network_destroy(c->nets[1]);
}

static double run(Case *c, size_t chunk)
{
    c->work.chunk = chunk;
    nn_params_zero_grads(&c->nets[1]->params);
    return distill_term_gradient(&c->term, &c->work);
}

/* log p of all states of sample b. */
static void log_laws(const Case *c, const Denoiser *d, const double *lambda, float *logp)
{
    const NetworkInput in = {&c->xtm, c->tm, lambda, NULL, NULL, NULL};
    float *out = mem_alloc((size_t)B * D * S, sizeof *out);
    ck_assert(diffusion_denoise(d, c->work.graph, &in, 0, out));
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < D; k++)
            diffusion_head_row(&d->head, out + b * D * S, states_row(&c->xtm, b), k,
                               logp + (b * D + k) * S);
    mem_free(out);
}

START_TEST(value_is_the_mean_divergence)
{
    Case c;
    case_make(&c, _i == 1);
    float *p = mem_alloc((size_t)2 * B * D * S, sizeof *p), *q = p + (size_t)B * D * S;
    double expected = 0.0;
    log_laws(&c, &c.teacher, NULL, p);
    log_laws(&c, &c.student, c.lambda, q);
    for (size_t i = 0; i < (size_t)B * D * S; i++)
        if (isfinite(p[i]) && !(isfinite(p[i]) && p[i] == 0.0f && q[i] == 0.0f))
            expected += exp((double)p[i]) * ((double)p[i] - (double)q[i]) / B;
    ck_assert_double_gt(expected, 0.01);
    for (size_t chunk = 0; chunk < 4; chunk++)
        ck_assert_double_eq_tol(run(&c, chunk), expected, 1e-5 * expected);
    mem_free(p);
    case_free(&c);
}
END_TEST

static double value_of(void *context)
{
    return run(context, 0);
}

START_TEST(gradient_is_that_of_the_value)
{
    Case c;
    case_make(&c, _i == 1);
    check_loss_gradient(&c.nets[1]->params, value_of, &c, c.term.weight / D);
    case_free(&c);
}
END_TEST

START_TEST(a_student_that_is_its_teacher)
{
    Case c;
    case_make(&c, _i == 1);
    c.term.teacher = &c.student;
    c.term.teacher_lambda = c.lambda;
    ck_assert_double_eq_tol(run(&c, 0), 0.0, 1e-5);
    for (size_t i = 0; i < c.nets[1]->params.total; i++)
        ck_assert_double_eq_tol((double)c.nets[1]->params.grads[i], 0.0, 1e-5);
    case_free(&c);
}
END_TEST

/* Value with the streams of this seed, or without any. */
static double dropped(Case *c, bool with, uint64_t seed)
{
    Rng streams[B];
    for (size_t b = 0; b < B; b++)
        streams[b] = rng_child(rng_root(seed), b);
    c->term.dropout = with ? streams : NULL;
    return run(c, 0);
}

/* The student drops out by its own streams, sample by sample; the teacher never does. */
START_TEST(dropout_belongs_to_the_student)
{
    Case c;
    case_with_dropout(&c, false, 0.4, 0.0);
    ck_assert_double_eq(dropped(&c, true, 5), dropped(&c, false, 5));
    case_free(&c);
    case_with_dropout(&c, false, 0.0, 0.4);
    const double value = dropped(&c, true, 5);
    ck_assert_double_ne(dropped(&c, false, 5), value);
    ck_assert_double_ne(dropped(&c, true, 6), value);
    for (size_t block = 1; block < B; block++) {
        c.nets[1]->gradient_block = block;
        ck_assert_double_eq(dropped(&c, true, 5), value);
    }
    case_free(&c);
}
END_TEST

START_TEST(broken_weights)
{
    Case c;
    case_make(&c, true);
    nn_param_find(&c.nets[_i]->params, "output.bias")->value.data[0] = NAN;
    ck_assert(isnan(run(&c, 0)));
    case_free(&c);
}
END_TEST

Suite *distill_term_suite(void)
{
    Suite *s = suite_create("distill_term");
    TCase *tc = tcase_create("distill_term");
    tcase_add_loop_test(tc, value_is_the_mean_divergence, 0, 2);
    tcase_add_loop_test(tc, gradient_is_that_of_the_value, 0, 2);
    tcase_add_loop_test(tc, a_student_that_is_its_teacher, 0, 2);
    tcase_add_test(tc, dropout_belongs_to_the_student);
    tcase_add_loop_test(tc, broken_weights, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
