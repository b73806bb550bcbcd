/* Runs all suites, or those named on the command line: run-tests [NAME]...; --list names them all.
 * "run-tests --program COMMAND ..." is the program di4c itself, for tests of scripts, which find it
 * by the variable DI4C_RUN_TESTS.
 *
 * Check runs every test in a child process.  No parallel region is run here, in the parent: an
 * OpenMP pool that exists before a fork hangs in the child.  A test that has passed has also freed
 * all it took and closed all it opened. */
#if defined(__unix__) || defined(__APPLE__)
#define HAVE_FORK       1
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE 1 /* on_exit */
#endif

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_FORK
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#endif

#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/suites.h"

#ifdef DI4C_FENCES_ASAN
#include <sanitizer/lsan_interface.h>
#endif

static int wanted(const char *name, int argc, char **argv)
{
    if (argc < 2)
        return 1;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return 0;
}

#ifdef DI4C_COVERAGE
/* A test that expects an abort has run lines, too: abort alone would not write what was counted. */
void __gcov_dump(void);

static void write_counts(int number)
{
    (void)number;
    __gcov_dump();
}
#endif

#ifdef HAVE_FORK
enum { LEFT = 98 }; /* the status of a test that leaves something */

static pid_t parent;
static size_t were_open; /* descriptors, as a test begins */

static size_t open_descriptors(void)
{
    enum { LOOKED_AT = 256 };
    size_t count = 0;
    for (int i = 0; i < LOOKED_AT; i++)
        count += fcntl(i, F_GETFD) != -1;
    return count;
}

static void test_begins(void)
{
    were_open = open_descriptors();
}

static bool something_is_left(void)
{
    threads_scratch_free();
    provenance_set(0, NULL); /* the command line, kept as long as a program runs */
    const size_t bytes = mem_in_use(), now_open = open_descriptors();
    if (bytes > 0)
        fprintf(stderr, "a test ended with %lu bytes that it had not freed\n",
                (unsigned long)bytes);
    if (now_open > were_open)
        fprintf(stderr, "a test ended with %lu files that it had not closed\n",
                (unsigned long)(now_open - were_open));
    return bytes > 0 || now_open > were_open;
}

#if defined(DI4C_FENCES_ASAN) && defined(__GLIBC__)
/* At its end the address sanitizer forgets all that is static, and the leak sanitizer reads it,
 * which together takes longer than most tests.  All blocks of the program are mem_alloc's, which
 * are counted; libc's belong to streams and folders, which have descriptors.  So both are left out
 * unless one of these is left, or DI4C_TEST_LEAKS is set. */
static void test_ends(int status, void *unused)
{
    (void)unused;
    if (getppid() != parent)
        return;
    if (something_is_left()) {
        __lsan_do_leak_check(); /* tells where blocks are from */
        _exit(LEFT);
    }
    if (getenv("DI4C_TEST_LEAKS"))
        return;
    fflush(NULL);
    _exit(status);
}

static bool at_the_end_of_tests(void)
{
    return on_exit(test_ends, NULL) == 0;
}
#else
/* The child of a test that passes ends by exit, one that fails by _exit. */
static void test_ends(void)
{
    if (getppid() == parent && something_is_left())
        _exit(LEFT);
}

static bool at_the_end_of_tests(void)
{
    return atexit(test_ends) == 0;
}
#endif

static void watch_what_is_left(void)
{
    parent = getpid();
    if (pthread_atfork(NULL, NULL, test_begins) != 0 || !at_the_end_of_tests())
        exit(2);
}
#else
static void watch_what_is_left(void)
{
}
#endif

static int run_program(int argc, char **argv)
{
    provenance_set(argc, argv);
    for (size_t i = 0; argc > 1 && i < command_count; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(commands[i], argc - 2, argv + 2);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--program") == 0) {
        threads_wait_briefly(argv);
        return run_program(argc - 1, argv + 1);
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const TestSuite *s = test_suites; s->name; s++)
            printf("%s\n", s->name);
        return EXIT_SUCCESS;
    }
    threads_wait_briefly(argv);
#ifdef DI4C_COVERAGE
    signal(SIGABRT, write_counts);
#endif
    platform_set_variable("DI4C_RUN_TESTS", argv[0]);
    watch_what_is_left();
    SRunner *runner = srunner_create(NULL);
    int count = 0;
    for (const TestSuite *s = test_suites; s->name; s++)
        if (wanted(s->name, argc, argv)) {
            srunner_add_suite(runner, s->create());
            count++;
        }
    if (count == 0) {
        fprintf(stderr, "run-tests: no suite of that name\n");
        srunner_free(runner);
        return 2;
    }
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
