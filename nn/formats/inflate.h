/* Unpacking deflate (RFC 1951), all kinds of blocks: for arrays that numpy.savez_compressed wrote.
 */
#ifndef DI4C_NN_FORMATS_INFLATE_H
#define DI4C_NN_FORMATS_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

/* A byte of input cannot become more than so many: a length of 258 takes two bits. */
enum { INFLATE_MOST = 1032 };

/* Unpacks in (in_size) to out (out_size).  False if it is not well formed, has another number of
 * bytes, or goes on behind its last block. */
bool inflate_bytes(unsigned char *out, size_t out_size, const unsigned char *in, size_t in_size);

#endif
