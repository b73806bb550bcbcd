/* The library says the numbers that its headers and the Makefile say. */
#include "tensor/base/version.h"

#include <check.h>

START_TEST(header_and_library_agree)
{
    ck_assert_int_eq(version_api(), DI4C_API);
    ck_assert_int_eq(version_api() / 1000, DI4C_API_MAJOR);
    ck_assert_int_eq(version_api() % 1000, DI4C_API_MINOR);
    ck_assert_str_eq(version_release(), DI4C_VERSION);
}
END_TEST

Suite *version_suite(void)
{
    Suite *s = suite_create("version");
    TCase *tc = tcase_create("version");

    tcase_add_test(tc, header_and_library_agree);
    suite_add_tcase(s, tc);
    return s;
}
