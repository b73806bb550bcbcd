/* Names that belong together, and places that can be written. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/paths.h"
#include "experiments/provenance.h"
#include "tensor/memory.h"
#include "tensor/platform.h"
#include "tests/toys.h"

static void set_up(void)
{
    toys_set_up("test-paths.tmp.d");
}

static void suffix(const char *path, const char *expected)
{
    char *got = path_with_suffix(path, ".csv");
    ck_assert_str_eq(got, expected);
    mem_free(got);
}

START_TEST(names)
{
    suffix("out/a.safetensors", "out/a.csv");
    suffix("a", "a.csv");
    suffix("out.d/a", "out.d/a.csv");
    suffix("a.b.c", "a.b.csv");
    char *joined = path_join("out/demo", "a.png");
    ck_assert_str_eq(joined, "out/demo/a.png");
    mem_free(joined);
    ck_assert(path_has_suffix("a.png", ".png") && !path_has_suffix("png", ".png"));
    ck_assert(!path_has_suffix("a.png.npy", ".png"));
}
END_TEST

START_TEST(places)
{
    Error err = {""};
    const char *const file = toy("a.txt");
    ck_assert_msg(path_check_output(file, &err), "%s", err.text);
    ck_assert(!platform_exists(file)); /* nothing is left behind */
    toy_text(file, "text");
    ck_assert(path_check_output(file, &err));
    size_t n;
    char *text = toy_read(file, &n);
    ck_assert_str_eq(text, "text"); /* nor is anything touched */
    mem_free(text);
    ck_assert(!path_check_output("test-paths.tmp.d", &err));
    ck_assert_msg(strstr(err.text, "test-paths.tmp.d: exists and is not") != NULL, "%s", err.text);
    ck_assert(!path_check_output("test-paths.tmp.d/a.txt/b", &err));
    ck_assert(path_make_parent("a", &err) && path_make_parent("/a", &err));
#ifndef DI4C_PLAIN_C
    ck_assert(path_check_output(toy("deep/er/a"), &err)); /* parents are made */
    toy("deep");
    remove("test-paths.tmp.d/deep/er");
    ck_assert(!path_check_output("/dev/null", &err));
#endif
}
END_TEST

START_TEST(the_command_line_is_remembered)
{
    char *argv[] = {(char *)"/some/where/di4c", (char *)"demo", (char *)"--seed", (char *)"3"};
    static char large[3000];
    provenance_set(4, argv);
    ck_assert_str_eq(provenance_command(), "di4c demo --seed 3");
    memset(large, 'x', sizeof large - 1);
    argv[2] = large;
    provenance_set(4, argv);
    ck_assert_str_eq(provenance_command(), "di4c demo");
}
END_TEST

Suite *paths_suite(void)
{
    Suite *s = suite_create("paths");
    TCase *tc = tcase_create("paths");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, names);
    tcase_add_test(tc, places);
    tcase_add_test(tc, the_command_line_is_remembered);
    suite_add_tcase(s, tc);
    return s;
}
