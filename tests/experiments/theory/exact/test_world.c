/* Worlds: what is built in, and tables from files, good and bad. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/world.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-world.tmp.d");
}

static World *open_text(const char *text, Error *err)
{
    const char *path = toy("table.csv");

    toy_text(path, text);
    return world_open(path, err);
}

START_TEST(built_in_worlds_are_laws)
{
    ck_assert_uint_ge(world_count(), 4);
    for (size_t i = 0; i < world_count(); i++) {
        Error err = {""};
        World *w = world_open(world_name(i), &err);
        double sum = 0.0;
        ck_assert_msg(w != NULL, "%s", err.text);
        ck_assert_uint_eq(w->size, joint_size(w->states, w->dims));
        for (size_t k = 0; k < w->size; k++) {
            ck_assert(w->p[k] >= 0.0);
            sum += w->p[k];
        }
        ck_assert_double_eq_tol(sum, 1.0, 1e-14);
        ck_assert(joint_total_correlation(w->p, w->states, w->dims) > 0.1);
        world_free(w);
    }
}
END_TEST

START_TEST(a_table_is_read)
{
    Error err = {""};
    World *w = open_text("# two ternary symbols\n0,2,0.25\r\n\n 1 , 0 ,0.5\n2,2,0\n1,1,.25", &err);

    ck_assert_msg(w != NULL, "%s", err.text);
    ck_assert_uint_eq(w->dims, 2);
    ck_assert_uint_eq(w->states, 3);
    ck_assert_uint_eq(w->size, 9);
    for (size_t i = 0; i < 9; i++)
        ck_assert_double_eq(w->p[i], i == 2 || i == 4 ? 0.25 : i == 3 ? 0.5 : 0.0);
    FiniteLaw *law = world_finite_law(w);
    ck_assert_uint_eq(law->count, 3);
    ck_assert_double_eq(law->probability[1], 0.5);
    law_destroy(law);
    world_free(w);
    w = open_text("x1,x2,p\n0,1,0.5\n1,0,0.5\n", &err); /* a line of names may stand first */
    ck_assert_msg(w != NULL, "%s", err.text);
    ck_assert_uint_eq(w->dims, 2);
    ck_assert_double_eq(w->p[1], 0.5);
    world_free(w);
    w = open_text("\"x\"\t\"p\"\n0\t0,25\n1\t0,75\n", &err); /* a comma, or two numbers? */
    ck_assert(w == NULL);
    w = open_text("\xEF\xBB\xBF\"x\";\"p\"\r0;0,25\r1;0,75\r", &err);
    ck_assert_msg(w != NULL, "%s", err.text);
    ck_assert(w->p[0] == 0.25 && w->p[1] == 0.75);
    world_free(w);
}
END_TEST

/* The sum may be off by what rounding to seven digits does, and is put right. */
START_TEST(a_sum_that_is_nearly_1_is_divided_by)
{
    Error err = {""};
    World *w = open_text("0,0.3333333\n1,0.3333333\n2,0.3333333\n", &err);

    ck_assert_msg(w != NULL, "%s", err.text);
    ck_assert_double_eq_tol(w->p[0] + w->p[1] + w->p[2], 1.0, 1e-15);
    world_free(w);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"", "expected a table"},
    {"# nothing\n\n", "expected a table"},
    {"x1,p\n", "expected a table"},
    {"0,0.5\n1,0.4\n", "sum to 0.9"},
    {"0,0.50001\n1,0.5\n", "sum to 1.00001"},
    {"0,0,0.5\n1,0.5\n", "line 2: 2 fields"},
    {"0,0,0.5\n1,1,0,0.5\n", "line 2: 4 fields"},
    {"0,1.5\n1,-0.5\n", "line 2: probability -0.5"},
    {"0,0.5\n-1,0.5\n", "line 2: field 1: expected a whole number"},
    {"0,0.5\n0.5,0.5\n", "line 2: field 1: expected a whole number"},
    {"0,0.5\n256,0.5\n", "line 2: field 1: expected a whole number"},
    {"0,0.5\n1,nan\n", "line 2: field 2: expected a number"},
    {"0,0.5\n1,inf\n", "line 2: field 2: expected a number"},
    {"0,0.5\n1,\n", "line 2"},
    {"0,0.5\none,0.5\n", "line 2: field 1: expected a number, found 'one'"},
    {"0,0.5\n1 2,0.5\n", "line 2: field 1: expected a number"},
    {"0,0.5\n1,0.25\n0,0.25\n", "given twice"},
    {"0,0,1\n", "expected at least 2"},
    {"1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1\n", "at most"},
    {"1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1\n", "at most"},
    {"1\n", "line 1: 1 fields"},
};

START_TEST(bad_tables_are_refused)
{
    Error err = {""};
    World *w = open_text(bad[_i].text, &err);

    ck_assert_msg(w == NULL, "table %d was taken", _i);
    ck_assert_msg(strstr(err.text, "table.csv") != NULL, "'%s' does not name the file", err.text);
    ck_assert_msg(strstr(err.text, bad[_i].sentence) != NULL, "'%s' does not say '%s'", err.text,
                  bad[_i].sentence);
}
END_TEST

START_TEST(names_and_files_that_are_not_there)
{
    Error err = {""};

    ck_assert(world_open("moon", &err) == NULL);
    ck_assert(strstr(err.text, "coupled-bits, xor, chain, glyphs") != NULL);
    ck_assert(world_open("none.csv", &err) == NULL);
    ck_assert(strstr(err.text, "none.csv: cannot be read") != NULL);
    toy_write(toy("table.csv"), "0,\0.5", 6);
    ck_assert(world_open(toy("table.csv"), &err) == NULL);
    ck_assert(strstr(err.text, "expected a text file") != NULL);
}
END_TEST

Suite *world_suite(void);
Suite *world_suite(void)
{
    Suite *s = suite_create("world");
    TCase *tc = tcase_create("world");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, built_in_worlds_are_laws);
    tcase_add_test(tc, a_table_is_read);
    tcase_add_test(tc, a_sum_that_is_nearly_1_is_divided_by);
    tcase_add_loop_test(tc, bad_tables_are_refused, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tc, names_and_files_that_are_not_there);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
