/* Temporary files that an exit removes, and files that it leaves. */
#define _POSIX_C_SOURCE 200809L /* fork */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/unfinished.h"

enum { NAMES = 40, KEPT = 32 };
static char names[NAMES][40];

static void set_up(void)
{
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "test-unfinished.tmp%d", i);
}

static void tear_down(void)
{
    for (int i = 0; i < NAMES; i++)
        remove(names[i]);
}

static void make(const char *name)
{
    FILE *f = fopen(name, "wb");

    ck_assert_ptr_nonnull(f);
    fclose(f);
}

static void in_child(void (*body)(void), int status)
{
    int found;

    fflush(NULL);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        body();
        exit(0);
    }
    ck_assert(waitpid(child, &found, 0) == child);
    ck_assert(WIFEXITED(found) && WEXITSTATUS(found) == status);
}

static void make_some(void)
{
    for (int i = 0; i < 3; i++) {
        make(names[i]);
        unfinished_add(names[i]);
    }
    unfinished_done(names[1]);
    unfinished_done(names[5]); /* never added */
}

START_TEST(what_is_not_done_goes)
{
    in_child(make_some, 0);
    ck_assert(!platform_exists(names[0]) && platform_exists(names[1]) &&
              !platform_exists(names[2]));
}
END_TEST

static void make_many(void)
{
    for (int i = 0; i < NAMES; i++) {
        make(names[i]);
        unfinished_add(names[i]);
    }
}

START_TEST(beyond_the_table_they_are_left)
{
    in_child(make_many, 0);
    for (int i = 0; i < NAMES; i++)
        ck_assert(platform_exists(names[i]) == (i >= KEPT));
}
END_TEST

/* The default handler's exit. */
static void run_out_of_memory(void)
{
    OutputFile out;
    FileLock lock;
    Error err;

    ck_assert(freopen(names[9], "w", stderr) != NULL);
    ck_assert(output_open(&out, names[0], &err) && platform_lock(&lock, names[0], &err));
    if (!platform_exists(out.temporary))
        exit(9);
    make(names[1]);
    mem_alloc(SIZE_MAX / 2, 4);
}

START_TEST(no_memory_leaves_nothing_temporary)
{
    FolderNames left;
    Error err;

    in_child(run_out_of_memory, 1);
    ck_assert(platform_exists(names[1]) && !platform_exists(names[0]));
    if (!platform_list_folder(".", &left, &err))
        return; /* plain C lists no folders */
    for (size_t i = 0; i < left.count; i++)
        if (strncmp(left.name[i], "test-unfinished.tmp0", 20) == 0)
            ck_abort_msg("%s is left", left.name[i]);
    platform_free_names(&left);
}
END_TEST

Suite *unfinished_suite(void)
{
    Suite *suite = suite_create("unfinished");
    TCase *tc = tcase_create("unfinished");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, what_is_not_done_goes);
    tcase_add_test(tc, beyond_the_table_they_are_left);
    tcase_add_test(tc, no_memory_leaves_nothing_temporary);
    suite_add_tcase(suite, tc);
    return suite;
}
