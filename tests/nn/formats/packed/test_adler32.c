/* Adler-32 of known texts, and of more bytes than its sums hold without being reduced. */
#include <check.h>

#include "nn/formats/packed/adler32.h"
#include "tensor/base/memory.h"

START_TEST(known_sums)
{
    ck_assert_uint_eq(adler32_of("", 0), 1);
    ck_assert_uint_eq(adler32_of("a", 1), 0x00620062);
    ck_assert_uint_eq(adler32_of("Wikipedia", 9), 0x11E60398);
    ck_assert_uint_eq(adler32_of("\0\0\0", 3), 0x00030001);
}
END_TEST

/* n bytes of value v: 1 + n v, and n + v n (n + 1) / 2. */
START_TEST(many_bytes)
{
    enum { MOST = 300000 };
    unsigned char *bytes = mem_alloc(MOST, 1);
    for (size_t i = 0; i < MOST; i++)
        bytes[i] = 0xFF;
    for (uint64_t n = 1; n <= MOST; n = 3 * n + 2) {
        const uint64_t low = (1 + n * 0xFF) % 65521;
        const uint64_t high = (n + 0xFF * (n * (n + 1) / 2)) % 65521;
        ck_assert_uint_eq(adler32_of(bytes, (size_t)n), high << 16 | low);
    }
    mem_free(bytes);
}
END_TEST

Suite *adler32_suite(void);
Suite *adler32_suite(void)
{
    Suite *suite = suite_create("adler32");
    TCase *tc = tcase_create("adler32");
    tcase_add_test(tc, known_sums);
    tcase_add_test(tc, many_bytes);
    suite_add_tcase(suite, tc);
    return suite;
}
