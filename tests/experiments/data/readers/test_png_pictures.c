/* A folder of PNG files: order, splits, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "nn/formats/packed/png.h"
#include "tensor/system/platform.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER "test-png-pictures.tmp.d"
#define PNG    "png:" FOLDER

static void set_up(void)
{
    toys_set_up(FOLDER);
}

/* All pixels have the value. */
static void write_picture(const char *name, size_t h, size_t w, size_t c, uint8_t value)
{
    uint8_t pixels[200];
    const Picture p = {h, w, c, pixels};
    Error err = {""};
    memset(pixels, value, sizeof pixels);
    ck_assert_msg(png_write(toy(name), &p, NULL, 0, &err), "%s", err.text);
}

/* "p000.png" ..., made from the last to the first: picture i has value i. */
static void write_folder(size_t count, size_t channels)
{
    for (size_t i = count; i-- > 0;) {
        char name[40];
        snprintf(name, sizeof name, "p%03zu.%s", i, i % 2 == 0 ? "png" : "PNG");
        write_picture(name, 3, 4, channels, (uint8_t)i);
    }
}

static void check_pictures(bool test_split, size_t count, size_t channels, const uint8_t *values)
{
    Dataset *d = data_open(PNG, test_split, DATA_AS_IS);
    ck_assert_uint_eq(d->count, count);
    ck_assert(d->height == 3 && d->width == 4 && d->channels == channels && d->states == 256);
    ck_assert(d->classes == 0 && d->labels == NULL && d->law == NULL);
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < d->dims; p++)
            ck_assert_uint_eq(d->data[i * d->dims + p], values[i]);
    dataset_close(d);
}

START_TEST(every_tenth_is_to_test)
{
    static const uint8_t train[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  10, 11,
                                    12, 13, 14, 15, 16, 17, 18, 20, 21, 22};
    static const uint8_t test[] = {9, 19};
    write_folder(23, 3);
    toy_text(toy("notes.txt"), "no picture");
    toy_text(toy(".hidden.png"), "no picture");
    check_pictures(false, 21, 3, train);
    check_pictures(true, 2, 3, test);
    ck_assert(dataset_has_test(PNG) && dataset_has_test(PNG "/"));
}
END_TEST

START_TEST(a_few_greys_have_no_test_split)
{
    static const uint8_t train[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    write_folder(9, 1);
    check_pictures(false, 9, 1, train);
    ck_assert(!dataset_has_test(PNG));
    data_refused(PNG, true, DATA_AS_IS, FOLDER, "has 9 PNG files, expected at least 10");
}
END_TEST

START_TEST(the_first_odd_one_is_named)
{
    write_folder(12, 1);
    write_picture("p003.PNG", 3, 5, 1, 0);
    write_picture("p005.PNG", 4, 4, 1, 0);
    data_refused(PNG, false, DATA_AS_IS, "p003.PNG", "is 3x5x1, expected 3x4x1 as p000.png is");
    write_picture("p003.PNG", 3, 4, 3, 0);
    data_refused(PNG, false, DATA_AS_IS, "p003.PNG", "is 3x4x3, expected 3x4x1");
    write_picture("p009.PNG", 2, 4, 1, 0);
    data_refused(PNG, true, DATA_AS_IS, "p009.PNG", "is 2x4x1, expected 3x4x1 as p000.png is");
}
END_TEST

START_TEST(folders_that_are_none)
{
    data_refused("png:" FOLDER "/none", false, DATA_AS_IS, FOLDER "/none",
                 "cannot be read as a folder");
    ck_assert(!dataset_has_test("png:" FOLDER "/none"));
    data_refused(PNG, false, DATA_AS_IS, FOLDER, "has no file that ends in .png");
    toy_text(toy("a.png"), "no picture");
    data_refused(PNG, false, DATA_AS_IS, FOLDER "/a.png", "expected a PNG file");
}
END_TEST

Suite *png_pictures_suite(void);
Suite *png_pictures_suite(void)
{
    Suite *suite = suite_create("png_pictures");
    TCase *tc = tcase_create("png_pictures");
    FolderNames names;

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    if (platform_list_folder(".", &names, NULL)) { /* plain C cannot */
        tcase_add_test(tc, every_tenth_is_to_test);
        tcase_add_test(tc, a_few_greys_have_no_test_split);
        tcase_add_test(tc, the_first_odd_one_is_named);
        tcase_add_test(tc, folders_that_are_none);
        platform_free_names(&names);
    }
    suite_add_tcase(suite, tc);
    return suite;
}
