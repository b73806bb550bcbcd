/* No memory: each command is run again and again, and each time another one of its allocations
 * fails, or all from that one on.  It ends with status 1 and one sentence, or goes on without that
 * block and then has made what it makes otherwise; what was there is whole, and nothing temporary
 * is left.  DI4C_TEST_EVERY=yes tries every allocation, else some sixty of each command. */
#define _POSIX_C_SOURCE 200809L /* fork */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/cli.h"
#include "tests/tools/cli_models.h"
#include "tests/tools/sanitized.h"
#include "tests/tools/toys.h"

#define DIR "test-no-memory.tmp.d"

enum { TRIES = SANITIZED ? 6 : 60 };
enum { RESULTS = 3 };

typedef struct Row {
    const char *line;
    const char *results[RESULTS]; /* files that it makes */
} Row;

static const Row rows[] = {
    {"train --data glyphs " SMALL "--overwrite --out @new.safetensors",
     {"new.safetensors", "new.csv"}},
    {"train --data glyphs " SMALL "--resume --out @u.safetensors", {"u.safetensors", "u.csv"}},
    {"distill " STUDENT "--overwrite --teacher @t.safetensors --out @new.safetensors",
     {"new.safetensors", "new.csv"}},
    {"sample --model @s.safetensors --steps 2 --count 5 --batch 2 --out @x.npy",
     {"x.npy", "x.npy.part", "x.npy.part.json"}},
    {"sample --model @s.safetensors --steps 2 --count 5 --out @p.png", {"p.png"}},
    {"eval --model @s.safetensors --teacher @t.safetensors --data glyphs --metrics valid,bound "
     "--steps 1,2 --count 6 --json @e.json --report @e.html",
     {"e.json", "e.html", "e.json.part"}},
    {"eval --model @s.safetensors --data glyphs --metrics valid --steps 1 --count 6 --shard 1/2 "
     "--statistics @m.csv",
     {"m.csv"}},
    {"merge @a.npy @b.npy --out @y.npy", {"y.npy"}},
    {"convert --overwrite @s.safetensors @h.safetensors", {"h.safetensors"}},
    {"inspect @s.safetensors", {NULL}},
    {"watch --model @s.safetensors --steps 2 --count 2 --delay 0 --out @x.png", {"x.png"}},
    {"verify tests/golden --json @k.json", {"k.json"}},
    {"theory rate --world coupled-bits --out @ --json @e.json", {"e.json", "rate.svg"}},
};

/* ---- allocations that fail ---- */

static size_t made, first, last; /* allocations; those that fail */

static void *count_or_fail(size_t bytes)
{
    made++;
    return made >= first && made <= last ? NULL : malloc(bytes);
}

static bool every(void)
{
    const char *set = getenv("DI4C_TEST_EVERY");
    return set != NULL && strcmp(set, "yes") == 0;
}

/* ---- the folder before and after ---- */

static void line_of(const Row *row, char *line)
{
    if (strncmp(row->line, "train", 5) == 0 || strncmp(row->line, "distill", 7) == 0)
        sprintf(line, "%s --quiet", row->line);
    else
        strcpy(line, row->line);
}

static void forget_results(const Row *row)
{
    for (size_t i = 0; i < RESULTS && row->results[i] != NULL; i++)
        remove(toy(row->results[i]));
    if (strstr(row->line, "--resume") != NULL) { /* what it goes on with */
        size_t count;
        const char *const from[] = {"t.safetensors", "t.csv"}, *const to[] = {"u.safetensors",
                                                                              "u.csv"};
        for (int i = 0; i < 2; i++) {
            char *bytes = toy_read(toy(from[i]), &count);
            toy_write(toy(to[i]), bytes, count);
            mem_free(bytes);
        }
    }
}

/* Status of the command in a process of its own, where the allocations from `from` to `to` fail;
 * what it says on stderr is in the file "said". */
static int run_with(const Row *row, size_t from, size_t to)
{
    char line[400];
    int status;
    line_of(row, line);
    fflush(NULL);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(60);
        if (freopen(toy("said"), "w", stderr) == NULL || freopen(toy("log"), "w", stdout) == NULL)
            _exit(99);
        made = 0;
        first = from;
        last = to;
        mem_allocate_by(count_or_fail);
        const int code = run(line);
        if (from == 0) { /* to be counted */
            FILE *f = fopen(toy("count"), "w");
            if (f == NULL)
                _exit(99);
            fprintf(f, "%zu", made);
            fclose(f);
        }
        exit(code);
    }
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert_msg(WIFEXITED(status), "%s, %zu to %zu: signal %d", line, from, to, WTERMSIG(status));
    return WEXITSTATUS(status);
}

static size_t count_of(const Row *row)
{
    size_t count = 0, bytes;
    forget_results(row);
    ck_assert_msg(run_with(row, 0, 0) == 0, "%s: fails with memory", row->line);
    char *text = toy_read(toy("count"), &bytes);
    ck_assert(text != NULL && sscanf(text, "%zu", &count) == 1 && count > 10);
    mem_free(text);
    return count;
}

/* One line that says so: notes and progress may stand before it. */
static void check_sentence(const Row *row, size_t n)
{
    size_t count;
    char *text = toy_read(toy("said"), &count);
    ck_assert(text != NULL && count > 0 && text[count - 1] == '\n');
    text[count - 1] = '\0';
    const char *end = strrchr(text, '\n');
    const char *line = end != NULL ? end + 1 : text;
    ck_assert_msg(strstr(line, "memory") != NULL, "%s, allocation %zu: says '%s'", row->line, n,
                  line);
    mem_free(text);
}

/* No temporary file and no lock. */
static void check_folder(const Row *row, size_t n)
{
    FolderNames names;
    Error err;
    if (!platform_list_folder(DIR, &names, &err))
        return; /* plain C lists no folders */
    for (size_t i = 0; i < names.count; i++)
        ck_assert_msg(strstr(names.name[i], ".tmp.") == NULL &&
                          strstr(names.name[i], ".lock") == NULL,
                      "%s, allocation %zu: leaves %s", row->line, n, names.name[i]);
    platform_free_names(&names);
}

typedef struct Whole {
    char *bytes[RESULTS];
    size_t counts[RESULTS];
} Whole;

/* Digits and letters behind `member` become 0. */
static void forget_member(char *text, size_t count, const char *member)
{
    const size_t n = strlen(member);
    for (size_t i = 0; i + n < count; i++)
        if (memcmp(text + i, member, n) == 0)
            for (char *p = text + i + n; *p != '"' && *p != '\0'; p++)
                *p = '0';
}

/* Statistics say how long their rows took, in seconds with two decimals, and the hash of all that.
 */
static void forget_seconds(char *text, size_t count)
{
    forget_member(text, count, ".seconds\":\"");
    forget_member(text, count, "\"sha256\":\"");
}

static Whole results_of(const Row *row)
{
    Whole w = {{NULL}, {0}};
    for (size_t i = 0; i < RESULTS && row->results[i] != NULL; i++) {
        w.bytes[i] = toy_read(toy(row->results[i]), &w.counts[i]);
        if (w.bytes[i] != NULL)
            forget_seconds(w.bytes[i], w.counts[i]);
    }
    return w;
}

static void free_whole(Whole *w)
{
    for (size_t i = 0; i < RESULTS; i++)
        mem_free(w->bytes[i]);
}

static bool same_results(const Whole *a, const Whole *b)
{
    for (size_t i = 0; i < RESULTS; i++)
        if ((a->bytes[i] == NULL) != (b->bytes[i] == NULL) ||
            (a->bytes[i] != NULL &&
             (a->counts[i] != b->counts[i] || memcmp(a->bytes[i], b->bytes[i], a->counts[i]) != 0)))
            return false;
    return true;
}

static void check_failure(const Row *row, const Whole *whole, size_t from, size_t to)
{
    forget_results(row);
    const int status = run_with(row, from, to);
    ck_assert_msg(status == 0 || status == 1, "%s, allocation %zu: status %d", row->line, from,
                  status);
    Whole now = results_of(row);
    if (status == 1)
        check_sentence(row, from);
    else
        ck_assert_msg(same_results(&now, whole), "%s, allocation %zu: other results", row->line,
                      from);
    check_folder(row, from);
    free_whole(&now);
    if (from % 7 == 0 && status == 1) { /* and nothing of it stands in the way */
        ck_assert_msg(run_with(row, 0, 0) == 0, "%s: fails after allocation %zu did", row->line,
                      from);
        now = results_of(row);
        ck_assert_msg(same_results(&now, whole), "%s: after allocation %zu: other results",
                      row->line, from);
        free_whole(&now);
    }
}

/* Beside those of cli_models_set_up. */
static const char *const others[] = {
    "said",           "count",           "a.npy.json",  "b.npy.json", "y.npy.json",
    "x.npy.part",     "x.npy.part.json", "e.json.part", "rate.svg",   "rate.png",
    "rate-other.svg", "rate-other.png",  "index.html",
};

static void set_up(void)
{
    cli_models_set_up(DIR);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        toy(others[i]);
    make_both();
    expect("sample --quiet --model @s.safetensors --steps 1 --count 4 --shard 0/2 --out @a.npy", 0);
    expect("sample --quiet --model @s.safetensors --steps 1 --count 4 --shard 1/2 --out @b.npy", 0);
}

START_TEST(one_sentence_and_nothing_half_written)
{
    const Row *row = &rows[_i];
    const size_t count = count_of(row);
    const size_t step = every() || count <= TRIES ? 1 : count / TRIES;
    Whole whole = results_of(row);
    for (size_t n = 1; n <= count; n += step) {
        check_failure(row, &whole, n, n);
        if ((n / step) % 4 == 0 || every())
            check_failure(row, &whole, n, SIZE_MAX);
    }
    free_whole(&whole);
}
END_TEST

Suite *no_memory_suite(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tc = tcase_create("no_memory");
    tcase_set_timeout(tc, every() ? 3000 : 120);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_loop_test(tc, one_sentence_and_nothing_half_written, 0,
                        (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
