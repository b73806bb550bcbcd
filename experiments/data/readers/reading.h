/* What readers of data files share: every byte that is read is asked for by number. */
#ifndef DI4C_EXPERIMENTS_DATA_READERS_READING_H
#define DI4C_EXPERIMENTS_DATA_READERS_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tensor/base/error.h"

/* folder/name, with one slash between them (mem_free). */
char *reading_path(const char *folder, const char *name);
/* The file and its length (fclose); NULL and a sentence if it cannot be read. */
FILE *reading_open(const char *path, size_t *bytes, Error *err);
/* The next `bytes` bytes into out. */
bool reading_bytes(FILE *f, const char *path, void *out, size_t bytes, Error *err);
/* Whether folder/name is a readable plain file. */
bool reading_there(const char *folder, const char *name);
/* A sentence naming the first of count labels that is not below classes. */
bool reading_check_labels(const uint8_t *labels, size_t count, size_t classes, const char *path,
                          Error *err);

#endif
