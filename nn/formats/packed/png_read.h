/* Pictures out of PNG files: 8-bit grey or RGB, all rows in one pass.  Other kinds are refused by
 * their names, and so is every file that is not whole. */
#ifndef DI4C_NN_FORMATS_PACKED_PNG_READ_H
#define DI4C_NN_FORMATS_PACKED_PNG_READ_H

#include <stdbool.h>

#include "nn/formats/packed/png.h"
#include "tensor/base/error.h"

enum { PNG_READ_SIDE = 4096 }; /* a side of more pixels is refused */

/* Fills p (picture_free).  False and a sentence naming the file: unreadable, truncated, a wrong
 * checksum, bytes behind the end; a palette, transparency, 1, 2, 4 or 16 bits, interlaced rows;
 * packed data that are not as many as the pixels take.  Memory is taken for as many pixels as the
 * file's own bytes can unpack to. */
bool png_read(const char *path, Picture *p, Error *err);
/* The same of `count` bytes in memory, called `path` in sentences. */
bool png_decode(const unsigned char *bytes, size_t count, const char *path, Picture *p, Error *err);

#endif
