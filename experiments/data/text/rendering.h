/* Sequences of states as what people read: bytes as they are for files, one escaped line for a
 * terminal. */
#ifndef DI4C_EXPERIMENTS_DATA_TEXT_RENDERING_H
#define DI4C_EXPERIMENTS_DATA_TEXT_RENDERING_H

#include <stddef.h>
#include <stdint.h>

#include "experiments/data/text/vocabulary.h"
#include "nn/formats/buffer.h"

/* Appends the bytes that the states stand for.  A state that stands for none, which is a mask that
 * was never lifted, shows as [MASK]. */
void rendering_add(Buffer *out, const Vocabulary *v, const uint16_t *states, size_t count);
/* The same as one line, escaped (escape.h), without its newline.  If there are more than `most`
 * bytes, the first of them, cut between two characters, and "...". */
void rendering_line(Buffer *out, const Vocabulary *v, const uint16_t *states, size_t count,
                    size_t most);

#endif
