/* Rate matrices from files: numbers, shapes, and a sentence with the line for everything else. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/rate_matrix.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-rate-matrix.tmp.d");
}

START_TEST(text_files_are_read)
{
    const double expected[9] = {-1.5, 1, 0.5, 1e-3, -0.001, 0, 0, 2.5e2, -250};
    Error err = {""};
    toy_text(toy("r.csv"), "-1.5,1 ,0.5\r\n 1e-3,\t-0.001,0\n0,2.5e2,-250\n\n");
    RateMatrix *m = rate_matrix_read(toy("r.csv"), &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    ck_assert_uint_eq(m->states, 3);
    ck_assert_mem_eq(m->rates, expected, sizeof expected);
    rate_matrix_free(m);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

/* As R and spreadsheets have it: a mark, names of rows and columns, decimal commas. */
START_TEST(tables_of_others_are_read)
{
    Error err = {""};
    toy_text(toy("r.csv"), "\xEF\xBB\xBF\"\";\"V1\";\"V2\"\r\n\"1\";-0,5;0,5\r\n\"2\";1;-1\r\n");
    RateMatrix *m = rate_matrix_read(toy("r.csv"), &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    ck_assert(m->states == 2 && m->rates[0] == -0.5 && m->rates[1] == 0.5 && m->rates[3] == -1);
    rate_matrix_free(m);
}
END_TEST

START_TEST(text_gives_the_same_numbers_back)
{
    double rates[4] = {-1.0 / 3.0, 1.0 / 3.0, 5e-324, -1e300};
    RateMatrix m = {2, rates};
    Error err = {""};
    char *text = rate_matrix_text(&m);
    RateMatrix *back = rate_matrix_parse(text, "text", &err), *copy = rate_matrix_copy(back);
    ck_assert_msg(back != NULL, "%s", err.text);
    ck_assert(rate_matrix_equal(&m, back) && rate_matrix_equal(copy, back));
    copy->rates[3] = 0;
    ck_assert(!rate_matrix_equal(copy, back) && !rate_matrix_equal(NULL, back));
    ck_assert(rate_matrix_equal(NULL, NULL) && rate_matrix_copy(NULL) == NULL);
    rate_matrix_free(copy);
    rate_matrix_free(back);
    rate_matrix_free(NULL);
    mem_free(text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(npy_files_are_read)
{
    const float rates[4] = {-1, 1, 0.25f, -0.25f};
    Error err = {""};
    ck_assert(npy_write(toy("r.npy"), NPY_F4, 2, (size_t[]){2, 2}, rates, &err));
    RateMatrix *m = rate_matrix_read(toy("r.npy"), &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq(m->rates[i], (double)rates[i]);
    rate_matrix_free(m);
    ck_assert(npy_write(toy("r.npy"), NPY_F4, 2, (size_t[]){1, 4}, rates, &err));
    ck_assert(rate_matrix_read(toy("r.npy"), &err) == NULL);
    ck_assert_msg(strstr(err.text, "expected a square matrix") != NULL, "%s", err.text);
    ck_assert(npy_write(toy("r.npy"), NPY_F4, 1, (size_t[]){4}, rates, &err));
    ck_assert(rate_matrix_read(toy("r.npy"), &err) == NULL);
    ck_assert_msg(strstr(err.text, "found rank 1") != NULL, "%s", err.text);
    toy_text(toy("r.npy"), "-1,1\n1,-1\n");
    ck_assert(rate_matrix_read(toy("r.npy"), &err) == NULL);
    ck_assert_msg(strstr(err.text, "r.npy") != NULL, "%s", err.text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

static const struct {
    const char *text, *part;
} broken[] = {
    {"", "line 1 has 1 numbers, expected 2 to 65535"},
    {"-1", "line 1 has 1 numbers"},
    {"-1 1\n1 -1 0\n", "line 2 has 3 numbers, expected 2 as in line 1"},
    {"a,b\n-1,1\n1,-1,0\n", "line 3 has 3 numbers, expected 2 as in line 2"},
    {"-1;1\n1;\xe2\x88\x92"
     "1\n",
     "line 2, column 2: '\\xE2\\x88\\x921', expected a number"},
    {"0;1.000,5\n0;0\n", "line 1: '1.000,5': expected a number with one decimal"},
    {"-1,1\n1,-1,0\n", "line 2 has 3 numbers, expected 2 as in line 1"},
    {"-1,1,0\n1,-1,0\n", "2 lines of 3 numbers, expected 3 lines"},
    {"-1,1\n1,-1\n1,-1\n", "more than 2 lines of 2 numbers"},
    {"-1,1\n\n1,-1\n", "line 2 has 1 numbers"},
    {"-1,1\nx,-1\n", "line 2, column 1: 'x', expected a number"},
    {"-1,\n1,-1\n", "line 1, column 2: '', expected a number"},
    {"-1,1 2\n1,-1\n", "line 1, column 2: '1 2', expected a number"},
    {"-1,0x1\n1,-1\n", "line 1, column 2: '0x1', expected a number"},
    {"a,1\n-1,1\n", "line 1, column 1: 'a'"},
};

START_TEST(broken_text_is_named)
{
    Error err = {""};
    toy_text(toy("r.csv"), broken[_i].text);
    ck_assert(rate_matrix_read(toy("r.csv"), &err) == NULL);
    ck_assert_msg(strstr(err.text, broken[_i].part) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "r.csv") != NULL, "%s", err.text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
    Error err = {""};
    toy_write(toy("r.csv"), "-1,1\0\n1,-1\n", 11);
    ck_assert(rate_matrix_read(toy("r.csv"), &err) == NULL);
    ck_assert_msg(strstr(err.text, "text file of rates") != NULL, "%s", err.text);
    ck_assert(rate_matrix_read("test-rate-matrix.tmp.d", &err) == NULL);
    ck_assert(rate_matrix_read(toy("none.csv"), &err) == NULL);
    ck_assert_msg(strstr(err.text, "none.csv") != NULL, "%s", err.text);
}
END_TEST

Suite *rate_matrix_suite(void)
{
    Suite *s = suite_create("rate_matrix");
    TCase *tc = tcase_create("rate_matrix");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, text_files_are_read);
    tcase_add_test(tc, tables_of_others_are_read);
    tcase_add_test(tc, text_gives_the_same_numbers_back);
    tcase_add_test(tc, npy_files_are_read);
    tcase_add_loop_test(tc, broken_text_is_named, 0, sizeof broken / sizeof broken[0]);
    tcase_add_test(tc, what_is_no_text_is_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
