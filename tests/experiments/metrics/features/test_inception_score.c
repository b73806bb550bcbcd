/* The Inception Score: against the formula written out, scores that are known, and parts. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "experiments/metrics/features/inception_score.h"
#include "tensor/base/rng.h"

enum { CLASSES = 7, N = 34 };

static void score_of(const float *logits, size_t count, size_t at_once, double *mean, double *sd)
{
    ScoreSums s = score_create(CLASSES, count);
    for (size_t i = 0; i < count; i += at_once)
        score_add(&s, logits + i * CLASSES, count - i < at_once ? count - i : at_once);
    score_result(&s, mean, sd);
    score_free(&s);
}

/* exp of the mean divergence of pictures from..end. */
static double naive(const float *logits, size_t from, size_t end)
{
    double p[N][CLASSES], m[CLASSES] = {0}, kl = 0;
    for (size_t i = from; i < end; i++) {
        double sum = 0;
        for (size_t c = 0; c < CLASSES; c++)
            sum += p[i][c] = exp((double)logits[i * CLASSES + c]);
        for (size_t c = 0; c < CLASSES; c++)
            m[c] += (p[i][c] /= sum) / (double)(end - from);
    }
    for (size_t i = from; i < end; i++)
        for (size_t c = 0; c < CLASSES; c++)
            kl += p[i][c] * (log(p[i][c]) - log(m[c])) / (double)(end - from);
    return exp(kl);
}

START_TEST(the_score_is_that_of_the_formula)
{
    float logits[N * CLASSES];
    double part[SCORE_SPLITS], mean = 0, squares = 0, got, sd, again, sd_again;
    Rng rng = rng_root(2);
    for (size_t i = 0; i < N * CLASSES; i++)
        logits[i] = (float)(3 * rng_normal(&rng));
    for (size_t k = 0; k < SCORE_SPLITS; k++) {
        part[k] = naive(logits, k * N / SCORE_SPLITS, (k + 1) * N / SCORE_SPLITS);
        mean += part[k] / SCORE_SPLITS;
    }
    for (size_t k = 0; k < SCORE_SPLITS; k++)
        squares += (part[k] - mean) * (part[k] - mean) / SCORE_SPLITS;
    score_of(logits, N, N, &got, &sd);
    ck_assert_double_eq_tol(got, mean, 1e-12);
    ck_assert_double_eq_tol(sd, sqrt(squares), 1e-12);
    score_of(logits, N, 4, &again, &sd_again);
    ck_assert(got == again && sd == sd_again);
}
END_TEST

/* Sure and different in each part: as many as there are classes.  All alike: 1. */
START_TEST(largest_and_least_score)
{
    enum { COUNT = SCORE_SPLITS * CLASSES };
    float logits[COUNT * CLASSES] = {0};
    double mean, sd;
    score_of(logits, COUNT, 5, &mean, &sd);
    ck_assert_double_eq_tol(mean, 1, 1e-14);
    ck_assert_double_eq_tol(sd, 0, 1e-14);
    for (size_t i = 0; i < COUNT; i++)
        logits[i * CLASSES + i % CLASSES] = 3000; /* whose exponential overflows */
    score_of(logits, COUNT, 5, &mean, &sd);
    ck_assert_double_eq_tol(mean, CLASSES, 1e-12);
    ck_assert_double_eq_tol(sd, 0, 1e-12);
}
END_TEST

START_TEST(fewer_pictures_than_parts)
{
    score_create(CLASSES, SCORE_SPLITS - 1);
}
END_TEST

START_TEST(pictures_that_are_missing)
{
    double mean, sd;
    ScoreSums s = score_create(CLASSES, SCORE_SPLITS);
    score_result(&s, &mean, &sd);
}
END_TEST

Suite *inception_score_suite(void)
{
    Suite *suite = suite_create("inception_score");
    TCase *tc = tcase_create("inception_score");
    tcase_add_test(tc, the_score_is_that_of_the_formula);
    tcase_add_test(tc, largest_and_least_score);
    tcase_add_test_raise_signal(tc, fewer_pictures_than_parts, SIGABRT);
    tcase_add_test_raise_signal(tc, pictures_that_are_missing, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
