/* Vocabularies: alphabets, tokens as lines, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/text/vocabulary.h"
#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"

static Vocabulary *parse(const char *text, size_t length)
{
    Error err = {""};
    Vocabulary *v = vocabulary_parse(text, length, "file", &err);
    ck_assert_msg(v != NULL, "%s", err.text);
    return v;
}

static void token_is(const Vocabulary *v, size_t s, const char *bytes, size_t count)
{
    size_t length;
    const char *token = vocabulary_token(v, s, &length);
    ck_assert_uint_eq(length, count);
    ck_assert(memcmp(token, bytes, count) == 0);
}

static void refused(const char *text, size_t length, const char *piece)
{
    Error err = {""};
    ck_assert_ptr_null(vocabulary_parse(text, length, "file", &err));
    ck_assert_msg(strstr(err.text, "file: ") == err.text && strstr(err.text, piece) != NULL, "%s",
                  err.text);
}

START_TEST(alphabets_ascend)
{
    bool present[256] = {false};
    int state[256];
    Error err = {""};
    present['b'] = present['a'] = present[255] = present[0] = true;
    Vocabulary *v = vocabulary_of_bytes(present, "file", &err);
    ck_assert_uint_eq(v->size, 4);
    token_is(v, 0, "\0", 1);
    token_is(v, 1, "a", 1);
    token_is(v, 2, "b", 1);
    token_is(v, 3, "\xFF", 1);
    ck_assert(vocabulary_states(v, state));
    for (int b = 0; b < 256; b++)
        ck_assert_int_eq(state[b], b == 0 ? 0 : b == 'a' ? 1 : b == 'b' ? 2 : b == 255 ? 3 : -1);
    vocabulary_free(v);
    memset(present, 0, sizeof present);
    ck_assert_ptr_null(vocabulary_of_bytes(present, "file", &err));
    ck_assert_str_eq(err.text, "file: 0 different bytes, expected at least 2");
    present[7] = true;
    ck_assert_ptr_null(vocabulary_of_bytes(present, "file", &err));
    ck_assert_str_eq(err.text, "file: 1 different byte, expected at least 2");
}
END_TEST

START_TEST(tokens_are_lines)
{
    int state[256];
    Vocabulary *v = parse("the\n \\n\n\n\\x00\xC3\xA9", 15);
    ck_assert_uint_eq(v->size, 4);
    token_is(v, 0, "the", 3);
    token_is(v, 1, " \n", 2);
    token_is(v, 2, "", 0);
    token_is(v, 3, "\0\xC3\xA9", 3);
    ck_assert(!vocabulary_states(v, state));
    char *text = vocabulary_text(v);
    ck_assert_str_eq(text, "the\n \\n\n\n\\x00\xC3\xA9");
    mem_free(text);
    vocabulary_free(v);
}
END_TEST

/* Whatever the tokens are, their text reads as the same ones. */
START_TEST(texts_come_back)
{
    static const char *const texts[] = {"a\nb", "a\nb\n",    "\n\n", "a\n\n",
                                        "\na",  "\\n\n\\\\", "a\na"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        Vocabulary *v = parse(texts[i], strlen(texts[i]));
        ck_assert_uint_eq(v->size, 2);
        char *text = vocabulary_text(v);
        Vocabulary *again = parse(text, strlen(text)), *copy = vocabulary_copy(v);
        ck_assert(vocabulary_equal(v, again) && vocabulary_equal(v, copy));
        mem_free(text);
        vocabulary_free(again);
        vocabulary_free(copy);
        vocabulary_free(v);
    }
    bool present[256];
    Error err;
    memset(present, 1, sizeof present);
    Vocabulary *all = vocabulary_of_bytes(present, "file", &err);
    char *text = vocabulary_text(all);
    Vocabulary *again = parse(text, strlen(text));
    ck_assert(vocabulary_equal(all, again));
    mem_free(text);
    vocabulary_free(again);
    vocabulary_free(all);
}
END_TEST

START_TEST(different_ones_differ)
{
    Vocabulary *v = parse("ab\nc", 4);
    static const char *const others[] = {"a\nbc", "ab\nd", "ab\nc\nd", "ab\nc\n\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        Vocabulary *other = parse(others[i], strlen(others[i]));
        ck_assert(!vocabulary_equal(v, other));
        vocabulary_free(other);
    }
    ck_assert(!vocabulary_equal(v, NULL) && !vocabulary_equal(NULL, v));
    ck_assert(vocabulary_equal(NULL, NULL));
    ck_assert_ptr_null(vocabulary_copy(NULL));
    vocabulary_free(v);
    vocabulary_free(NULL);
}
END_TEST

START_TEST(a_byte_twice_is_no_alphabet)
{
    int state[256];
    Vocabulary *v = parse("a\nb\na\n", 6);
    ck_assert(!vocabulary_states(v, state));
    vocabulary_free(v);
}
END_TEST

START_TEST(sizes_have_limits)
{
    Buffer b = {0};
    refused("", 0, "0 tokens, one a line: expected 2 to 65535");
    refused("a", 1, "1 token, one a line: expected 2 to 65535");
    refused("a\n", 2, "1 token, one a line");
    for (int i = 0; i < 65535; i++)
        buffer_text(&b, "\n");
    Vocabulary *v = parse(b.bytes, b.length);
    ck_assert_uint_eq(v->size, 65535);
    vocabulary_free(v);
    buffer_text(&b, "a");
    refused(b.bytes, b.length, "65536 tokens, one a line: expected 2 to 65535");
    buffer_free(&b);
}
END_TEST

START_TEST(wrong_escapes_are_refused)
{
    refused("a\n\\q\nb", 6, "line 2: expected \\n, \\t, \\r, \\\\ or \\xHH after a backslash");
    refused("a\nb\\", 4, "line 2: expected");
    refused("\\x0\n0", 5, "line 1: expected");
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(tokens_are_below_the_size)
{
    size_t length;
    Vocabulary *v = parse("a\nb", 3);
    vocabulary_token(v, 2, &length);
}
END_TEST

Suite *vocabulary_suite(void);
Suite *vocabulary_suite(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *tc = tcase_create("vocabulary");
    tcase_add_test(tc, alphabets_ascend);
    tcase_add_test(tc, tokens_are_lines);
    tcase_add_test(tc, texts_come_back);
    tcase_add_test(tc, different_ones_differ);
    tcase_add_test(tc, a_byte_twice_is_no_alphabet);
    tcase_add_test(tc, sizes_have_limits);
    tcase_add_test(tc, wrong_escapes_are_refused);
    suite_add_tcase(suite, tc);
    tc = tcase_create("misuse");
    tcase_add_test_raise_signal(tc, tokens_are_below_the_size, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
