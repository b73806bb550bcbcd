/* Clock, terminal, memory in use and signals: what the platform says of the process itself. */
#ifndef DI4C_PLAIN_C
#define _XOPEN_SOURCE 700
#define _GNU_SOURCE
#endif
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#endif

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

START_TEST(the_clock_runs_forward)
{
    double last = platform_seconds();

    for (int i = 0; i < 1000; i++) {
        double now = platform_seconds();
        ck_assert(now >= last);
        last = now;
    }
}
END_TEST

#ifndef DI4C_PLAIN_C
START_TEST(sleep_is_as_long_as_told)
{
    const double since = platform_seconds();
    platform_sleep(0.05);
    const double slept = platform_seconds() - since;
    ck_assert_double_ge(slept, 0.05);
    ck_assert_double_lt(slept, 5.0);
}
END_TEST
#endif

START_TEST(a_file_is_no_terminal)
{
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    size_t columns, lines;
    ck_assert(!platform_is_terminal(file));
    platform_terminal_size(file, &columns, &lines);
    ck_assert(columns == 80 && lines == 24);
    fclose(file);
}
END_TEST

#if !defined(DI4C_PLAIN_C) && defined(TIOCSWINSZ)
/* Of a terminal of this size, and of one that does not say. */
START_TEST(a_terminal_has_a_size)
{
    static const struct winsize sizes[] = {{.ws_row = 33, .ws_col = 101}, {.ws_row = 0}};
    const int end = posix_openpt(O_RDWR | O_NOCTTY);
    FILE *file = end < 0 ? NULL : fdopen(end, "r+b");
    size_t columns, lines;

    if (file == NULL)
        return; /* none to be had */
    ck_assert(platform_is_terminal(file));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ioctl(end, TIOCSWINSZ, &sizes[i]), 0);
        platform_terminal_size(file, &columns, &lines);
        ck_assert(columns == (i == 0 ? 101 : 80) && lines == (i == 0 ? 33 : 24));
    }
    fclose(file);
}
END_TEST
#endif

START_TEST(memory_use_is_known_or_zero)
{
    size_t bytes = platform_peak_memory();

    ck_assert(bytes == 0 || bytes > 100000);
}
END_TEST

#ifndef DI4C_PLAIN_C
static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
#else
static const int signals[] = {SIGTERM, SIGINT};
#endif
enum { SIGNALS = sizeof signals / sizeof signals[0] };

START_TEST(the_first_signal_sets_a_flag)
{
    ck_assert(signal(signals[_i], SIG_DFL) != SIG_ERR); /* nohup may have it ignored */
    platform_catch_signals();
    ck_assert_int_eq(platform_signal(), 0);
    ck_assert_int_eq(raise(signals[_i]), 0);
    ck_assert_int_eq(platform_signal(), signals[_i]);
#ifndef DI4C_PLAIN_C
    ck_assert_int_eq(raise(SIGINT), 0); /* the same press of a key, a moment later */
    ck_assert_int_eq(platform_signal(), signals[_i]);
#endif
}
END_TEST

START_TEST(the_second_signal_ends_the_program)
{
    ck_assert(signal(SIGINT, SIG_DFL) != SIG_ERR);
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGINT), 0);
    for (double began = platform_seconds(); platform_seconds() < began + 1.1;) {
    }
    ck_assert_int_eq(raise(SIGINT), 0);
}
END_TEST

#ifndef DI4C_PLAIN_C
START_TEST(what_was_ignored_stays_ignored)
{
    ck_assert(signal(signals[_i], SIG_IGN) != SIG_ERR);
    platform_catch_signals();
    ck_assert_int_eq(raise(signals[_i]), 0);
    ck_assert_int_eq(platform_signal(), 0);
}
END_TEST

START_TEST(writing_in_vain_ends_nothing)
{
    int ends[2];

    platform_catch_signals();
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq((int)write(ends[1], "x", 1), -1);
    close(ends[1]);
    ck_assert_int_eq(raise(SIGXFSZ), 0);
    ck_assert_int_eq(platform_signal(), 0);
}
END_TEST
#endif

Suite *process_state_suite(void);
Suite *process_state_suite(void)
{
    Suite *suite = suite_create("process_state");
    TCase *system = tcase_create("system");

    tcase_set_timeout(system, 10);
    tcase_add_test(system, the_clock_runs_forward);
    tcase_add_test(system, a_file_is_no_terminal);
#if !defined(DI4C_PLAIN_C) && defined(TIOCSWINSZ)
    tcase_add_test(system, a_terminal_has_a_size);
#endif
    tcase_add_test(system, memory_use_is_known_or_zero);
    tcase_add_loop_test(system, the_first_signal_sets_a_flag, 0, SIGNALS);
#ifndef DI4C_PLAIN_C
    tcase_add_test(system, sleep_is_as_long_as_told);
    tcase_add_loop_test(system, what_was_ignored_stays_ignored, 0, SIGNALS);
    tcase_add_test(system, writing_in_vain_ends_nothing);
#endif
    tcase_add_test_raise_signal(system, the_second_signal_ends_the_program, SIGINT);
    suite_add_tcase(suite, system);
    return suite;
}
