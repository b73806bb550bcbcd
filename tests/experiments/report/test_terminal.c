/* Pictures as characters. */
#include <check.h>
#include <string.h>

#include "experiments/report/terminal.h"
#include "tensor/base/memory.h"

static const char *shown(const Picture *p, bool colours)
{
    static char text[400];
    Buffer out = {0};
    terminal_picture(&out, p, colours);
    ck_assert_uint_lt(out.length, sizeof text);
    memcpy(text, out.bytes, out.length);
    text[out.length] = '\0';
    buffer_free(&out);
    return text;
}

START_TEST(two_rows_are_a_line)
{
    uint8_t gray[] = {0, 255, 128, 255, 255, 128};
    const Picture p = {2, 3, 1, gray}, odd = {3, 2, 1, gray};
    ck_assert_str_eq(shown(&p, false), "=@=\n");      /* (0 + 255)/2, white, mid-grey */
    ck_assert_str_eq(shown(&odd, false), ":@\n=:\n"); /* the last two rows: 255 128 over black */
}
END_TEST

START_TEST(greys_and_colours_are_the_nearest)
{
    uint8_t gray[] = {0, 255}, rgb[] = {255, 0, 0, 0, 0, 255};
    const Picture p = {2, 1, 1, gray}, c = {2, 1, 3, rgb};
    ck_assert_str_eq(shown(&p, true), "\x1b[38;5;232;48;5;255m\xE2\x96\x80\x1b[0m\n");
    ck_assert_str_eq(shown(&c, true), "\x1b[38;5;196;48;5;21m\xE2\x96\x80\x1b[0m\n");
    ck_assert_str_eq(shown(&c, false), "-\n");
}
END_TEST

/* A frame is never larger than its terminal, or the next one does not fall on it. */
START_TEST(pictures_are_cut_to_size)
{
    static const size_t sizes[][4] = {/* columns and lines; height and width then */
                                      {9, 9, 5, 3}, {3, 3, 5, 3}, {2, 3, 5, 2}, {9, 2, 4, 3},
                                      {1, 1, 2, 1}, {2, 2, 4, 2}, {0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t pixels[5 * 3 * 3];
        for (size_t k = 0; k < sizeof pixels; k++)
            pixels[k] = (uint8_t)k;
        Picture p = {5, 3, 3, pixels};
        terminal_crop(&p, sizes[i][0], sizes[i][1]);
        ck_assert(p.height == sizes[i][2] && p.width == sizes[i][3]);
        for (size_t k = 0; k < p.height * p.width * 3; k++)
            ck_assert_uint_eq(pixels[k], k / (3 * p.width) * 9 + k % (3 * p.width));
    }
}
END_TEST

static void tear_down(void)
{
    ck_assert_uint_eq(mem_in_use(), 0);
}

Suite *terminal_suite(void)
{
    Suite *suite = suite_create("terminal");
    TCase *t = tcase_create("terminal");
    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_test(t, two_rows_are_a_line);
    tcase_add_test(t, greys_and_colours_are_the_nearest);
    tcase_add_test(t, pictures_are_cut_to_size);
    suite_add_tcase(suite, t);
    return suite;
}
