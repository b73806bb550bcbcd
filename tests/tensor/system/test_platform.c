/* Folders, and files that are never seen half-written.  All is made in one
 * folder below the current one and removed again; plain C, which cannot make it, uses the current
 * one. */
#ifndef DI4C_PLAIN_C
#define _XOPEN_SOURCE 700 /* realpath, seteuid */
#define _GNU_SOURCE       /* F_OFD_SETLK, where the system has it */
#endif
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

#ifdef DI4C_PLAIN_C
#define FOLDER "."
#else
#define FOLDER "test-platform.tmp"
#endif

static const char folder[] = FOLDER;
static const char target[] = FOLDER "/test-platform.file";

static void set_up(void)
{
    Error err;

    ck_assert_msg(platform_make_folder(folder, &err), "%s", err.text);
    remove(target);
}

static void tear_down(void)
{
    remove(target);
#ifndef DI4C_PLAIN_C
    ck_assert_int_eq(remove(folder), 0); /* nothing else was left in it */
#endif
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static int holds(const char *path, const char *text)
{
    char buffer[100] = "";
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return 0;
    size_t n = fread(buffer, 1, sizeof buffer - 1, file);
    fclose(file);
    return n == strlen(text) && memcmp(buffer, text, n) == 0;
}

static int exists(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file != NULL)
        fclose(file);
    return file != NULL;
}

START_TEST(folders_are_made_with_their_parents)
{
    Error err;

    ck_assert(platform_make_folder(folder, &err)); /* exists already */
    write_file(target, "x");
    ck_assert(!platform_make_folder(target, &err)); /* a file is in the way */
    ck_assert_ptr_nonnull(strstr(err.text, target));
#ifndef DI4C_PLAIN_C
    char deep[100];
    snprintf(deep, sizeof deep, "%s/a//b/c/", folder);
    ck_assert_msg(platform_make_folder(deep, &err), "%s", err.text);
    ck_assert(platform_make_folder(deep, &err));
    static const char *const parts[3] = {"a/b/c", "a/b", "a"};
    for (int i = 0; i < 3; i++) {
        snprintf(deep, sizeof deep, "%s/%s", folder, parts[i]);
        ck_assert_int_eq(remove(deep), 0);
    }
    snprintf(deep, sizeof deep, "%s/below", target);
    ck_assert(!platform_make_folder(deep, &err));
#endif
}
END_TEST

START_TEST(sizes_of_plain_files)
{
    size_t bytes = 99;

    ck_assert(!platform_file_size(target, &bytes));
    ck_assert(!platform_file_size(folder, &bytes));
    ck_assert_uint_eq(bytes, 99);
    write_file(target, "");
    ck_assert(platform_file_size(target, &bytes));
    ck_assert_uint_eq(bytes, 0);
    write_file(target, "12345");
    ck_assert(platform_file_size(target, &bytes));
    ck_assert_uint_eq(bytes, 5);
}
END_TEST

START_TEST(names_that_exist)
{
    ck_assert(!platform_exists(target));
    write_file(target, "");
    ck_assert(platform_exists(target));
    ck_assert(platform_exists(folder));
    ck_assert(!platform_exists(FOLDER "/none/at/all"));
}
END_TEST

/* In the order of their bytes, without hidden ones; nothing is kept of a folder that is none. */
START_TEST(names_in_a_folder)
{
    static const char *const made[] = {FOLDER "/list-b", FOLDER "/list-B", FOLDER "/.list-c",
                                       FOLDER "/list-a"};
    const size_t before = mem_in_use();
    FolderNames names;
    Error err = {""};
    ck_assert(!platform_list_folder(FOLDER "/none", &names, &err));
    ck_assert(names.name == NULL && names.count == 0);
    ck_assert_ptr_nonnull(strstr(err.text, FOLDER "/none: cannot be read as a folder: "));
    for (size_t i = 0; i < 4; i++)
        write_file(made[i], "");
#ifdef DI4C_PLAIN_C
    ck_assert(!platform_list_folder(folder, &names, &err));
#else
    ck_assert_msg(platform_list_folder(folder, &names, &err), "%s", err.text);
    ck_assert_uint_eq(names.count, 3);
    ck_assert_str_eq(names.name[0], "list-B");
    ck_assert_str_eq(names.name[1], "list-a");
    ck_assert_str_eq(names.name[2], "list-b");
    platform_free_names(&names);
    ck_assert(!platform_list_folder(made[0], &names, &err)); /* a file */
#endif
    for (size_t i = 0; i < 4; i++)
        remove(made[i]);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

START_TEST(commit_replaces_the_file)
{
    OutputFile out;
    Error err;

    write_file(target, "old");
    ck_assert(output_open(&out, target, &err));
    char *temporary = mem_string(out.temporary);
    fputs("new text", out.file);
    fflush(out.file);
    ck_assert(holds(target, "old")); /* until the last moment */
    ck_assert(exists(temporary));
    ck_assert_msg(output_commit(&out, &err), "%s", err.text);
    ck_assert(holds(target, "new text"));
    ck_assert(!exists(temporary));
    output_cancel(&out); /* does nothing now */
    ck_assert(holds(target, "new text"));
    mem_free(temporary);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

#ifndef DI4C_PLAIN_C
static void write_output(const char *path, const char *text)
{
    OutputFile out;
    Error err = {""};

    ck_assert_msg(output_open(&out, path, &err), "%s", err.text);
    fputs(text, out.file);
    ck_assert_msg(output_commit(&out, &err), "%s", err.text);
}

static bool is_link(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

/* Through a link to a link in another folder, to a file that is there or not yet. */
START_TEST(links_are_written_through)
{
    Error err;

    ck_assert(platform_make_folder(FOLDER "/a", &err));
    ck_assert_int_eq(symlink("a/second", FOLDER "/first"), 0);
    ck_assert_int_eq(symlink("../test-platform.file", FOLDER "/a/second"), 0);
    for (int i = 0; i < 2; i++) {
        write_output(FOLDER "/first", i == 0 ? "new" : "newer");
        ck_assert(holds(target, i == 0 ? "new" : "newer"));
        ck_assert(is_link(FOLDER "/first") && is_link(FOLDER "/a/second"));
    }
    ck_assert(platform_same_file(FOLDER "/first", target));
    ck_assert(!platform_same_file(FOLDER, target));
    ck_assert(platform_same_file("no/where", "no/where") && !platform_same_file("no", target));
    char *absolute = realpath(target, NULL);
    ck_assert_int_eq(remove(FOLDER "/first"), 0);
    ck_assert_int_eq(symlink(absolute, FOLDER "/first"), 0);
    write_output(FOLDER "/first", "newest");
    ck_assert(holds(target, "newest") && is_link(FOLDER "/first"));
    free(absolute);
    ck_assert_int_eq(remove(FOLDER "/first"), 0);
    ck_assert_int_eq(remove(FOLDER "/a/second"), 0);
    ck_assert_int_eq(remove(FOLDER "/a"), 0);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(links_without_end)
{
    OutputFile out;
    Error err = {""};

    ck_assert_int_eq(symlink("loop", FOLDER "/loop"), 0);
    ck_assert(!output_open(&out, FOLDER "/loop", &err));
    ck_assert_ptr_nonnull(strstr(err.text, FOLDER "/loop: cannot be written: "));
    output_cancel(&out);
    ck_assert_int_eq(remove(FOLDER "/loop"), 0);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

/* Those of the file that was there; of a new one, what the umask leaves. */
START_TEST(permissions_are_kept)
{
    static const mode_t modes[] = {0600, 0640, 0444, 0755};
    struct stat info;

    umask(027);
    write_output(target, "new");
    ck_assert(stat(target, &info) == 0 && (info.st_mode & 07777) == 0640);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        ck_assert_int_eq(chmod(target, modes[i]), 0);
        write_output(target, "again");
        ck_assert(stat(target, &info) == 0 && (info.st_mode & 07777) == modes[i]);
    }
    if (geteuid() == 0 && chown(target, 65534, 65534) == 0) {
        write_output(target, "of another");
        ck_assert(stat(target, &info) == 0 && info.st_uid == 65534 && info.st_gid == 65534);
    }
}
END_TEST

/* Two processes of the same number, in containers of their own that share a folder. */
START_TEST(temporaries_are_not_shared)
{
    OutputFile one, two;
    Error err;

    ck_assert(output_open(&one, target, &err));
    ck_assert(output_open(&two, target, &err));
    ck_assert_str_ne(one.temporary, two.temporary);
    fputs("one", one.file);
    fputs("two", two.file);
    ck_assert(output_commit(&one, &err));
    ck_assert(holds(target, "one"));
    ck_assert(output_commit(&two, &err));
    ck_assert(holds(target, "two"));
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

/* A link that waits under the temporary name is not followed. */
START_TEST(temporaries_are_new)
{
    char name[200];

    write_file(FOLDER "/kept", "kept");
    snprintf(name, sizeof name, "%s.tmp.%lu", target, (unsigned long)getpid());
    ck_assert_int_eq(symlink("kept", name), 0);
    write_output(target, "new");
    ck_assert(holds(target, "new") && holds(FOLDER "/kept", "kept") && is_link(name));
    ck_assert_int_eq(remove(name), 0);
    ck_assert_int_eq(remove(FOLDER "/kept"), 0);
}
END_TEST

/* A process that holds the lock until it is killed. */
static pid_t holder(void)
{
    int ready[2];
    char byte;
    FileLock lock;

    ck_assert_int_eq(pipe(ready), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(60);
        if (platform_lock(&lock, target, NULL))
            (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

START_TEST(one_run_writes_a_file)
{
    static const char name[] = FOLDER "/test-platform.file.lock", link[] = FOLDER "/link";
    char piece[40];
    Error err = {""};
    FileLock lock, other;
    const pid_t child = holder();

    snprintf(piece, sizeof piece, "process %ld is writing it", (long)child);
    ck_assert(!platform_lock(&lock, target, &err));
    ck_assert_msg(strstr(err.text, piece) != NULL && strstr(err.text, target) != NULL, "%s",
                  err.text);
    platform_unlock(&lock);
    ck_assert(platform_exists(name));
    ck_assert_int_eq(symlink("test-platform.file", link), 0);
    ck_assert(!platform_lock(&lock, link, &err)); /* the same file by another name */
    remove(link);
    ck_assert(platform_lock(&other, FOLDER "/other", &err)); /* another file is free */
    platform_unlock(&other);
    ck_assert(!platform_exists(FOLDER "/other.lock"));
    kill(child, SIGKILL);
    ck_assert(waitpid(child, NULL, 0) == child);
    ck_assert(platform_exists(name)); /* nobody's */
    ck_assert_msg(platform_lock(&lock, target, &err), "%s", err.text);
    ck_assert_ptr_nonnull(lock.name);
    platform_unlock(&lock);
    ck_assert(!platform_exists(name) && lock.name == NULL);
    platform_unlock(&lock);
}
END_TEST

#ifdef F_OFD_SETLK
/* The system gives no number for the holder of such a lock, and a negative one for a process of
 * another machine. */
START_TEST(holders_without_a_number_hold)
{
    static const char name[] = FOLDER "/test-platform.file.lock";
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    Error err = {""};
    FileLock lock;
    const int file = open(name, O_RDWR | O_CREAT, 0666);

    ck_assert_int_ge(file, 0);
    if (fcntl(file, F_OFD_SETLK, &whole) == 0) {
        ck_assert(!platform_lock(&lock, target, &err) && lock.name == NULL);
        ck_assert_str_eq(err.text, FOLDER "/test-platform.file: another run is writing it: "
                                          "expected another name");
    }
    close(file);
    remove(name);
}
END_TEST
#endif

START_TEST(where_nothing_can_be_locked_nothing_is)
{
    char name[300];
    FileLock lock;
    Error err;

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert(platform_lock(&lock, name, &err) && lock.name == NULL);
    ck_assert(platform_lock(&lock, FOLDER "/no/folder/file", &err) && lock.name == NULL);
}
END_TEST

START_TEST(names_as_long_as_may_be)
{
    OutputFile out;
    Error err = {""};
    char name[400] = FOLDER "/";
    const size_t start = strlen(name);

    memset(name + start, 'n', 250);
    write_output(name, "long");
    ck_assert(holds(name, "long"));
    ck_assert(output_open(&out, name, &err));
    OutputFile other;
    ck_assert(output_open(&other, name, &err));
    output_cancel(&out);
    output_cancel(&other);
    ck_assert_int_eq(remove(name), 0);
    memset(name + start, 'n', 300);
    ck_assert(!output_open(&out, name, &err)); /* at once, not at the end */
    ck_assert_ptr_nonnull(strstr(err.text, "cannot be written: "));
    ck_assert_ptr_nonnull(strstr(err.text, strerror(ENAMETOOLONG)));
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST
#endif

START_TEST(cancel_leaves_nothing)
{
    OutputFile out;
    Error err;

    ck_assert(output_open(&out, target, &err));
    char *temporary = mem_string(out.temporary);
    fputs("lost", out.file);
    output_cancel(&out);
    ck_assert(!exists(target) && !exists(temporary));
    mem_free(temporary);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(a_path_that_cannot_be_written)
{
    OutputFile out;
    Error err;

    ck_assert(!output_open(&out, FOLDER "/missing/file", &err));
    ck_assert_ptr_nonnull(strstr(err.text, FOLDER "/missing/file: cannot be written"));
    output_cancel(&out); /* does nothing after a failed open */
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(a_folder_is_not_replaced)
{
    OutputFile out;
    Error err;

    /* The folder holds a file, so that no system can take it for replaceable. */
    write_file(target, "kept");
    ck_assert(output_open(&out, folder, &err));
    char *temporary = mem_string(out.temporary);
    ck_assert(!output_commit(&out, &err));
    ck_assert_ptr_nonnull(strstr(err.text, folder));
    ck_assert(!exists(temporary));
    ck_assert(holds(target, "kept"));
    mem_free(temporary);
}
END_TEST

/* Writing to the system's always-full device, where there is one. */
START_TEST(a_write_error_is_reported)
{
    OutputFile out;
    Error err;
    FILE *full = fopen("/dev/full", "wb");

    if (full == NULL)
        return;
    ck_assert(output_open(&out, target, &err));
    fclose(out.file);
    out.file = full;
    fputs("does not fit", out.file);
    ck_assert(!output_commit(&out, &err));
    ck_assert_ptr_nonnull(strstr(err.text, target));
    ck_assert(!exists(target));
}
END_TEST

/* errno is of the call that failed, not of a later look at the path. */
START_TEST(a_folder_that_may_not_be_written)
{
#ifndef DI4C_PLAIN_C
    Error err = {""};
    OutputFile out;
    const bool root = geteuid() == 0;

    ck_assert_int_eq(chmod(folder, 0555), 0);
    if (root && seteuid(65534) != 0) /* root may write everywhere */
        return;
    const bool made = platform_make_folder(FOLDER "/new", &err);
    Error other = {""};
    const bool opened = output_open(&out, target, &other);
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(folder, 0777), 0);
    ck_assert(!made && !opened);
    ck_assert_msg(strstr(err.text, "ermission") != NULL, "%s", err.text);
    ck_assert_msg(strstr(other.text, "ermission") != NULL, "%s", other.text);
#endif
}
END_TEST

/* What was lost before the flush, which succeeds: no cause is known. */
START_TEST(an_earlier_write_error_has_no_later_cause)
{
    OutputFile out;
    Error err = {""};
    FILE *full = fopen("/dev/full", "wb");

    if (full == NULL)
        return;
    ck_assert(output_open(&out, target, &err));
    fclose(out.file);
    out.file = full;
    fputs("does not fit", full);
    ck_assert_int_ne(fflush(full), 0);
    ck_assert(!output_commit(&out, &err));
    ck_assert_msg(strstr(err.text, "disk full, over the limit of a file, or lost") != NULL ||
                      strstr(err.text, "o space") != NULL,
                  "%s", err.text);
}
END_TEST

/* Where a loader or a debugger runs the program, argv[0] names another file or none; started again,
 * run-tests would find no suite of that name and end this test. */
START_TEST(only_what_argv_names_is_started_again)
{
    static char missing[] = "no-such-program", other[] = "tests/README.md",
                suite[] = "no-such-suite";
    char *lists[][3] = {{missing, suite, NULL}, {other, suite, NULL}, {NULL, suite, NULL}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        platform_restart(lists[i]);
}
END_TEST

START_TEST(rename_says_what_failed)
{
    Error err;

    ck_assert(!platform_rename(FOLDER "/missing", target, &err));
    ck_assert_ptr_nonnull(strstr(err.text, FOLDER "/missing"));
}
END_TEST

Suite *platform_suite(void)
{
    Suite *suite = suite_create("platform");
    TCase *files = tcase_create("files");

    tcase_set_timeout(files, 10);
    tcase_add_checked_fixture(files, set_up, tear_down);
    tcase_add_test(files, folders_are_made_with_their_parents);
    tcase_add_test(files, sizes_of_plain_files);
    tcase_add_test(files, names_that_exist);
    tcase_add_test(files, names_in_a_folder);
    tcase_add_test(files, commit_replaces_the_file);
#ifndef DI4C_PLAIN_C
    tcase_add_test(files, links_are_written_through);
    tcase_add_test(files, links_without_end);
    tcase_add_test(files, permissions_are_kept);
    tcase_add_test(files, temporaries_are_not_shared);
    tcase_add_test(files, temporaries_are_new);
    tcase_add_test(files, one_run_writes_a_file);
#ifdef F_OFD_SETLK
    tcase_add_test(files, holders_without_a_number_hold);
#endif
    tcase_add_test(files, where_nothing_can_be_locked_nothing_is);
    tcase_add_test(files, names_as_long_as_may_be);
#endif
    tcase_add_test(files, cancel_leaves_nothing);
    tcase_add_test(files, a_path_that_cannot_be_written);
    tcase_add_test(files, a_folder_is_not_replaced);
    tcase_add_test(files, a_write_error_is_reported);
    tcase_add_test(files, a_folder_that_may_not_be_written);
    tcase_add_test(files, an_earlier_write_error_has_no_later_cause);
    tcase_add_test(files, rename_says_what_failed);
    tcase_add_test(files, only_what_argv_names_is_started_again);
    suite_add_tcase(suite, files);
    return suite;
}
