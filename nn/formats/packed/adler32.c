#include "nn/formats/packed/adler32.h"

enum { PRIME = 65521 };

uint32_t adler32_of(const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    uint32_t low = 1, high = 0;

    for (size_t i = 0; i < count; i++) {
        low = (low + p[i]) % PRIME;
        high = (high + low) % PRIME;
    }
    return high << 16 | low;
}
