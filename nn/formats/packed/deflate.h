/* Deflate (RFC 1951) for pictures: one block of the fixed codes, with matches at given distances
 * only.  A grid of enlarged samples repeats its pixels to the left and its rows above, so two
 * distances find nearly all there is, and no search is needed. */
#ifndef DI4C_NN_FORMATS_PACKED_DEFLATE_H
#define DI4C_NN_FORMATS_PACKED_DEFLATE_H

#include <stddef.h>

#include "nn/formats/buffer.h"

enum { DEFLATE_WINDOW = 32768 };

/* Appends to out one last block that unpacks to the `count` bytes.  distances: `choices` numbers of
 * bytes back where matches are looked for; those that are 0 or beyond DEFLATE_WINDOW are passed
 * over. */
void deflate_fixed(Buffer *out, const char *bytes, size_t count, const size_t *distances,
                   size_t choices);

#endif
