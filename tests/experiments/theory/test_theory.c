/* The command `di4c theory`, and what its experiments write. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/commands/commands.h"
#include "experiments/theory/theory.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

#define FOLDER "test-theory.tmp"

static void set_up(void)
{
    toys_set_up(FOLDER);
}

static const Command *theory_command(void)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, "theory") == 0)
            return commands[i];
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

/* All rows of an experiment on one world, and that its page and the chart are there. */
static Json *rows_of(const char *experiment, const char *world, const char *chart)
{
    const char *json = toy("results.json"), *page = toy("index.html");
    char svg[80], png[80];
    const char *arguments[] = {experiment, "--world", world,     "--out", FOLDER,
                               "--json",   json,      "--quiet", NULL};

    snprintf(svg, sizeof svg, "%s.svg", chart);
    snprintf(png, sizeof png, "%s.png", chart);
    toy(svg);
    toy(png);
    ck_assert_int_eq(run(arguments), 0);
    Json *j = read_json(json);
    ck_assert(json_get(j, "command") && json_get(j, "version") && json_get(j, "seed"));
    const Json *rows = json_get(j, "rows");
    ck_assert(rows != NULL && rows->count > 0);
    for (size_t i = 0; i < rows->count; i++)
        ck_assert_str_eq(json_get(&rows->items[i], "experiment")->string, experiment);
    ck_assert(platform_exists(page) && platform_exists(toy(svg)) && platform_exists(toy(png)));
    return j;
}

START_TEST(capacity_writes_what_is_known)
{
    Json *j = rows_of("capacity", "coupled-bits", "capacity");
    const Json *rows = json_get(j, "rows");

    ck_assert_uint_eq(rows->count, 2); /* two lambdas hold it: no more are tried */
    for (size_t i = 0; i < 2; i++) {
        ck_assert_double_eq(json_get(&rows->items[i], "lambdas")->number, 1.0 + (double)i);
        ck_assert_double_eq_tol(json_get(&rows->items[i], "tv")->number,
                                i == 0 ? sqrt(2.0) - 1.0 : 0.0, 1e-6);
        ck_assert_double_eq(json_get(&rows->items[i], "marginals_tv")->number, 0.5);
        ck_assert_double_eq_tol(json_get(&rows->items[i], "total_correlation")->number, log(2.0),
                                1e-15);
    }
    json_free(j);
}
END_TEST

/* Every sampler has rows; those known in closed form are right, and those that simulate the chain
 * as it is are within three deviations of nothing (the seed is fixed; another one would pass with
 * probability 0.99). */
START_TEST(samplers_write_every_sampler)
{
    toy("samplers-coupled-bits-absorbing.svg");
    toy("samplers-coupled-bits-absorbing.png");
    Json *j = rows_of("samplers", "coupled-bits", "samplers-coupled-bits-uniform");
    const Json *rows = json_get(j, "rows");
    size_t seen = 0;

    for (size_t k = 0; k < diffusion_sampler_count(); k++) {
        const char *name = diffusion_sampler_at(k)->name;
        size_t found = 0;
        for (size_t i = 0; i < rows->count; i++) {
            const Json *row = &rows->items[i];
            if (strcmp(json_get(row, "sampler")->string, name) != 0)
                continue;
            const double tv = json_get(row, "tv")->number, calls = json_get(row, "calls")->number;
            const bool masks = strcmp(json_get(row, "process")->string, "absorbing") == 0;
            const bool drawn = strcmp(json_get(row, "method")->string, "draws") == 0;
            found++;
            ck_assert(tv >= 0.0 && tv <= 0.51 && calls >= 1.0);
            ck_assert(drawn == (json_get(row, "floor")->type == JSON_NUMBER));
            if (masks && strcmp(name, "posterior") == 0)
                ck_assert_double_eq_tol(tv, 0.5 / calls, 1e-12);
            if (strcmp(name, "first-hitting") == 0 && !drawn)
                ck_assert_double_le(tv, 1e-15);
            if (drawn && (strcmp(name, "first-hitting") == 0 || strcmp(name, "exact") == 0))
                ck_assert_double_le(tv, 3.0 * json_get(row, "floor")->number + 0.002);
        }
        ck_assert_msg(found > 0, "%s has no row", name);
        seen += found;
    }
    ck_assert_uint_eq(seen, rows->count);
    json_free(j);
}
END_TEST

/* A user's table: a row for each N and noise, the first of which is the product of marginals. */
START_TEST(a_table_from_a_file)
{
    const char *table = toy("table.csv");
    double first = -1.0;

    toy_text(table, "0,0,0.4\n0,1,0.1\n1,0,0.1\n2,2,0.4\n");
    toy("rate-other.svg");
    toy("rate-other.png");
    Json *j = rows_of("rate", table, "rate");
    const Json *rows = json_get(j, "rows");
    ck_assert_uint_eq(rows->count, 24); /* 8 steps under masks, uniform and birth-death noise */
    for (size_t i = 0; i < rows->count; i++) {
        ck_assert_str_eq(json_get(&rows->items[i], "world")->string, table);
        ck_assert(json_get(&rows->items[i], "exact")->type == JSON_NULL);
        if (json_get(&rows->items[i], "steps")->number == 1.0)
            first = json_get(&rows->items[i], "tv")->number;
        else
            ck_assert_double_lt(json_get(&rows->items[i], "tv")->number, first);
    }
    /* Marginals (.5, .1, .4) twice: what the data have more of at 00, 01, 10 and 22. */
    ck_assert_double_eq_tol(json_get(&rows->items[0], "tv")->number, 0.15 + 0.05 + 0.05 + 0.24,
                            1e-12);
    json_free(j);
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
    tcase_add_test(tc, capacity_writes_what_is_known);
    tcase_add_test(tc, samplers_write_every_sampler);
    tcase_add_test(tc, a_table_from_a_file);
    tcase_add_test(tc, wrong_names_are_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
