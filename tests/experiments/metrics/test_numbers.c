/* Lists of numbers by name. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/numbers.h"
#include "tensor/base/memory.h"

START_TEST(lists_come_back)
{
    Numbers n = {0};
    Error err = {""};
    const double values[3] = {0.1, -2, NAN};
    double one;
    size_t count;
    numbers_put(&n, "list", values, 3);
    numbers_put_one(&n, "one", 0.25);
    numbers_put_count(&n, "count", 12);
    numbers_put(&n, "empty", NULL, 0);
    for (int i = 0; i < 40; i++) { /* it grows */
        char name[16];
        snprintf(name, sizeof name, "more%d", i);
        numbers_put_one(&n, name, i);
    }
    const NumberList *list = numbers_get(&n, "list", 3, &err);
    ck_assert_ptr_nonnull(list);
    ck_assert_mem_eq(list->values, values, sizeof values);
    ck_assert_ptr_eq(numbers_get(&n, "list", 0, &err), list);
    ck_assert(numbers_get(&n, "empty", 0, &err)->count == 0);
    ck_assert(numbers_get_one(&n, "one", &one, &err) && one == 0.25);
    ck_assert(numbers_get_count(&n, "count", &count, &err) && count == 12);
    ck_assert(numbers_get_one(&n, "more39", &one, &err) && one == 39);
    numbers_free(&n);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(what_is_not_there_is_named)
{
    static const double wrong[] = {-1, 0.5, 9007199254740994.0, NAN, INFINITY};
    Numbers n = {0};
    Error err = {""};
    double one;
    size_t count;
    numbers_put(&n, "list", wrong, 5);
    ck_assert_ptr_null(numbers_get(&n, "other", 2, &err));
    ck_assert_str_eq(err.text, "other: 0 numbers, expected 2");
    ck_assert_ptr_null(numbers_get(&n, "other", 0, &err));
    ck_assert_str_eq(err.text, "other is missing");
    ck_assert_ptr_null(numbers_get(&n, "list", 4, &err));
    ck_assert_str_eq(err.text, "list: 5 numbers, expected 4");
    ck_assert(!numbers_get_one(&n, "list", &one, &err));
    for (int i = 0; i < 5; i++) {
        char name[4] = {'w', (char)('0' + i), 0};
        numbers_put_one(&n, name, wrong[i]);
        ck_assert(!numbers_get_count(&n, name, &count, &err));
        ck_assert_ptr_nonnull(strstr(err.text, "expected a whole number from 0 to 2^53"));
    }
    numbers_free(&n);
}
END_TEST

START_TEST(names_are_new)
{
    Numbers n = {0};
    numbers_put_one(&n, "a", 1);
    numbers_put_one(&n, "a", 2);
}
END_TEST

Suite *numbers_suite(void);
Suite *numbers_suite(void)
{
    Suite *s = suite_create("numbers");
    TCase *tc = tcase_create("numbers");
    tcase_add_test(tc, lists_come_back);
    tcase_add_test(tc, what_is_not_there_is_named);
    tcase_add_test_raise_signal(tc, names_are_new, 6);
    suite_add_tcase(s, tc);
    return s;
}
