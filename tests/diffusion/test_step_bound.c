/* diffusion/step_bound.c against bounds and likelihoods by enumeration. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/posterior.h"
#include "diffusion/process/transition.h"
#include "diffusion/step_bound.h"
#include "nn/encoder.h"
#include "nn/mlp/mlp.h"
#include "tensor/system/threads.h"
#include "tests/tools/network_checks.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/slow.h"

enum { S = 3, PICTURES = 20000 };
static const double LN2 = 0.69314718055994530942;

/* `count` times the states {1, 0}. */
static States copies(size_t count)
{
    States x = states_alloc(count, WORLD_D);

    for (size_t b = 0; b < count; b++) {
        states_row(&x, b)[0] = 1;
        states_row(&x, b)[1] = 0;
    }
    return x;
}

static StepBound bound_of(const StepBoundRequest *r, size_t pictures)
{
    Error err = {""};
    States x = copies(pictures);
    StepBound out;
    const bool ok = diffusion_step_bound(r, &x, &out, &err);

    ck_assert_msg(ok, "%s", err.text);
    states_free(&x);
    return out;
}

/* A dimension's KL( q(x_s|x_t,x_0) || sum_a p(a) q(x_s|x_t,a) ), or -log p(x_0) where s = 0. */
static double dimension(const Process *p, double s, double t, size_t xt, size_t x0,
                        const double *p0)
{
    double truth[S], model[S], sum = 0.0;

    if (s == 0.0)
        return p->mask >= 0 && (int)xt != p->mask ? 0.0 : -log(p0[x0]);
    PosteriorStep *step = diffusion_posterior_create(p, s, t, 0.0);
    diffusion_posterior(step, xt, x0, truth);
    diffusion_posterior_mix(step, xt, p0, p->mask >= 0 ? S - 1 : S, model);
    diffusion_posterior_destroy(step);
    for (size_t v = 0; v < S; v++)
        sum += truth[v] > 0.0 ? truth[v] * log(truth[v] / model[v]) : 0.0;
    return sum;
}

/* The steps' part for x_0 = {1, 0}, nats: every x_t with its probability. */
static double steps_by_hand(const Denoiser *m, const Process *p, size_t N, double lambda)
{
    const size_t x0[WORLD_D] = {1, 0};
    double total = 0.0;

    for (size_t n = 1; n <= N; n++) {
        const double t = (double)n / (double)N, s = (double)(n - 1) / (double)N;
        Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_ACCURATE);
        for (size_t i = 0; i < (size_t)S * S; i++) {
            uint16_t x[WORLD_D];
            double p0[WORLD_D][WORLD_S], weight = 1.0;
            world_digits(x, i, S);
            for (size_t d = 0; d < WORLD_D; d++)
                weight *= diffusion_transition_at(tr, x0[d], x[d]);
            if (!(weight > 0.0))
                continue;
            world_rows(m, i, S, t, lambda, p0);
            for (size_t d = 0; d < WORLD_D; d++)
                total += weight * dimension(p, s, t, x[d], x0[d], p0[d]);
        }
        diffusion_transition_destroy(tr);
    }
    return total;
}

/* Every process: what is measured is within six standard errors of the enumerated bound. */
START_TEST(product_models_have_the_enumerated_bound)
{
    Process *p = world_process((size_t)_i, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 0);

    for (size_t N = 1; N <= 3; N++) {
        const StepBoundRequest r = {
            .model = &d, .process = p, .steps = N, .lambdas = 1, .batch = 900, .seed = N};
        const StepBound b = bound_of(&r, PICTURES);
        const double expected = steps_by_hand(&d, p, N, 0.0) / (WORLD_D * LN2);
        ck_assert_msg(fabs(b.steps - expected) < 6.0 * b.error + 1e-6,
                      "%zu steps: %g +- %g, expected %g", N, b.steps, b.error, expected);
        ck_assert_double_eq(b.lambda, 0.0);
        ck_assert(p->mask >= 0 ? b.prior == 0.0 : b.prior > 0.0);
        ck_assert_double_eq_tol(b.total, b.steps + b.prior, 1e-12);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* -log p(x_0) of the chain, from its enumerated law. */
static double surprise(const Denoiser *d, const Process *p, size_t N)
{
    double law[WORLD_ALL];
    const SampleRequest r = {.model = d, .process = p, .steps = N, .batch = 10};

    world_law(law, &r);
    return -log(law[1]) / (WORLD_D * LN2); /* state number 1 is {1, 0} */
}

/* A mixture with a lambda for each step: above the likelihood, for any K, and falling with K. */
START_TEST(many_lambdas_come_near_the_likelihood)
{
    Process *p = world_process((size_t)_i, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);

    for (size_t N = 1; N <= 2; N++) {
        const double least = surprise(&d, p, N);
        double before = HUGE_VAL;
        for (size_t K = 1; K <= 256; K *= 16) {
            const StepBoundRequest r = {
                .model = &d, .process = p, .steps = N, .lambdas = K, .batch = 4096, .seed = 5};
            const StepBound b = bound_of(&r, K == 256 ? 4000 : PICTURES);
            ck_assert_msg(b.total > least - 6.0 * b.error, "K = %zu: %g +- %g below %g", K, b.total,
                          b.error, least);
            ck_assert_msg(b.total < before, "K = %zu: %g after %g", K, b.total, before);
            before = b.total;
            if (N == 1 && K == 256 && p->mask >= 0) /* the only path starts all masked */
                ck_assert_double_le(fabs(b.total - b.prior - least), 6.0 * b.error + 5e-3);
        }
    }
    diffusion_process_destroy(p);
}
END_TEST

/* ---- with a recognition network ---- */

static Network *student_of(EncoderInput encoder, size_t lambda_dims)
{
    Error err = {""};
    MlpConfig c = nn_mlp_defaults();
    c.dims = WORLD_D;
    c.states = S;
    c.out_states = S - 1;
    c.width = 12;
    c.blocks = 1;
    c.embed = 8;
    c.lambda_dims = lambda_dims;
    c.lambda_is_number = true;
    c.encoder = encoder;
    Network *net = nn_mlp_create(&c, false, &err);
    ck_assert_msg(net != NULL, "%s", err.text);
    randomise(net, 9);
    return net;
}

static Network *student(EncoderInput encoder)
{
    return student_of(encoder, 1);
}

static Denoiser student_denoiser(Network *net, LambdaScope scope)
{
    const Head head = {&diffusion_softmax, WORLD_D, S - 1, 1, false, S - 1};
    Denoiser d = diffusion_network_denoiser(net, &head);
    d.lambda_law = LAMBDA_NORMAL;
    d.lambda_scope = scope;
    return d;
}

/* sum over a grid of lambda ~ N(0, 1) of f. */
static double over_lambda(double (*f)(const Denoiser *d, const Process *p, size_t N, double lambda),
                          const Denoiser *d, const Process *p, size_t N)
{
    const double width = 0.05, scale = width / sqrt(2.0 * acos(-1.0));
    double sum = 0.0;

    for (int i = 0; i <= 200; i++) {
        const double z = -5.0 + i * width;
        sum += scale * exp(-0.5 * z * z) * f(d, p, N, z);
    }
    return sum;
}

/* An encoder that always says N(0, 1) adds no divergence, and the bound is the mean of the chains'
 * bounds; one that says more stays above the likelihood of one step. */
START_TEST(one_lambda_a_sample)
{
    Process *p = world_process(0, S);
    Network *net = student(ENCODER_CLEAN);
    Denoiser d = student_denoiser(net, LAMBDA_SAMPLE);
    Param *w = nn_param_find(&net->params, "encoder.output.weight");
    Param *bias = nn_param_find(&net->params, "encoder.output.bias");
    StepBoundRequest r = {.model = &d, .process = p, .lambdas = 1, .batch = 999, .seed = 2};

    r.steps = 1;
    const StepBound told = bound_of(&r, PICTURES);
    ck_assert(told.lambda > 0.0);
    memset(w->value.data, 0, tensor_size(&w->value) * sizeof(float));
    memset(bias->value.data, 0, tensor_size(&bias->value) * sizeof(float));
    for (r.steps = 1; r.steps <= 2; r.steps++) {
        const StepBound b = bound_of(&r, PICTURES);
        const double expected = over_lambda(steps_by_hand, &d, p, r.steps) / (WORLD_D * LN2);
        ck_assert_double_eq(b.lambda, 0.0);
        ck_assert_msg(fabs(b.total - expected) < 6.0 * b.error + 1e-4, "%zu steps: %g +- %g, %g",
                      r.steps, b.total, b.error, expected);
    }
    nn_network_destroy(net);
    diffusion_process_destroy(p);
}
END_TEST

/* Samplers of more steps than the model has lambdas for: the bound of the product at lambda 0, and
 * nothing to pay; no recognition network is needed then. */
START_TEST(no_lambda_for_many_steps)
{
    Process *p = world_process(0, S);
    Network *net = student(_i == 0 ? ENCODER_CLEAN : ENCODER_NONE);
    Denoiser d = student_denoiser(net, LAMBDA_SAMPLE);
    StepBoundRequest r = {.model = &d, .process = p, .lambdas = 1, .batch = 999, .seed = 2};

    d.lambda_steps = 1;
    r.steps = 2;
    const StepBound b = bound_of(&r, PICTURES);
    const double expected = steps_by_hand(&d, p, 2, 0.0) / (WORLD_D * LN2);
    ck_assert_double_eq(b.lambda, 0.0);
    ck_assert_msg(fabs(b.total - expected) < 6.0 * b.error + 1e-4, "%g +- %g, %g", b.total, b.error,
                  expected);
    d.lambda_steps = 2;
    if (_i == 0) {
        const StepBound told = bound_of(&r, PICTURES);
        ck_assert(told.lambda > 0.0 && fabs(told.total - expected) > 6.0 * told.error);
    }
    nn_network_destroy(net);
    diffusion_process_destroy(p);
}
END_TEST

/* KL( N(0, 1) || N(m, s^2) ) for a law of one component, from draws of q. */
START_TEST(a_law_of_its_own)
{
    Process *p = world_process(0, S);
    Network *net = student(ENCODER_CLEAN);
    ParamSet set;
    memset(&set, 0, sizeof set);
    net->prior = nn_lambda_prior_add(&set, 2, 1, PRIOR_DIAGONAL);
    nn_params_allocate(&set, false);
    Denoiser d = student_denoiser(net, LAMBDA_SAMPLE);
    Param *w = nn_param_find(&net->params, "encoder.output.weight");
    Param *bias = nn_param_find(&net->params, "encoder.output.bias");
    const StepBoundRequest r = {
        .model = &d, .process = p, .steps = 2, .lambdas = 1, .batch = 999, .seed = 2};

    memset(w->value.data, 0, tensor_size(&w->value) * sizeof(float));
    memset(bias->value.data, 0, tensor_size(&bias->value) * sizeof(float));
    const StepBound normal = bound_of(&r, PICTURES);
    d.lambda_law = LAMBDA_MIXTURE;
    const StepBound same = bound_of(&r, PICTURES); /* zeros: N(0, 1) */
    ck_assert_double_eq_tol(same.lambda, 0.0, 1e-6);
    ck_assert_double_eq(same.steps, normal.steps);
    for (size_t k = 0; k < 2; k++) {
        net->prior->mean->value.data[k] = 0.5f;
        net->prior->log_deviation->value.data[k] = (float)log(1.5);
    }
    const StepBound other = bound_of(&r, PICTURES);
    const double kl = log(1.5) + (1.0 + 0.25) / (2.0 * 2.25) - 0.5;
    ck_assert_double_eq_tol(other.lambda, kl / (WORLD_D * LN2), 6.0 * 0.4 / sqrt(PICTURES));
    ck_assert_double_eq(other.steps, normal.steps);
    nn_network_destroy(net);
    nn_params_free(&set);
    diffusion_process_destroy(p);
}
END_TEST

/* A lambda for each step with a recognition network for pairs: its divergence counts in each. */
START_TEST(a_lambda_for_each_step)
{
    Process *p = world_process(0, S);
    Network *net = student(ENCODER_PAIR);
    Denoiser d = student_denoiser(net, LAMBDA_STEP);
    Param *w = nn_param_find(&net->params, "encoder.output.weight");
    Param *bias = nn_param_find(&net->params, "encoder.output.bias");
    StepBoundRequest r = {
        .model = &d, .process = p, .steps = 2, .lambdas = 1, .batch = 999, .seed = 2};

    memset(w->value.data, 0, tensor_size(&w->value) * sizeof(float));
    bias->value.data[0] = 0.5f; /* KL(N(1/2, 1) || N(0, 1)) = 1/8 nat a step */
    bias->value.data[1] = 0.0f;
    ck_assert_double_eq_tol(bound_of(&r, 10).lambda, 2.0 / 8.0 / (WORLD_D * LN2), 1e-12);
    bias->value.data[0] = 0.0f;
    const StepBound b = bound_of(&r, PICTURES);
    const double expected = over_lambda(steps_by_hand, &d, p, 2) / (WORLD_D * LN2);
    ck_assert_double_le(fabs(b.total - expected), 6.0 * b.error + 1e-4);
    nn_network_destroy(net);
    diffusion_process_destroy(p);
}
END_TEST

/* The divergences of all numbers of lambda add up, whatever they are for the pictures before. */
START_TEST(lambdas_of_two_numbers)
{
    Process *p = world_process(0, S);
    Network *net = student_of(ENCODER_CLEAN, 2);
    Denoiser d = student_denoiser(net, LAMBDA_SAMPLE);
    Param *w = nn_param_find(&net->params, "encoder.output.weight");
    Param *bias = nn_param_find(&net->params, "encoder.output.bias");
    StepBoundRequest r = {
        .model = &d, .process = p, .steps = 1, .lambdas = 1, .batch = 7, .seed = 2};
    const StepBound some = bound_of(&r, PICTURES / 100);
    r.batch = 1;
    const StepBound alone = bound_of(&r, PICTURES / 100);
    ck_assert_double_gt(some.lambda, 0.0);
    ck_assert_double_eq_tol(some.lambda, alone.lambda, 1e-6 * alone.lambda);
    ck_assert_double_eq_tol(some.total, alone.total, 1e-6 * alone.total);
    memset(w->value.data, 0, tensor_size(&w->value) * sizeof(float));
    memset(bias->value.data, 0, tensor_size(&bias->value) * sizeof(float));
    bias->value.data[0] = 0.5f; /* KL(N(1/2, 1) || N(0, 1)) = 1/8, KL(N(1, 1) || N(0, 1)) = 1/2 */
    bias->value.data[1] = -1.0f;
    ck_assert_double_eq_tol(bound_of(&r, 10).lambda, 5.0 / 8.0 / (WORLD_D * LN2), 1e-12);
    nn_network_destroy(net);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(batches_and_threads_change_nothing)
{
    Process *p = world_process(1, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);
    StepBoundRequest r = {
        .model = &d, .process = p, .steps = 3, .lambdas = 4, .batch = 1000, .seed = 3};
    const StepBound all = bound_of(&r, 50);

    r.batch = 7;
    threads_set(3);
    const StepBound some = bound_of(&r, 50);
    ck_assert_mem_eq(&all, &some, sizeof all);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(a_kept_lambda_needs_its_encoder)
{
    Error err = {""};
    Process *p = world_process(0, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);
    const StepBoundRequest r = {.model = &d,
                                .process = p,
                                .steps = 1,
                                .lambdas = 4,
                                .batch = 10,
                                .lambda_scope = LAMBDA_SAMPLE};
    States x = copies(2);
    StepBound out;

    ck_assert(!diffusion_step_bound(&r, &x, &out, &err));
    ck_assert_msg(strstr(err.text, "no recognition network") != NULL, "%s", err.text);
    states_free(&x);
    diffusion_process_destroy(p);
}
END_TEST

Suite *step_bound_suite(void);
Suite *step_bound_suite(void)
{
    Suite *s = suite_create("step_bound");
    TCase *tc = tcase_create("step_bound");
    tcase_add_loop_test(tc, product_models_have_the_enumerated_bound, 0, 5);
    tcase_add_test(tc, one_lambda_a_sample);
    tcase_add_loop_test(tc, no_lambda_for_many_steps, 0, 2);
    tcase_add_test(tc, a_law_of_its_own);
    tcase_add_test(tc, a_lambda_for_each_step);
    tcase_add_test(tc, lambdas_of_two_numbers);
    tcase_add_test(tc, batches_and_threads_change_nothing);
    tcase_add_test(tc, a_kept_lambda_needs_its_encoder);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 300);
    tcase_add_loop_test(slow, many_lambdas_come_near_the_likelihood, 0, 3);
    return s;
}
