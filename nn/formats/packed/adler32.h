/* Adler-32, the checksum of zlib streams such as PNG's pixels (RFC 1950, section 8.2): the sum of
 * the bytes, from 1 on, and the sum of those sums, both modulo 65521, the largest prime below 2^16.
 */
#ifndef DI4C_NN_FORMATS_PACKED_ADLER32_H
#define DI4C_NN_FORMATS_PACKED_ADLER32_H

#include <stddef.h>
#include <stdint.h>

/* Of `count` bytes; of none it is 1. */
uint32_t adler32_of(const void *bytes, size_t count);

#endif
