/* The only file with POSIX calls; each has a plain-C fallback (DI4C_PLAIN_C). */
#ifndef DI4C_TENSOR_SYSTEM_PLATFORM_H
#define DI4C_TENSOR_SYSTEM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tensor/base/error.h"

double platform_seconds(void);         /* monotonic where the system has such a clock */
void platform_sleep(double seconds);   /* or until a signal comes; plain C: at once */
bool platform_is_terminal(FILE *file); /* false in plain C */
/* Of the terminal behind the file; 80 columns and 24 lines if it is none, or in plain C. */
void platform_terminal_size(FILE *file, size_t *columns, size_t *lines);
/* SIGINT, SIGTERM and SIGHUP set a flag instead of ending the program, unless they were ignored; a
 * second one ends it at once, if it comes a second or more after the first.  Writing to a pipe that
 * nobody reads, or beyond the limit of a file's size, fails instead of ending the program.  (Plain
 * C: SIGINT and SIGTERM, and any second one.) */
void platform_catch_signals(void);
int platform_signal(void);         /* 0, or the number of the signal that came */
size_t platform_peak_memory(void); /* peak resident bytes of this process; 0 if unknown */
/* Gives a variable of the environment this value; false where that cannot be done. */
bool platform_set_variable(const char *name, const char *value);
/* Starts the running program again, in this process and with these arguments, so that what reads
 * the environment before main sees what has been set since.  Returns if the system does not say
 * which file is running (/proc), or if that is not the file that argv[0] names: a loader may have
 * been told to run it. */
void platform_restart(char **argv);
/* Creates the folder and its parents; an existing folder is no error. */
bool platform_make_folder(const char *path, Error *err);
/* fsync of an open file after fflush. */
bool platform_flush(FILE *file);
/* Atomically replaces `to` by `from` (both in one folder). */
bool platform_rename(const char *from, const char *to, Error *err);
/* False if it is not a readable plain file. */
bool platform_file_size(const char *path, size_t *bytes);
/* Whether anything has this name: a file, readable or not, a folder, a device. */
bool platform_exists(const char *path);
/* The names in the folder, in the order of their bytes, hidden ones left out (platform_free_names).
 * False and a sentence if it cannot be read; plain C can read none. */
typedef struct FolderNames {
    char **name;
    size_t count, capacity;
} FolderNames;
bool platform_list_folder(const char *path, FolderNames *names, Error *err);
void platform_free_names(FolderNames *names);

/* Whether both names lead to one file; where nothing is there, or in plain C, whether they are the
 * same name. */
bool platform_same_file(const char *a, const char *b);

/* That no other run writes the same file: the lock of PATH.lock, beside the file behind all
 * symbolic links, which the system takes back however the process ends, and which processes see
 * that do not see each other.  False and a sentence if another process has it.  Where nothing can
 * be locked (a name that is too long, a folder that cannot be written, plain C), nothing is. */
typedef struct FileLock {
    char *name; /* NULL: nothing is locked */
    int file;
} FileLock;
bool platform_lock(FileLock *lock, const char *path, Error *err);
void platform_unlock(FileLock *lock); /* and removes PATH.lock; zeros are allowed */

/* Whole-file output that is never seen half-written: open writes a new file path.tmp.PID beside it,
 * commit flushes and renames, cancel removes it (and does nothing after commit or a failed open).
 * A symbolic link is written through, and a file that is replaced hands on its permissions.  (Plain
 * C: a link is replaced, and path.tmp.0 may be shared.) */
typedef struct OutputFile {
    FILE *file;
    char *path, *target, *temporary; /* target: path behind all symbolic links */
} OutputFile;
bool output_open(OutputFile *out, const char *path, Error *err);
bool output_commit(OutputFile *out, Error *err); /* also reports any earlier write error */
void output_cancel(OutputFile *out);

#endif
