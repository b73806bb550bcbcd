/* The four files of MNIST, and every kind of damage. */
#include <check.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "tensor/system/platform.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER   "test-mnist.tmp.d"
#define MNIST    "mnist:" FOLDER
#define PICTURES FOLDER "/train-images-idx3-ubyte"
#define LABELS   FOLDER "/train-labels-idx1-ubyte"

static void set_up(void)
{
    toys_set_up(FOLDER);
}

START_TEST(mnist_is_read)
{
    data_file_pictures(PICTURES, 12, 3, 5);
    data_file_labels(LABELS, 12);
    ck_assert(!dataset_has_test(MNIST));
    data_file_pictures(FOLDER "/t10k-images-idx3-ubyte", 2, 3, 5);
    data_file_labels(FOLDER "/t10k-labels-idx1-ubyte", 2);
    ck_assert(dataset_has_test(MNIST));
    Dataset *d = data_open(MNIST, false, DATA_AS_IS), *t = data_open(MNIST "/", true, DATA_AS_IS);
    uint16_t labels[12];
    States rows = states_alloc(12, 15);

    ck_assert_uint_eq(d->count, 12);
    ck_assert_uint_eq(t->count, 2);
    ck_assert_uint_eq(d->dims, 15);
    ck_assert_uint_eq(d->height, 3);
    ck_assert_uint_eq(d->width, 5);
    ck_assert_uint_eq(d->channels, 1);
    ck_assert_uint_eq(d->states, 256);
    ck_assert_uint_eq(d->classes, 10);
    dataset_rows(d, 0, &rows, labels);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_uint_eq(labels[i], i % 10);
        for (size_t p = 0; p < 15; p++)
            ck_assert_uint_eq(rows.x[i * 15 + p], (7 * i + 3 * p) % 256);
    }
    states_free(&rows);
    dataset_close(d);
    dataset_close(t);
}
END_TEST

/* A good file of 2 pictures 3x3 with one byte of its header changed, or cut, or longer. */
START_TEST(bad_picture_files)
{
    static const struct {
        int at, value;
        size_t length;
        const char *piece;
    } cases[] = {
        {0, 1, 34, "magic number 0x01000803, expected 0x00000803"},
        {2, 9, 34, "magic number"},
        {3, 1, 34, "magic number 0x00000801"},
        {7, 0, 34, "axis 0 of the header is 0"},
        {7, 3, 34, "18 bytes after the header, its sizes ask for 27"},
        {4, 255, 34, "its sizes ask for"},
        {11, 0, 34, "axis 1"},
        {8, 1, 34, "axis 1 of the header is 16777219, expected at most"},
        {13, 1, 34, "axis 2"},
        {0, 0, 33, "17 bytes after the header, its sizes ask for 18"},
        {0, 0, 35, "19 bytes after the header, its sizes ask for 18"},
        {0, 0, 16, "0 bytes after the header"},
        {0, 0, 15, "the header alone takes 16"},
        {0, 0, 0, "the header alone takes 16"},
    };
    unsigned char bytes[64] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3};

    ck_assert_int_lt(_i, (int)(sizeof cases / sizeof cases[0]));
    bytes[cases[_i].at] = (unsigned char)cases[_i].value;
    data_file(PICTURES, bytes, cases[_i].length);
    data_refused(MNIST, false, DATA_AS_IS, PICTURES, cases[_i].piece);
}
END_TEST

START_TEST(gzip_is_named)
{
    unsigned char bytes[64] = {0x1F, 0x8B, 8, 0};

    data_file(PICTURES, bytes, sizeof bytes);
    data_refused(MNIST, false, DATA_AS_IS, PICTURES, "compressed with gzip");
}
END_TEST

/* Pictures and labels by other names and in other places; the labels are those beside. */
START_TEST(other_names)
{
    static const char *const names[][2] = {
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
        {"MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"},
        {"raw/train-images.idx3-ubyte", "raw/train-labels-idx1-ubyte"},
    };
    char path[2][100];

    toys_make_folder(FOLDER "/MNIST/raw");
    toys_make_folder(FOLDER "/raw");
    snprintf(path[0], sizeof path[0], FOLDER "/%s", names[_i][0]);
    snprintf(path[1], sizeof path[1], FOLDER "/%s", names[_i][1]);
    data_file_pictures(path[0], 3, 2, 2);
    data_file_labels(path[1], 3);
    if (_i > 0) /* of other pictures, which are not there */
        data_file_labels(LABELS, 7);
    ck_assert(!dataset_has_test(MNIST));
    Dataset *d = data_open(MNIST, false, DATA_AS_IS);
    ck_assert(d->count == 3 && d->classes == 10 && d->labels != NULL && d->no_labels == NULL);
    dataset_close(d);
    ck_assert(remove(path[0]) == 0 && remove(path[1]) == 0);
    data_refused(MNIST, false, DATA_AS_IS, PICTURES, "cannot be read");
    snprintf(path[1], sizeof path[1], "%.90s.gz", path[0]);
    data_file(path[1], "", 0);
    data_refused(MNIST, false, DATA_AS_IS, path[0], ".gz alone: unpack it first");
    remove(path[1]);
    remove(FOLDER "/raw");
    remove(FOLDER "/MNIST/raw");
    remove(FOLDER "/MNIST");
}
END_TEST

/* Labels that are missing or out of range are missed only where they are asked for. */
START_TEST(labels_that_nobody_needs)
{
    unsigned char bytes[16] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 10};

    data_file_pictures(PICTURES, 2, 3, 3);
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            data_file(LABELS ".gz", bytes, 10);
        if (i == 2)
            data_file(LABELS, bytes, 10);
        Dataset *d = data_open(MNIST, false, DATA_AS_IS);
        ck_assert(d->labels == NULL && d->classes == 0);
        ck_assert_ptr_nonnull(strstr(d->no_labels, LABELS ": "));
        ck_assert_ptr_nonnull(strstr(d->no_labels, i == 0   ? "cannot be read"
                                                   : i == 1 ? "unpack it first"
                                                            : "label 10 of picture 1"));
        dataset_close(d);
    }
}
END_TEST

START_TEST(bad_label_files)
{
    unsigned char bytes[16] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 10};

    data_file_pictures(PICTURES, 2, 3, 3);
    data_file(LABELS, bytes, 9);
    data_refused(MNIST, false, DATA_AS_IS, LABELS, "1 bytes after the header");
    data_file_labels(LABELS, 3);
    data_refused(MNIST, false, DATA_AS_IS, LABELS, "3 labels, but there are 2 pictures");
    data_file_pictures(LABELS, 2, 3, 3);
    data_refused(MNIST, false, DATA_AS_IS, LABELS, "magic number 0x00000803");
}
END_TEST

Suite *mnist_suite(void);
Suite *mnist_suite(void)
{
    Suite *suite = suite_create("mnist");
    TCase *tc = tcase_create("mnist");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, mnist_is_read);
    tcase_add_loop_test(tc, bad_picture_files, 0, 14);
    tcase_add_loop_test(tc, other_names, 0, 3);
    tcase_add_test(tc, labels_that_nobody_needs);
    tcase_add_test(tc, gzip_is_named);
    tcase_add_test(tc, bad_label_files);
    suite_add_tcase(suite, tc);
    return suite;
}
