/* Names of files that belong together. */
#ifndef DI4C_EXPERIMENTS_CLI_PATHS_H
#define DI4C_EXPERIMENTS_CLI_PATHS_H

#include <stdbool.h>

#include "tensor/base/error.h"

/* "out/student.safetensors", ".csv" -> "out/student.csv".  The caller frees with mem_free. */
char *path_with_suffix(const char *path, const char *suffix);
/* "out/a.npy", ".part" -> "out/a.npy.part". */
char *path_with_end(const char *path, const char *end);
/* "out/demo", "teacher.csv" -> "out/demo/teacher.csv". */
char *path_join(const char *folder, const char *name);
bool path_has_suffix(const char *path, const char *suffix);
/* False and a sentence if a result (numbers, a page) of that name would fall on a model's file: its
 * name ends in .safetensors, .pt or .pth.  option: how the sentence calls it.  path may be NULL. */
bool path_check_result(const char *option, const char *path, Error *err);
/* Creates the folder that the file is to be in, and its parents. */
bool path_make_parent(const char *path, Error *err);
/* Makes the parent folder and checks that a file can be written there, without touching one that is
 * there already; a folder, a device or an unreadable file of that name is refused, and so is a link
 * to a model's file under a name that is no model's.  Called before long work, so that its result
 * is not lost at the end. */
bool path_check_output(const char *path, Error *err);

#endif
