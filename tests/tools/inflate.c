/* Tables as the RFC prints them (3.2.5), bit by bit: slow. */
#include "tests/tools/inflate.h"

#include <check.h>
#include <string.h>

typedef struct Reader {
    const unsigned char *bytes;
    size_t bits, at; /* at: bits read */
} Reader;

/* Check tells its parent of every assertion, which would take far longer than the bit. */
static unsigned bit(Reader *r)
{
    if (r->at >= r->bits)
        ck_abort_msg("the packed bytes end too soon");
    const unsigned b = r->bytes[r->at / 8] >> r->at % 8 & 1;
    r->at++;
    return b;
}

static unsigned number(Reader *r, unsigned bits)
{
    unsigned x = 0;
    for (unsigned i = 0; i < bits; i++)
        x |= bit(r) << i;
    return x;
}

static unsigned code(Reader *r, unsigned bits)
{
    unsigned x = 0;
    while (bits-- > 0)
        x = x << 1 | bit(r);
    return x;
}

/* 3.2.6: codes of 7, 8 and 9 bits. */
static unsigned symbol(Reader *r)
{
    unsigned x = code(r, 7);
    if (x <= 0x17)
        return 256 + x;
    x = x << 1 | bit(r);
    if (x >= 0x30 && x <= 0xBF)
        return x - 0x30;
    if (x >= 0xC0 && x <= 0xC7)
        return 280 + x - 0xC0;
    x = x << 1 | bit(r);
    ck_assert_uint_ge(x, 0x190);
    return 144 + x - 0x190;
}

static size_t stored_block(Reader *r, unsigned char *out, size_t length, size_t most)
{
    r->at = (r->at + 7) / 8 * 8;
    const unsigned n = number(r, 16);
    ck_assert_uint_eq(n ^ 0xFFFF, number(r, 16));
    ck_assert_uint_le(length + n, most);
    for (unsigned i = 0; i < n; i++)
        out[length + i] = (unsigned char)number(r, 8);
    return length + n;
}

static size_t fixed_block(Reader *r, unsigned char *out, size_t length, size_t most)
{
    static const unsigned first_length[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                              15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                              67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                             2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const unsigned first_distance[30] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    for (;;) {
        const unsigned s = symbol(r);
        if (s == 256)
            return length;
        if (s < 256) {
            if (length >= most)
                ck_abort_msg("more than %zu bytes", most);
            out[length++] = (unsigned char)s;
            continue;
        }
        ck_assert_uint_lt(s - 257, 29);
        const unsigned n = first_length[s - 257] + number(r, length_bits[s - 257]);
        const unsigned d = code(r, 5);
        ck_assert_uint_lt(d, 30);
        const unsigned back = first_distance[d] + number(r, d < 4 ? 0 : d / 2 - 1);
        ck_assert(back <= length && length + n <= most);
        for (unsigned i = 0; i < n; i++, length++)
            out[length] = out[length - back];
    }
}

size_t inflate(const unsigned char *z, size_t count, size_t *used, unsigned char *out, size_t most)
{
    Reader r = {z, count * 8, 0};
    size_t length = 0;
    for (unsigned last = 0; !last;) {
        last = bit(&r);
        const unsigned kind = number(&r, 2);
        ck_assert_uint_le(kind, 1);
        length = (kind == 0 ? stored_block : fixed_block)(&r, out, length, most);
    }
    *used = (r.at + 7) / 8;
    return length;
}
