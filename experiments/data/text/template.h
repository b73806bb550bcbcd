/* A text with blanks, as states: what a sampler of absorbing noise is given. */
#ifndef DI4C_EXPERIMENTS_DATA_TEXT_TEMPLATE_H
#define DI4C_EXPERIMENTS_DATA_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/text/vocabulary.h"

enum { TEMPLATE_BLANK = '_' };

/* states (length) = the bytes of `text`, which may be escaped (escape.h), and `mask` for each blank
 * and for everything behind the text's end.  blanks: a bare _ is one (\x5f is the byte itself);
 * otherwise it is a byte as any other.  False and a sentence that begins with `where` if the
 * vocabulary is no alphabet, an escape is none, a byte is not in the alphabet, or there are more
 * bytes than `length`. */
bool template_states(uint16_t *states, size_t length, uint16_t mask, const Vocabulary *v,
                     const char *text, bool blanks, const char *where, Error *err);

#endif
