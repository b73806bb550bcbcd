/* Numbers as bytes in both orders, from every width and any place, and what their bits mean. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "nn/formats/byte_order.h"

static const uint64_t NUMBER = UINT64_C(0xF1E2D3C4B5A69788);

START_TEST(bytes_by_hand)
{
    static const unsigned char low[] = {0x88, 0x97, 0xA6, 0xB5, 0xC4, 0xD3, 0xE2, 0xF1};
    for (size_t n = 1; n <= 8; n++) {
        unsigned char bytes[10];
        memset(bytes, 0x5A, sizeof bytes);
        little_endian_put(bytes + 1, n, NUMBER);
        ck_assert_mem_eq(bytes + 1, low, n);
        ck_assert_uint_eq(bytes[0], 0x5A);
        ck_assert_uint_eq(bytes[n + 1], 0x5A);
        memset(bytes, 0x5A, sizeof bytes);
        big_endian_put(bytes + 1, n, NUMBER);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(bytes[1 + i], low[n - 1 - i]);
        ck_assert_uint_eq(bytes[0], 0x5A);
        ck_assert_uint_eq(bytes[n + 1], 0x5A);
    }
}
END_TEST

START_TEST(read_back)
{
    for (size_t n = 1; n <= 8; n++)
        for (size_t at = 0; at < 8; at++) {
            const uint64_t kept = n == 8 ? NUMBER : NUMBER & (((uint64_t)1 << 8 * n) - 1);
            unsigned char bytes[16];
            little_endian_put(bytes + at, n, NUMBER);
            ck_assert_uint_eq(little_endian(bytes + at, n), kept);
            big_endian_put(bytes + at, n, NUMBER);
            ck_assert_uint_eq(big_endian(bytes + at, n), kept);
        }
    ck_assert_uint_eq(little_endian("", 0), 0);
    ck_assert_uint_eq(big_endian("", 0), 0);
}
END_TEST

START_TEST(twos_complement)
{
    ck_assert_int_eq(signed_of_bits(0x7F, 8), 127);
    ck_assert_int_eq(signed_of_bits(0x80, 8), -128);
    ck_assert_int_eq(signed_of_bits(0xFF, 8), -1);
    ck_assert_int_eq(signed_of_bits(0x8000, 16), INT16_MIN);
    ck_assert_int_eq(signed_of_bits(0x7FFFFFFF, 32), INT32_MAX);
    ck_assert_int_eq(signed_of_bits(0x80000000, 32), INT32_MIN);
    ck_assert(signed_of_bits((uint64_t)1 << 63, 64) == INT64_MIN);
    ck_assert(signed_of_bits(UINT64_MAX, 64) == -1);
    ck_assert(signed_of_bits(UINT64_MAX / 2, 64) == INT64_MAX);
}
END_TEST

START_TEST(bits_of_numbers)
{
    ck_assert_uint_eq(bits_of_float(1.0f), 0x3F800000);
    ck_assert_uint_eq(bits_of_float(-0.0f), 0x80000000);
    ck_assert(bits_of_double(-2.0) == UINT64_C(0xC000000000000000));
    ck_assert(float_of_bits(0x40490FDB) == 3.14159274f);
    ck_assert(double_of_bits(UINT64_C(0x3FF8000000000000)) == 1.5);
    const float nan = float_of_bits(0x7FC00000), infinity = float_of_bits(0xFF800000);
    ck_assert(isnan(nan)); /* one at a time: pcc 1.2 compiles no && of the two */
    ck_assert(infinity == -INFINITY);
}
END_TEST

Suite *byte_order_suite(void);
START_TEST(arrays_of_numbers)
{
    static const unsigned char one_and_minus_two[] = {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0};
    static const unsigned char minus_two[] = {0, 0, 0, 0, 0, 0, 0, 0xC0};
    const float f[] = {1.0f, -2.0f};
    const double d[] = {-2.0, 0x1.3456789ABCDEFp-9};
    unsigned char bytes[18];
    float f_read[3] = {5, 5, 5};
    double d_read[3] = {5, 5, 5};
    memset(bytes, 0x5A, sizeof bytes);
    floats_put(bytes, f, 2);
    ck_assert_mem_eq(bytes, one_and_minus_two, 8);
    ck_assert_uint_eq(bytes[8], 0x5A);
    floats_get(f_read, bytes, 2);
    ck_assert(f_read[0] == f[0] && f_read[1] == f[1] && f_read[2] == 5);
    doubles_put(bytes, d, 2);
    ck_assert_mem_eq(bytes, minus_two, 8);
    ck_assert_uint_eq(bytes[8], 0xEF);
    ck_assert_uint_eq(bytes[16], 0x5A);
    doubles_get(d_read, bytes, 2);
    ck_assert(d_read[0] == d[0] && d_read[1] == d[1] && d_read[2] == 5);
}
END_TEST

Suite *byte_order_suite(void)
{
    Suite *suite = suite_create("byte_order");
    TCase *tc = tcase_create("byte_order");
    tcase_add_test(tc, bytes_by_hand);
    tcase_add_test(tc, read_back);
    tcase_add_test(tc, arrays_of_numbers);
    tcase_add_test(tc, twos_complement);
    tcase_add_test(tc, bits_of_numbers);
    suite_add_tcase(suite, tc);
    return suite;
}
