/* Waiting threads: what the environment says, and a run beside processes that never sleep. */
#define _POSIX_C_SOURCE 200809L /* setenv, fork */

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/slow.h"

static const char *const variables[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME",
                                        "KMP_LIBRARY"};
enum { VARIABLES = sizeof variables / sizeof variables[0] };

static int variables_set(void)
{
    int count = 0;
    for (int i = 0; i < VARIABLES; i++)
        count += getenv(variables[i]) != NULL;
    return count;
}

static void forget_variables(void)
{
    for (int i = 0; i < VARIABLES; i++)
        unsetenv(variables[i]);
}

/* As when a loader was told to run the program: the running file is not the one argv[0] names. */
static char another[] = "tests/README.md", missing[] = "no-such-program";

START_TEST(what_the_user_set_is_left_alone)
{
    char *argv[] = {another, NULL};

    for (int i = 0; i < VARIABLES; i++) {
        forget_variables();
        setenv(variables[i], "7", 1);
        threads_wait_briefly(argv);
        ck_assert_str_eq(getenv(variables[i]), "7");
        ck_assert_int_eq(variables_set(), 1);
    }
}
END_TEST

START_TEST(a_program_that_cannot_be_started_again_goes_on)
{
    char *none[] = {NULL}, *wrong[] = {another, NULL}, *absent[] = {missing, NULL};
    char **lists[] = {none, wrong, absent};

    for (int i = 0; i < 3; i++) {
        forget_variables();
        platform_restart(lists[i]);
        threads_wait_briefly(lists[i]);
#if defined(_OPENMP) && !defined(DI4C_PLAIN_C)
        ck_assert_int_eq(variables_set(), 2);
#else
        ck_assert_int_eq(variables_set(), 0);
#endif
    }
}
END_TEST

#ifdef _OPENMP
enum { REGIONS = 4000, PIECES = 4, GAP = 20, TRIES = 5, FEWEST = 4, MOST = 64 /* threads */ };

static void spin_a_while(size_t i, void *context)
{
    volatile double *sums = context;

    for (int k = 0; k < 600; k++)
        sums[16 * i] = sums[16 * i] + 1.0;
}

/* Seconds of many short regions, each followed by some work of one thread while the others wait; or
 * `most` if it takes longer. */
static double run_regions(double most)
{
    static double sums[16 * PIECES * MOST];
    const double start = platform_seconds();
    double seconds = 0.0;

    for (int i = 0; i < REGIONS && seconds < most; i++) {
        threads_for((size_t)PIECES * (size_t)threads_get(), spin_a_while, sums);
        for (int k = 0; k < GAP; k++)
            spin_a_while(0, sums);
        seconds = platform_seconds() - start;
    }
    return seconds;
}

/* Whether this thread gets less than its processor; then nothing can be measured. */
static bool machine_is_busy(void)
{
    static double sums[16];
    const double wall = platform_seconds();
    const clock_t start = clock();

    for (int i = 0; i < 40000; i++)
        spin_a_while(0, sums);
    return platform_seconds() - wall > 1.2 * (double)(clock() - start) / CLOCKS_PER_SEC;
}

static pid_t spinner(void)
{
    const pid_t child = fork();

    if (child != 0)
        return child;
    alarm(60); /* whatever becomes of its parent */
    for (volatile unsigned long turns = 0;; turns++)
        ;
}

/* A thread and a spinner for each processor: the fair share is half of them.  0: not measured. */
static double slower_beside_spinners(void)
{
    pid_t spinners[MOST];
    const int count = threads_get();

    for (int i = 0; i < count; i++) {
        spinners[i] = spinner();
        ck_assert_int_gt(spinners[i], 0);
        kill(spinners[i], SIGSTOP);
    }
    const double alone = run_regions(4.0);
    const bool busy = alone >= 4.0 || machine_is_busy();
    for (int i = 0; i < count; i++)
        kill(spinners[i], SIGCONT);
    const double beside = busy ? 0.0 : run_regions(20.0 * alone);
    for (int i = 0; i < count; i++) {
        kill(spinners[i], SIGKILL);
        waitpid(spinners[i], NULL, 0);
    }
    return busy || machine_is_busy() ? 0.0 : beside / alone;
}

static bool skipped(void)
{
    const char *why = NULL, *spin = getenv("GOMP_SPINCOUNT");

    threads_set(0);
    if (threads_get() < 2 || threads_get() > MOST)
        why = "the machine has one processor, or very many";
    else if (getenv("OMP_WAIT_POLICY") != NULL || spin == NULL || strcmp(spin, "1000") != 0)
        why = "the user or the build has chosen how threads wait";
    if (why != NULL)
        fprintf(stderr, "a_busy_machine_costs_about_its_share: skipped: %s\n", why);
    return why != NULL;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The fair share is 2 times the time alone.  Single tries vary, from 1 to 3 where waiting threads
 * sleep, from 2 to 20 where they spin for milliseconds; the median of several tells them apart. */
START_TEST(a_busy_machine_costs_about_its_share)
{
    double ratios[TRIES];
    int measured = 0;

    if (skipped())
        return;
    for (int i = 0; i < TRIES; i++) {
        const double ratio = slower_beside_spinners();
        if (ratio > 0.0)
            ratios[measured++] = ratio;
    }
    qsort(ratios, (size_t)measured, sizeof *ratios, by_size);
    if (measured < FEWEST)
        fprintf(stderr, "a_busy_machine_costs_about_its_share: skipped: already busy\n");
    else
        ck_assert_msg(ratios[measured / 2] <= 4.0, "%.1f times slower beside spinning processes",
                      ratios[measured / 2]);
}
END_TEST
#endif

Suite *busy_suite(void)
{
    Suite *suite = suite_create("busy");
    TCase *busy = tcase_create("busy");

    tcase_set_timeout(busy, 120);
    tcase_add_test(busy, what_the_user_set_is_left_alone);
    tcase_add_test(busy, a_program_that_cannot_be_started_again_goes_on);
#ifdef _OPENMP
    tcase_add_test(slow_case(suite, 120), a_busy_machine_costs_about_its_share);
#endif
    suite_add_tcase(suite, busy);
    return suite;
}
