/* Deflate against an unpacker written from the RFC's tables, and against bits worked out by hand.
 */
#include <check.h>
#include <string.h>

#include "nn/formats/packed/deflate.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tests/tools/inflate.h"

static void round_trip(const char *bytes, size_t count, const size_t *distances, size_t choices,
                       size_t most)
{
    Buffer packed = {0};
    unsigned char *out = mem_alloc(count + 1, 1);
    size_t used;

    buffer_add(&packed, "before", 6);
    deflate_fixed(&packed, bytes, count, distances, choices);
    const size_t n =
        inflate((unsigned char *)packed.bytes + 6, packed.length - 6, &used, out, count);
    ck_assert_uint_eq(n, count);
    ck_assert_uint_eq(used, packed.length - 6);
    ck_assert_uint_le(used, most);
    if (count > 0)
        ck_assert_mem_eq(out, bytes, count);
    mem_free(out);
    buffer_free(&packed);
}

START_TEST(bits_by_hand)
{
    Buffer b = {0};
    const size_t one = 1;

    /* 1 10 | 'a' = 0x61: 10010001 | length 5, 0000011 | distance 1, 00000 | end, 0000000. */
    deflate_fixed(&b, "aaaaaa", 6, &one, 1);
    ck_assert_uint_eq(b.length, 4);
    ck_assert_mem_eq(b.bytes, "\x4B\x04\x03\x00", 4);
    buffer_free(&b);
    deflate_fixed(&b, NULL, 0, &one, 1);
    ck_assert_uint_eq(b.length, 2);
    ck_assert_mem_eq(b.bytes, "\x03\x00", 2);
    buffer_free(&b);
}
END_TEST

/* `distance` random bytes, then `length` bytes that repeat what lies `distance` before: one match
 * for each 258 of them, of at most 31 bits. */
static void match_of(size_t distance, size_t length)
{
    Rng rng = rng_root(distance * 1000 + length);
    const size_t count = distance + length;
    char *bytes = mem_alloc(count, 1);

    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(i < distance ? rng_u32(&rng) : (unsigned char)bytes[i - distance]);
    Buffer alone = {0};
    deflate_fixed(&alone, bytes, distance, &distance, 1);
    round_trip(bytes, count, &distance, 1, alone.length + 5 * (length / 258 + 1));
    buffer_free(&alone);
    mem_free(bytes);
}

START_TEST(every_length_and_class_of_distance)
{
    for (size_t length = 0; length <= 600; length++)
        match_of(length % 40 + 1, length);
    for (size_t distance = 1; distance <= DEFLATE_WINDOW; distance += 1 + distance / 7)
        match_of(distance, 20);
    for (size_t power = 4; power <= DEFLATE_WINDOW; power *= 2)
        for (size_t d = power - 1; d <= power + 1 && d <= DEFLATE_WINDOW; d++)
            match_of(d, 300);
    match_of(DEFLATE_WINDOW, 300);
}
END_TEST

START_TEST(what_cannot_be_used_is_passed_over)
{
    const size_t distances[] = {0, DEFLATE_WINDOW + 1, (size_t)-1, 3};
    static char bytes[3 * DEFLATE_WINDOW];

    round_trip("abcabcabcabc", 12, distances, 4, 8);
    round_trip("abcabcabcabc", 12, distances, 3, 15);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * i >> 7); /* all 256 values */
    round_trip(bytes, sizeof bytes, distances, 4, sizeof bytes + sizeof bytes / 8 + 2);
}
END_TEST

Suite *deflate_suite(void)
{
    Suite *suite = suite_create("deflate");
    TCase *tc = tcase_create("deflate");

    tcase_set_timeout(tc, 60.0);
    tcase_add_test(tc, bits_by_hand);
    tcase_add_test(tc, every_length_and_class_of_distance);
    tcase_add_test(tc, what_cannot_be_used_is_passed_over);
    suite_add_tcase(suite, tc);
    return suite;
}
