/* Buffers: growth, formats, HTML escapes, base64. */
#include <check.h>
#include <string.h>

#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"

START_TEST(grows)
{
    Buffer b = {0};

    for (int i = 0; i < 5000; i++)
        buffer_format(&b, "%d,", i);
    buffer_add(&b, "\0\0", 2);
    buffer_text(&b, "end");
    ck_assert_uint_eq(b.length, 10 * 2 + 90 * 3 + 900 * 4 + 4000 * 5 + 5);
    ck_assert_mem_eq(b.bytes, "0,1,2,", 6);
    ck_assert_mem_eq(b.bytes + b.length - 10, "4999,\0\0end", 11);
    buffer_free(&b);
    ck_assert_ptr_null(b.bytes);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

static void expect_html(const char *text, const char *html)
{
    Buffer b = {0};

    buffer_html(&b, text);
    ck_assert_str_eq(b.bytes, html);
    buffer_free(&b);
}

START_TEST(html_is_escaped)
{
    expect_html("", "");
    expect_html("a<b> & \"c\" 'd'", "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
    expect_html("\n\t\x01\x7F.", "    .");
    expect_html("\xCE\xBB \xE2\x82\xAC \xF0\x9F\x98\x80", "\xCE\xBB \xE2\x82\xAC \xF0\x9F\x98\x80");
}
END_TEST

/* Cut, overlong, surrogate, too large, stray: one replacement character for each bad byte. */
START_TEST(bad_utf8_is_replaced)
{
#define BAD "\xEF\xBF\xBD"
    expect_html("\xCE", BAD);
    expect_html("\xCE<", BAD "&lt;");
    expect_html("\x80x", BAD "x");
    expect_html("\xC0\x80", BAD BAD);
    expect_html("\xE0\x80\xAF", BAD BAD BAD);
    expect_html("\xED\xA0\x80", BAD BAD BAD);
    expect_html("\xF4\x90\x80\x80", BAD BAD BAD BAD);
    expect_html("\xFF\xF8", BAD BAD);
}
END_TEST

START_TEST(base64)
{
    static const char *const cases[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xFF\xEF\xBE", "/+++"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Buffer b = {0};
        buffer_base64(&b, cases[i][0], strlen(cases[i][0]));
        buffer_text(&b, "");
        ck_assert_str_eq(b.bytes, cases[i][1]);
        buffer_free(&b);
    }
}
END_TEST

Suite *buffer_suite(void);
Suite *buffer_suite(void)
{
    Suite *suite = suite_create("buffer");
    TCase *tc = tcase_create("buffer");

    tcase_set_timeout(tc, 10);
    tcase_add_test(tc, grows);
    tcase_add_test(tc, html_is_escaped);
    tcase_add_test(tc, bad_utf8_is_replaced);
    tcase_add_test(tc, base64);
    suite_add_tcase(suite, tc);
    return suite;
}
