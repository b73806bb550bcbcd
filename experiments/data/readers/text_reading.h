/* What readers of texts share: the parts of a text, and states of a file's bytes. */
#ifndef DI4C_EXPERIMENTS_DATA_READERS_TEXT_READING_H
#define DI4C_EXPERIMENTS_DATA_READERS_TEXT_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/text/text_data.h"
#include "tensor/base/error.h"

/* Symbols first .. first+count-1 of a file. */
typedef struct TextPart {
    size_t first, count;
} TextPart;

/* The first nine tenths of `total` symbols, rounded down. */
TextPart text_part_training(size_t total);
TextPart text_part_rest(size_t total); /* what that leaves */

/* Size of the file at `path`; a sentence if it cannot be read or is empty. */
bool text_reading_size(const char *path, size_t *bytes, Error *err);
/* Whether there is a file: texts have a test split if there is a text (DatasetKind.has_test). */
bool text_reading_there(const char *path);
/* Which bytes the file has. */
bool text_reading_present(const char *path, bool present[256], Error *err);
/* Fills t with the vocabulary, which becomes t's in any case, and with the states of that part of
 * the file's bytes.  False and a sentence naming the first byte that is no token: "PATH: byte 0x7a
 * ('z') at 17: expected " and `expected`; or that there is no memory for the part. */
bool text_reading_bytes(TextData *t, const char *path, TextPart part, Vocabulary *vocabulary,
                        const char *expected, Error *err);
/* Room for the symbols of a part. */
bool text_reading_room(TextData *t, const char *path, size_t count, Error *err);

#endif
