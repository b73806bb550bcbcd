/* The classifier on tiny pictures whose label is their brightness: it learns, its file comes back,
 * its features are those of the definition. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/metrics/features/classifier.h"
#include "nn/formats/safetensors.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-classifier.tmp.d");
}

static Classifier *create(const Dataset *d, uint64_t seed)
{
    Error err = {""};
    Classifier *c = classifier_create(d, seed, &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    return c;
}

static void fit(Classifier *c, const Dataset *d, uint64_t steps)
{
    Error err = {""};
    ck_assert_msg(classifier_fit(c, d, 1, steps, true, &err), "%s", err.text);
}

static float *features(Classifier *c, const Dataset *d, size_t count)
{
    States x = states_alloc(count, d->dims);
    float *f = mem_alloc(count * CLASSIFIER_FEATURES, sizeof *f);
    dataset_rows(d, 0, &x, NULL);
    classifier_features(c, &x, f);
    states_free(&x);
    return f;
}

START_TEST(it_learns)
{
    Dataset *d = toy_open(toy_mnist(300, 4, 1), false), *test = toy_open(d->name, true);
    Classifier *c = create(d, 1);
    const double before = classifier_accuracy(c, test);
    fit(c, d, 60);
    ck_assert_double_lt(before, 0.7);
    ck_assert_double_gt(classifier_accuracy(c, test), 0.95);
    classifier_destroy(c);
    dataset_close(test);
    dataset_close(d);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(the_same_seed_makes_the_same_classifier)
{
    Dataset *d = toy_open(toy_mnist(20, 5, 1), false); /* 5x5: pooling drops a row and a column */
    char a[65], b[65], other[65];
    Classifier *one = create(d, 1), *two = create(d, 1), *three = create(d, 2);
    fit(one, d, 3);
    threads_set(3);
    fit(two, d, 3);
    fit(three, d, 3);
    classifier_hash(one, a);
    classifier_hash(two, b);
    classifier_hash(three, other);
    ck_assert_str_eq(a, b);
    ck_assert_str_ne(a, other);
    classifier_destroy(one);
    classifier_destroy(two);
    classifier_destroy(three);
    dataset_close(d);
}
END_TEST

START_TEST(files_come_back)
{
    Dataset *d = toy_open(toy_mnist(30, 4, 1), false);
    Classifier *c = create(d, 3);
    Error err = {""};
    char a[65], b[65];
    fit(c, d, 2);
    ck_assert_msg(classifier_save(c, toy("c.safetensors"), &err), "%s", err.text);
    Classifier *back = classifier_load(toy("c.safetensors"), d, &err);
    ck_assert_msg(back != NULL, "%s", err.text);
    classifier_hash(c, a);
    classifier_hash(back, b);
    ck_assert_str_eq(a, b);
    float *f = features(c, d, 30), *g = features(back, d, 30);
    ck_assert_mem_eq(f, g, 30 * CLASSIFIER_FEATURES * sizeof *f);
    mem_free(f);
    mem_free(g);
    classifier_destroy(back);
    classifier_destroy(c);
    dataset_close(d);
}
END_TEST

/* One 4x4 picture through the layers, loop by loop. */
static void naive(const Classifier *c, const uint16_t *x, size_t states, double *out)
{
    float *w[6]; /* convolutions and first dense layer, weight and bias, as PyTorch lays them out */
    for (size_t i = 0; i < 6; i++) {
        const Param *p = c->params.items[i];
        w[i] = mem_alloc(tensor_size(&p->value), sizeof(float));
        nn_param_to_file(p, w[i], p->value.data);
    }
    enum { W1 = 32, W2 = 64 };
    static double conv1[16][W1], pool1[4][W1], conv2[4][W2], pool2[W2];
    for (int y = 0; y < 4; y++)
        for (int z = 0; z < 4; z++)
            for (size_t o = 0; o < W1; o++) {
                double sum = (double)w[1][o];
                for (int i = -1; i <= 1; i++)
                    for (int j = -1; j <= 1; j++)
                        if (y + i >= 0 && y + i < 4 && z + j >= 0 && z + j < 4)
                            sum += (double)w[0][o * 9 + (size_t)((i + 1) * 3 + j + 1)] *
                                   (2.0 * x[(y + i) * 4 + z + j] / (double)(states - 1) - 1);
                conv1[y * 4 + z][o] = fmax(sum, 0);
            }
    for (int q = 0; q < 4; q++)
        for (size_t o = 0; o < W1; o++) {
            const int at = q / 2 * 8 + q % 2 * 2;
            pool1[q][o] = fmax(fmax(conv1[at][o], conv1[at + 1][o]),
                               fmax(conv1[at + 4][o], conv1[at + 5][o]));
        }
    for (int q = 0; q < 4; q++)
        for (size_t o = 0; o < W2; o++) {
            double sum = (double)w[3][o];
            for (int r = 0; r < 4; r++) { /* every position of a 2x2 map is a neighbour */
                const int i = r / 2 - q / 2, j = r % 2 - q % 2;
                for (size_t k = 0; k < W1; k++)
                    sum += (double)w[2][(o * W1 + k) * 9 + (size_t)((i + 1) * 3 + j + 1)] *
                           pool1[r][k];
            }
            conv2[q][o] = fmax(sum, 0);
        }
    for (size_t o = 0; o < W2; o++)
        pool2[o] = fmax(fmax(conv2[0][o], conv2[1][o]), fmax(conv2[2][o], conv2[3][o]));
    for (size_t f = 0; f < CLASSIFIER_FEATURES; f++) {
        double sum = (double)w[5][f];
        for (size_t k = 0; k < W2; k++)
            sum += (double)w[4][f * W2 + k] * pool2[k];
        out[f] = fmax(sum, 0);
    }
    for (size_t i = 0; i < 6; i++)
        mem_free(w[i]);
}

START_TEST(features_follow_the_definition)
{
    Dataset *d = toy_open(toy_mnist(2, 4, 1), false);
    Classifier *c = create(d, 5);
    double expected[CLASSIFIER_FEATURES], largest = 0;
    uint16_t x[16];
    float *f = features(c, d, 2);
    for (size_t i = 0; i < 16; i++)
        x[i] = d->data[16 + i];
    naive(c, x, d->states, expected);
    for (size_t i = 0; i < CLASSIFIER_FEATURES; i++) {
        ck_assert_double_eq_tol(f[CLASSIFIER_FEATURES + i], expected[i], 1e-5);
        largest = larger_of(largest, expected[i]);
    }
    ck_assert_double_gt(largest, 0.05);
    mem_free(f);
    classifier_destroy(c);
    dataset_close(d);
}
END_TEST

/* More pictures than one call takes: the cut must not show.  16x16 pictures reach Winograd. */
START_TEST(features_do_not_depend_on_the_batch)
{
    Dataset *d = toy_open(toy_mnist(300, _i == 0 ? 4 : 16, 1), false);
    Classifier *c = create(d, 5);
    float *all = features(c, d, 300), *few = features(c, d, 7);
    ck_assert_mem_eq(all, few, 7 * CLASSIFIER_FEATURES * sizeof *all);
    States last = states_alloc(1, d->dims);
    float one[CLASSIFIER_FEATURES];
    dataset_rows(d, 299, &last, NULL);
    classifier_features(c, &last, one);
    ck_assert_mem_eq(one, all + 299 * CLASSIFIER_FEATURES, sizeof one);
    states_free(&last);
    mem_free(all);
    mem_free(few);
    classifier_destroy(c);
    dataset_close(d);
}
END_TEST

static void refused(const char *path, const Dataset *d, const char *part)
{
    Error err = {""};
    ck_assert(classifier_load(path, d, &err) == NULL);
    ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
}

START_TEST(other_files_are_refused)
{
    Dataset *small = toy_open(toy_mnist(6, 4, 1), false);
    Classifier *c = create(small, 1);
    Error err = {""};
    c->params.values[3] = NAN;
    ck_assert(classifier_save(c, toy("nan.safetensors"), &err));
    refused(toy("nan.safetensors"), small, "conv1.weight: expected finite numbers");
    c->params.values[3] = 0;
    ck_assert(classifier_save(c, toy("c.safetensors"), &err));
    Dataset *large = toy_open(toy_mnist(6, 8, 1), false);
    refused(toy("c.safetensors"), large,
            "4x4x1, 256 states, 10 classes: expected one of 8x8x1, 256 states, 10 classes");
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add_meta(w, "format", "di4c-1");
    ck_assert(safetensors_write(w, toy("model.safetensors"), &err));
    safetensors_writer_free(w);
    refused(toy("model.safetensors"), small, "expected a classifier written by di4c eval");
    toy_text(toy("text.safetensors"), "no classifier at all");
    refused(toy("text.safetensors"), small, "text.safetensors");
    refused(toy("none.safetensors"), small, "none.safetensors");
    classifier_destroy(c);
    dataset_close(small);
    dataset_close(large);
}
END_TEST

START_TEST(data_that_cannot_be_classified)
{
    Error err = {""};
    char spec[120];
    Dataset *tiny = toy_open(toy_mnist(6, 3, 1), false);
    ck_assert(classifier_create(tiny, 1, &err) == NULL);
    ck_assert_msg(strstr(err.text, "needs at least 4x4") != NULL, "%s", err.text);
    snprintf(spec, sizeof spec, "idx:%s", toy("train-images-idx3-ubyte"));
    Dataset *plain = toy_open(spec, false);
    ck_assert(classifier_train(plain, 1, true, &err) == NULL);
    ck_assert_msg(strstr(err.text, "has no labels") != NULL, "%s", err.text);
    ck_assert(classifier_load("x", plain, &err) == NULL);
    dataset_without_labels(plain, "l: label 10 of picture 3");
    ck_assert(classifier_train(plain, 1, true, &err) == NULL);
    ck_assert_str_eq(err.text,
                     "l: label 10 of picture 3: the FCD's classifier needs labelled pictures");
    dataset_close(plain);
    dataset_close(tiny);
}
END_TEST

START_TEST(a_signal_ends_the_training)
{
    Dataset *d = toy_open(toy_mnist(6, 4, 1), false);
    Error err = {""};
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGINT), 0);
    ck_assert(classifier_train(d, 1, true, &err) == NULL);
    ck_assert_msg(strstr(err.text, "stopped by a signal") != NULL, "%s", err.text);
    dataset_close(d);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(gradients_that_are_not_finite_end_the_training)
{
    Dataset *d = toy_open(toy_mnist(6, 4, 1), false);
    Classifier *c = create(d, 1);
    Error err = {""};
    c->params.values[c->params.total - 1] = NAN;
    ck_assert(!classifier_fit(c, d, 1, 5, true, &err));
    ck_assert_msg(strstr(err.text, "not finite") != NULL, "%s", err.text);
    classifier_destroy(c);
    dataset_close(d);
}
END_TEST

Suite *classifier_suite(void)
{
    Suite *s = suite_create("classifier");
    TCase *tc = tcase_create("classifier");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, it_learns);
    tcase_add_test(tc, the_same_seed_makes_the_same_classifier);
    tcase_add_test(tc, files_come_back);
    tcase_add_test(tc, features_follow_the_definition);
    tcase_add_loop_test(tc, features_do_not_depend_on_the_batch, 0, 2);
    tcase_add_test(tc, other_files_are_refused);
    tcase_add_test(tc, data_that_cannot_be_classified);
    tcase_add_test(tc, gradients_that_are_not_finite_end_the_training);
    tcase_add_test(tc, a_signal_ends_the_training); /* leaves a signal */
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
