/* nn/possible.c: the ends of every range, and what is no number. */
#include <check.h>
#include <math.h>
#include <stdint.h>

#include "nn/possible.h"

Suite *possible_suite(void);

START_TEST(sizes)
{
    Error err = {""};
    ck_assert(nn_possible_size("net", "width", 2, 2, 5, &err));
    ck_assert(nn_possible_size("net", "width", 5, 2, 5, &err));
    ck_assert(nn_possible_size("net", "width", 0, 0, SIZE_MAX, &err));
    ck_assert(!nn_possible_size("net", "width", 1, 2, 5, &err));
    ck_assert_str_eq(err.text, "net: width is 1; it must lie in 2..5");
    ck_assert(!nn_possible_size("net", "width", 6, 2, 5, &err));
}
END_TEST

typedef bool (*Question)(const char *kind, double value, Error *err);

START_TEST(numbers)
{
    static const struct {
        Question question;
        double yes[2], no[4];
        const char *sentence; /* of no[0] */
    } rows[] = {
        {nn_possible_dropout,
         {0.0, 0.999},
         {1.0, -1e-9, (double)NAN, HUGE_VAL},
         "net: dropout is 1; it must lie in [0, 1)"},
        {nn_possible_time_scale,
         {1e-9, 1e300},
         {0.0, -1.0, (double)NAN, HUGE_VAL},
         "net: time_scale is 0; it must be finite and positive"},
        {nn_possible_lambda_gain,
         {1e-9, 100.0},
         {100.5, 0.0, (double)NAN, HUGE_VAL},
         "net: lambda_gain is 100.5; it must lie in (0, 100]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Error err = {""};
        for (size_t k = 0; k < 2; k++)
            ck_assert_msg(rows[i].question("net", rows[i].yes[k], &err), "%s", err.text);
        for (size_t k = 4; k-- > 0;)
            ck_assert_msg(!rows[i].question("net", rows[i].no[k], &err), "%g", rows[i].no[k]);
        ck_assert_str_eq(err.text, rows[i].sentence);
    }
}
END_TEST

START_TEST(places_have_numbers)
{
    for (int i = 0; i < 4; i++) {
        Error err = {""};
        const bool at_places = i & 1, is_number = i & 2, right = i != 1;
        ck_assert(nn_possible_places("net", at_places, is_number, &err) == right);
        ck_assert_str_eq(err.text,
                         right ? "" : "net: lambda at places enters as numbers, found sinusoids");
    }
}
END_TEST

Suite *possible_suite(void)
{
    Suite *s = suite_create("possible");
    TCase *tc = tcase_create("possible");
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, places_have_numbers);
    suite_add_tcase(s, tc);
    return s;
}
