/* Every script of the tree says what it does when it is asked by --help, and does nothing. */
#include <check.h>
#include <stdlib.h>

#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

Suite *scripts_suite(void);

#ifndef DI4C_PLAIN_C
#define DIR "test-scripts.tmp.d"

static void set_up(void)
{
    toys_set_up(DIR);
    toy("said"), toy("message"), toy("first"), toy("wrong");
}

/* The comment that it begins with, on the standard output. */
START_TEST(help_is_what_a_script_begins_with)
{
    static const char line[] =
        "set -- experiments/*.sh experiments/bench/*.sh tests/*.sh packaging/*.sh\n"
        "{ [ $# -ge 19 ] || echo \"$# scripts\"\n"
        "for s; do\n"
        "    sh \"$s\" --help > " DIR "/said 2> " DIR "/message || echo \"$s: status $?\"\n"
        "    [ ! -s " DIR "/message ] || echo \"$s: a message\"\n"
        "    sed -n '2s/^# //p' \"$s\" > " DIR "/first\n"
        "    sed -n 1p " DIR "/said | cmp -s - " DIR "/first || echo \"$s: other words\"\n"
        "done; } > " DIR "/wrong\n";
    size_t n;
    ck_assert_int_eq(system(line), 0);
    char *wrong = toy_read(DIR "/wrong", &n);
    ck_assert_str_eq(wrong, "");
    mem_free(wrong);
}
END_TEST
#endif

Suite *scripts_suite(void)
{
    Suite *s = suite_create("scripts");
    TCase *tc = tcase_create("scripts");
#ifndef DI4C_PLAIN_C
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, help_is_what_a_script_begins_with);
#endif
    suite_add_tcase(s, tc);
    return s;
}
