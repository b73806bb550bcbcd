/* Inflate: streams by hand, streams of another packer, and damage of every kind. */
#include <check.h>
#include <string.h>

#include "nn/formats/packed/deflate.h"
#include "nn/formats/packed/inflate.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

enum { TEXT = 1000 };

/* zlib's packing, at its best, of byte i = (i^2 / 200 mod 7) + 97, i < TEXT: one block with codes
 * of its own. */
static const unsigned char packed_text[] = {
    0xed, 0x92, 0x51, 0x16, 0x82, 0x30, 0x10, 0x03, 0xcf, 0x5a, 0xd8, 0x2d, 0xf7, 0xbf, 0x81,
    0xc9, 0x04, 0x15, 0x9e, 0x7d, 0x9c, 0xc0, 0x02, 0xdd, 0x99, 0xa4, 0xfa, 0xd5, 0x31, 0x6e,
    0x6b, 0xf3, 0xda, 0xbd, 0x4a, 0xab, 0xbb, 0xe7, 0x9c, 0xc7, 0x71, 0x50, 0x38, 0x73, 0x10,
    0x95, 0x21, 0xe2, 0x20, 0x14, 0xd8, 0x0c, 0x9e, 0xcb, 0xc1, 0x0e, 0x3b, 0x49, 0xa0, 0xf2,
    0xb3, 0x39, 0xdb, 0xcb, 0xad, 0x0c, 0x50, 0x22, 0x51, 0x9a, 0xcf, 0x4c, 0x56, 0x13, 0x5d,
    0x0c, 0x08, 0xb1, 0x5f, 0x5e, 0x12, 0x57, 0x3e, 0x93, 0x20, 0x98, 0x29, 0x47, 0xae, 0x9b,
    0x8a, 0xe5, 0x00, 0x40, 0x67, 0x92, 0xa8, 0x9f, 0xfa, 0x79, 0xc8, 0xd5, 0xeb, 0x94, 0xce,
    0xea, 0x17, 0x15, 0xd5, 0xbf, 0x80, 0x73, 0x3d, 0xee, 0x9b, 0x32, 0x15, 0x08, 0xb3, 0x46,
    0xb0, 0x37, 0x8c, 0xe0, 0xfb, 0x3a, 0x71, 0xd5, 0x3e, 0x33, 0x90, 0xe5, 0x00, 0xd1, 0xf3,
    0x4b, 0x36, 0x4b, 0xbd, 0xc5, 0xe0, 0x04, 0x7b, 0x6f, 0x52, 0x65, 0x6e, 0xdb, 0x75, 0x02,
    0xf3, 0x7a, 0x30, 0xf1, 0x13, 0x42, 0x27, 0x9a, 0x23, 0x18, 0x2a, 0x57, 0xd0, 0xbe, 0x86,
    0xdc, 0x47, 0x6e, 0xe6, 0x78, 0x5a, 0xff, 0xbb, 0xfb, 0x70, 0x77, 0x5f};

/* Unpacks into exactly `room` bytes of their own block, so that a byte too far is seen. */
static const char *unpack(const unsigned char *z, size_t count, size_t room, unsigned char **out,
                          size_t *used)
{
    unsigned char *copy = mem_alloc(count, 1);
    *out = mem_alloc(room + 1, 1);
    (*out)[room] = 0xA5;
    if (count > 0)
        memcpy(copy, z, count);
    const char *wrong = inflate_exact(copy, count, used, *out, room);
    ck_assert_uint_eq((*out)[room], 0xA5);
    mem_free(copy);
    return wrong;
}

static void refused(const char *z, size_t count, size_t room, const char *piece)
{
    unsigned char *out;
    size_t used;
    const char *wrong = unpack((const unsigned char *)z, count, room, &out, &used);
    ck_assert_msg(wrong != NULL && strstr(wrong, piece) != NULL, "'%s' in '%s'", piece,
                  wrong ? wrong : "(nothing)");
    mem_free(out);
}

START_TEST(codes_of_its_own)
{
    unsigned char *out;
    size_t used;
    ck_assert_ptr_null(unpack(packed_text, sizeof packed_text, TEXT, &out, &used));
    ck_assert_uint_eq(used, sizeof packed_text);
    for (unsigned i = 0; i < TEXT; i++)
        if (out[i] != i * i / 200 % 7 + 97)
            ck_abort_msg("byte %u is %d", i, out[i]);
    mem_free(out);
}
END_TEST

/* What the writer packs, at all distances and lengths, with bytes of others behind it. */
START_TEST(fixed_codes_come_back)
{
    Rng rng = rng_root(5);
    for (size_t distance = 1; distance <= DEFLATE_WINDOW; distance = 3 * distance / 2 + 1) {
        const size_t count = distance + 700;
        char *bytes = mem_alloc(count, 1);
        Buffer b = {0};
        size_t used;
        unsigned char *out;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (char)(i < distance || i % 301 == 0 ? rng_u32(&rng) : 0);
        for (size_t i = distance; i < count; i++)
            if (i % 301 != 0)
                bytes[i] = bytes[i - distance];
        deflate_fixed(&b, bytes, count, &distance, 1);
        const size_t length = b.length;
        buffer_add(&b, "tail", 4);
        ck_assert_ptr_null(unpack((unsigned char *)b.bytes, b.length, count, &out, &used));
        ck_assert_uint_eq(used, length);
        ck_assert_mem_eq(out, bytes, count);
        mem_free(out);
        buffer_free(&b);
        mem_free(bytes);
    }
}
END_TEST

START_TEST(stored_blocks)
{
    unsigned char *out;
    size_t used;
    /* two blocks of "ab" and "c", then an empty last one */
    static const unsigned char z[] = "\0\2\0\xFD\xFF"
                                     "ab"
                                     "\0\1\0\xFE\xFF"
                                     "c"
                                     "\1\0\0\xFF\xFF";
    ck_assert_ptr_null(unpack(z, sizeof z - 1, 3, &out, &used));
    ck_assert_uint_eq(used, sizeof z - 1);
    ck_assert_mem_eq(out, "abc", 3);
    mem_free(out);
    ck_assert_ptr_null(unpack((const unsigned char *)"\3\0", 2, 0, &out, &used)); /* of nothing */
    mem_free(out);
}
END_TEST

START_TEST(what_is_no_stream)
{
    refused("", 0, 1, "ends within");
    refused("\7", 1, 1, "no known kind");
    refused("\1\2\0\xFD\xFF"
            "a",
            6, 2, "ends within");
    refused("\1\2\0\xFD\xFE"
            "ab",
            7, 2, "complement");
    refused("\1\2\0\xFD\xFF"
            "ab",
            7, 1, "more bytes");
    refused("\1\2\0\xFD\xFF"
            "ab",
            7, 3, "fewer bytes");
    refused("\x4B\x04\x03\x00", 3, 6, "ends within");
    refused("\x4B\x04\x03\x00", 4, 5, "more bytes");
    refused("\x4B\x04\x03\x00", 4, 7, "fewer bytes");
    refused("\x03\x02\x00", 3, 9, "reach back");     /* a length of 3, distance 1, at the start */
    refused("\x03\x5E\x00\x00", 4, 9, "reach back"); /* distance symbol 29: 11101 */
    refused("\x03\x3E\x00\x00", 4, 9, "a code that there is not"); /* 30: 11110 */
    refused("\x03\x7E\x00\x00", 4, 9, "a code that there is not"); /* 31: 11111 */
    refused("\x1B\x03\x00", 3, 9, "a code that there is not");     /* symbol 286: 11000110 */
    refused("\xFD\xFF\xFF", 3, 9, "more codes than there are");    /* 288 literals, 32 distances */
    refused("\x05\x00\x00\x00\x00\x00", 6, 9, "a code that there is not"); /* no code of lengths */
    refused("\x05\x00\x92\x04", 4, 9, "a code that there is not"); /* four codes of one bit */
    refused("\x05\x00\xB6\x0D", 4, 9, "a code that there is not"); /* four codes of three */
}
END_TEST

/* However a stream is cut, it is refused and nothing beyond it is read. */
START_TEST(every_cut_is_refused)
{
    for (size_t n = 0; n < sizeof packed_text; n++)
        refused((const char *)packed_text, n, TEXT, "");
}
END_TEST

/* Any bytes end: refused, or as many bytes as were asked for.  A stream with other bytes inside may
 * be a stream of other data, but never of another length. */
START_TEST(any_bytes_end)
{
    Rng rng = rng_root(7);
    size_t taken = 0, refusals = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned char z[sizeof packed_text];
        unsigned char *out;
        size_t used, room = i % 2 == 0 ? TEXT : rng_u32(&rng) % 300;
        memcpy(z, packed_text, sizeof z);
        if (i % 2 == 0)
            for (unsigned k = 1 + rng_u32(&rng) % 3; k > 0; k--)
                z[rng_u32(&rng) % sizeof z] ^= (unsigned char)(1u << rng_u32(&rng) % 8);
        else
            for (size_t k = 0; k < sizeof z; k++)
                z[k] = (unsigned char)rng_u32(&rng);
        const char *wrong = unpack(z, sizeof z, room, &out, &used);
        ck_assert_uint_le(used, sizeof z);
        taken += wrong == NULL;
        refusals += wrong != NULL;
        mem_free(out);
    }
    ck_assert_uint_gt(refusals, 10000);
    ck_assert_uint_gt(taken, 0);
}
END_TEST

Suite *inflate_suite(void);
Suite *inflate_suite(void)
{
    Suite *suite = suite_create("inflate");
    TCase *tc = tcase_create("inflate");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, codes_of_its_own);
    tcase_add_test(tc, fixed_codes_come_back);
    tcase_add_test(tc, stored_blocks);
    tcase_add_test(tc, what_is_no_stream);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_test(tc, any_bytes_end);
    suite_add_tcase(suite, tc);
    return suite;
}
