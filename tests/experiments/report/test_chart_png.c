/* Charts as pixels: things stand where the axes say, in their colours. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/report/chart_png.h"

static bool has_colour(const Picture *p, size_t x0, size_t x1, size_t y0, size_t y1,
                       unsigned long colour)
{
    for (size_t y = y0; y < y1; y++)
        for (size_t x = x0; x < x1; x++) {
            const uint8_t *c = p->pixels + 3 * (y * p->width + x);
            if (c[0] == colour >> 16 && c[1] == (colour >> 8 & 255) && c[2] == (colour & 255))
                return true;
        }
    return false;
}

/* Two series, rising and falling: each is found in its own corners only. */
START_TEST(series_stand_where_their_numbers_say)
{
    const double x[] = {1, 2, 3, 4}, up[] = {0, 1, 2, 3}, down[] = {3, 2, 1, 0};
    const Series series[] = {{"up", x, up, 4, false, false}, {"down", x, down, 4, false, false}};
    const Chart chart = {"Title", "x", "y", false, false, true, series, 2};
    Picture p = chart_picture(&chart);

    ck_assert_uint_eq(p.width, 1080);
    ck_assert_uint_eq(p.channels, 3);
    const size_t left0 = 120, left1 = 200, top0 = 30, top1 = 120, low0 = 420, low1 = 510;
    ck_assert(has_colour(&p, left0, left1, low0, low1, chart_colours[0]));
    ck_assert(!has_colour(&p, left0, left1, top0, top1, chart_colours[0]));
    ck_assert(has_colour(&p, left0, left1, top0, top1, chart_colours[1]));
    ck_assert(!has_colour(&p, left0, left1, low0, low1, chart_colours[1]));
    ck_assert(has_colour(&p, 960, 1060, top0, top1, chart_colours[0]));
    ck_assert(has_colour(&p, 960, 1060, low0, low1, chart_colours[1]));
    picture_free(&p);
}
END_TEST

/* Points that cannot be drawn are left out, and nothing at all is an empty frame. */
START_TEST(what_cannot_be_drawn_is_left_out)
{
    const double x[] = {1, 10, 100}, y[] = {0.0, NAN, -1.0};
    const Series series[] = {{"none", x, y, 3, false, false}};
    const Chart chart = {"Nothing", "x", "y", true, true, true, series, 1};
    Picture p = chart_picture(&chart);

    ck_assert(!has_colour(&p, 0, p.width, 0, p.height, chart_colours[0]));
    ck_assert(has_colour(&p, 0, p.width, 0, p.height, 0x1d2329)); /* the title */
    picture_free(&p);
}
END_TEST

/* Single points, each a mark of its own colour, in the order of their heights. */
START_TEST(every_colour_has_a_mark)
{
    const double place[CHART_SHAPES] = {1, 2, 3, 4, 5, 6, 7, 8};
    Series series[CHART_SHAPES];
    for (size_t k = 0; k < CHART_SHAPES; k++)
        series[k] = (Series){.name = "s", .x = &place[k], .y = &place[k], .count = 1};
    const Chart chart = {"Marks", "x", "y", false, false, true, series, CHART_SHAPES};
    Picture p = chart_picture(&chart);
    size_t right = 100; /* where the mark before stood */

    for (size_t k = 0; k < CHART_SHAPES; k++) {
        size_t first = right;
        while (first < p.width && !has_colour(&p, first, first + 1, 0, 520, chart_colours[k]))
            first++;
        ck_assert_uint_lt(first, p.width);
        right = first;
        while (right < p.width && has_colour(&p, right, right + 1, 0, 520, chart_colours[k]))
            right++;
        ck_assert_msg(right - first >= 4 && right - first < 40, "mark %zu: columns %zu to %zu", k,
                      first, right);
        ck_assert(!has_colour(&p, right, p.width, 0, 520, chart_colours[k]));
    }
    picture_free(&p);
}
END_TEST

/* A dashed series has gaps, a solid one has none, along a level line. */
START_TEST(dashes_have_gaps)
{
    const double x[] = {0, 1}, low[] = {0, 0}, high[] = {1, 1};
    const Series series[] = {{"solid", x, low, 2, false, false},
                             {"dashed", x, high, 2, false, true}};
    const Chart chart = {"Dashes", "x", "y", false, false, false, series, 2};
    Picture p = chart_picture(&chart);
    size_t gaps[2] = {0, 0};

    for (size_t column = 200; column < 900; column++)
        for (size_t k = 0; k < 2; k++)
            gaps[k] += !has_colour(&p, column, column + 1, k == 0 ? 250 : 30, k == 0 ? 520 : 250,
                                   chart_colours[k]);
    ck_assert_uint_eq(gaps[0], 0);
    ck_assert_uint_gt(gaps[1], 100);
    ck_assert_uint_lt(gaps[1], 600);
    picture_free(&p);
}
END_TEST

/* Every printable character leaves ink but the blank; others are question marks. */
START_TEST(every_character_has_a_face)
{
    char title[2] = "a";
    Picture blank, question;
    const Series none = {"", NULL, NULL, 0, false, false};
    const Chart empty = {" ", "", "", false, false, false, &none, 1};
    const Chart asked = {"?", "", "", false, false, false, &none, 1};

    blank = chart_picture(&empty);
    question = chart_picture(&asked);
    const size_t bytes = blank.height * blank.width * 3;
    for (int c = 33; c < 256; c++) {
        const Chart chart = {title, "", "", false, false, false, &none, 1};
        title[0] = (char)c;
        Picture p = chart_picture(&chart);
        ck_assert_msg(memcmp(p.pixels, blank.pixels, bytes) != 0, "character %d", c);
        ck_assert((memcmp(p.pixels, question.pixels, bytes) == 0) == (c == '?' || c >= 127));
        picture_free(&p);
    }
    picture_free(&blank);
    picture_free(&question);
}
END_TEST

Suite *chart_png_suite(void)
{
    Suite *s = suite_create("chart_png");
    TCase *tc = tcase_create("chart_png");
    tcase_add_test(tc, series_stand_where_their_numbers_say);
    tcase_add_test(tc, what_cannot_be_drawn_is_left_out);
    tcase_add_test(tc, every_colour_has_a_mark);
    tcase_add_test(tc, dashes_have_gaps);
    tcase_add_test(tc, every_character_has_a_face);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
