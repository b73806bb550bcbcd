/* Words in bytes, and the set of them. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/text/word_set.h"
#include "tensor/base/memory.h"

/* All words from `at` on, with a bar behind each. */
static const char *words_from(const char *bytes, size_t count, size_t at)
{
    static char found[256];
    size_t length;
    found[0] = '\0';
    for (; word_next(bytes, count, &at, &length); at += length)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s|", (int)length,
                 bytes + at);
    return found;
}

START_TEST(words_are_runs_of_letters)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"to be, or not", "to|be|or|not|"},
        {"  To\nbe--", "To|be|"},
        {"don't 'tis the boys' o''er", "don't|tis|the|boys|o|er|"},
        {"'", ""},
        {"a1b 22", "a|b|"},
        {"caf\xC3\xA9 \xCE\xB1\xCE\xB2", "caf\xC3\xA9|\xCE\xB1\xCE\xB2|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(words_from(cases[i][0], strlen(cases[i][0]), 0), cases[i][1]);
    ck_assert_str_eq(words_from("a\0b", 3, 0), "a|b|");
    ck_assert_str_eq(words_from("ab'c", 3, 0), "ab|"); /* what follows is not there */
}
END_TEST

START_TEST(pieces_are_passed_over)
{
    ck_assert_str_eq(words_from("to be", 5, 1), "be|");
    ck_assert_str_eq(words_from("to be", 5, 2), "be|");
    ck_assert_str_eq(words_from("to be", 5, 3), "be|");
    ck_assert_str_eq(words_from("to be", 5, 4), "");
    ck_assert_str_eq(words_from("to be", 5, 5), "");
    ck_assert_str_eq(words_from("don't go", 8, 1), "go|");
    ck_assert_str_eq(words_from("don't go", 8, 4), "go|");
    ck_assert_str_eq(words_from("", 0, 1), "");
}
END_TEST

START_TEST(sets_hold_what_was_added)
{
    enum { N = 5000 };
    char word[16];
    WordSet *s = word_set_create();
    ck_assert(!word_set_has(s, "w", 1));
    for (int i = 0; i < 2 * N; i++) {
        const int n = snprintf(word, sizeof word, "w%d", i % N);
        word_set_add(s, word, (size_t)n);
    }
    ck_assert_uint_eq(word_set_count(s), N);
    for (int i = 0; i < 2 * N; i++) {
        const int n = snprintf(word, sizeof word, "w%d", i);
        ck_assert(word_set_has(s, word, (size_t)n) == (i < N));
    }
    word_set_add(s, "", 0);
    ck_assert(!word_set_has(s, "", 0) && !word_set_has(s, "w", 1));
    ck_assert_uint_eq(word_set_count(s), N);
    word_set_free(s);
    word_set_free(NULL);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

Suite *word_set_suite(void);
Suite *word_set_suite(void)
{
    Suite *suite = suite_create("word_set");
    TCase *tc = tcase_create("word_set");
    tcase_add_test(tc, words_are_runs_of_letters);
    tcase_add_test(tc, pieces_are_passed_over);
    tcase_add_test(tc, sets_hold_what_was_added);
    suite_add_tcase(suite, tc);
    return suite;
}
