/* See check.h. */
#if defined(__unix__) || defined(__APPLE__)
#define HAVE_FORK       1
#define _POSIX_C_SOURCE 200809L
#endif

#include "check.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_FORK
#include <sys/wait.h>
#include <unistd.h>
#endif

enum { FAILED = 97 }; /* status of a child whose test failed; no test is to end with it */

typedef struct Test Test;
struct Test {
    TFun run;
    const char *name;
    int signal, status, start, end;
    Test *next;
};

struct TCase {
    const char *name, *tag;
    double seconds;
    SFun set_up, tear_down;
    Test *first, **last;
    TCase *next;
};

struct Suite {
    const char *name;
    TCase *first, **last;
    Suite *next;
};

struct SRunner {
    Suite *first, **last;
    int checks, failures, errors, left_out;
};

static FILE *report; /* stdout as it was, which tests may redirect */
static const TCase *tcase_now;
static const Test *test_now;
static int turn_now;
#ifndef HAVE_FORK
static jmp_buf failed;
#endif

static void *made(size_t size)
{
    void *p = calloc(1, size);

    if (p == NULL)
        abort();
    return p;
}

Suite *suite_create(const char *name)
{
    Suite *s = made(sizeof *s);

    s->name = name;
    s->last = &s->first;
    return s;
}

void suite_add_tcase(Suite *suite, TCase *tcase)
{
    *suite->last = tcase;
    suite->last = &tcase->next;
}

TCase *tcase_create(const char *name)
{
    TCase *t = made(sizeof *t);

    t->name = name;
    t->seconds = 4.0;
    t->last = &t->first;
    return t;
}

void tcase_set_timeout(TCase *tcase, double seconds)
{
    tcase->seconds = seconds;
}

void tcase_set_tags(TCase *tcase, const char *tag)
{
    tcase->tag = tag;
}

void tcase_add_checked_fixture(TCase *tcase, SFun set_up, SFun tear_down)
{
    tcase->set_up = set_up;
    tcase->tear_down = tear_down;
}

void standin_add(TCase *tcase, TFun test, const char *name, int signal, int status, int start,
                 int end)
{
    Test *t = made(sizeof *t);

    if (status == FAILED)
        abort();
    *t = (Test){test, name, signal, status, start, end, NULL};
    *tcase->last = t;
    tcase->last = &t->next;
}

SRunner *srunner_create(Suite *suite)
{
    SRunner *r = made(sizeof *r);

    r->last = &r->first;
    if (suite != NULL)
        srunner_add_suite(r, suite);
    return r;
}

void srunner_add_suite(SRunner *runner, Suite *suite)
{
    *runner->last = suite;
    runner->last = &suite->next;
}

int srunner_ntests_failed(const SRunner *runner)
{
    return runner->failures + runner->errors;
}

void srunner_free(SRunner *runner)
{
    for (Suite *s = runner->first, *after; s != NULL; s = after) {
        after = s->next;
        for (TCase *c = s->first, *later; c != NULL; c = later) {
            later = c->next;
            for (Test *t = c->first, *behind; t != NULL; t = behind)
                behind = t->next, free(t);
            free(c);
        }
        free(s);
    }
    free(runner);
}

/* The beginning of a line that says how a test ended: F a failure, E an error. */
static void say_where(const char *file, int line, char how)
{
    fprintf(report, "%s:%d:%c:%s:%s:%d: ", file, line, how, tcase_now->name, test_now->name,
            turn_now);
}

void standin_fail(const char *file, int line, const char *format, ...)
{
    va_list list;

    say_where(file, line, 'F');
    va_start(list, format);
    vfprintf(report, format, list);
    va_end(list);
    fputc('\n', report);
    fflush(report);
#ifdef HAVE_FORK
    _exit(FAILED);
#else
    longjmp(failed, 1);
#endif
}

void standin_int(const char *file, int line, const char *what, int holds, intmax_t a, intmax_t b)
{
    if (!holds)
        standin_fail(file, line, "%s: %" PRIdMAX " and %" PRIdMAX, what, a, b);
}

void standin_uint(const char *file, int line, const char *what, int holds, uintmax_t a, uintmax_t b)
{
    if (!holds)
        standin_fail(file, line, "%s: %" PRIuMAX " and %" PRIuMAX, what, a, b);
}

void standin_real(const char *file, int line, const char *what, int holds, double a, double b)
{
    if (!holds)
        standin_fail(file, line, "%s: %.17g and %.17g", what, a, b);
}

void standin_text(const char *file, int line, const char *what, int equal, const char *a,
                  const char *b)
{
    const int same = a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;

    if (same != equal)
        standin_fail(file, line, "%s: \"%s\" and \"%s\"", what, a ? a : "NULL", b ? b : "NULL");
}

static void run_here(void)
{
    if (tcase_now->set_up != NULL)
        tcase_now->set_up();
    test_now->run(turn_now);
    if (tcase_now->tear_down != NULL)
        tcase_now->tear_down();
}

#ifdef HAVE_FORK

/* How a child ended, if it did not end as it should; one that failed has said why. */
static void judge(SRunner *runner, int ended)
{
    const int signal = WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
    const int status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 0;

    if (signal == test_now->signal && status == test_now->status)
        return;
    if (status == FAILED) {
        runner->failures++;
        return;
    }
    runner->errors++;
    say_where("standin", 0, 'E');
    fprintf(report, "ended by signal %d, status %d; expected signal %d, status %d\n", signal,
            status, test_now->signal, test_now->status);
}

static void run_one(SRunner *runner)
{
    const char *slow = getenv("CK_TIMEOUT_MULTIPLIER");
    const int times = slow != NULL ? (int)strtol(slow, NULL, 10) : 1;
    int ended = 0;

    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)(tcase_now->seconds * (times > 0 ? times : 1)));
        run_here();
        exit(0);
    }
    if (child < 0 || waitpid(child, &ended, 0) != child)
        abort();
    runner->checks++;
    judge(runner, ended);
}

#else

static void run_one(SRunner *runner)
{
    if (test_now->signal != 0 || test_now->status != 0) {
        runner->left_out++;
        return;
    }
    runner->checks++;
    if (setjmp(failed) == 0)
        run_here();
    else
        runner->failures++;
}

#endif

static void run_tcase(SRunner *runner, const TCase *tcase)
{
    const char *excluded = getenv("CK_EXCLUDE_TAGS");
    if (excluded != NULL && tcase->tag != NULL && strcmp(tcase->tag, excluded) == 0)
        return;
    tcase_now = tcase;
    for (test_now = tcase->first; test_now != NULL; test_now = test_now->next)
        for (turn_now = test_now->start; turn_now < test_now->end; turn_now++)
            run_one(runner);
}

void srunner_run_all(SRunner *runner, enum print_output mode)
{
    (void)mode;
    report = stdout;
#ifdef HAVE_FORK
    report = fdopen(dup(STDOUT_FILENO), "w");
    if (report == NULL)
        abort();
#endif
    fprintf(report, "Running suite(s):");
    for (const Suite *s = runner->first; s != NULL; s = s->next)
        fprintf(report, " %s\n", s->name);
    for (const Suite *s = runner->first; s != NULL; s = s->next)
        for (const TCase *c = s->first; c != NULL; c = c->next)
            run_tcase(runner, c);
    const int bad = runner->failures + runner->errors;
    const int share = runner->checks > 0 ? 100 * (runner->checks - bad) / runner->checks : 100;
    if (runner->left_out > 0)
        fprintf(report, "%d tests need a process of their own and were left out\n",
                runner->left_out);
    fprintf(report, "%d%%: Checks: %d, Failures: %d, Errors: %d\n", share, runner->checks,
            runner->failures, runner->errors);
    fflush(report);
#ifdef HAVE_FORK
    fclose(report);
#endif
}
