/* experiments/reproduce.sh at a tiny size: a run that is killed and goes on makes the tables of one
 * that is not, and other options than before are refused. */
#ifndef DI4C_PLAIN_C
#define _POSIX_C_SOURCE 200809L /* fork, kill, nanosleep */
#endif
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

#ifndef DI4C_PLAIN_C
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIR  "test-reproduce.tmp.d"
#define TINY "--quick --set batch=4 --set mlp_width=16 --set mlp_blocks=1 --set lambdas=2 "
#define ON   "glyphs --program " DIR "/di4c --threads 1 " TINY

static void set_up(void)
{
    toys_set_up(DIR);
    toy_program(DIR "/di4c");
}

static void tear_down(void)
{
    if (system("rm -rf " DIR) != 0)
        ck_abort_msg("%s stays", DIR);
}

/* What the script says, on both streams. */
static const char *said(void)
{
    static char text[20000];
    size_t n;
    char *file = toy_read(DIR "/said", &n);
    snprintf(text, sizeof text, "%s", file != NULL ? file : "");
    mem_free(file);
    return text;
}

static pid_t begin(const char *words)
{
    const pid_t child = fork();
    char line[600];
    ck_assert_int_ge(child, 0);
    if (child > 0)
        return child;
    snprintf(line, sizeof line, "exec sh experiments/reproduce.sh %s > " DIR "/said 2>&1", words);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
}

/* The exit status, or 128 and the signal. */
static int end(pid_t child)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int script(const char *words)
{
    return end(begin(words));
}

/* Begins the run and sends the signal as soon as the file is there; the exit status. */
static int killed(const char *words, const char *file, int signal)
{
    const struct timespec wait = {0, 5000000};
    const pid_t child = begin(words);
    for (int i = 0; i < 12000 && !platform_exists(file); i++)
        nanosleep(&wait, NULL);
    kill(child, signal);
    return end(child);
}

/* Goes on once the program that a killed script left behind has ended. */
static int goes_on(const char *words)
{
    const struct timespec wait = {0, 100000000};
    int status = script(words);
    for (int i = 0; i < 300 && status != 0 && strstr(said(), "still works in it") != NULL; i++) {
        nanosleep(&wait, NULL);
        status = script(words);
    }
    return status;
}

static void expect_said(const char *words, int status, const char *piece)
{
    const int got = script(words);
    ck_assert_msg(got == status && strstr(said(), piece) != NULL, "%s: %d\n%s", words, got, said());
}

START_TEST(a_killed_run_goes_on)
{
    ck_assert_msg(script(ON "--seeds 1,2 --out " DIR "/a") == 0, "%s", said());
    ck_assert_ptr_nonnull(strstr(said(), "Measuring 20 steps"));
    ck_assert_ptr_nonnull(strstr(said(), "seed-2-table-published"));

    ck_assert_int_eq(killed(ON "--out " DIR "/b", DIR "/b/done/seed-1-teacher", SIGTERM), 130);
    ck_assert_ptr_nonnull(strstr(said(), "stopped; the same command goes on"));
    ck_assert(!platform_exists(DIR "/b/running") && !platform_exists(DIR "/b/RESULTS.md"));
    ck_assert_int_eq(killed(ON "--out " DIR "/b", DIR "/b/done/seed-1-table", SIGKILL),
                     128 + SIGKILL);
    ck_assert(!platform_exists(DIR "/b/RESULTS.md"));
    ck_assert_msg(goes_on(ON "--out " DIR "/b") == 0, "%s", said());
    ck_assert(strstr(said(), "Measuring") == NULL); /* that was done */
    /* more seeds are added; all is there then, and the same as without a stop */
    ck_assert_msg(script(ON "--seeds 1,2 --out " DIR "/b") == 0, "%s", said());
    ck_assert(strstr(said(), "== seed-1-") == NULL && strstr(said(), "== seed-2-table") != NULL);
    ck_assert(toy_same(DIR "/a/RESULTS.md", DIR "/b/RESULTS.md"));
    ck_assert(toy_same(DIR "/a/report.html", DIR "/b/report.html"));
    expect_said(ON "--seeds 1,2 --dry-run --out " DIR "/b", 0, "takes about 0 s");
    expect_said(ON "--set lr=0.5 --out " DIR "/b", 1, "seed-1-teacher was made with other options");
    expect_said(ON "--count 60 --out " DIR "/b", 1, "seed-1-table was made with other options");
}
END_TEST

/* A program may outlive its killed script; the next run knows it by its number. */
START_TEST(a_program_at_work_is_known)
{
    toy_script(DIR "/known", "#!/bin/sh\n"
                             "case \" $(cat running) \" in *\" $$ \"*) ;;\n"
                             "*) echo not known >&2; exit 1 ;; esac\n"
                             "exec \"${0%known}di4c\" \"$@\"\n");
    ck_assert_msg(script("glyphs --no-ablations --program " DIR "/known --threads 1 " TINY
                         "--out " DIR "/d") == 0,
                  "%s", said());
}
END_TEST

START_TEST(what_it_will_do)
{
    expect_said(ON "--dry-run --no-ablations --out " DIR "/c", 0, "seed-1-student");
    ck_assert(strstr(said(), "normal-law") == NULL && strstr(said(), "?") == NULL);
    ck_assert(!platform_exists(DIR "/c"));
    expect_said(ON "--dry-run --out " DIR "/c", 0, "seed-1-normal-law");
    expect_said("mnist --dry-run --program " DIR "/di4c --out " DIR "/c", 0,
                "How long it takes is not known before mnist:data/mnist is there");
    ck_assert_ptr_nonnull(strstr(said(), "seed-1-teacher                   ?"));
    toy_text(DIR "/t.pt", "");
    toy_text(DIR "/i.pth", "");
    expect_said("cifar10 --dry-run --program " DIR "/di4c --out " DIR "/c --teacher " DIR "/t.pt "
                "--student " DIR "/t.pt --inception " DIR "/i.pth --seeds 4",
                0, "seed-4-student-20-samples ");
    ck_assert_ptr_nonnull(strstr(said(), "pictures-student-20"));
}
END_TEST

/* The paper's FID is of all training pictures; of fewer only by their name. */
START_TEST(the_paper_compares_with_all_pictures)
{
    static const char paper[] =
        "cifar10 --dry-run --program " DIR "/di4c --out " DIR "/c --teacher " DIR
        "/t.pt --student " DIR "/t.pt --inception " DIR "/i.pth --data cifar10:" DIR;
    char words[500];
    toy_text(DIR "/t.pt", "");
    toy_text(DIR "/i.pth", "");
    toy_text(DIR "/data_batch_1.bin", "");
    expect_said(paper, 1, "data_batch_2.bin is missing: expected all 50,000 training pictures");
    snprintf(words, sizeof words, "%s --metrics is", paper);
    script(words);
    ck_assert_msg(strstr(said(), "is missing") == NULL, "%s", said());
    snprintf(words, sizeof words, "%s --reference cifar10:" DIR, paper);
    script(words);
    ck_assert_msg(strstr(said(), "is missing") == NULL, "%s", said());
}
END_TEST

/* A clock that only the stand-in for the program moves: what is said of stages follows from these
 * milliseconds.  On a busy machine the shorter run may take longer. */
START_TEST(estimates_stand_noise)
{
    static const char program[] = "#!/bin/sh\n"
                                  "case $* in\n"
                                  "*26.npy*--steps*|*--steps*26.npy*) ms=5200 ;;\n"
                                  "*--steps*) ms=6000 ;;\n"
                                  "*26.npy*) ms=2600 ;;\n"
                                  "*--metrics\\ fid*) ms=24000 ;;\n"
                                  "*) ms=1000 ;;\n"
                                  "esac\n"
                                  "echo $(($(cat " DIR "/clock) + ms)) > " DIR "/clock\n";
    static const char words[] = "cifar10 --dry-run --count 10000 --program " DIR "/slow --out " DIR
                                "/c --teacher " DIR "/t.pt --student " DIR "/t.pt --inception " DIR
                                "/i.pth --reference " DIR "/r.npz --steps 10";
    char path[2000], line[2100];
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    toys_make_folder(DIR "/bin");
    toy_script(DIR "/bin/date", "#!/bin/sh\necho $(cat " DIR "/clock)000000\n");
    toy_script(DIR "/slow", program);
    toy_text(DIR "/clock", "1000\n");
    toy_text(DIR "/t.pt", "");
    toy_text(DIR "/i.pth", "");
    snprintf(line, sizeof line, DIR "/bin:%s", path);
    ck_assert_int_eq(setenv("PATH", line, 1), 0);
    /* half of 5.2 s by 520 calls is 5 ms: 100,000 calls and a run of 6 s */
    expect_said(words, 0, "seed-1-teacher-10-samples        8 min");
    /* 1.6 s by 16 pictures: 10,000, and 24 s that the root takes */
    ck_assert_ptr_nonnull(strstr(said(), "seed-1-teacher-10-measured       17 min"));
    snprintf(line, sizeof line, "%s --count 10", words);
    expect_said(line, 0, "seed-1-teacher-10-measured       26 s");
    snprintf(line, sizeof line, "%s --count 10 --metrics is", words);
    expect_said(line, 0, "seed-1-teacher-10-measured       3 s");
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
}
END_TEST

/* The law of a text's lambda is normal in the preset; what is left out is that it is for few steps.
 */
START_TEST(ablations_of_texts)
{
    char text[2001];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "a word, "[i % 8];
    text[sizeof text - 1] = '\0';
    toy_text(DIR "/x.txt", text);
    expect_said("shakespeare --dry-run --program " DIR "/di4c --threads 1 --quick --set batch=4 "
                "--set length=8 --set tf_width=16 --set tf_blocks=1 --set tf_heads=2 --out " DIR
                "/c --data text:" DIR "/x.txt",
                0, "seed-1-lambda-always ");
    ck_assert_ptr_nonnull(strstr(said(), "seed-1-published "));
    ck_assert(strstr(said(), "normal-law") == NULL);
}
END_TEST

START_TEST(wrong_use)
{
    static const struct {
        const char *words, *piece;
    } cases[] = {
        {"", "reproduce.sh PRESET [options]"},
        {ON "--seed 1", "reproduce.sh PRESET [options]"},
        {ON "--seeds", "reproduce.sh PRESET [options]"},
        {ON "--seeds 1,x", "--seeds 1,x: expected whole numbers from 1 on, with commas"},
        {ON "--count 0", "'0': expected a whole number from 1 on"},
        {ON "--steps 1,b", "'b': expected a whole number from 1 on"},
        {ON "--set 'a=b c'", "--set a=b c: expected KEY=VALUE"},
        {"shakespeare", "--data is missing"},
        {"cifar10 --teacher x", "--teacher and --student: expected both or neither"},
        {"cifar10 --teacher x --student y", "--inception is missing"},
        {"cifar10 --teacher x --student y --quick", "--set, --quick: expected neither"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_said(cases[i].words, 2, cases[i].piece);
    expect_said("glyphs --program " DIR "/none", 1, "none: is not there");
    expect_said(ON "--set nothing=1 --out " DIR "/c", 1, "the trial of train failed");
    ck_assert_ptr_nonnull(strstr(said(), "nothing"));
}
END_TEST
#endif

Suite *reproduce_suite(void);
Suite *reproduce_suite(void)
{
    Suite *s = suite_create("reproduce");
    TCase *tc = tcase_create("reproduce");
#ifndef DI4C_PLAIN_C
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_paper_compares_with_all_pictures);
    tcase_add_test(tc, estimates_stand_noise);
    tcase_add_test(tc, wrong_use);
    TCase *slow = slow_case(s, 480);
    tcase_add_checked_fixture(slow, set_up, tear_down);
    tcase_add_test(slow, a_killed_run_goes_on);
    tcase_add_test(slow, a_program_at_work_is_known);
    tcase_add_test(slow, what_it_will_do);
    tcase_add_test(slow, ablations_of_texts);
#endif
    tcase_set_timeout(tc, 480);
    suite_add_tcase(s, tc);
    return s;
}
