/* Sequences as bytes and as lines. */
#include <check.h>
#include <string.h>

#include "experiments/data/text/rendering.h"
#include "tensor/base/memory.h"

static Vocabulary *v;
static Buffer out;

static void set_up(void)
{
    static const char tokens[] = "to be\n\\n\n\n\\xc3\n\\xa9\n\\x1b";
    Error err = {""};
    v = vocabulary_parse(tokens, strlen(tokens), "", &err);
    ck_assert_msg(v != NULL, "%s", err.text);
    out = (Buffer){0};
}

static void tear_down(void)
{
    vocabulary_free(v);
    buffer_free(&out);
    ck_assert_uint_eq(mem_in_use(), 0);
}

START_TEST(files_get_bytes_as_they_are)
{
    const uint16_t states[] = {0, 1, 2, 3, 4, 5};
    rendering_add(&out, v, states, 6);
    ck_assert_uint_eq(out.length, 9);
    ck_assert_str_eq(out.bytes, "to be\n\xC3\xA9\x1B");
    rendering_add(&out, v, states, 1);
    ck_assert_str_eq(out.bytes, "to be\n\xC3\xA9\x1Bto be");
}
END_TEST

START_TEST(no_states_are_an_empty_text)
{
    rendering_add(&out, v, NULL, 0);
    ck_assert_str_eq(out.bytes, "");
    rendering_line(&out, v, NULL, 0, 10);
    ck_assert_str_eq(out.bytes, "");
}
END_TEST

START_TEST(masks_show)
{
    const uint16_t states[] = {0, 6, 65535};
    rendering_add(&out, v, states, 3);
    ck_assert_str_eq(out.bytes, "to be[MASK][MASK]");
}
END_TEST

/* A character may be made of two tokens. */
START_TEST(terminals_get_one_safe_line)
{
    const uint16_t states[] = {0, 1, 3, 4, 5, 4};
    rendering_line(&out, v, states, 6, 100);
    ck_assert_str_eq(out.bytes, "to be\\n\xC3\xA9\\x1b\\xa9");
}
END_TEST

START_TEST(long_lines_are_cut_between_characters)
{
    static const char *const lines[] = {"...",
                                        "t...",
                                        "to...",
                                        "to ...",
                                        "to b...",
                                        "to be...",
                                        "to be...",
                                        "to be\xC3\xA9...",
                                        "to be\xC3\xA9\\n"};
    const uint16_t states[] = {0, 3, 4, 1};
    for (size_t most = 0; most < sizeof lines / sizeof lines[0]; most++) {
        rendering_line(&out, v, states, 4, most);
        ck_assert_str_eq(out.bytes, lines[most]);
        buffer_free(&out);
    }
}
END_TEST

START_TEST(characters_of_four_bytes_are_not_cut)
{
    const uint16_t states[] = {0, 1, 0};
    Error err = {""};
    Vocabulary *faces = vocabulary_parse("a\n\xF0\x9F\x98\x80", 6, "", &err);
    for (size_t most = 1; most < 6; most++) {
        rendering_line(&out, faces, states, 3, most);
        ck_assert_str_eq(out.bytes, most < 5 ? "a..." : "a\xF0\x9F\x98\x80...");
        buffer_free(&out);
    }
    vocabulary_free(faces);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_cut_too)
{
    const uint16_t states[] = {4, 4, 4, 4, 4, 4, 4, 4};
    rendering_line(&out, v, states, 8, 5);
    ck_assert_str_eq(out.bytes, "\\xa9\\xa9\\xa9\\xa9\\xa9...");
}
END_TEST

Suite *rendering_suite(void);
Suite *rendering_suite(void)
{
    Suite *suite = suite_create("rendering");
    TCase *tc = tcase_create("rendering");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, files_get_bytes_as_they_are);
    tcase_add_test(tc, no_states_are_an_empty_text);
    tcase_add_test(tc, masks_show);
    tcase_add_test(tc, terminals_get_one_safe_line);
    tcase_add_test(tc, long_lines_are_cut_between_characters);
    tcase_add_test(tc, characters_of_four_bytes_are_not_cut);
    tcase_add_test(tc, bytes_that_are_no_text_are_cut_too);
    suite_add_tcase(suite, tc);
    return suite;
}
