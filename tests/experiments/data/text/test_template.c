/* Texts with blanks as states. */
#include <check.h>
#include <string.h>

#include "experiments/data/text/template.h"
#include "tensor/base/memory.h"

enum { L = 8, MASK = 5 };

static Vocabulary *v;
static uint16_t states[L];

static void set_up(void)
{
    static const char alphabet[] = "\\n\na\nb\n_\n\\xe9"; /* newline, a, b, _, byte E9 */
    Error err = {""};
    v = vocabulary_parse(alphabet, strlen(alphabet), "", &err);
    ck_assert_msg(v != NULL, "%s", err.text);
    memset(states, 0xFF, sizeof states);
}

static void tear_down(void)
{
    vocabulary_free(v);
    ck_assert_uint_eq(mem_in_use(), 0);
}

static const struct {
    const char *text;
    bool blanks;
    uint16_t states[L];
} right[] = {
    {"", true, {5, 5, 5, 5, 5, 5, 5, 5}},
    {"ab", false, {1, 2, 5, 5, 5, 5, 5, 5}},
    {"a_b", false, {1, 3, 2, 5, 5, 5, 5, 5}},
    {"a_b", true, {1, 5, 2, 5, 5, 5, 5, 5}},
    {"a\\x5fb__a", true, {1, 3, 2, 5, 5, 1, 5, 5}},
    {"_a\\n\\xe9_\nb_", true, {5, 1, 0, 4, 5, 0, 2, 5}},
    {"abababab", false, {1, 2, 1, 2, 1, 2, 1, 2}},
    {"________", true, {5, 5, 5, 5, 5, 5, 5, 5}},
};

START_TEST(bytes_and_blanks_become_states)
{
    Error err;
    ck_assert(template_states(states, L, MASK, v, right[_i].text, right[_i].blanks, "--x", &err));
    for (size_t i = 0; i < L; i++)
        ck_assert_uint_eq(states[i], right[_i].states[i]);
}
END_TEST

static const struct {
    const char *text;
    bool blanks;
    const char *said;
} wrong[] = {
    {"abc", false, "--x: byte 3 is 'c', which is none of the alphabet's 5"},
    {"a__c", true, "--x: byte 4 is 'c', which is none of the alphabet's 5"},
    {"\\x07", false, "--x: byte 1 is '\\x07', which is none"},
    {"\xC3\xA9", false, "--x: byte 1 is '\\xc3', which is none"},
    {"a\\q", false, "--x: expected \\n, \\t, \\r, \\\\ or \\xHH after a backslash"},
    {"a\\x5", false, "--x: expected \\n"},
    {"a\\", false, "--x: expected \\n"},
    {"a\\_", true, "--x: expected \\n"},
    {"ababababa", false, "--x: 9 bytes and blanks, the model's texts have 8"},
    {"abababab__", true, "--x: 10 bytes and blanks, the model's texts have 8"},
};

START_TEST(mistakes_are_explained)
{
    Error err = {""};
    ck_assert(!template_states(states, L, MASK, v, wrong[_i].text, wrong[_i].blanks, "--x", &err));
    ck_assert_msg(strncmp(err.text, wrong[_i].said, strlen(wrong[_i].said)) == 0, "%s", err.text);
}
END_TEST

START_TEST(tokens_of_several_bytes_are_no_alphabet)
{
    Error err = {""};
    Vocabulary *words = vocabulary_parse("to\nbe", 5, "", &err);
    ck_assert(!template_states(states, L, MASK, words, "to", false, "--x", &err));
    ck_assert_str_eq(err.text, "--x: the model's tokens are no alphabet of single bytes");
    vocabulary_free(words);
}
END_TEST

Suite *template_suite(void)
{
    Suite *suite = suite_create("template");
    TCase *t = tcase_create("template");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, bytes_and_blanks_become_states, 0, sizeof right / sizeof right[0]);
    tcase_add_loop_test(t, mistakes_are_explained, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, tokens_of_several_bytes_are_no_alphabet);
    suite_add_tcase(suite, t);
    return suite;
}
