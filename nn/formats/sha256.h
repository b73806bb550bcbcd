/* SHA-256 (FIPS 180-4), for naming weights by their content. */
#ifndef DI4C_NN_FORMATS_SHA256_H
#define DI4C_NN_FORMATS_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct Sha256 {
    uint32_t h[8];
    uint64_t length;
    unsigned char block[64];
} Sha256;

void sha256_init(Sha256 *s);
void sha256_add(Sha256 *s, const void *bytes, size_t count);
void sha256_hex(Sha256 *s, char out[65]); /* finishes s */

#endif
