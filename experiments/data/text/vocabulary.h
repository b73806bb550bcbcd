/* What the states of a text stand for: state s is written as token s, a string of bytes.  An
 * alphabet is a vocabulary whose tokens are single bytes.  Memory is proportional to S and to the
 * bytes of the tokens. */
#ifndef DI4C_EXPERIMENTS_DATA_TEXT_VOCABULARY_H
#define DI4C_EXPERIMENTS_DATA_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

/* What a state can be, and no state but one is no text. */
enum { VOCABULARY_LEAST = 2, VOCABULARY_MOST = 65535 };

typedef struct Vocabulary {
    size_t size;     /* tokens: S */
    char *bytes;     /* of all tokens, one behind the other */
    uint32_t *start; /* (S + 1): token s is bytes[start[s]] up to bytes[start[s + 1]] */
} Vocabulary;

/* The alphabet of the bytes that are present, in ascending order.  NULL and a sentence that begins
 * with `where` if there are fewer than two. */
Vocabulary *vocabulary_of_bytes(const bool present[256], const char *where, Error *err);
/* The tokens of a text with one a line, each as escape.h writes it; the last line may end without a
 * newline.  An empty line is a token of no bytes.  NULL and a sentence that begins with `where` if
 * there are fewer than 2 or more than 65,535, an escape is none, or there are 4 GiB. */
Vocabulary *vocabulary_parse(const char *text, size_t length, const char *where, Error *err);
/* The text that vocabulary_parse reads, UTF-8, a newline between two tokens (mem_free). */
char *vocabulary_text(const Vocabulary *v);
Vocabulary *vocabulary_copy(const Vocabulary *v); /* of NULL: NULL */
void vocabulary_free(Vocabulary *v);              /* NULL is allowed */

bool vocabulary_equal(const Vocabulary *a, const Vocabulary *b); /* NULL equals NULL alone */
/* The bytes of token s, below size (checked), and their number. */
const char *vocabulary_token(const Vocabulary *v, size_t s, size_t *length);
/* The state of each byte, -1: none.  False if it is no alphabet: a token is not one byte, or is
 * there twice. */
bool vocabulary_states(const Vocabulary *v, int state[256]);

#endif
