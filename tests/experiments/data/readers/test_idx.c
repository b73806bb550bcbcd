/* One idx file of pictures. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER   "test-idx.tmp.d"
#define PICTURES FOLDER "/train-images-idx3-ubyte"

static void set_up(void)
{
    toys_set_up(FOLDER);
}

START_TEST(idx_file_has_no_labels)
{
    data_file_pictures(PICTURES, 4, 2, 2);
    Dataset *d = data_open("idx:" PICTURES, false, DATA_AS_IS);
    ck_assert_uint_eq(d->classes, 0);
    ck_assert_ptr_null(d->labels);
    ck_assert(!dataset_has_test("idx:" PICTURES));
    data_refused("idx:" PICTURES, true, DATA_AS_IS, PICTURES, "no test split");
    dataset_close(d);
}
END_TEST

START_TEST(labels_are_no_pictures)
{
    data_file_labels(PICTURES, 30);
    data_refused("idx:" PICTURES, false, DATA_AS_IS, PICTURES, "magic number 0x00000801");
}
END_TEST

START_TEST(packed_files_are_refused_with_the_command)
{
    data_file(PICTURES, "\x1F\x8B\x08 and so on to sixteen", 24);
    data_refused("idx:" PICTURES, false, DATA_AS_IS, PICTURES,
                 "is compressed with gzip, unpack it first: gzip -dc FILE.gz > FILE");
    remove(PICTURES);
    data_file(PICTURES ".gz", "\x1F\x8B\x08", 3);
    data_refused("idx:" PICTURES, false, DATA_AS_IS, PICTURES, "gzip -d '" PICTURES ".gz'");
    data_refused("mnist:" FOLDER, false, DATA_AS_IS, PICTURES, "gzip -d '" PICTURES ".gz'");
}
END_TEST

Suite *idx_suite(void);
Suite *idx_suite(void)
{
    Suite *suite = suite_create("idx");
    TCase *tc = tcase_create("idx");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, idx_file_has_no_labels);
    tcase_add_test(tc, labels_are_no_pictures);
    tcase_add_test(tc, packed_files_are_refused_with_the_command);
    suite_add_tcase(suite, tc);
    return suite;
}
