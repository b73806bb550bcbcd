/* The only file that needs POSIX (base/huge_pages.c asks Linux alone); with -DDI4C_PLAIN_C, or on a
 * system that does not call itself Unix, each function falls back to what plain C offers. */
#if !defined(DI4C_PLAIN_C) && (defined(__unix__) || defined(__APPLE__))
#define HAVE_POSIX      1
#define _POSIX_C_SOURCE 200809L
#ifdef __APPLE__
#define _DARWIN_C_SOURCE 1 /* TIOCGWINSZ */
#endif
#endif

#include "tensor/system/platform.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_POSIX
#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "tensor/base/memory.h"
#include "tensor/system/unfinished.h"

static volatile sig_atomic_t arrived; /* number of the first signal, 0 before */

static bool again(void); /* for handlers: is this signal another one than the first? */

/* A second signal gets the default action, which ends the program. */
static void on_signal(int number)
{
    if (again() && arrived != 0) { /* the first one is noted */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    if (arrived == 0)
        arrived = number;
    signal(number, on_signal); /* plain C forgets the handler when it is called */
}

int platform_signal(void)
{
    return (int)arrived;
}

#ifdef HAVE_POSIX

double platform_seconds(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return (double)time(NULL);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void platform_sleep(double seconds)
{
    const time_t whole = (time_t)seconds;
    const struct timespec length = {whole, (long)(1e9 * (seconds - (double)whole))};

    nanosleep(&length, NULL);
}

bool platform_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

void platform_terminal_size(FILE *file, size_t *columns, size_t *lines)
{
    *columns = 80;
    *lines = 24;
#ifdef TIOCGWINSZ
    struct winsize size;

    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0)
        return;
    if (size.ws_col > 0)
        *columns = size.ws_col;
    if (size.ws_row > 0)
        *lines = size.ws_row;
#else
    (void)file;
#endif
}

/* One press of Ctrl-C may come several times, from the terminal and from a program that started
 * this one; what comes within a second of the first belongs to it. */
static bool again(void)
{
    static struct timespec first;
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return true;
    if (first.tv_sec == 0)
        first = now;
    return now.tv_sec - first.tv_sec > 1 ||
           (now.tv_sec - first.tv_sec == 1 && now.tv_nsec >= first.tv_nsec);
}

/* What was ignored when the program began (nohup, a shell's background) stays so. */
static void catch_signal(int number, void (*handler)(int))
{
    struct sigaction action, before;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART; /* a write in progress is not cut short */
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void platform_catch_signals(void)
{
    catch_signal(SIGINT, on_signal);
    catch_signal(SIGTERM, on_signal);
    catch_signal(SIGHUP, on_signal);
    catch_signal(SIGPIPE, SIG_IGN); /* then the write fails, and says so */
    catch_signal(SIGXFSZ, SIG_IGN);
}

size_t platform_peak_memory(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
#ifdef __APPLE__
    return (size_t)usage.ru_maxrss;
#else
    return (size_t)usage.ru_maxrss * 1024;
#endif
}

bool platform_set_variable(const char *name, const char *value)
{
    return setenv(name, value, 1) == 0;
}

/* Whether `word`, the first of a command line, names the file at `path`: as a path itself, or as
 * the last part of it, found in the folders of PATH. */
static bool names_file(const char *word, const char *path)
{
    struct stat a, b;
    const char *last = strrchr(path, '/');

    if (strchr(word, '/') == NULL)
        return last != NULL && strcmp(last + 1, word) == 0;
    return stat(word, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

void platform_restart(char **argv)
{
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    if (length <= 0 || (size_t)length == sizeof path - 1 || argv[0] == NULL)
        return;
    path[length] = '\0';
    if (names_file(argv[0], path))
        execv(path, argv);
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool make_one_folder(const char *path, Error *err)
{
    if (mkdir(path, 0777) == 0)
        return true;
    const int cause = errno; /* looking at the path sets another one */
    return is_folder(path) ||
           error_set(err, "%s: cannot make this folder: %s", path, strerror(cause));
}

bool platform_flush(FILE *file)
{
    if (fflush(file) != 0)
        return false;
    /* Pipes and terminals cannot be synchronised and say EINVAL. */
    return fsync(fileno(file)) == 0 || errno == EINVAL || errno == ENOTSUP;
}

static bool replace_file(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

bool platform_file_size(const char *path, size_t *bytes)
{
    struct stat info;

    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || access(path, R_OK) != 0)
        return false;
    if (info.st_size < 0 || (unsigned long long)info.st_size > (size_t)-1)
        return false;
    *bytes = (size_t)info.st_size;
    return true;
}

bool platform_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

static bool read_names(const char *path, FolderNames *names)
{
    DIR *folder = opendir(path);

    if (folder == NULL)
        return false;
    for (const struct dirent *e; errno = 0, (e = readdir(folder)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        if (names->count == names->capacity)
            names->name = mem_grow(names->name, &names->capacity, 64, sizeof *names->name);
        names->name[names->count++] = mem_string(e->d_name);
    }
    const int cause = errno;
    closedir(folder);
    errno = cause;
    return cause == 0;
}

bool platform_same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;

    if (stat(a, &of_a) != 0 || stat(b, &of_b) != 0)
        return strcmp(a, b) == 0;
    return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* What a symbolic link at `path` says, seen from where `path` is seen from; NULL and errno. */
static char *read_link(const char *path)
{
    char text[4096];
    const char *slash = strrchr(path, '/');
    const ssize_t length = readlink(path, text, sizeof text);

    if (length <= 0 || (size_t)length == sizeof text) {
        errno = length > 0 ? ENAMETOOLONG : errno;
        return NULL;
    }
    const size_t folder = slash != NULL && text[0] != '/' ? (size_t)(slash + 1 - path) : 0;
    char *there = mem_zeroed(folder + (size_t)length + 1, 1);
    memcpy(there, path, folder);
    memcpy(there + folder, text, (size_t)length);
    return there;
}

/* Where a write to `path` goes, behind all symbolic links, also if nothing is there yet; NULL and
 * errno if the links go on and on, or a name is too long. */
static char *follow_links(const char *path)
{
    struct stat info;
    char *at = mem_string(path), *next = NULL;
    int links = 0;

    while ((next = read_link(at)) != NULL && ++links < 40) {
        mem_free(at);
        at = next;
    }
    const bool endless = next != NULL;
    mem_free(next);
    if (!endless && (lstat(at, &info) == 0 || errno != ENAMETOOLONG))
        return at;
    mem_free(at);
    errno = endless ? ELOOP : ENAMETOOLONG;
    return NULL;
}

/* The new file gets the owner, if that is allowed, and the permissions of the one that it is to
 * replace; a group that cannot be had gets nothing. */
static void take_permissions(int file, const char *from)
{
    struct stat info;

    if (stat(from, &info) != 0 || !S_ISREG(info.st_mode))
        return;
    mode_t mode = info.st_mode & 0777;
    if (fchown(file, info.st_uid, info.st_gid) != 0 && fchown(file, (uid_t)-1, info.st_gid) != 0)
        mode &= ~(mode_t)070;
    fchmod(file, mode); /* not allowed: the file is as private as a new one */
}

/* A file that was not there before, beside `target` and with its permissions: target.tmp.PID, with
 * a number behind it if another process, which may have the same one elsewhere, has that; .tmp.PID
 * alone if the name would be too long. */
static FILE *create_beside(const char *target, char *name, size_t room)
{
    const char *slash = strrchr(target, '/');
    int length = (int)strlen(target), file = -1;
    FILE *out;

    for (unsigned n = 0; file < 0 && n < 1000; n++) {
        const int used =
            snprintf(name, room, "%.*s.tmp.%lu", length, target, (unsigned long)getpid());
        if (n > 0)
            snprintf(name + used, room - (size_t)used, ".%u", n);
        file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0 && errno == ENAMETOOLONG)
            length = slash != NULL ? (int)(slash + 1 - target) : 0;
        else if (file < 0 && errno != EEXIST)
            return NULL;
    }
    if (file < 0)
        return NULL;
    take_permissions(file, target);
    if ((out = fdopen(file, "wb")) == NULL) {
        const int cause = errno;
        close(file);
        remove(name);
        errno = cause;
    }
    return out;
}

/* Whether the open file is what its name leads to: the one that held the lock before may have
 * removed it between open and lock. */
static bool is_named(int file, const char *name)
{
    struct stat of_file, of_name;

    return fstat(file, &of_file) == 0 && stat(name, &of_name) == 0 &&
           of_file.st_dev == of_name.st_dev && of_file.st_ino == of_name.st_ino;
}

/* The locked file; -1 where there can be none, and then *holder is the process that has it, 0 if it
 * is one that is not seen from here (the system may give it a negative number), or -1 if nobody has
 * it. */
static int lock_name(const char *name, long *holder)
{
    *holder = -1;
    for (int tries = 0; tries < 100; tries++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        const int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0)
            return -1;
        if (fcntl(file, F_SETLK, &lock) != 0) {
            const bool held = errno == EACCES || errno == EAGAIN;
            const bool seen = held && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK &&
                              lock.l_pid > 0;
            *holder = seen ? (long)lock.l_pid : held ? 0 : -1;
            close(file);
            return -1;
        }
        if (is_named(file, name))
            return file;
        close(file);
    }
    return -1;
}

bool platform_lock(FileLock *lock, const char *path, Error *err)
{
    long holder;

    *lock = (FileLock){.file = -1};
    char *target = follow_links(path);
    if (target == NULL)
        return true;
    lock->name = mem_alloc(strlen(target) + sizeof ".lock", 1);
    strcat(strcpy(lock->name, target), ".lock");
    mem_free(target);
    lock->file = lock_name(lock->name, &holder);
    if (lock->file >= 0) {
        unfinished_add(lock->name);
        return true;
    }
    mem_free(lock->name);
    lock->name = NULL;
    if (holder < 0)
        return true;
    if (holder == 0)
        return error_set(err, "%.300s: another run is writing it: expected another name", path);
    return error_set(err, "%.300s: process %ld is writing it: expected another name", path, holder);
}

void platform_unlock(FileLock *lock)
{
    if (lock->name == NULL)
        return;
    remove(lock->name); /* before the lock goes */
    close(lock->file);
    unfinished_done(lock->name);
    mem_free(lock->name);
    *lock = (FileLock){.file = -1};
}

#else /* plain C */

bool platform_lock(FileLock *lock, const char *path, Error *err)
{
    (void)path;
    (void)err;
    *lock = (FileLock){.file = -1};
    return true;
}

void platform_unlock(FileLock *lock)
{
    (void)lock;
}

double platform_seconds(void)
{
    return (double)time(NULL);
}

void platform_sleep(double seconds)
{
    (void)seconds;
}

bool platform_is_terminal(FILE *file)
{
    (void)file;
    return false;
}

void platform_terminal_size(FILE *file, size_t *columns, size_t *lines)
{
    (void)file;
    *columns = 80;
    *lines = 24;
}

static bool again(void)
{
    return true;
}

void platform_catch_signals(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

size_t platform_peak_memory(void)
{
    return 0;
}

bool platform_set_variable(const char *name, const char *value)
{
    (void)name;
    (void)value;
    return false;
}

void platform_restart(char **argv)
{
    (void)argv;
}

/* Plain C cannot make a folder, but a file can be written into one that exists. */
static bool is_folder(const char *path)
{
    static const char probe[] = "/.folder.probe";
    size_t length = strlen(path);
    char *name = mem_alloc(length + sizeof probe, 1);

    memcpy(name, path, length);
    memcpy(name + length, probe, sizeof probe);
    FILE *file = fopen(name, "wb");
    if (file != NULL) {
        fclose(file);
        remove(name);
    }
    mem_free(name);
    return file != NULL;
}

static bool make_one_folder(const char *path, Error *err)
{
    (void)path;
    (void)err;
    return true; /* the whole path is judged at the end */
}

bool platform_flush(FILE *file)
{
    return fflush(file) == 0;
}

static bool replace_file(const char *from, const char *to)
{
    if (rename(from, to) == 0)
        return true;
    const int cause = errno;
    if (remove(to) == 0) /* some systems do not replace a file */
        return rename(from, to) == 0;
    errno = cause;
    return false;
}

bool platform_file_size(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    long size = -1;

    if (file == NULL)
        return false;
    /* A folder may open, but nothing can be read from it. */
    bool plain = (fgetc(file) != EOF || !ferror(file)) && fseek(file, 0, SEEK_END) == 0;
    if (plain)
        size = ftell(file);
    fclose(file);
    if (size < 0 || size == LONG_MAX)
        return false;
    *bytes = (size_t)size;
    return true;
}

bool platform_exists(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file != NULL)
        fclose(file);
    return file != NULL || is_folder(path);
}

static bool read_names(const char *path, FolderNames *names)
{
    (void)path;
    (void)names;
    errno = 0;
    return false;
}

bool platform_same_file(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static char *follow_links(const char *path)
{
    return mem_string(path);
}

static FILE *create_beside(const char *target, char *name, size_t room)
{
    snprintf(name, room, "%s.tmp.0", target);
    return fopen(name, "wb");
}

#endif

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool platform_list_folder(const char *path, FolderNames *names, Error *err)
{
    *names = (FolderNames){0};
    if (!read_names(path, names)) {
        const int cause = errno;
        platform_free_names(names);
        return error_set(err, "%.300s: cannot be read as a folder: %s", path,
                         cause != 0 ? strerror(cause) : "this program was built without folders");
    }
    if (names->count > 0)
        qsort(names->name, names->count, sizeof *names->name, compare_names);
    return true;
}

void platform_free_names(FolderNames *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->name[i]);
    mem_free(names->name);
    *names = (FolderNames){0};
}

bool platform_make_folder(const char *path, Error *err)
{
    size_t length = strlen(path);
    char *part = mem_string(path);
    bool done = true;

    /* Each parent in turn; an existing one is no error. */
    for (size_t i = 1; i < length && done; i++)
        if (part[i] == '/' && part[i - 1] != '/') {
            part[i] = '\0';
            done = make_one_folder(part, err);
            part[i] = '/';
        }
    done = done && make_one_folder(part, err);
    mem_free(part);
    if (done && !is_folder(path))
        done = error_set(err,
                         "%s: no such folder, and this program cannot make one here; make it"
                         " by hand",
                         path);
    return done;
}

bool platform_rename(const char *from, const char *to, Error *err)
{
    if (replace_file(from, to))
        return true;
    return error_set(err, "%s: cannot be put in place of %s: %s", from, to, strerror(errno));
}

static void forget(OutputFile *out)
{
    unfinished_done(out->temporary);
    mem_free(out->path);
    mem_free(out->target);
    mem_free(out->temporary);
    out->path = out->target = out->temporary = NULL;
    out->file = NULL;
}

bool output_open(OutputFile *out, const char *path, Error *err)
{
    out->path = mem_string(path);
    out->temporary = NULL;
    out->file = NULL;
    out->target = follow_links(path);
    if (out->target != NULL) {
        const size_t room = strlen(out->target) + 48;
        out->temporary = mem_alloc(room, 1);
        out->file = create_beside(out->target, out->temporary, room);
    }
    if (out->file == NULL) {
        error_set(err, "%s: cannot be written: %s", path, strerror(errno));
        forget(out);
        return false;
    }
    unfinished_add(out->temporary);
    return true;
}

bool output_commit(OutputFile *out, Error *err)
{
    errno = 0;
    const bool flushed = platform_flush(out->file); /* may leave an errno that is no failure */
    int cause = flushed ? 0 : errno;
    bool written = flushed && !ferror(out->file);
    if (fclose(out->file) != 0 && written) {
        written = false;
        cause = errno;
    }
    bool done = written || error_set(err, "%s: writing failed: %s", out->path,
                                     cause != 0 ? strerror(cause)
                                                : "disk full, over the limit of a file, or lost");
    done = done && platform_rename(out->temporary, out->target, err);
    if (!done)
        remove(out->temporary);
    forget(out);
    return done;
}

void output_cancel(OutputFile *out)
{
    if (out->file == NULL)
        return;
    fclose(out->file);
    remove(out->temporary);
    forget(out);
}
