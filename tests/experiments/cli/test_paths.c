/* Names that belong together, and places that can be written. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

static char *words[20];
static int count;

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
    char *part = path_with_end("out.d/a.npy", ".part");
    ck_assert_str_eq(part, "out.d/a.npy.part");
    mem_free(part);
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

static void word(const char *text)
{
    words[count++] = (char *)text;
}

START_TEST(the_command_line_is_remembered)
{
    static char large[30000];
    word("/some/where/di4c");
    word("demo");
    word("--seed");
    word("3");
    provenance_set(count, words);
    ck_assert_str_eq(provenance_command(), "di4c demo --seed 3");
    word("--resume");
    provenance_set(count--, words);
    ck_assert_str_eq(provenance_command(), "di4c demo --seed 3");
    word("--set");
    word("a b='c'");
    word("");
    provenance_set(count, words);
    ck_assert_str_eq(provenance_command(), "di4c demo --seed 3 --set 'a b='\\''c'\\''' ''");
    memset(large, 'x', sizeof large - 1);
    words[1] = large;
    provenance_set(2, words);
    ck_assert_uint_eq(strlen(provenance_command()), 5 + sizeof large - 1);
    provenance_set(0, NULL);
    ck_assert_str_eq(provenance_command(), "di4c");
}
END_TEST

/* A shell makes the same words of it, whatever bytes they hold. */
START_TEST(the_command_line_can_be_run_again)
{
    static char every[256];
    size_t size, n = 0;
    if (system(NULL) == 0)
        return;
    for (int c = 1; c < 256; c++)
        every[c - 1] = (char)c;
    word("di4c");
    word("plain-_./:=,+@%1");
    word("");
    word("two words");
    word("'\"$HOME`ls`\\*?[!#&;|<>(){}~");
    word("~");
    word("\n");
    word("-n\xff%d\\n\n\n");
    word("\xc3\xa9"
         "1\t2");
    word(every);
    provenance_set(count, words);
    for (const char *p = provenance_command(); *p != '\0'; p++)
        ck_assert((*p >= ' ' && *p <= '~') || *p == '\n');
    FILE *f = fopen(toy("run.sh"), "wb");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "di4c() { for word do printf '%%s|' \"$word\"; done; }\n%s\n", provenance_command());
    ck_assert_int_eq(fclose(f), 0);
    toy("words");
    ck_assert_int_eq(system("sh test-paths.tmp.d/run.sh > test-paths.tmp.d/words"), 0);
    char *text = toy_read(toy("words"), &size);
    for (int i = 1; i < count; i++) {
        const size_t length = strlen(words[i]);
        ck_assert_msg(n + length < size && memcmp(text + n, words[i], length) == 0 &&
                          text[n + length] == '|',
                      "word %d: %.300s", i, text + n);
        n += length + 1;
    }
    ck_assert_uint_eq(n, size);
    mem_free(text);
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
    tcase_add_test(tc, the_command_line_can_be_run_again);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
