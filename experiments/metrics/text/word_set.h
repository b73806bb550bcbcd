/* Words in bytes, and a set of them. */
#ifndef DI4C_EXPERIMENTS_METRICS_TEXT_WORD_SET_H
#define DI4C_EXPERIMENTS_METRICS_TEXT_WORD_SET_H

#include <stdbool.h>
#include <stddef.h>

/* A word is a run of letters, of bytes above 127 (letters of other alphabets, in UTF-8), and of
 * apostrophes between two of these.  Finds the first one that begins at *at or behind it; if *at is
 * inside of a word, that is passed over.  True: *at is where it begins, *length how long it is. */
bool word_next(const char *bytes, size_t count, size_t *at, size_t *length);

typedef struct WordSet WordSet;
WordSet *word_set_create(void);
void word_set_free(WordSet *s); /* NULL is allowed */
void word_set_add(WordSet *s, const char *word, size_t length);
bool word_set_has(const WordSet *s, const char *word, size_t length);
size_t word_set_count(const WordSet *s); /* of different words */

#endif
