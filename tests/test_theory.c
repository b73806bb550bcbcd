/* The command `di4c theory` and the experiment `rate`. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/commands.h"
#include "experiments/theory/theory.h"
#include "nn/json.h"
#include "tensor/memory.h"
#include "tests/toys.h"

#define FOLDER "test-theory.tmp"

static void set_up(void)
{
    toys_set_up(FOLDER);
}

static const Command *theory_command(void)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, "theory") == 0)
            return &commands[i];
    return NULL;
}

static int run(const char *const *argument)
{
    char *argv[16];
    int argc = 0;

    while (argument[argc] != NULL) {
        argv[argc] = mem_string(argument[argc]);
        argc++;
    }
    const int status = theory_command()->run(theory_command(), argc, argv);
    while (argc > 0)
        mem_free(argv[--argc]);
    return status;
}

static Json *read_json(const char *path)
{
    size_t count = 0;
    Error err = {""};
    char *text = toy_read(path, &count);

    ck_assert_msg(text != NULL, "%s is missing", path);
    Json *j = json_parse(text, count, "results", &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    mem_free(text);
    return j;
}

/* Rows of coupled bits are 1/(2N); every distance falls with N; page and plots are there. */
START_TEST(rate_writes_what_the_theorem_says)
{
    static const char *const files[] = {"index.html", "rate.svg", "rate.png"};
    const char *json = toy("results.json"), *out = FOLDER;
    const char *arguments[] = {"rate",   "--world", "coupled-bits", "--out", out,
                               "--json", json,      "--quiet",      NULL};

    for (size_t i = 0; i < 3; i++)
        toy(files[i]);
    ck_assert_int_eq(run(arguments), 0);
    Json *j = read_json(json);
    const Json *rows = json_get(j, "rows");
    double last = 2.0;
    size_t known = 0;
    ck_assert(rows != NULL && rows->count == 16);
    for (size_t i = 0; i < rows->count; i++) {
        const Json *row = &rows->items[i];
        const double n = json_get(row, "steps")->number;
        const double tv = json_get(row, "tv")->number;
        if (strcmp(json_get(row, "process")->string, "absorbing") == 0) {
            ck_assert_double_eq_tol(tv, 0.5 / n, 1e-12);
            ck_assert_double_eq_tol(json_get(row, "exact")->number, 0.5 / n, 1e-15);
            known++;
        }
        ck_assert(n <= 1.0 || tv < last);
        last = tv;
    }
    ck_assert_uint_eq(known, 8);
    json_free(j);
    for (size_t i = 0; i < 3; i++) {
        size_t count = 0;
        char *bytes = toy_read(toy(files[i]), &count);
        ck_assert_msg(bytes != NULL && count > 1000, "%s", files[i]);
        mem_free(bytes);
    }
}
END_TEST

START_TEST(wrong_names_are_refused)
{
    const char *const unknown[] = {"speed", "--out", FOLDER, NULL};
    const char *world[] = {"rate", "--world", "moon", "--out", FOLDER, "--quiet", NULL};
    const char *table[] = {"rate", "--world", "none.csv", "--out", FOLDER, "--quiet", NULL};

    ck_assert_int_eq(run(unknown), 2);
    ck_assert_int_eq(run(world), 1);
    ck_assert_int_eq(run(table), 1);
}
END_TEST

Suite *theory_suite(void)
{
    Suite *s = suite_create("theory");
    TCase *tc = tcase_create("theory");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, rate_writes_what_the_theorem_says);
    tcase_add_test(tc, wrong_names_are_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
