/* train and distill --measure: a log of samples' numbers beside a training that is the same
 * without. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

Suite *measures_suite(void);

#define DIR "test-measures.tmp.d"
#define TRAIN                                                                                      \
    "train --quiet --data glyphs --set mlp_width=16 --set mlp_blocks=1 --set batch=4 --steps 6 "
#define MEASURE "--measure 2 --measure-count 40 --measure-steps 1,3 "

static void set_up(void)
{
    static const char *const files[] = {"a.safetensors", "a.csv", "a.measures.csv",
                                        "b.safetensors", "b.csv", "p.html"};
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
}

START_TEST(a_row_every_so_many_steps)
{
    static const char *const names[] = {"step", "valid_1", "tv_1", "valid_3", "tv_3"};
    CsvTable table;
    Error err;

    expect(TRAIN MEASURE "--out @a.safetensors", 0);
    expect(TRAIN "--out @b.safetensors", 0);
    ck_assert(toy_same(toy("a.safetensors"), toy("b.safetensors")));
    ck_assert_msg(csv_read(toy("a.measures.csv"), &table, &err), "%s", err.text);
    ck_assert_uint_eq(table.columns, 5);
    ck_assert_uint_eq(table.rows, 3);
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(table.names[i], names[i]);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq(table.values[i], 2.0 * (double)(i + 1));
    csv_free(&table);
}
END_TEST

/* What `eval` measures of the finished model, with the same seed, is the last row. */
START_TEST(the_last_row_is_that_of_eval)
{
    CsvTable table;
    Error err;
    char cell[40];
    size_t bytes;

    expect(TRAIN MEASURE
           "--set lr=0.05 --set warmup=0 --set ema_decay=0 --set mlp_width=64 --steps "
           "200 --measure 200 --out @a.safetensors",
           0);
    ck_assert_msg(csv_read(toy("a.measures.csv"), &table, &err), "%s", err.text);
    ck_assert_uint_eq(table.rows, 1);
    expect("eval --quiet --model @a.safetensors --data glyphs --steps 1,3 --count 40 --seed 1 "
           "--report "
           "@p.html",
           0);
    for (size_t i = 2; i < 5; i += 2) { /* tv */
        snprintf(cell, sizeof cell, "%.4f", csv_column(&table, table.names[i])[0]);
        ck_assert_msg(strstr(said(stdout), cell) != NULL, "%s: %s is not in\n%s", table.names[i],
                      cell, said(stdout));
    }
    csv_free(&table);
    char *page = toy_read(toy("p.html"), &bytes);
    ck_assert_ptr_nonnull(strstr(page, "While training: tv_3"));
    mem_free(page);
}
END_TEST

/* A run that goes on measures the step it stopped at, if that row is missing, and cuts off later
 * ones. */
START_TEST(a_run_that_goes_on_has_the_same_log)
{
    size_t bytes;
    expect(TRAIN MEASURE "--out @a.safetensors", 0);
    char *whole = toy_read(toy("a.measures.csv"), &bytes);
    char *cut = mem_string(whole), *last = strstr(cut, "\n6,");
    ck_assert_ptr_nonnull(last);
    last[1] = '\0';
    toy_text(toy("a.measures.csv"), cut);
    expect(TRAIN MEASURE "--out @a.safetensors --resume", 0);
    char *again = toy_read(toy("a.measures.csv"), &bytes);
    ck_assert_str_eq(again, whole);
    mem_free(again);
    strcpy(last + 1, "8,1");
    toy_text(toy("a.measures.csv"), cut);
    expect(TRAIN MEASURE "--out @a.safetensors --resume", 0);
    again = toy_read(toy("a.measures.csv"), &bytes);
    ck_assert_str_eq(again, whole);
    mem_free(again);
    mem_free(cut);
    mem_free(whole);
}
END_TEST

START_TEST(what_cannot_be_measured)
{
    expect(TRAIN MEASURE "--out @a.safetensors", 0);
    remove(toy("a.safetensors"));
    remove(toy("a.csv"));
    says(TRAIN MEASURE "--out @a.safetensors", 1, "a.measures.csv: exists: expected --resume");
    expect(TRAIN MEASURE "--out @a.safetensors --overwrite", 0);
    says("distill --quiet --teacher @a.safetensors --preset glyphs-published --set targets=teacher "
         "--set target_count=5 --set target_steps=2 --steps 2 --measure 1 --out @b.safetensors",
         1, "--measure: expected --data");
    says(TRAIN "--measure 0 --out @b.safetensors", 2, "--measure");
}
END_TEST

Suite *measures_suite(void)
{
    Suite *s = suite_create("measures");
    TCase *tc = tcase_create("measures");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_row_every_so_many_steps);
    tcase_add_test(tc, the_last_row_is_that_of_eval);
    tcase_add_test(tc, a_run_that_goes_on_has_the_same_log);
    tcase_add_test(tc, what_cannot_be_measured);
    suite_add_tcase(s, tc);
    return s;
}
