/* What the FCD is taken against, and its floor. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/metrics/kinds/fcd.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-fcd.tmp.d");
}

static void tear_down(void)
{
    toys_tear_down();
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

static States first_rows(const Dataset *d, size_t count)
{
    States x = states_alloc(count, d->dims);
    dataset_rows(d, 0, &x, NULL);
    return x;
}

/* FCD of the first `count` pictures of `test` against all of `train`, step by step. */
static double distance_of(Classifier *k, const Dataset *train, const Dataset *test, size_t count)
{
    const Dataset *const from[] = {train, test};
    const size_t counts[] = {train->count, count};
    Moments m[2];
    double distance;
    Error err = {""};
    for (int i = 0; i < 2; i++) {
        States x = first_rows(from[i], counts[i]);
        float *f = mem_alloc(counts[i] * CLASSIFIER_FEATURES, sizeof *f);
        classifier_features(k, &x, f);
        m[i] = moments_of(f, counts[i], CLASSIFIER_FEATURES);
        mem_free(f);
        states_free(&x);
    }
    ck_assert_msg(frechet_distance(&m[1], &m[0], &distance, &err), "%s", err.text);
    moments_free(&m[0]);
    moments_free(&m[1]);
    return distance;
}

/* The floor is the distance of as many test pictures: nothing at all for the pictures themselves.
 */
START_TEST(the_floor_is_that_of_test_pictures)
{
    Error err = {""};
    Fcd f;
    Dataset *d = toy_open(toy_mnist(60, 4, 1), false), *test = toy_open(d->name, true);
    Classifier *k = classifier_create(d, 1, &err);
    ck_assert_msg(fcd_create(&f, k, d, test, 50, &err), "%s", err.text);
    ck_assert(f.floor_count == 50 && f.reference.count == 60);
    ck_assert(f.floor > 0 && f.accuracy >= 0 && f.accuracy <= 1);
    const double few = distance_of(k, d, test, 50), all = distance_of(k, d, test, 60);
    ck_assert_double_eq_tol(f.floor, few, 1e-9 * few);
    ck_assert_double_gt(fabs(all - few), 1e-3 * few); /* so that the number of them is seen */
    fcd_free(&f);
    ck_assert(fcd_create(&f, k, d, d, 1000, &err));
    ck_assert_uint_eq(f.floor_count, 60);
    ck_assert_double_lt(f.floor, 1e-6);
    fcd_free(&f);
    ck_assert(fcd_create(&f, k, d, test, 1000, &err)); /* all there are */
    ck_assert_double_eq_tol(f.floor, all, 1e-9 * all);
    fcd_free(&f);
    classifier_destroy(k);
    dataset_close(test);
    dataset_close(d);
}
END_TEST

START_TEST(samples_are_compared_with_training_pictures)
{
    Error err = {""};
    Fcd f;
    double distance;
    float features[50 * CLASSIFIER_FEATURES];
    Dataset *d = toy_open(toy_mnist(60, 4, 1), false), *test = toy_open(d->name, true);
    Classifier *k = classifier_create(d, 1, &err);
    States x = first_rows(test, 50);
    ck_assert_msg(fcd_create(&f, k, d, NULL, 50, &err), "%s", err.text);
    ck_assert(isnan(f.floor) && isnan(f.accuracy)); /* no test pictures */
    classifier_features(k, &x, features);
    ck_assert_msg(fcd_distance(&f, features, 50, &distance, &err), "%s", err.text);
    const double by_hand = distance_of(k, d, test, 50);
    ck_assert_double_eq_tol(distance, by_hand, 1e-9 * by_hand);
    fcd_free(&f);
    states_free(&x);
    classifier_destroy(k);
    dataset_close(test);
    dataset_close(d);
}
END_TEST

START_TEST(one_picture_is_too_few)
{
    Error err = {""};
    Fcd f;
    Dataset *d = toy_open(toy_mnist(60, 4, 1), false);
    Classifier *k = classifier_create(d, 1, &err);
    Dataset *one = toy_open(toy_mnist(1, 4, 1), false);
    ck_assert(!fcd_create(&f, k, one, NULL, 50, &err));
    ck_assert_msg(strstr(err.text, "at least 2 pictures") != NULL, "%s", err.text);
    fcd_free(&f);
    ck_assert(!fcd_create(&f, k, d, one, 50, &err));
    fcd_free(&f);
    classifier_destroy(k);
    dataset_close(one);
    dataset_close(d);
}
END_TEST

Suite *fcd_suite(void)
{
    Suite *s = suite_create("fcd");
    TCase *tc = tcase_create("fcd");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_floor_is_that_of_test_pictures);
    tcase_add_test(tc, samples_are_compared_with_training_pictures);
    tcase_add_test(tc, one_picture_is_too_few);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
