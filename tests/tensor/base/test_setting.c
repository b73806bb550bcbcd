/* Settings: every type read strictly, printed back, and refused with what was expected. */
#include <check.h>
#include <string.h>

#include "tensor/base/setting.h"

static const Setting number = {.name = "x", .initial = "0.5", .low = -1, .high = 2, .help = "a"};
static const Setting whole = {
    .name = "n", .type = SETTING_INTEGER, .initial = "3", .low = 0, .high = 9e15, .help = "b"};
static const Setting flag = {.name = "f", .type = SETTING_FLAG, .initial = "on", .help = "c"};
static const Setting choice = {
    .name = "c", .type = SETTING_CHOICE, .initial = "two", .choices = "one|two|three", .help = "d"};
static const Setting list = {
    .name = "l", .type = SETTING_LIST, .initial = "1,2", .low = 1, .high = 50, .help = "e"};

START_TEST(names_have_a_place)
{
    const Setting table[] = {number, whole, flag};
    ck_assert_uint_eq(setting_place(table, 3, "x"), 0);
    ck_assert_uint_eq(setting_place(table, 3, "f"), 2);
    ck_assert_uint_eq(setting_place(table, 3, "l"), 3);
    ck_assert_uint_eq(setting_place(table, 2, "f"), 2);
    ck_assert_uint_eq(setting_place(NULL, 0, "x"), 0);
}
END_TEST

START_TEST(values_go_both_ways)
{
    static const struct {
        const Setting *s;
        const char *text;
        double first;
    } rows[] = {
        {&number, "-1", -1},
        {&number, "0.1", 0.1},
        {&whole, "9000000000000000", 9e15},
        {&whole, "0", 0},
        {&flag, "off", 0},
        {&flag, "on", 1},
        {&choice, "one", 0},
        {&choice, "three", 2},
        {&list, "7", 1},
        {&list, "1,50,3", 3},
        {&list, "1,1,1,1,1,1,1,8", 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double slots[SETTING_LIST_SLOTS];
        char text[SETTING_TEXT];
        Error err = {""};
        ck_assert_msg(setting_read(rows[i].s, rows[i].text, slots, "t", &err), "%s", err.text);
        ck_assert_double_eq(slots[0], rows[i].first);
        setting_text(rows[i].s, slots, text, sizeof text);
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

START_TEST(defaults_are_read)
{
    double slots[SETTING_LIST_SLOTS];
    setting_default(&number, slots);
    ck_assert_double_eq(slots[0], 0.5);
    setting_default(&choice, slots);
    ck_assert_double_eq(slots[0], 1);
    setting_default(&list, slots);
    ck_assert(slots[0] == 2 && slots[1] == 1 && slots[2] == 2 && slots[3] == 0);
    ck_assert_uint_eq(setting_slots(&list), SETTING_LIST_SLOTS);
    ck_assert_uint_eq(setting_slots(&flag), 1);
}
END_TEST

START_TEST(other_values_are_refused)
{
    static const struct {
        const Setting *s;
        const char *text, *part;
    } rows[] = {
        {&number, "", "expected a number from -1 to 2"},
        {&number, "2.01", "x=2.01: expected"},
        {&number, "nan", "expected"},
        {&number, " 1", "expected"},
        {&number, "0x1", "expected"},
        {&number, "1e400", "expected"},
        {&whole, "1.5", "a whole number from 0 to 9e+15"},
        {&whole, "-1", "whole number"},
        {&flag, "yes", "on or off"},
        {&flag, "o", "on or off"},
        {&choice, "four", "one of one|two|three"},
        {&choice, "", "one of"},
        {&choice, "one|two", "one of"},
        {&list, "", "at most 8 whole numbers from 1 to 50, separated by commas"},
        {&list, "1,", "separated"},
        {&list, ",1", "separated"},
        {&list, "1,,2", "separated"},
        {&list, "0", "separated"},
        {&list, "51", "separated"},
        {&list, "1 2", "separated"},
        {&list, "1,1,1,1,1,1,1,1,1", "separated"},
        {&list, "99999999999999999999999999", "separated"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double slots[SETTING_LIST_SLOTS] = {-7};
        Error err = {""};
        ck_assert_msg(!setting_read(rows[i].s, rows[i].text, slots, "where", &err), "%s",
                      rows[i].text);
        ck_assert_msg(strstr(err.text, rows[i].part) != NULL, "%s", err.text);
        ck_assert_msg(strncmp(err.text, "where: ", 7) == 0, "%s", err.text);
        ck_assert_double_eq(slots[0], -7);
    }
}
END_TEST

Suite *setting_suite(void)
{
    Suite *s = suite_create("setting");
    TCase *tc = tcase_create("setting");
    tcase_add_test(tc, names_have_a_place);
    tcase_add_test(tc, values_go_both_ways);
    tcase_add_test(tc, defaults_are_read);
    tcase_add_test(tc, other_values_are_refused);
    suite_add_tcase(s, tc);
    return s;
}
