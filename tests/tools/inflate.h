/* Deflate unpacked as RFC 1951 describes it, stored blocks and fixed codes only, for tests of what
 * packs.  The program's own inflate works out lengths and distances as its deflate does, by
 * classes, so that the two would agree on a mistake in them; here stand the tables of the RFC. */
#ifndef DI4C_TESTS_TOOLS_INFLATE_H
#define DI4C_TESTS_TOOLS_INFLATE_H

#include <stddef.h>

/* Unpacks the blocks at z, `count` bytes at the most, into out (at most `most`; aborts the test if
 * that or z does not do).  *used: bytes read.  Returns the number of bytes written. */
size_t inflate(const unsigned char *z, size_t count, size_t *used, unsigned char *out, size_t most);

#endif
