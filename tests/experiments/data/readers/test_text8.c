/* Texts of letters and blanks. */
#include <check.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "tensor/base/memory.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER "test-text8.tmp.d"
#define FILE_  FOLDER "/text8"
#define TEXT8  "text8:" FILE_

static void set_up(void)
{
    toys_set_up(FOLDER);
}

/* Byte i of a text: a to z and the blank in turn. */
static char byte_at(size_t i)
{
    return "abcdefghijklmnopqrstuvwxyz "[i % 27];
}

static void write_text(size_t count)
{
    char bytes[256];
    for (size_t i = 0; i < count; i++)
        bytes[i] = byte_at(i);
    data_file(FILE_, bytes, count);
}

/* 90 % and the last 5 %, as 90 and 5 million of 100; rounded down. */
START_TEST(parts_are_those_of_text8)
{
    static const size_t cases[][3] = {{200, 180, 10}, {219, 197, 10}, {100, 90, 5}, {20, 18, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        write_text(cases[k][0]);
        Dataset *d = data_open_text(TEXT8, false, 1, NULL),
                *t = data_open_text(TEXT8, true, 1, NULL);
        ck_assert(d->states == 27 && t->states == 27);
        ck_assert_uint_eq(d->text->count, cases[k][1]);
        ck_assert_uint_eq(t->text->count, cases[k][2]);
        for (size_t i = 0; i < cases[k][1]; i++) /* the blank first, then a to z */
            ck_assert_uint_eq(d->text->symbols[i], (i % 27 + 1) % 27);
        for (size_t i = 0; i < cases[k][2]; i++)
            ck_assert_uint_eq(t->text->symbols[i], ((cases[k][0] - cases[k][2] + i) % 27 + 1) % 27);
        dataset_close(d);
        dataset_close(t);
    }
    write_text(19);
    data_text_refused(TEXT8, true, 1, NULL, "text8: its part to test has 0 symbols");
    ck_assert(dataset_has_test(TEXT8));
}
END_TEST

/* Also letters that do not occur. */
START_TEST(the_alphabet_is_fixed)
{
    data_file(FILE_, "aaaaaaaaaaaaaaaaaaaaaaaa", 24);
    Dataset *d = data_open_text(TEXT8, false, 4, NULL);
    char *text = vocabulary_text(d->text->vocabulary);
    ck_assert_str_eq(text,
                     " \na\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\nu\nv\nw\n"
                     "x\ny\nz");
    mem_free(text);
    dataset_close(data_open_text(TEXT8, false, 4, d->text->vocabulary));
    dataset_close(d);
}
END_TEST

START_TEST(other_bytes_and_alphabets_are_refused)
{
    Error err;
    Vocabulary *v = vocabulary_parse("a\nb", 3, "", &err);
    data_file(FILE_, "aaaaaaaaaaaaaaaaaaaaAaaa\n", 25);
    data_text_refused(TEXT8, false, 4, NULL,
                      "text8: byte 0x41 ('A') at 20: expected a to z or a blank");
    data_text_refused(TEXT8, true, 1, NULL, "text8: byte 0x0a ('\\n') at 24: expected a to z");
    data_file(FILE_, "aaaaaaaaaaaaaaaaaaaaaaaa", 24);
    data_text_refused(TEXT8, false, 4, v, "is not the model's: expected text:FILE");
    data_file(FILE_, "", 0);
    data_text_refused(TEXT8, false, 4, NULL, "text8: is empty");
    vocabulary_free(v);
}
END_TEST

Suite *text8_suite(void);
Suite *text8_suite(void)
{
    Suite *suite = suite_create("text8");
    TCase *tc = tcase_create("text8");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, parts_are_those_of_text8);
    tcase_add_test(tc, the_alphabet_is_fixed);
    tcase_add_test(tc, other_bytes_and_alphabets_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
