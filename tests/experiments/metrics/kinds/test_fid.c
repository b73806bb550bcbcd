/* fid and is from the command line to the numbers: the same as features by the network, moments and
 * score by the definition, and a distance by another formula; and what is refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/features/inception_score.h"
#include "experiments/metrics/features/moments_file.h"
#include "nn/formats/npy.h"
#include "nn/formats/torch/npz.h"
#include "nn/inception/inception.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/base/text.h"
#include "tensor/eigen/eigen.h"
#include "tests/tools/cli.h"
#include "tests/tools/inception_file.h"
#include "tests/tools/toys.h"

#define DIR  "test-fid.tmp.d"
#define EVAL "eval --quiet --samples @a.npy --inception @w.pth "

#ifdef DI4C_POISON
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
enum { COUNT = 11, SIDE = 6, PIXELS = SIDE * SIDE, F = INCEPTION_FEATURES };

static void set_up(void)
{
    cli_set_up(DIR);
}

/* Grey pictures, noise under a brightness. */
static void make_pictures(uint8_t x[COUNT * PIXELS], const char *path, uint64_t seed)
{
    Rng rng = rng_root(seed);
    Error err = {""};
    for (size_t i = 0; i < COUNT * PIXELS; i++)
        x[i] = (uint8_t)(rng_uniform(&rng) * (60 + 15 * (double)(i / PIXELS)));
    ck_assert(npy_write(path, NPY_U1, 3, (size_t[]){COUNT, SIDE, SIDE}, x, &err));
}

/* features (COUNT, F), and the score. */
static float *look(Inception *net, const uint8_t x[COUNT * PIXELS], double *score)
{
    float levels[COUNT * PIXELS], *f = mem_alloc(COUNT * F, sizeof *f);
    float *logits = mem_alloc(COUNT * INCEPTION_CLASSES, sizeof *logits);
    double deviation;
    ScoreSums sums = score_create(INCEPTION_CLASSES, COUNT);
    for (size_t i = 0; i < COUNT * PIXELS; i++)
        levels[i] = (float)x[i] / 255.0f;
    inception_features(net, f, levels, COUNT, SIDE, SIDE, 1);
    inception_logits(net, logits, f, COUNT);
    score_add(&sums, logits, COUNT);
    score_result(&sums, score, &deviation);
    score_free(&sums);
    mem_free(logits);
    return f;
}

/* C_x = X^T X, C_y = Y^T Y with COUNT rows over (COUNT - 1)^(1/2): tr (C_x^(1/2) C_y
 * C_x^(1/2))^(1/2) is the sum of the singular values of X Y^T, the roots of the eigenvalues of X
 * Y^T Y X^T. */
static double few_rows_distance(const float *x, const float *y)
{
    Moments mx = moments_of(x, COUNT, F), my = moments_of(y, COUNT, F);
    double cross[COUNT][COUNT] = {{0}}, square[COUNT * COUNT] = {0}, values[COUNT], sum = 0;
    for (size_t f = 0; f < F; f++) {
        const double d = mx.mean[f] - my.mean[f];
        sum += d * d + mx.covariance[f * (F + 1)] + my.covariance[f * (F + 1)];
        for (size_t i = 0; i < COUNT; i++)
            for (size_t j = 0; j < COUNT; j++)
                cross[i][j] += ((double)x[i * F + f] - mx.mean[f]) *
                               ((double)y[j * F + f] - my.mean[f]) / (COUNT - 1);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            for (size_t k = 0; k < COUNT; k++)
                square[i * COUNT + j] += cross[i][k] * cross[j][k];
    ck_assert(tensor_eigen_values(COUNT, square, values));
    for (size_t k = 0; k < COUNT; k++)
        sum -= 2 * sqrt(fmax(values[k], 0));
    moments_free(&my);
    moments_free(&mx);
    return sum;
}

static double number_of(const char *text, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(text, key);
    ck_assert_msg(at != NULL, "%s in %s", name, text);
    return text_number(at + strlen(key), NULL);
}

/* --save-statistics holds the moments of y. */
static void check_saved(const float *y)
{
    Error err = {""};
    Moments saved, m = moments_of(y, COUNT, F);
    ck_assert_msg(moments_file_read(&saved, toy("s.npz"), F, &err), "%s", err.text);
    for (size_t i = 0; i < F; i++)
        ck_assert_double_eq_tol(saved.mean[i], m.mean[i], 1e-12);
    for (size_t i = 0; i < F * F; i++)
        if (!(fabs(saved.covariance[i] - m.covariance[i]) < 1e-12))
            ck_abort_msg("covariance %zu is %g, not %g", i, saved.covariance[i], m.covariance[i]);
    moments_free(&m);
    moments_free(&saved);
}

START_TEST(numbers_are_those_of_the_definitions)
{
    uint8_t a[COUNT * PIXELS], b[COUNT * PIXELS];
    double score, other;
    Error err = {""};
    toy("s.npz"), toy("o.json");
    inception_file_write(toy("w.pth"), NULL);
    make_pictures(a, toy("a.npy"), 1);
    make_pictures(b, toy("b.npy"), 2);
    says(EVAL "--metrics fid,is --reference npy:" DIR "/b.npy --save-statistics @s.npz "
              "--json @o.json",
         0, "FID against npy:" DIR "/b.npy (11 pictures), Inception network");
    char *text = toy_read(toy("o.json"), &(size_t){0});
    Inception *net = inception_read(toy("w.pth"), &err);
    ck_assert_msg(net != NULL, "%s", err.text);
    float *x = look(net, a, &score), *y = look(net, b, &other);
    const double distance = few_rows_distance(x, y);
    ck_assert_double_gt(distance, 0.01);
    ck_assert_double_eq_tol(number_of(text, "fid"), distance, 1e-4 * distance);
    ck_assert_double_eq_tol(number_of(text, "is"), score, 1e-8);
    ck_assert_double_gt(number_of(text, "is_sd"), 0);
    ck_assert_double_eq(number_of(text, "fid_reference_count"), COUNT);
    check_saved(y);
    mem_free(y);
    mem_free(x);
    inception_free(net);
    mem_free(text);
}
END_TEST

/* Statistics with one direction of negative variance, in two features. */
static void write_negative(const char *path, size_t features)
{
    const size_t shape[2] = {features, features};
    double *mu = mem_zeroed(features, sizeof *mu), *sigma = mem_zeroed(features, features * 8);
    Error err = {""};
    const NpzItem items[2] = {{"mu", 1, shape, mu}, {"sigma", 2, shape, sigma}};
    for (size_t i = 0; i < features; i++)
        sigma[i * (features + 1)] = 1;
    sigma[1] = sigma[features] = 1.5;
    ck_assert_msg(npz_write(path, items, 2, &err), "%s", err.text);
    mem_free(sigma);
    mem_free(mu);
}

START_TEST(bad_files_are_refused)
{
    uint8_t a[COUNT * PIXELS];
    make_pictures(a, toy("a.npy"), 1);
    toy_text(toy("w.pth"), "no weights");
    write_negative(toy("small.npz"), 64);
    says(EVAL "--metrics fid --reference @small.npz", 1, "small.npz: mu: expected 2048 numbers");
    says(EVAL "--metrics fid --reference @none.npz", 1, "none.npz");
    says(EVAL "--metrics is", 1, "w.pth: expected a zip archive");
    says("eval --quiet --samples @none.npy --metrics is --inception @w.pth", 1, "none.npy");
    if (SANITIZED) /* the eigenvalues of 2,048 features take most of a minute there */
        return;
    inception_file_write(toy("w.pth"), NULL);
    write_negative(toy("bad.npz"), F);
    says(EVAL "--metrics fid --reference @bad.npz", 1,
         "bad.npz: expected a covariance without "
         "negative directions");
    says(EVAL "--metrics fid --reference text:" DIR "/a.npy", 1, "expected pictures, found a text");
}
END_TEST

/* The warning says how many are needed; the score alone needs no reference. */
START_TEST(few_samples_are_said_to_be_few)
{
    uint8_t a[COUNT * PIXELS];
    make_pictures(a, toy("a.npy"), 1);
    run("eval --samples @a.npy --metrics fid --inception @none.pth --reference @none.npz");
    ck_assert_ptr_nonnull(strstr(said(stderr), "fid: 11 samples of a row for 2048 features: at "
                                               "least 2049 are needed"));
    inception_file_write(toy("w.pth"), NULL);
    says(EVAL "--metrics is", 0, "Inception Score of 10 parts");
}
END_TEST

Suite *fid_suite(void)
{
    Suite *suite = suite_create("fid");
    TCase *tc = tcase_create("fid");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, bad_files_are_refused);
    if (!SANITIZED) { /* minutes each; the parts have suites of their own, which are sanitized */
        tcase_add_test(tc, numbers_are_those_of_the_definitions);
        tcase_add_test(tc, few_samples_are_said_to_be_few);
    }
    suite_add_tcase(suite, tc);
    return suite;
}
