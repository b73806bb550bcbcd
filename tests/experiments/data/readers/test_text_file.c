/* Texts of bytes: alphabet, parts, windows, and what is refused. */
#include <check.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "tensor/base/memory.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER "test-text-file.tmp.d"
#define FILE_  FOLDER "/a.txt"
#define TEXT   "text:" FILE_

static void set_up(void)
{
    toys_set_up(FOLDER);
}

static Vocabulary *alphabet(const char *lines)
{
    Error err = {""};
    Vocabulary *v = vocabulary_parse(lines, strlen(lines), "", &err);
    ck_assert_msg(v != NULL, "%s", err.text);
    return v;
}

/* The bytes that the data set's symbols stand for. */
static const char *bytes_of(const Dataset *d)
{
    static char bytes[64];
    for (size_t i = 0; i < d->text->count; i++) {
        size_t length;
        bytes[i] = *vocabulary_token(d->text->vocabulary, d->text->symbols[i], &length);
    }
    bytes[d->text->count] = '\0';
    return bytes;
}

START_TEST(the_alphabet_is_that_of_the_whole_file)
{
    data_file(FILE_, "to be or not to be\nZ", 20); /* Z is in the rest alone */
    Dataset *d = data_open_text(TEXT, false, 5, NULL), *test = data_open_text(TEXT, true, 2, NULL);
    ck_assert(d->height == 1 && d->width == 5 && d->channels == 1 && d->dims == 5);
    ck_assert(d->states == 9 && d->count == 3 && d->data == NULL && d->labels == NULL);
    ck_assert_str_eq(bytes_of(d), "to be or not to be");
    ck_assert_str_eq(bytes_of(test), "\nZ");
    ck_assert(vocabulary_equal(d->text->vocabulary, test->text->vocabulary));
    char *text = vocabulary_text(d->text->vocabulary);
    ck_assert_str_eq(text, "\\n\n \nZ\nb\ne\nn\no\nr\nt");
    ck_assert_uint_eq(d->text->symbols[0], 8);
    mem_free(text);
    dataset_close(d);
    dataset_close(test);
    ck_assert(dataset_has_test(TEXT) && !dataset_has_test("text:" FOLDER "/none"));
}
END_TEST

START_TEST(any_bytes_are_a_text)
{
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    data_file(FILE_, bytes, 256);
    Dataset *d = data_open_text(TEXT, false, 230, NULL);
    ck_assert(d->states == 256 && d->count == 1 && d->text->count == 230);
    for (size_t i = 0; i < 230; i++)
        ck_assert_uint_eq(d->text->symbols[i], i);
    dataset_close(d);
}
END_TEST

/* Longer than the blocks it is read in; the parts leave nothing out. */
START_TEST(long_texts_are_read_in_blocks)
{
    enum { N = 200003 };
    char *bytes = mem_alloc(N, 1);
    for (size_t i = 0; i < N; i++)
        bytes[i] = (char)('a' + (i * i / 7) % 26);
    data_file(FILE_, bytes, N);
    Dataset *d = data_open_text(TEXT, false, 8, NULL), *test = data_open_text(TEXT, true, 8, NULL);
    ck_assert_uint_eq(d->text->count, 180002);
    ck_assert_uint_eq(test->text->count, 20001);
    for (size_t i = 0; i < N; i++) {
        const TextData *t = i < 180002 ? d->text : test->text;
        ck_assert_uint_eq(t->symbols[i < 180002 ? i : i - 180002], bytes[i] - 'a');
    }
    mem_free(bytes);
    dataset_close(d);
    dataset_close(test);
}
END_TEST

START_TEST(a_models_alphabet_is_taken)
{
    Vocabulary *v = alphabet("z\nb\na\n"), *words = alphabet("a\nbb\n");
    data_file(FILE_, "abababababababababab", 20);
    Dataset *d = data_open_text(TEXT, false, 4, v);
    ck_assert(d->states == 3 && d->text->symbols[0] == 2 && d->text->symbols[1] == 1);
    ck_assert(vocabulary_equal(d->text->vocabulary, v));
    dataset_close(d);
    data_text_refused(TEXT, false, 4, words,
                      "a.txt: is a text of bytes, and the model's vocabulary");
    data_file(FILE_,
              "abababa\x1B"
              "babababababac",
              21);
    data_text_refused(TEXT, false, 4, v,
                      "a.txt: byte 0x1b ('\\x1b') at 7: expected one of the model's alphabet");
    data_text_refused(TEXT, true, 1, v, "a.txt: byte 0x63 ('c') at 20: expected one of");
    vocabulary_free(v);
    vocabulary_free(words);
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
    data_text_refused(TEXT, false, 4, NULL, "a.txt: cannot be read as a file");
    data_text_refused("text:" FOLDER, false, 4, NULL, "cannot be read as a file");
    data_file(FILE_, "", 0);
    data_text_refused(TEXT, false, 4, NULL, "a.txt: is empty, expected a text");
    data_file(FILE_, "aaaaaaaaaaaaaaaaaaaa", 20);
    data_text_refused(TEXT, false, 4, NULL, "a.txt: 1 different byte, expected at least 2");
}
END_TEST

START_TEST(both_parts_hold_a_sequence)
{
    data_file(FILE_, "abababababababababab", 20);
    dataset_close(data_open_text(TEXT, false, 18, NULL));
    data_text_refused(
        TEXT, false, 19, NULL,
        "a.txt: its part to train has 18 symbols, expected at least length=19 of them");
    dataset_close(data_open_text(TEXT, true, 2, NULL));
    data_text_refused(TEXT, true, 3, NULL,
                      "its part to test has 2 symbols, expected at least length=3");
    data_file(FILE_, "ab", 2);
    dataset_close(data_open_text(TEXT, false, 1, NULL));
    dataset_close(data_open_text(TEXT, true, 1, NULL));
}
END_TEST

START_TEST(texts_are_not_transformed)
{
    char bytes[512];
    for (int i = 0; i < 512; i++)
        bytes[i] = (char)i;
    data_file(FILE_, bytes, 512);
    data_refused(TEXT, false, DATA_BINARY, TEXT, "is a text, the transform binary needs pictures");
}
END_TEST

Suite *text_file_suite(void);
Suite *text_file_suite(void)
{
    Suite *suite = suite_create("text_file");
    TCase *tc = tcase_create("text_file");
    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, the_alphabet_is_that_of_the_whole_file);
    tcase_add_test(tc, any_bytes_are_a_text);
    tcase_add_test(tc, long_texts_are_read_in_blocks);
    tcase_add_test(tc, a_models_alphabet_is_taken);
    tcase_add_test(tc, what_is_no_text_is_refused);
    tcase_add_test(tc, both_parts_hold_a_sequence);
    tcase_add_test(tc, texts_are_not_transformed);
    suite_add_tcase(suite, tc);
    return suite;
}
