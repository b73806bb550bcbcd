/* The binary transform. */
#include <check.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "experiments/data/transform.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER   "test-transform.tmp.d"
#define PICTURES FOLDER "/train-images-idx3-ubyte"
#define CIFAR    "cifar10:" FOLDER

static void set_up(void)
{
    toys_set_up(FOLDER);
}

START_TEST(binary_halves_the_size)
{
    /* means 102 (0.4 exactly: not above) and 102.25; the last row and column are dropped */
    unsigned char bytes[16 + 15] = {0,   0,   8, 3,   0, 0,   0,   1,   0, 0, 0, 3, 0, 0, 0, 5,
                                    102, 102, 0, 255, 9, 102, 102, 154, 0, 9, 9, 9, 9, 9, 9};
    data_file(PICTURES, bytes, sizeof bytes);
    Dataset *d = data_open("idx:" PICTURES, false, DATA_BINARY);

    ck_assert_uint_eq(d->height, 1);
    ck_assert_uint_eq(d->width, 2);
    ck_assert_uint_eq(d->dims, 2);
    ck_assert_uint_eq(d->states, 2);
    ck_assert_uint_eq(d->data[0], 0);
    ck_assert_uint_eq(d->data[1], 1);
    dataset_close(d);
}
END_TEST

START_TEST(binary_in_colour)
{
    data_file_cifar(FOLDER "/data_batch_1.bin", 2, 0);
    Dataset *d = data_open(CIFAR, false, DATA_BINARY);

    ck_assert_uint_eq(d->dims, 768);
    for (size_t i = 0; i < 2; i++)
        for (size_t y = 0; y < 16; y++)
            for (size_t x = 0; x < 16; x++)
                for (size_t c = 0; c < 3; c++) {
                    size_t sum = 0;
                    for (size_t k = 0; k < 4; k++)
                        sum += (i + (2 * y + k / 2) * 32 + 2 * x + k % 2 + 50 * c) % 256;
                    ck_assert_uint_eq(d->data[i * 768 + (y * 16 + x) * 3 + c],
                                      (double)sum / 1020 > 0.4);
                }
    dataset_close(d);
}
END_TEST

START_TEST(names_and_refusals)
{
    DataTransform transform;

    ck_assert(dataset_transform("binary", &transform) && transform == DATA_BINARY);
    ck_assert(dataset_transform("none", &transform) && transform == DATA_AS_IS);
    ck_assert(!dataset_transform("Binary", &transform));
    data_file_pictures(PICTURES, 2, 1, 5);
    data_refused("idx:" PICTURES, false, DATA_BINARY, PICTURES, "1x5 are too small");
    data_refused("glyphs", false, DATA_BINARY, "glyphs", "256 levels");
}
END_TEST

Suite *transform_suite(void);
Suite *transform_suite(void)
{
    Suite *suite = suite_create("transform");
    TCase *tc = tcase_create("transform");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, binary_halves_the_size);
    tcase_add_test(tc, binary_in_colour);
    tcase_add_test(tc, names_and_refusals);
    suite_add_tcase(suite, tc);
    return suite;
}
