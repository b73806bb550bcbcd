/* The Inception network against features that PyTorch computed in double precision from weights and
 * pictures of the same formula (tests/tools/inception_file.h), and files that are none of its. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/torch/torch_file.h"
#include "nn/inception/inception.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/inception_file.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

enum { ROWS = 9, COLUMNS = 7, PICTURE = ROWS * COLUMNS * 3, SHOWN = 12, STEP = 171 };

/* Features 0, 171, 342, ... of two pictures, of the first one's red plane as grey, and their sums.
 */
static const double shown[3][SHOWN] = {
    {0.581898502, 0.144594975, 0, 0.043931186, 0.118003277, 0.224929145, 0.619050635,
     0.000420263126, 0.000684336846, 0, 0.723772489, 0.00439801579},
    {0.554218043, 0.144195848, 0, 0.041907695, 0.130962305, 0.195461071, 0.614603402, 0.00160505428,
     0.000331496339, 0, 0.714559609, 0.0029187814},
    {0.602152143, 0.140260156, 0, 0.0455868485, 0.11721884, 0.245245905, 0.610559976,
     0.000524692688, 0.000694689181, 0, 0.724378399, 0.00661231531}};
static const double sums[3] = {370.312202482, 361.591796489, 378.646100928};
/* Of the second picture: logits 0, 101, 202, ... */
static const double logits_shown[10] = {-0.475822015, -0.510835312, 1.44543832,  -2.45352197,
                                        0.271332353,  0.109978027,  0.262353181, 0.558303221,
                                        -0.321143051, 0.697533565};

static void set_up(void)
{
    toys_set_up("test-inception.tmp");
}

static void check_features(const float *features, int which)
{
    double sum = 0;
    for (size_t k = 0; k < INCEPTION_FEATURES; k++)
        sum += (double)features[k];
    ck_assert_double_eq_tol(sum, sums[which], 1e-5 * sums[which]);
    for (size_t k = 0; k < SHOWN; k++)
        ck_assert_double_eq_tol((double)features[k * STEP], shown[which][k], 2e-6);
}

START_TEST(features_are_those_of_pytorch)
{
    const char *path = toy("weights.pth");
    float x[2 * PICTURE], grey[PICTURE / 3], logits[INCEPTION_CLASSES];
    float *features = mem_alloc(2 * INCEPTION_FEATURES, sizeof *features);
    float *again = mem_alloc(INCEPTION_FEATURES, sizeof *again);
    Error err = {""};
    inception_file_write(path, NULL);
    const size_t before = mem_in_use();
    Inception *net = inception_read(path, &err);
    ck_assert_msg(net != NULL, "%s", err.text);
    for (size_t i = 0; i < 2 * PICTURE; i++)
        x[i] = (float)(inception_file_noise(i, 9999) + 0.5);
    for (size_t i = 0; i < PICTURE / 3; i++)
        grey[i] = x[3 * i];
    threads_set(2);
    inception_features(net, features, x, 2, ROWS, COLUMNS, 3);
    check_features(features, 0);
    check_features(features + INCEPTION_FEATURES, 1);
    inception_logits(net, logits, features + INCEPTION_FEATURES, 1);
    for (size_t k = 0; k < 10; k++)
        ck_assert_double_eq_tol((double)logits[101 * k], logits_shown[k], 1e-5);
    threads_set(1); /* the same bits alone, and on one thread */
    inception_features(net, again, x + PICTURE, 1, ROWS, COLUMNS, 3);
    ck_assert_mem_eq(again, features + INCEPTION_FEATURES, INCEPTION_FEATURES * sizeof *again);
    inception_features(net, again, grey, 1, ROWS, COLUMNS, 1);
    check_features(again, 2);
    ck_assert_uint_eq(strlen(inception_hash(net)), 64);
    inception_free(net);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), before);
    mem_free(again);
    mem_free(features);
}
END_TEST

static void refused(const InceptionDamage *damage, const char *a, const char *b)
{
    const char *path = toy("damaged.pth");
    Error err = {""};
    inception_file_write(path, damage);
    const size_t before = mem_in_use();
    ck_assert_ptr_null(inception_read(path, &err));
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), before);
    if (strstr(err.text, path) == NULL || strstr(err.text, a) == NULL ||
        strstr(err.text, b) == NULL)
        ck_abort_msg("\"%s\": expected \"%s\" and \"%s\"", err.text, a, b);
}

START_TEST(other_networks_are_refused)
{
    static const char first[] = "Conv2d_1a_3x3.conv.weight", var[] = "Conv2d_1a_3x3.bn.running_var";
    refused(&(InceptionDamage){.tensor = first, .missing = true, .most = 10}, first, "missing");
    refused(&(InceptionDamage){.tensor = first, .renamed = "conv1.weight", .most = 10}, first,
            "missing");
    refused(&(InceptionDamage){.tensor = first, .flat = true, .most = 10}, first,
            "expected shape (32, 3, 3, 3), found (864)");
    refused(&(InceptionDamage){.tensor = first, .first = true, .value = NAN, .most = 10}, first,
            "finite numbers, entry 0");
    refused(&(InceptionDamage){.tensor = var, .first = true, .value = INFINITY, .most = 10}, var,
            "finite");
    refused(&(InceptionDamage){.tensor = var, .first = true, .value = -0.1f, .most = 10}, var,
            "numbers from 0, entry 0 is below");
    refused(&(InceptionDamage){.most = 7}, "Conv2d_2a_3x3.bn.bias", "missing");
}
END_TEST

/* Everything that the network has, and more or other than that at the end. */
START_TEST(what_comes_on_top_is_refused)
{
    refused(&(InceptionDamage){.added = "AuxLogits.fc.bias"}, "AuxLogits.fc.bias", "472 tensors");
    refused(&(InceptionDamage){.added = "Mixed_5b.branch1x1.conv.bias"}, "472 tensors",
            "found 473");
    refused(&(InceptionDamage){.tensor = "fc.weight", .flat = true}, "fc.weight", "(1008, 2048)");
    refused(&(InceptionDamage){.tensor = "fc.bias", .missing = true}, "fc.bias", "missing");
}
END_TEST

START_TEST(what_is_no_dict_of_tensors_is_refused)
{
    const char *path = toy("list.pth");
    Error err = {""};
    TorchWriter *w = torch_writer();
    pickle_open_list(torch_pickle(w));
    pickle_close_list(torch_pickle(w));
    ck_assert(torch_write(w, path, &err));
    torch_writer_free(w);
    ck_assert_ptr_null(inception_read(path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "expected a dict of tensors, found a list"));
    ck_assert_ptr_null(inception_read(toy("nothing.pth"), &err));
    toy_text(path, "no archive");
    ck_assert_ptr_null(inception_read(path, &err));
}
END_TEST

/* Features of ordinary size, that differ from seed to seed and are the same for one. */
START_TEST(random_weights)
{
    float x[PICTURE], features[3][INCEPTION_FEATURES];
    for (size_t i = 0; i < PICTURE; i++)
        x[i] = (float)(inception_file_noise(i, 9999) + 0.5);
    const size_t before = mem_in_use();
    for (size_t i = 0; i < 3; i++) {
        Inception *net = inception_random(i / 2);
        inception_features(net, features[i], x, 1, ROWS, COLUMNS, 3);
        ck_assert_str_eq(inception_hash(net), "");
        inception_free(net);
    }
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), before);
    ck_assert_mem_eq(features[0], features[1], sizeof features[0]);
    ck_assert_mem_ne(features[0], features[2], sizeof features[0]);
    double sum = 0.0;
    for (size_t k = 0; k < INCEPTION_FEATURES; k++)
        sum += (double)features[0][k];
    ck_assert_double_gt(sum, 1e-2 * INCEPTION_FEATURES);
    ck_assert_double_lt(sum, 1e2 * INCEPTION_FEATURES);
}
END_TEST

START_TEST(the_table_has_the_sizes_of_the_published_network)
{
    InceptionLayout *layout = mem_alloc(1, sizeof *layout);
    size_t convs = 0, weights = 0;
    inception_layout(layout);
    for (size_t i = 0; i < layout->count; i++) {
        const KernelShape *k = &layout->layers[i].kernel;
        convs += layout->layers[i].kind == INCEPTION_CONV;
        weights += k->height * k->width * k->cin * k->cout;
    }
    ck_assert_uint_eq(convs, INCEPTION_CONVS);
    /* The published sum, less scales and shifts. */
    ck_assert_uint_eq(weights, 21785568 - 2 * 17216);
    ck_assert_uint_eq(layout->positions, 64);
    mem_free(layout);
}
END_TEST

Suite *inception_suite(void)
{
    Suite *suite = suite_create("inception");
    TCase *tc = tcase_create("inception");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, features_are_those_of_pytorch);
    tcase_add_test(tc, other_networks_are_refused);
    tcase_add_test(tc, what_is_no_dict_of_tensors_is_refused);
    tcase_add_test(tc, the_table_has_the_sizes_of_the_published_network);
    suite_add_tcase(suite, tc);
    TCase *slow = slow_case(suite, 300); /* networks of 24 million numbers */
    tcase_add_checked_fixture(slow, set_up, toys_tear_down);
    tcase_add_test(slow, what_comes_on_top_is_refused);
    tcase_add_test(slow, random_weights);
    return suite;
}
