/* experiments/training/fit_prior.c: the averaged weights are fitted to, both kinds are written, and
 * a fitted law is nearer to the recognition network's draws than the normal one. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "experiments/training/fit_prior.h"
#include "nn/encoder.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

static Model *m;
static Dataset *glyphs;
static Optimizer *o;

static void set_up(void)
{
    const OptimizerConfig oc = nn_optimizer_defaults();
    Error err = {""};
    toys_set_up("test-fit-prior.tmp.d");
    const Config c = toy_fitted_config(100000); /* pictures for all the draws */
    m = model_create(&c, ROLE_STUDENT, true, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    glyphs = toy_open("glyphs", false);
    o = nn_optimizer_create(&oc, &m->net->params);
}

static void tear_down(void)
{
    nn_optimizer_destroy(o);
    model_destroy(m);
    dataset_close(glyphs);
    toys_tear_down();
}

static float *copy_of_weights(void)
{
    const size_t n = m->net->params.total;
    return memcpy(mem_alloc(n, sizeof(float)), m->net->params.values, n * sizeof(float));
}

/* q's mean becomes `mean` for every picture, its deviation e^(log_variance/2). */
static void say(float *values, float mean, float log_variance)
{
    const Param *w = nn_param_find(&m->net->params, "encoder.output.weight");
    const Param *b = nn_param_find(&m->net->params, "encoder.output.bias");
    memset(values + w->offset, 0, tensor_size(&w->value) * sizeof(float));
    for (size_t i = 0; i < 2; i++) {
        values[b->offset + i] = mean;
        values[b->offset + 2 + i] = log_variance;
    }
}

static void expect_means(const float *values, double mean)
{
    for (size_t i = 0; i < 6; i++)
        ck_assert_double_eq_tol((double)values[m->net->prior->mean->offset + i], mean, 1.5);
}

START_TEST(averaged_weights_are_fitted_to)
{
    PriorFit f;
    say(m->net->params.values, -8.0f, -2.0f);
    say(o->ema, 8.0f, -2.0f);
    float *raw = copy_of_weights();
    ck_assert(fit_prior(m, glyphs, o, &f));
    expect_means(m->net->params.values, 8.0);
    expect_means(o->ema, 8.0);
    const LambdaPrior *p = m->net->prior;
    const size_t first = p->log_weight->offset;
    for (size_t k = 0; k < 3; k++) { /* what stands below the diagonal is fitted too */
        const size_t at = p->lower->offset + 4 * k + 2;
        ck_assert(m->net->params.values[at] != 0.0f);
        ck_assert(m->net->params.values[at] == o->ema[at]);
    }
    ck_assert_mem_eq(raw, m->net->params.values, first * sizeof *raw); /* the rest stays */
    ck_assert_double_gt(f.normal, 60.0);                               /* 2 * 8^2 / 2 */
    ck_assert_double_eq_tol(f.mixture, 0.0, 0.05); /* all pictures alike: q is the law */
    mem_free(raw);
}
END_TEST

/* While training it is the weights as they are that count; both kinds get the law. */
START_TEST(along_the_way_it_is_the_weights_as_they_are)
{
    say(m->net->params.values, -8.0f, -2.0f);
    say(o->ema, 8.0f, -2.0f);
    float *raw = copy_of_weights();
    const size_t first = m->net->prior->log_weight->offset;
    float *average = memcpy(mem_alloc(first, sizeof *average), o->ema, first * sizeof *average);
    ck_assert(fit_prior_along(m, glyphs, o));
    expect_means(m->net->params.values, -8.0);
    expect_means(o->ema, -8.0);
    ck_assert_mem_eq(raw, m->net->params.values, first * sizeof *raw); /* the rest stays */
    ck_assert_mem_eq(average, o->ema, first * sizeof *average);
    mem_free(raw);
    mem_free(average);
}
END_TEST

START_TEST(a_signal_writes_nothing)
{
    PriorFit f;
    float *before = copy_of_weights();
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert(!fit_prior(m, glyphs, o, &f));
    ck_assert(!fit_prior_along(m, glyphs, o));
    ck_assert_mem_eq(before, m->net->params.values, m->net->params.total * sizeof *before);
    mem_free(before);
}
END_TEST

Suite *fit_prior_suite(void)
{
    Suite *s = suite_create("fit_prior");
    TCase *tc = tcase_create("fit_prior");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, averaged_weights_are_fitted_to);
    tcase_add_test(tc, along_the_way_it_is_the_weights_as_they_are);
    tcase_add_test(tc, a_signal_writes_nothing);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
