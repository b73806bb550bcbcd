/* Files of CIFAR-10: the order of their bytes, and every kind of damage. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "tensor/system/platform.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER "test-cifar10.tmp.d"
#define CIFAR  "cifar10:" FOLDER

static void set_up(void)
{
    toys_set_up(FOLDER);
}

START_TEST(cifar_planes_become_channels)
{
    data_file_cifar(FOLDER "/data_batch_1.bin", 3, 0);
    data_file_cifar(FOLDER "/data_batch_2.bin", 2, 3);
    data_file_cifar(FOLDER "/test_batch.bin", 1, 9);
    Dataset *d = data_open(CIFAR, false, DATA_AS_IS), *t = data_open(CIFAR, true, DATA_AS_IS);

    ck_assert_uint_eq(d->count, 5);
    ck_assert_uint_eq(d->dims, 3072);
    ck_assert_uint_eq(d->channels, 3);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(d->labels[i], i);
        for (size_t p = 0; p < 1024; p++)
            for (size_t c = 0; c < 3; c++)
                ck_assert_uint_eq(d->data[i * 3072 + p * 3 + c], (i + p + 50 * c) % 256);
    }
    ck_assert_uint_eq(t->count, 1);
    ck_assert_uint_eq(t->labels[0], 9);
    ck_assert(dataset_has_test(CIFAR));
    dataset_close(d);
    dataset_close(t);
}
END_TEST

START_TEST(bad_cifar_files)
{
    static unsigned char bytes[2 * 3073];

    data_file(FOLDER "/data_batch_1.bin", bytes, 0);
    data_refused(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "multiple of 3073");
    data_file(FOLDER "/data_batch_1.bin", bytes, 3072);
    data_refused(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "3072 bytes, expected");
    bytes[3073] = 10;
    data_file(FOLDER "/data_batch_1.bin", bytes, sizeof bytes);
    data_refused(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "label 10 of picture 1");
    data_file_cifar(FOLDER "/data_batch_1.bin", 1, 0);
    data_file_cifar(FOLDER "/data_batch_3.bin", 1, 0);
    data_refused(CIFAR, false, DATA_AS_IS, "data_batch_2.bin", "is missing, but");
}
END_TEST

/* The folder that the archive unpacks to, or the one around it; files of the outer come first. */
START_TEST(the_archives_folder_is_found)
{
    toy("cifar-10-batches-bin"); /* a folder: removed after the files */
    toys_make_folder(FOLDER "/cifar-10-batches-bin");
    toy("cifar-10-batches-bin/data_batch_1.bin");
    toy("cifar-10-batches-bin/test_batch.bin");
    ck_assert(!dataset_has_test(CIFAR));
    data_file_cifar(FOLDER "/data_batch_1.bin", 3, 2);
    ck_assert_int_eq(
        rename(toy("data_batch_1.bin"), FOLDER "/cifar-10-batches-bin/data_batch_1.bin"), 0);
    data_file_cifar(FOLDER "/test_batch.bin", 1, 6);
    ck_assert_int_eq(rename(toy("test_batch.bin"), FOLDER "/cifar-10-batches-bin/test_batch.bin"),
                     0);
    for (int i = 0; i < 2; i++) {
        const char *spec = i == 0 ? CIFAR : CIFAR "/cifar-10-batches-bin";
        Dataset *d = data_open(spec, false, DATA_AS_IS), *t = data_open(spec, true, DATA_AS_IS);
        ck_assert(d->count == 3 && d->labels[0] == 2 && t->count == 1 && t->labels[0] == 6);
        ck_assert(dataset_has_test(spec));
        dataset_close(d);
        dataset_close(t);
    }
    data_file_cifar(FOLDER "/data_batch_1.bin", 1, 5);
    Dataset *d = data_open(CIFAR, false, DATA_AS_IS);
    ck_assert(d->count == 1 && d->labels[0] == 5);
    dataset_close(d);
}
END_TEST

START_TEST(other_versions_are_named)
{
    data_file(FOLDER "/cifar-10-python.tar.gz", "\x1F\x8B", 2);
    data_refused("cifar10:" FOLDER "/cifar-10-python.tar.gz", false, DATA_AS_IS, "python.tar.gz",
                 "expected the folder of the binary version");
    data_file(FOLDER "/data_batch_1", "\x80\2", 2);
    data_refused(CIFAR, false, DATA_AS_IS, FOLDER,
                 "has the python version of CIFAR-10 (pickles), expected the binary version");
    data_refused(CIFAR, true, DATA_AS_IS, FOLDER, "cifar-10-binary.tar.gz");
    toy("cifar-10-batches-py");
    toys_make_folder(FOLDER "/cifar-10-batches-py");
    ck_assert_int_eq(rename(toy("data_batch_1"), toy("cifar-10-batches-py/data_batch_1")), 0);
    data_refused(CIFAR, false, DATA_AS_IS, FOLDER, "has the python version of CIFAR-10");
    /* beside it the binary version is found all the same */
    toy("cifar-10-batches-bin");
    toys_make_folder(FOLDER "/cifar-10-batches-bin");
    toy("cifar-10-batches-bin/data_batch_1.bin");
    data_file_cifar(FOLDER "/data_batch_1.bin", 1, 0);
    ck_assert_int_eq(
        rename(toy("data_batch_1.bin"), FOLDER "/cifar-10-batches-bin/data_batch_1.bin"), 0);
    Dataset *d = data_open(CIFAR, false, DATA_AS_IS);
    ck_assert_uint_eq(d->count, 1);
    dataset_close(d);
}
END_TEST

START_TEST(archives_in_the_folder_are_named)
{
    data_file(FOLDER "/cifar-10-python.tar.gz", "\x1F\x8B", 2);
    data_refused(CIFAR, false, DATA_AS_IS, FOLDER,
                 "has the python version of CIFAR-10 (pickles), expected the binary version");
    data_file(FOLDER "/cifar-10-binary.tar.gz", "\x1F\x8B", 2);
    data_refused(CIFAR, false, DATA_AS_IS, FOLDER,
                 "has cifar-10-binary.tar.gz, unpack it first: tar -xzf cifar-10-binary.tar.gz");
    data_refused(CIFAR, true, DATA_AS_IS, FOLDER, "unpack it first");
}
END_TEST

Suite *cifar10_suite(void);
Suite *cifar10_suite(void)
{
    Suite *suite = suite_create("cifar10");
    TCase *tc = tcase_create("cifar10");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, cifar_planes_become_channels);
    tcase_add_test(tc, bad_cifar_files);
    tcase_add_test(tc, the_archives_folder_is_found);
    tcase_add_test(tc, other_versions_are_named);
    tcase_add_test(tc, archives_in_the_folder_are_named);
    suite_add_tcase(suite, tc);
    return suite;
}
