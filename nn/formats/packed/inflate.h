/* Inflate (RFC 1951) into a room whose size is known beforehand, as PNG's rows and the entries of
 * zip archives have it.  Trusts nothing: what is not a whole, well-formed stream is refused. */
#ifndef DI4C_NN_FORMATS_PACKED_INFLATE_H
#define DI4C_NN_FORMATS_PACKED_INFLATE_H

#include <stddef.h>

/* No stream unpacks to more than this times its own bytes: a match of 258 bytes takes two bits. */
enum { INFLATE_RATIO = 1032 };

/* Unpacks the stream at bytes, of at most `count` bytes, into exactly `room` bytes at out.  NULL,
 * and in *used how many bytes the stream took; otherwise half a sentence of what is wrong ("ends
 * within its packed data"), and out holds anything. */
const char *inflate_exact(const unsigned char *bytes, size_t count, size_t *used,
                          unsigned char *out, size_t room);

#endif
