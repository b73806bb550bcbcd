/* The fixed codes of RFC 1951, section 3.2.6.  Bits fill bytes from the lowest; a code goes in from
 * its highest bit, an extra number from its lowest. */
#include "nn/formats/packed/deflate.h"

#include <stdint.h>

/* Lengths of matches, of which 3 is allowed and saves nothing, and a symbol (RFC 1951, 3.2.5). */
enum { SHORTEST = 4, LONGEST = 258, END_OF_BLOCK = 256 };

typedef struct Bits {
    Buffer *out;
    uint32_t held; /* `count` bits that do not fill a byte yet */
    unsigned count;
} Bits;

static void put_number(Bits *b, uint32_t value, unsigned bits)
{
    b->held |= value << b->count;
    for (b->count += bits; b->count >= 8; b->count -= 8, b->held >>= 8) {
        const unsigned char byte = (unsigned char)(b->held & 255);
        buffer_add(b->out, &byte, 1);
    }
}

static void put_huffman_code(Bits *b, uint32_t code, unsigned bits)
{
    while (bits-- > 0)
        put_number(b, code >> bits & 1, 1);
}

/* A literal byte, the end of the block, or the code of a length. */
static void put_symbol(Bits *b, unsigned s)
{
    if (s < 144)
        put_huffman_code(b, 0x30 + s, 8);
    else if (s < 256)
        put_huffman_code(b, 0x190 + (s - 144), 9);
    else if (s < 280)
        put_huffman_code(b, s - 256, 7);
    else
        put_huffman_code(b, 0xC0 + (s - 280), 8);
}

/* Number of bits of x below its highest `kept` bits. */
static unsigned low_bits(uint32_t x, unsigned kept)
{
    unsigned n = 0;

    while (x >> n >= 1u << kept)
        n++;
    return n;
}

/* Lengths from 3 fall into classes, four from one power of two to the next; distances from 1 into
 * two.  A class has a code; the rest of the number follows as it is. */
static void put_match(Bits *b, size_t length, size_t distance)
{
    const uint32_t l = (uint32_t)length - 3, d = (uint32_t)distance - 1;
    const unsigned le = low_bits(l, 3), de = low_bits(d, 2);

    if (length == LONGEST) {
        put_symbol(b, 285);
    } else {
        put_symbol(b, 257 + 4 * le + (l >> le));
        put_number(b, l & ((1u << le) - 1), le);
    }
    put_huffman_code(b, 2 * de + (d >> de), 5);
    put_number(b, d & ((1u << de) - 1), de);
}

static size_t match_length(const char *bytes, size_t at, size_t count, size_t distance)
{
    size_t n = 0;

    if (distance == 0 || distance > DEFLATE_WINDOW || distance > at)
        return 0;
    while (n < LONGEST && at + n < count && bytes[at + n] == bytes[at + n - distance])
        n++;
    return n;
}

void deflate_fixed(Buffer *out, const char *bytes, size_t count, const size_t *distances,
                   size_t choices)
{
    Bits b = {out, 0, 0};

    put_number(&b, 1, 1); /* the last block, */
    put_number(&b, 1, 2); /* with fixed codes */
    for (size_t at = 0; at < count;) {
        size_t best = 0, distance = 0;
        for (size_t i = 0; i < choices; i++) {
            const size_t n = match_length(bytes, at, count, distances[i]);
            if (n > best) {
                best = n;
                distance = distances[i];
            }
        }
        if (best >= SHORTEST) {
            put_match(&b, best, distance);
            at += best;
        } else {
            put_symbol(&b, (unsigned char)bytes[at++]);
        }
    }
    put_symbol(&b, END_OF_BLOCK);
    put_number(&b, 0, (8 - b.count) % 8);
}
