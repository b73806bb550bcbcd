/* Texts of tokens: numbers, and the vocabulary beside them. */
#include <check.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER "test-tokens.tmp.d"
#define FILE_  FOLDER "/a.bin"
#define TOKENS "tokens:" FILE_

static void set_up(void)
{
    toys_set_up(FOLDER);
}

static void write_vocabulary(const char *lines)
{
    data_file(FILE_ ".vocab", lines, strlen(lines));
}

/* Tokens 0, step, 2 step, ... below S. */
static void write_tokens(size_t count, size_t step, size_t S)
{
    unsigned char *bytes = mem_alloc(count, 2);
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (unsigned char)(i * step % S);
        bytes[2 * i + 1] = (unsigned char)(i * step % S >> 8);
    }
    data_file(FILE_, bytes, 2 * count);
    mem_free(bytes);
}

START_TEST(tokens_are_numbers_of_two_bytes)
{
    write_vocabulary("the\n cat\n\\n\n");
    write_tokens(21, 2, 3);
    Dataset *d = data_open_text(TOKENS, false, 4, NULL), *t = data_open_text(TOKENS, true, 3, NULL);
    ck_assert(d->states == 3 && d->text->count == 18 && t->text->count == 3 && d->count == 4);
    for (size_t i = 0; i < 21; i++)
        ck_assert_uint_eq((i < 18 ? d : t)->text->symbols[i < 18 ? i : i - 18], 2 * i % 3);
    char *text = vocabulary_text(d->text->vocabulary);
    ck_assert_str_eq(text, "the\n cat\n\\n");
    mem_free(text);
    dataset_close(data_open_text(TOKENS, false, 4, t->text->vocabulary));
    dataset_close(d);
    dataset_close(t);
    ck_assert(dataset_has_test(TOKENS));
}
END_TEST

/* As many as a state can count, read in blocks, in memory proportional to them. */
START_TEST(vocabularies_may_be_large)
{
    enum { S = 65535, N = 100000 };
    Buffer lines = {0};
    for (int s = 0; s < S; s++)
        buffer_format(&lines, "t%d\n", s);
    write_vocabulary(lines.bytes);
    buffer_free(&lines);
    write_tokens(N, 7, S);
    const size_t before = mem_peak();
    Dataset *d = data_open_text(TOKENS, false, 64, NULL);
    ck_assert_uint_le(mem_peak() - before, 8 << 20);
    ck_assert(d->states == S && d->text->count == 90000);
    for (size_t i = 0; i < 90000; i++)
        ck_assert_uint_eq(d->text->symbols[i], i * 7 % S);
    dataset_close(d);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    Error err;
    Vocabulary *other = vocabulary_parse("a\nb\nd", 5, "", &err);
    data_text_refused(TOKENS, false, 4, NULL, "a.bin: cannot be read as a file");
    write_tokens(20, 1, 4);
    data_text_refused(TOKENS, false, 4, NULL, "a.bin.vocab: expected a readable file, one token a");
    write_vocabulary("a\n");
    data_text_refused(TOKENS, false, 4, NULL, "a.bin.vocab: 1 token, one a line: expected 2 to");
    write_vocabulary("a\n\\b\nc");
    data_text_refused(TOKENS, false, 4, NULL, "a.bin.vocab: line 2: expected \\n, \\t");
    write_vocabulary("a\nb\nc");
    data_text_refused(TOKENS, false, 4, NULL,
                      "a.bin: token 3 at 3, expected below 3, as in " FILE_ ".vocab");
    data_text_refused(TOKENS, true, 1, NULL, "a.bin: token 3 at 19, expected below 3");
    write_tokens(20, 1, 3);
    data_text_refused(TOKENS, false, 4, other,
                      "a.bin.vocab: 3 tokens that are not the model's 3, expected the same");
    data_text_refused(TOKENS, false, 19, NULL, "has 18 symbols, expected at least length=19");
    data_file(FILE_, "abc", 3);
    data_text_refused(TOKENS, false, 1, NULL, "a.bin: 3 bytes, expected an even number");
    data_file(FILE_, "", 0);
    data_text_refused(TOKENS, false, 1, NULL, "a.bin: is empty");
    vocabulary_free(other);
}
END_TEST

/* More could not be written into a model's file and read again. */
START_TEST(vocabularies_fit_a_models_file)
{
    const size_t most = 16 << 20;
    char *lines = mem_alloc(most + 1, 1);
    memset(lines, 1, most + 1); /* each escaped, and the escape's backslash once more: five bytes */
    lines[1] = '\n';
    write_tokens(20, 1, 2);
    data_file(FILE_ ".vocab", lines, most + 1);
    data_text_refused(TOKENS, false, 4, NULL, "a.bin.vocab: expected a file of at most 16777216");
    mem_free(lines);
}
END_TEST

Suite *tokens_suite(void);
Suite *tokens_suite(void)
{
    Suite *suite = suite_create("tokens");
    TCase *tc = tcase_create("tokens");
    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, tokens_are_numbers_of_two_bytes);
    tcase_add_test(tc, vocabularies_may_be_large);
    tcase_add_test(tc, vocabularies_fit_a_models_file);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
