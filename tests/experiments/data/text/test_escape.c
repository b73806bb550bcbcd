/* Escapes: every byte there and back, and what is left as it is. */
#include <check.h>
#include <string.h>

#include "experiments/data/text/escape.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

static void escapes_to(const char *bytes, size_t count, const char *expected)
{
    Buffer out = {0}, back = {0};
    escape_add(&out, bytes, count);
    ck_assert_str_eq(out.bytes, expected);
    ck_assert(escape_read(&back, out.bytes, out.length));
    ck_assert_uint_eq(back.length, count);
    ck_assert_mem_eq(back.bytes, bytes, count);
    buffer_free(&out);
    buffer_free(&back);
}

START_TEST(what_shows_stays)
{
    escapes_to("To be, or not to be: \"that\"", 27, "To be, or not to be: \"that\"");
    escapes_to("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}
END_TEST

START_TEST(what_does_not_show_is_named)
{
    escapes_to("a\nb\tc\rd\\e", 9, "a\\nb\\tc\\rd\\\\e");
    escapes_to("\x1B[2J\x7F", 5, "\\x1b[2J\\x7f");
    escapes_to("a\0b", 3, "a\\x00b");
    escapes_to("\xC2\x9B"
               "31m",
               5, "\\xc2\\x9b31m");          /* a terminal's CSI */
    escapes_to("\xC2\x9F", 2, "\\xc2\\x9f"); /* the last of them */
    escapes_to("\xC2\xA0", 2, "\xC2\xA0");
    escapes_to("\xE2\x82"
               "a\xFF",
               4, "\\xe2\\x82a\\xff"); /* cut, and never UTF-8 */
}
END_TEST

START_TEST(single_bytes)
{
    char out[ESCAPED_BYTE];
    ck_assert_str_eq(escape_byte(out, 'a'), "a");
    ck_assert_str_eq(escape_byte(out, '\n'), "\\n");
    ck_assert_str_eq(escape_byte(out, 0), "\\x00");
    ck_assert_str_eq(escape_byte(out, 0xE9), "\\xe9");
}
END_TEST

START_TEST(all_pairs_of_bytes_come_back)
{
    for (int i = 0; i < 65536; i++) {
        const char bytes[2] = {(char)(i >> 8), (char)i};
        Buffer out = {0}, back = {0};
        escape_add(&out, bytes, 2);
        ck_assert(text_is_utf8(out.bytes) && strlen(out.bytes) == out.length);
        ck_assert(strpbrk(out.bytes, "\n\r\t\x1B\x7F") == NULL);
        ck_assert(escape_read(&back, out.bytes, out.length) && back.length == 2);
        ck_assert_mem_eq(back.bytes, bytes, 2);
        buffer_free(&out);
        buffer_free(&back);
    }
}
END_TEST

START_TEST(other_escapes_are_none)
{
    static const char *const wrong[] = {"\\", "a\\", "\\q", "\\x", "\\x4", "\\x4g", "\\xg4", "\\N"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Buffer out = {0};
        ck_assert_msg(!escape_read(&out, wrong[i], strlen(wrong[i])), "%s", wrong[i]);
        buffer_free(&out);
    }
    Buffer out = {0};
    ck_assert(!escape_read(&out, "\\\0", 2));
    ck_assert(!escape_read(&out, "\\x4\0", 4));
    buffer_free(&out);
    ck_assert(escape_read(&out, "\\x4A\\x4a", 8));
    ck_assert_str_eq(out.bytes, "JJ");
    buffer_free(&out);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

Suite *escape_suite(void);
Suite *escape_suite(void)
{
    Suite *suite = suite_create("escape");
    TCase *tc = tcase_create("escape");
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, what_shows_stays);
    tcase_add_test(tc, what_does_not_show_is_named);
    tcase_add_test(tc, single_bytes);
    tcase_add_test(tc, all_pairs_of_bytes_come_back);
    tcase_add_test(tc, other_escapes_are_none);
    suite_add_tcase(suite, tc);
    return suite;
}
