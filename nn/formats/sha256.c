/* SHA-256, straight from FIPS 180-4: 64-byte blocks, eight 32-bit words of state. */
#include "nn/formats/sha256.h"

#include <string.h>

#include "nn/formats/byte_order.h"

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* One round: new values of d and h, which are the next round's e and a.  All other words keep their
 * values and only change their names, which is left to the order of the arguments. */
static void add_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f,
                      uint32_t g, uint32_t *h, uint32_t constant_and_word)
{
    const uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const uint32_t choose = g ^ (e & (f ^ g));
    const uint32_t t1 = *h + s1 + choose + constant_and_word;
    const uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const uint32_t majority = (a & b) | (c & (a | b));
    *d += t1;
    *h = t1 + s0 + majority;
}

static void add_block(uint32_t state[8], const unsigned char *block)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)big_endian(block + (size_t)4 * i, 4);
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 64; i += 8) {
        const uint32_t *k = round_constant + i, *x = w + i;
        add_round(a, b, c, &d, e, f, g, &h, k[0] + x[0]);
        add_round(h, a, b, &c, d, e, f, &g, k[1] + x[1]);
        add_round(g, h, a, &b, c, d, e, &f, k[2] + x[2]);
        add_round(f, g, h, &a, b, c, d, &e, k[3] + x[3]);
        add_round(e, f, g, &h, a, b, c, &d, k[4] + x[4]);
        add_round(d, e, f, &g, h, a, b, &c, k[5] + x[5]);
        add_round(c, d, e, &f, g, h, a, &b, k[6] + x[6]);
        add_round(b, c, d, &e, f, g, h, &a, k[7] + x[7]);
    }
    const uint32_t after[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += after[i];
}

void sha256_init(Sha256 *s)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, start, sizeof start);
    s->length = 0;
}

void sha256_add(Sha256 *s, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    size_t filled = (size_t)(s->length % 64);
    s->length += count;
    if (filled > 0) {
        size_t n = count < 64 - filled ? count : 64 - filled;
        if (n > 0)
            memcpy(s->block + filled, p, n);
        p += n;
        count -= n;
        if (filled + n < 64)
            return;
        add_block(s->h, s->block);
    }
    for (; count >= 64; p += 64, count -= 64)
        add_block(s->h, p);
    if (count > 0)
        memcpy(s->block, p, count);
}

void sha256_hex(Sha256 *s, char out[65])
{
    static const char digit[] = "0123456789abcdef";
    static const unsigned char padding[64] = {0x80};
    unsigned char bits[8];
    big_endian_put(bits, sizeof bits, s->length * 8);
    sha256_add(s, padding, (size_t)((119 - s->length % 64) % 64 + 1));
    sha256_add(s, bits, sizeof bits);
    for (int i = 0; i < 64; i++)
        out[i] = digit[s->h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = '\0';
}
