/* A code is decoded bit by bit: codes of one length are consecutive numbers, so after each bit it
 * is enough to know how many codes there are of the length so far (RFC 1951, 3.2.2). */
#include "nn/formats/inflate.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST_CODE = 15, LITERALS = 288, DISTANCES = 32, LENGTH_CODES = 19, END_OF_BLOCK = 256 };

typedef struct Unpacking {
    const unsigned char *in;
    unsigned char *out;
    size_t in_size, out_size, at, length; /* at: bytes read; length: bytes written */
    uint32_t held;                        /* `count` bits that were read and not used */
    unsigned count;
    bool bad; /* the input has ended, or is wrong */
} Unpacking;

typedef struct Code {
    uint16_t count[LONGEST_CODE + 1]; /* of codes of each length */
    uint16_t symbol[LITERALS];        /* in the order of their codes */
} Code;

/* The next bits, the lowest first; 0 behind the end. */
static unsigned take_bits(Unpacking *u, unsigned bits)
{
    while (u->count < bits) {
        if (u->at == u->in_size) {
            u->bad = true;
            return 0;
        }
        u->held |= (uint32_t)u->in[u->at++] << u->count;
        u->count += 8;
    }
    const unsigned value = u->held & ((1u << bits) - 1);
    u->held >>= bits;
    u->count -= bits;
    return value;
}

/* lengths (n): bits of each symbol's code, 0: it has none.  False if there are more codes than
 * their lengths allow; fewer are well formed only where there is one code or none. */
static bool make_code(Code *code, const unsigned char *lengths, size_t n)
{
    size_t place[LONGEST_CODE + 2] = {0};
    long left = 1;
    memset(code->count, 0, sizeof code->count);
    for (size_t i = 0; i < n; i++)
        code->count[lengths[i]]++;
    for (unsigned bits = 1; bits <= LONGEST_CODE; bits++) {
        left = 2 * left - (long)code->count[bits];
        if (left < 0)
            return false;
        place[bits + 1] = place[bits] + code->count[bits];
    }
    for (size_t i = 0; i < n; i++)
        if (lengths[i] > 0)
            code->symbol[place[lengths[i]]++] = (uint16_t)i;
    return left == 0 || (size_t)code->count[0] + 1 >= n;
}

/* The next symbol; one that is none, and bad, if no code fits. */
static unsigned take_symbol(Unpacking *u, const Code *code)
{
    unsigned value = 0, first = 0, index = 0;
    for (unsigned bits = 1; bits <= LONGEST_CODE && !u->bad; bits++) {
        value = value << 1 | take_bits(u, 1);
        const unsigned count = code->count[bits];
        if (value < first + count)
            return u->bad ? END_OF_BLOCK : code->symbol[index + value - first];
        index += count;
        first = (first + count) << 1;
    }
    u->bad = true;
    return END_OF_BLOCK;
}

static void stored_block(Unpacking *u)
{
    u->held = 0; /* fewer than 8 bits are left: the rest of a byte */
    u->count = 0;
    const unsigned size = take_bits(u, 16), check = take_bits(u, 16);
    if (u->bad || (size ^ 0xFFFF) != check || size > u->in_size - u->at ||
        size > u->out_size - u->length) {
        u->bad = true;
        return;
    }
    memcpy(u->out + u->length, u->in + u->at, size);
    u->at += size;
    u->length += size;
}

/* A match of the length with that symbol; its distance follows. */
static void copy_match(Unpacking *u, unsigned symbol, const Code *distances)
{
    static const uint16_t length_from[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                             15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                             67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned char length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                  2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_from[30] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    symbol -= END_OF_BLOCK + 1;
    if (symbol >= 29) {
        u->bad = true;
        return;
    }
    const size_t length = length_from[symbol] + (size_t)take_bits(u, length_bits[symbol]);
    const unsigned d = take_symbol(u, distances);
    if (u->bad || d >= 30) {
        u->bad = true;
        return;
    }
    const size_t back = distance_from[d] + (size_t)take_bits(u, d < 4 ? 0 : d / 2 - 1);
    if (u->bad || back > u->length || length > u->out_size - u->length) {
        u->bad = true;
        return;
    }
    for (size_t i = 0; i < length; i++, u->length++)
        u->out[u->length] = u->out[u->length - back];
}

static void coded_block(Unpacking *u, const Code *literals, const Code *distances)
{
    while (!u->bad) {
        const unsigned symbol = take_symbol(u, literals);
        if (u->bad || symbol == END_OF_BLOCK)
            return;
        if (symbol > END_OF_BLOCK)
            copy_match(u, symbol, distances);
        else if (u->length == u->out_size)
            u->bad = true;
        else
            u->out[u->length++] = (unsigned char)symbol;
    }
}

static void fixed_block(Unpacking *u)
{
    unsigned char lengths[LITERALS], five[DISTANCES];
    Code literals, distances;
    for (unsigned i = 0; i < LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    memset(five, 5, sizeof five);
    make_code(&literals, lengths, LITERALS);
    make_code(&distances, five, DISTANCES);
    coded_block(u, &literals, &distances);
}

/* The lengths of two codes, themselves packed with a third (3.2.7). */
static bool take_lengths(Unpacking *u, unsigned char *lengths, size_t n)
{
    static const unsigned char order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned char small[LENGTH_CODES] = {0};
    const unsigned given = take_bits(u, 4) + 4;
    Code code;
    for (unsigned i = 0; i < given; i++)
        small[order[i]] = (unsigned char)take_bits(u, 3);
    if (u->bad || !make_code(&code, small, LENGTH_CODES))
        return false;
    for (size_t i = 0; i < n;) {
        const unsigned symbol = take_symbol(u, &code);
        unsigned char value = 0;
        size_t times = 1;
        if (symbol < 16)
            value = (unsigned char)symbol;
        else if (symbol == 16 && i > 0)
            times = 3 + (size_t)take_bits(u, 2);
        else if (symbol == 17)
            times = 3 + (size_t)take_bits(u, 3);
        else if (symbol == 18)
            times = 11 + (size_t)take_bits(u, 7);
        else
            return false;
        if (u->bad || times > n - i)
            return false;
        if (symbol == 16)
            value = lengths[i - 1];
        memset(lengths + i, value, times);
        i += times;
    }
    return lengths[END_OF_BLOCK] > 0;
}

static void dynamic_block(Unpacking *u)
{
    unsigned char lengths[LITERALS + DISTANCES];
    Code literals, distances;
    const size_t nl = take_bits(u, 5) + 257, nd = take_bits(u, 5) + 1;
    if (u->bad || nl > 286 || nd > 30 || !take_lengths(u, lengths, nl + nd) ||
        !make_code(&literals, lengths, nl) || !make_code(&distances, lengths + nl, nd)) {
        u->bad = true;
        return;
    }
    coded_block(u, &literals, &distances);
}

bool inflate_bytes(unsigned char *out, size_t out_size, const unsigned char *in, size_t in_size)
{
    Unpacking u = {.in = in, .out = out, .in_size = in_size, .out_size = out_size};
    for (unsigned last = 0; !last && !u.bad;) {
        last = take_bits(&u, 1);
        switch (take_bits(&u, 2)) {
        case 0: stored_block(&u); break;
        case 1: fixed_block(&u); break;
        case 2: dynamic_block(&u); break;
        default: u.bad = true;
        }
    }
    return !u.bad && u.length == out_size && u.at == in_size;
}
