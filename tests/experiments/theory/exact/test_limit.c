/* What N lambdas carry, against sums over all lambdas and all pictures; the saddle; students
 * trained for a few steps; the experiment's rows. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/theory/exact/limit.h"
#include "experiments/theory/limit.h"
#include "experiments/theory/trained/limit_run.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

#define FOLDER "test-limit.tmp"

/* Three patterns of two symbols, of which no two agree in a symbol. */
static FiniteLaw *unequal(void)
{
    FiniteLaw *law = limit_equal(2, 3);

    law->probability[0] = 0.5;
    law->probability[1] = 0.3;
    law->probability[2] = 0.2;
    return law;
}

/* The second pattern shares a symbol with the first, the third with none: misses differ. */
static FiniteLaw *uneven(void)
{
    FiniteLaw *law = unequal();

    law->patterns[2] = 0;
    return law;
}

/* e^J written out; in these laws m^d(a) is a sum over patterns. */
static double chance(const FiniteLaw *law, double gain, size_t j, size_t x)
{
    double p = 1.0;

    for (size_t d = 0; d < law->dims; d++) {
        const uint16_t is = law->patterns[x * law->dims + d];
        double m = 0.0;
        for (size_t k = 0; k < law->count; k++)
            m += law->patterns[k * law->dims + d] == is ? law->probability[k] : 0.0;
        p *= (1.0 - gain) * m + (law->patterns[j * law->dims + d] == is ? gain : 0.0);
    }
    return p;
}

/* Sums over all count^N choices of N lambdas. */
static LimitValue enumerated(const FiniteLaw *law, double gain, size_t N)
{
    LimitValue value = {0.0, 0.0, 0.0};
    size_t all = 1;

    for (size_t i = 0; i < N; i++)
        all *= law->count;
    for (size_t x = 0; x < law->count; x++)
        for (size_t choice = 0; choice < all; choice++) {
            double p = law->probability[x], mean = 0.0, nats = 0.0;
            for (size_t i = 0, c = choice; i < N; i++, c /= law->count) {
                p *= law->probability[c % law->count];
                mean += chance(law, gain, c % law->count, x) / (double)N;
            }
            for (size_t i = 0, c = choice; i < N && mean > 0.0; i++, c /= law->count) {
                const double w = chance(law, gain, c % law->count, x) / (mean * (double)N);
                nats += w > 0.0 ? w * log((double)N * w) : 0.0;
            }
            value.carried += p * nats;
            value.bound += p * log(mean);
        }
    return value;
}

START_TEST(exact_values_are_the_sum_over_all_lambdas)
{
    static const double gains[] = {0.0, 0.3, 0.95};
    FiniteLaw *laws[] = {limit_equal(3, 4), unequal(), limit_equal(1, 2)};

    for (size_t k = 0; k < 3; k++) {
        for (size_t N = 1; N <= 5; N++) {
            for (size_t g = 0; g < 3; g++) {
                const LimitValue is = limit_value(laws[k], gains[g], N, 1);
                const LimitValue must = enumerated(laws[k], gains[g], N);
                ck_assert_double_eq(is.error, 0.0);
                ck_assert_double_eq_tol(is.bound, must.bound, 1e-12);
                ck_assert_double_eq_tol(is.carried, must.carried, 1e-12);
            }
            ck_assert_double_eq_tol(limit_ideal(laws[k], N, false),
                                    enumerated(laws[k], 1.0, N).carried, 1e-12);
        }
        law_destroy(laws[k]);
    }
}
END_TEST

/* Within six standard errors; the spread of what is carried is at most log N. */
START_TEST(drawn_values_estimate_the_sum)
{
    FiniteLaw *law = uneven();

    for (size_t N = 1; N <= 4; N++) {
        const LimitValue is = limit_value(law, 0.6, N, 3), must = enumerated(law, 0.6, N);
        ck_assert(is.error > 0.0 && is.error < 0.1);
        ck_assert_double_le(fabs(is.bound - must.bound), 6.0 * is.error);
        ck_assert_double_le(fabs(is.carried - must.carried),
                            6.0 * log((double)N) / sqrt(LIMIT_DRAWS) + 1e-12);
    }
    law_destroy(law);
}
END_TEST

/* Never above log N; what all lambdas hold is at most the law's own nats; the loss is below the
 * likelihood and rises towards it. */
START_TEST(nothing_is_above_its_bound)
{
    FiniteLaw *laws[] = {limit_equal(3, 16), unequal(), uneven()};

    for (size_t k = 0; k < 3; k++) {
        double held, last = -HUGE_VAL, likelihood = limit_likelihood(laws[k], 0.8, &held);
        ck_assert(held > 0.0 && held <= limit_entropy(laws[k]) + 1e-12);
        ck_assert_double_le(likelihood, -limit_entropy(laws[k]));
        for (size_t N = 1; N <= 256; N *= 4) {
            const LimitValue v = limit_value(laws[k], 0.8, N, 1);
            ck_assert_double_le(v.carried, log((double)N) + 1e-12);
            ck_assert_double_le(limit_ideal(laws[k], N, false), log((double)N) + 1e-12);
            ck_assert_double_le(limit_ideal(laws[k], N, true), log((double)N) + 1e-12);
            ck_assert_double_le(v.bound, likelihood + 6.0 * v.error);
            ck_assert_double_ge(v.bound, last - 6.0 * v.error);
            last = v.bound;
        }
        law_destroy(laws[k]);
    }
}
END_TEST

/* K equal patterns: stratified lambdas hit with probability N/K, or N/K times; of two independent
 * ones and two patterns just one hits half of the time.  log K in the limit.  Three strata are hit
 * by patterns of 0.5, 0.3 and 0.2 with the chances 1 and 0.5; 0.5 and 0.4; 0.6. */
START_TEST(ideal_students_are_known)
{
    FiniteLaw *law = limit_equal(2, 16), *two = limit_equal(2, 2), *three = unequal();

    ck_assert_double_eq_tol(limit_ideal(three, 3, true), 0.52 * log(3.0) + 0.31 * log(1.5), 1e-12);
    for (size_t N = 1; N <= 64; N *= 2)
        ck_assert_double_eq_tol(limit_ideal(law, N, true),
                                N < 16 ? (double)N / 16.0 * log((double)N) : log(16.0), 1e-12);
    ck_assert_double_eq_tol(limit_ideal(two, 2, false), 0.5 * log(2.0), 1e-12);
    ck_assert_double_eq_tol(limit_ideal(two, 4, false),
                            0.25 * log(4.0) + 0.375 * log(2.0) + 0.25 * log(4.0 / 3.0), 1e-12);
    ck_assert_double_eq_tol(limit_ideal(two, 20000, false), log(2.0), 1e-4);
    ck_assert_double_eq_tol(limit_entropy(law), log(16.0), 1e-12);
    law_destroy(law);
    law_destroy(two);
    law_destroy(three);
}
END_TEST

/* The first difference at 0 is nothing, the second the closed form: D(K-1)(D - 1 - D/N). */
START_TEST(ignoring_lambda_is_a_saddle)
{
    FiniteLaw *laws[] = {limit_equal(3, 4), unequal(), limit_equal(2, 2)};
    const double h = 1e-5;

    for (size_t k = 0; k < 3; k++) {
        for (size_t N = 1; N <= 8; N *= 2) {
            const double at = limit_value(laws[k], 0.0, N, 1).bound;
            const double one = limit_value(laws[k], h, N, 1).bound - at;
            const double two = limit_value(laws[k], 2.0 * h, N, 1).bound - at;
            const double curvature = limit_curvature(laws[k], N);
            ck_assert_double_eq_tol((4.0 * one - two) / (2.0 * h), 0.0, 1e-6);
            ck_assert_double_eq_tol((two - 2.0 * one) / (h * h), curvature,
                                    0.01 * fabs(curvature) + 0.01);
            if (k == 0)
                ck_assert_double_eq_tol(curvature, 9.0 * (2.0 - 3.0 / (double)N), 1e-12);
        }
        law_destroy(laws[k]);
    }
}
END_TEST

/* No gain on a grid is better; where the curvature is negative lambda is not wanted at all. */
START_TEST(the_best_gain_is_the_best)
{
    FiniteLaw *law = limit_equal(3, 64);

    ck_assert_double_eq(limit_best_gain(law, 1, 1), 0.0);
    for (size_t N = 2; N <= 128; N *= 4) {
        const double gain = limit_best_gain(law, N, 1);
        const double best = limit_value(law, gain, N, 1).bound;
        ck_assert(gain > 0.0 && gain < 1.0);
        for (size_t i = 0; i < 200; i++)
            ck_assert_double_ge(best, limit_value(law, (double)i / 200.0, N, 1).bound - 1e-9);
    }
    law_destroy(law);
}
END_TEST

/* As the program's new student: nothing at gain 0, ten times the gain is ten times the slope. */
START_TEST(the_gradient_grows_with_the_gain)
{
    FiniteLaw *laws[] = {limit_equal(3, 4), unequal()};

    for (size_t k = 0; k < 2; k++) {
        const double small = limit_gradient(laws[k], 1e-4, 2);
        ck_assert_double_le(limit_gradient(laws[k], 0.0, 2), 1e-3 * small);
        ck_assert_double_eq_tol(limit_gradient(laws[k], 1e-3, 2) / small, 10.0, 0.5);
        law_destroy(laws[k]);
    }
}
END_TEST

/* A short training: counts are kept, the limit holds, one lambda teaches nothing, and threads
 * change no bit. */
START_TEST(training_keeps_its_budget)
{
    static const size_t lambdas[] = {0, 1, 4, 16};
    FiniteLaw *law = limit_equal(2, 4);

    for (size_t k = 0; k < 4; k++) {
        const LimitTraining training = {lambdas[k], 64, 40, 5};
        LimitStudent a, b;
        Error err = {""};
        threads_set(1);
        ck_assert(limit_train(law, &training, &a, &err));
        threads_set(3);
        ck_assert(limit_train(law, &training, &b, &err));
        ck_assert_mem_eq(&a, &b, sizeof a);
        ck_assert_uint_eq(a.pictures, lambdas[k] > 1 ? 64 / lambdas[k] : 64);
        if (lambdas[k] > 0)
            ck_assert_double_le(a.taught, log((double)lambdas[k]) + 1e-12);
        ck_assert(a.held >= 0.0 && a.held <= log(LIMIT_GRID));
        ck_assert(a.tv >= 0.0 && a.tv <= 1.0 && a.kl >= 2.0 * a.tv * a.tv - 1e-6);
    }
    law_destroy(law);
}
END_TEST

/* Three equal bits: the posterior teaches them, and that over eight lambdas; one lambda cannot. */
START_TEST(the_posterior_teaches)
{
    FiniteLaw *law = limit_equal(3, 2);
    LimitTraining training = {0, 128, 150, 1};
    LimitStudent taught, eight, single;
    Error err = {""};

    ck_assert(limit_train(law, &training, &taught, &err));
    training.lambdas = 8;
    ck_assert(limit_train(law, &training, &eight, &err));
    training.lambdas = 1;
    ck_assert(limit_train(law, &training, &single, &err));
    ck_assert_msg(taught.tv < 0.25 && taught.held > 0.5, "tv %g, held %g", taught.tv, taught.held);
    ck_assert_msg(eight.tv < 0.4 && eight.held > 0.4, "tv %g, held %g", eight.tv, eight.held);
    ck_assert_msg(single.tv > 0.7 && single.held < 0.05, "tv %g, held %g", single.tv, single.held);
    law_destroy(law);
}
END_TEST

/* Four students of one number and a trained one for each N, the posterior's, and seven gains. */
START_TEST(the_experiment_writes_rows)
{
    static const char *const charts[] = {"limit", "limit-likelihood", "limit-saddle", "limit-held",
                                         "limit-distance"};
    const char *json = toy("results.json");
    Findings *f = findings_create(FOLDER);
    Error err = {""};
    const char *svg[5];
    char name[40];
    size_t count = 0, parts[3] = {0, 0, 0};

    for (size_t i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "%s.svg", charts[i]);
        svg[i] = toy(name);
        snprintf(name, sizeof name, "%s.png", charts[i]);
        toy(name);
    }
    toy("index.html");
    ck_assert_msg(theory_limit_world("coupled-bits", 2, 1, f, &err), "%s", err.text);
    ck_assert_msg(findings_write(f, json, 1, &err), "%s", err.text);
    findings_destroy(f);
    for (size_t i = 0; i < 5; i++) {
        char *bytes = toy_read(svg[i], &count);
        ck_assert_msg(bytes != NULL && count > 500, "%s", charts[i]);
        mem_free(bytes);
    }
    char *text = toy_read(json, &count);
    Json *j = json_parse(text, count, "results", &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    const Json *rows = json_get(j, "rows");
    for (size_t i = 0; i < rows->count; i++) {
        const Json *row = &rows->items[i], *limit = json_get(row, "limit");
        const char *part = json_get(row, "part")->string;
        ck_assert_str_eq(json_get(row, "experiment")->string, "limit");
        ck_assert_str_eq(json_get(row, "world")->string, "coupled-bits");
        parts[strcmp(part, "exact") == 0 ? 0 : strcmp(part, "trained") == 0 ? 1 : 2]++;
        if (limit != NULL && limit->type == JSON_NUMBER)
            ck_assert_double_le(json_get(row, "carried")->number, limit->number + 1e-9);
    }
    ck_assert(parts[0] == (size_t)4 * 9 && parts[1] == 9 + 1 && parts[2] == 7);
    json_free(j);
    mem_free(text);
}
END_TEST

START_TEST(wrong_worlds_are_refused)
{
    const char *table = toy("table.csv");
    Findings *f = findings_create(NULL);
    Error err = {""};
    char text[20000] = "";

    ck_assert(!theory_limit_world("moon", 2, 1, f, &err));
    ck_assert_msg(strstr(err.text, "--world moon: expected one of") != NULL, "%s", err.text);
    for (int i = 0; i < 1089; i++) /* 33 x 33 */
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d,%d,%.9f\n", i / 33, i % 33,
                 1.0 / 1089.0);
    toy_text(table, text);
    ck_assert(!theory_limit_world(table, 2, 1, f, &err));
    ck_assert_msg(strstr(err.text, "1089 states, expected at most 1024") != NULL, "%s", err.text);
    findings_destroy(f);
}
END_TEST

static void set_up(void)
{
    toys_set_up(FOLDER);
}

Suite *limit_suite(void);
Suite *limit_suite(void)
{
    Suite *s = suite_create("limit");
    TCase *tc = tcase_create("limit");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, exact_values_are_the_sum_over_all_lambdas);
    tcase_add_test(tc, drawn_values_estimate_the_sum);
    tcase_add_test(tc, nothing_is_above_its_bound);
    tcase_add_test(tc, ideal_students_are_known);
    tcase_add_test(tc, ignoring_lambda_is_a_saddle);
    tcase_add_test(tc, the_best_gain_is_the_best);
    tcase_add_test(tc, the_gradient_grows_with_the_gain);
    tcase_add_test(tc, the_experiment_writes_rows);
    tcase_add_test(tc, wrong_worlds_are_refused);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 60);
    tcase_add_checked_fixture(slow, set_up, toys_tear_down);
    tcase_add_test(slow, training_keeps_its_budget);
    tcase_add_test(slow, the_posterior_teaches);
    return s;
}
