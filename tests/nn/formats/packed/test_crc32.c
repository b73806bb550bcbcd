/* CRC-32 against its published check value and against the sum taken bit by bit. */
#include <check.h>

#include "nn/formats/packed/crc32.h"

START_TEST(crc_of_known_bytes)
{
    ck_assert_uint_eq(crc32_of("123456789", 9), 0xCBF43926);
    ck_assert_uint_eq(crc32_of("", 0), 0);
    unsigned char bytes[300];
    for (size_t count = 0; count < sizeof bytes; count++) { /* bit by bit, from every place */
        uint32_t crc = 0xFFFFFFFF;
        bytes[count] = (unsigned char)(count * count * 7 + 3);
        for (size_t i = count % 5; i < count; i++) {
            crc ^= bytes[i];
            for (int k = 0; k < 8; k++)
                crc = crc & 1 ? 0xEDB88320 ^ crc >> 1 : crc >> 1;
        }
        ck_assert_uint_eq(crc32_of(bytes + count % 5, count - count % 5), ~crc);
    }
}
END_TEST

Suite *crc32_suite(void);
Suite *crc32_suite(void)
{
    Suite *suite = suite_create("crc32");
    TCase *tc = tcase_create("crc32");
    tcase_add_test(tc, crc_of_known_bytes);
    suite_add_tcase(suite, tc);
    return suite;
}
