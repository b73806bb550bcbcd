/* Runs all suites, or those named on the command line: run-tests [NAME]...; --list names them all.
 * "run-tests --program COMMAND ..." is the program di4c itself, for tests of scripts, which find it
 * by the variable DI4C_RUN_TESTS.
 *
 * Check runs every test in a child process.  No parallel region is run here, in the parent: an
 * OpenMP pool that exists before a fork hangs in the child.  A test that has passed has also freed
 * all it took. */
#if defined(__unix__) || defined(__APPLE__)
#define HAVE_FORK       1
#define _POSIX_C_SOURCE 200809L
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_FORK
#include <unistd.h>
#endif

#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/suites.h"

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

/* The address sanitizer tells by itself what a test left behind, and from where. */
#if defined(HAVE_FORK) && !defined(DI4C_FENCES_ASAN)
enum { LEFT = 98 }; /* the status of such a test */

static pid_t parent;

/* The child of a test that passes ends by exit, one that fails by _exit. */
static void nothing_is_left(void)
{
    if (getppid() != parent)
        return;
    threads_scratch_free();
    provenance_set(0, NULL); /* the command line, kept as long as a program runs */
    if (mem_in_use() == 0)
        return;
    fprintf(stderr, "a test ended with %lu bytes that it had not freed\n",
            (unsigned long)mem_in_use());
    _exit(LEFT);
}

static void watch_memory(void)
{
    parent = getpid();
    if (atexit(nothing_is_left) != 0)
        exit(2);
}
#else
static void watch_memory(void)
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
    watch_memory();
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
