/* The three kinds of blocks of RFC 1951, section 3.2.  A canonical code is kept as the number of
 * codes of each length and the symbols in the order of their codes, and is read bit by bit: the
 * codes of one length are consecutive numbers, so the first of them says which one was met. */
#include "nn/formats/packed/inflate.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LONGEST_CODE = 15, LITERALS = 288, DISTANCES = 30, END_OF_BLOCK = 256 };

static const char ends_early[] = "ends within its packed data";
static const char bad_code[] = "has packed data with a code that there is not";

typedef struct Stream {
    const unsigned char *bytes;
    size_t count, at;
    uint32_t held; /* `bits` bits that were taken from bytes and not yet from here */
    unsigned bits;
    unsigned char *out;
    size_t room, done;
    const char *wrong; /* the first thing that was; NULL: nothing */
} Stream;

typedef struct Code {
    uint16_t count[LONGEST_CODE + 1]; /* symbols with a code of that many bits */
    uint16_t symbol[LITERALS];
} Code;

/* The first fault counts; all reads after it are zeros. */
static void fail(Stream *s, const char *wrong)
{
    if (s->wrong == NULL)
        s->wrong = wrong;
}

/* The next n bits, at most 16, as a number, the first of them lowest. */
static unsigned take(Stream *s, unsigned n)
{
    while (s->bits < n && s->wrong == NULL) {
        if (s->at == s->count) {
            fail(s, ends_early);
            break;
        }
        s->held |= (uint32_t)s->bytes[s->at++] << s->bits;
        s->bits += 8;
    }
    if (s->wrong != NULL)
        return 0;
    const unsigned value = s->held & ((1u << n) - 1);
    s->held >>= n;
    s->bits -= n;
    return value;
}

/* The code of n symbols of these lengths (0: no code).  False if there are more codes than bits, or
 * fewer, but that a code of a single symbol may have one bit. */
static bool make_code(Code *c, const uint8_t *length, unsigned n)
{
    uint16_t first[LONGEST_CODE + 2] = {0};
    int left = 1;

    memset(c->count, 0, sizeof c->count);
    for (unsigned i = 0; i < n; i++)
        c->count[length[i]]++;
    const unsigned used = n - c->count[0];
    c->count[0] = 0;
    for (unsigned l = 1; l <= LONGEST_CODE; l++) {
        left = 2 * left - c->count[l];
        if (left < 0)
            return false;
        first[l + 1] = (uint16_t)(first[l] + c->count[l]);
    }
    for (unsigned i = 0; i < n; i++)
        if (length[i] != 0)
            c->symbol[first[length[i]]++] = (uint16_t)i;
    return left == 0 || used == 0 || (used == 1 && c->count[1] == 1);
}

static unsigned take_symbol(Stream *s, const Code *c)
{
    unsigned code = 0, first = 0, index = 0;

    for (unsigned l = 1; l <= LONGEST_CODE && s->wrong == NULL; l++) {
        code |= take(s, 1);
        if (code - first < c->count[l])
            return s->wrong == NULL ? c->symbol[index + (code - first)] : 0;
        index += c->count[l];
        first = (first + c->count[l]) << 1;
        code <<= 1;
    }
    fail(s, bad_code);
    return 0;
}

static void put(Stream *s, unsigned char byte)
{
    if (s->done == s->room)
        fail(s, "unpacks to more bytes than it should");
    else
        s->out[s->done++] = byte;
}

/* Bytes as they are, from the next whole byte on. */
static void stored_block(Stream *s)
{
    s->held = 0;
    s->bits = 0;
    const unsigned n = take(s, 16), check = take(s, 16);
    if (s->wrong == NULL && (n ^ check) != 0xFFFF)
        fail(s, "has a block of packed data whose length and its complement differ");
    if (s->wrong == NULL && n > s->count - s->at)
        fail(s, ends_early);
    for (unsigned i = 0; i < n && s->wrong == NULL; i++)
        put(s, s->bytes[s->at++]);
}

/* The match of a length's symbol 257 .. 287: lengths fall into classes, four from one power of two
 * to the next, distances into two, and the rest of the number follows. */
static void match(Stream *s, unsigned symbol, const Code *distances)
{
    const unsigned l = symbol - 257, le = l < 8 || l == 28 ? 0 : l / 4 - 1;
    if (l > 28) {
        fail(s, bad_code);
        return;
    }
    const unsigned length = l == 28 ? 258 : (l < 8 ? 3 + l : 3 + ((4 + l % 4) << le)) + take(s, le);
    const unsigned d = take_symbol(s, distances), de = d < 4 ? 0 : d / 2 - 1;
    if (s->wrong == NULL && d >= DISTANCES)
        fail(s, bad_code);
    if (s->wrong != NULL)
        return;
    const size_t distance = (d < 4 ? 1 + d : 1 + ((2 + d % 2) << de)) + take(s, de);
    if (s->wrong == NULL && distance > s->done)
        fail(s, "has packed data that reach back before their beginning");
    for (unsigned i = 0; i < length && s->wrong == NULL; i++)
        put(s, s->out[s->done - distance]);
}

static void coded_block(Stream *s, const Code *literals, const Code *distances)
{
    while (s->wrong == NULL) {
        const unsigned symbol = take_symbol(s, literals);
        if (s->wrong != NULL || symbol == END_OF_BLOCK)
            return;
        if (symbol < END_OF_BLOCK)
            put(s, (unsigned char)symbol);
        else
            match(s, symbol, distances);
    }
}

static void fixed_block(Stream *s)
{
    uint8_t length[LITERALS];
    Code literals, distances;

    for (unsigned i = 0; i < LITERALS; i++)
        length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    make_code(&literals, length, LITERALS);
    memset(length, 5, 32); /* two of the 32 distances stand for nothing */
    make_code(&distances, length, 32);
    coded_block(s, &literals, &distances);
}

/* n lengths of codes, themselves coded: 16 repeats the last one, 17 and 18 are runs of zeros. */
static void take_lengths(Stream *s, const Code *code, uint8_t *length, unsigned n)
{
    for (unsigned i = 0; i < n && s->wrong == NULL;) {
        const unsigned symbol = take_symbol(s, code);
        unsigned times = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol >= 16) {
            value = symbol == 16 && i > 0 ? length[i - 1] : 0;
            times = symbol == 16 ? 3 + take(s, 2) : symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        }
        if (s->wrong == NULL && ((symbol == 16 && i == 0) || times > n - i))
            fail(s, "has packed data with lengths of codes that do not fit");
        while (times-- > 0 && s->wrong == NULL)
            length[i++] = value;
    }
}

static void dynamic_block(Stream *s)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t length[LITERALS + 32] = {0};
    Code lengths, literals, distances;
    const unsigned n = 257 + take(s, 5), m = 1 + take(s, 5), k = 4 + take(s, 4);

    if (s->wrong == NULL && (n > 286 || m > DISTANCES))
        fail(s, "has packed data with more codes than there are");
    for (unsigned i = 0; i < k; i++)
        length[order[i]] = (uint8_t)take(s, 3);
    if (s->wrong == NULL && !make_code(&lengths, length, 19))
        fail(s, bad_code);
    take_lengths(s, &lengths, length, n + m);
    if (s->wrong == NULL && (length[END_OF_BLOCK] == 0 || !make_code(&literals, length, n) ||
                             !make_code(&distances, length + n, m)))
        fail(s, bad_code);
    coded_block(s, &literals, &distances);
}

const char *inflate_exact(const unsigned char *bytes, size_t count, size_t *used,
                          unsigned char *out, size_t room)
{
    Stream s = {.bytes = bytes, .count = count, .out = out, .room = room};

    for (bool last = false; !last && s.wrong == NULL;) {
        last = take(&s, 1) == 1;
        switch (take(&s, 2)) {
        case 0: stored_block(&s); break;
        case 1: fixed_block(&s); break;
        case 2: dynamic_block(&s); break;
        default: fail(&s, "has a block of packed data of no known kind");
        }
    }
    if (s.wrong == NULL && s.done != room)
        fail(&s, "unpacks to fewer bytes than it should");
    *used = s.at;
    return s.wrong;
}
