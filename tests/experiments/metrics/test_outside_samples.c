/* Pictures from elsewhere: arrays of whole numbers that are taken, and those that are not. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/outside_samples.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static const char *path;

static void set_up(void)
{
    toys_set_up("test-outside.tmp");
    path = toy("a.npy");
}

START_TEST(bytes_and_numbers_of_16_bits)
{
    uint8_t bytes[2 * 2 * 5 * 3];
    uint16_t words[3 * 4 * 2];
    OutsideSamples s;
    Error err = {""};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t i = 0; i < 24; i++)
        words[i] = (uint16_t)(i * 11);
    ck_assert(npy_write(path, NPY_U1, 4, (size_t[]){2, 2, 5, 3}, bytes, &err));
    ck_assert_msg(outside_samples_read(&s, path, 256, &err), "%s", err.text);
    ck_assert(s.height == 2 && s.width == 5 && s.channels == 3 && s.x.batch == 2 && s.x.dims == 30);
    for (size_t i = 0; i < sizeof bytes; i++)
        ck_assert_uint_eq(s.x.x[i], bytes[i]);
    states_free(&s.x);
    ck_assert(npy_write(path, NPY_U2, 3, (size_t[]){3, 4, 2}, words, &err));
    ck_assert_msg(outside_samples_read(&s, path, 256, &err), "%s", err.text);
    ck_assert(s.height == 4 && s.width == 2 && s.channels == 1 && s.x.batch == 3);
    ck_assert_mem_eq(s.x.x, words, sizeof words);
    states_free(&s.x);
}
END_TEST

/* As NumPy saves numbers of another kind: float16, the high byte first, axis 0 fastest. */
START_TEST(numbers_of_other_types)
{
    static const unsigned char halves[8] = {0x40, 0x00, 0x5B, 0xF8, 0x3C, 0x00, 0, 0};
    static const uint16_t levels[4] = {2, 1, 255, 0};
    char file[200] = "\x93NUMPY\1";
    OutsideSamples s;
    Error err = {""};
    const int n = snprintf(file + 10, 100,
                           "{'descr': '>f2', 'fortran_order': True, 'shape': "
                           "(2, 1, 2), }");
    file[8] = (char)n;
    memcpy(file + 10 + n, halves, sizeof halves);
    toy_write(path, file, 10 + (size_t)n + sizeof halves);
    ck_assert_msg(outside_samples_read(&s, path, 256, &err), "%s", err.text);
    ck_assert(s.height == 1 && s.width == 2 && s.channels == 1 && s.x.batch == 2);
    ck_assert_mem_eq(s.x.x, levels, sizeof levels);
    states_free(&s.x);
}
END_TEST

static void refused(NpyType type, int rank, const size_t *shape, const void *data,
                    const char *piece)
{
    OutsideSamples s;
    Error err = {""};
    const size_t before = mem_in_use();
    ck_assert_msg(npy_write(path, type, rank, shape, data, &err), "%s", err.text);
    ck_assert(!outside_samples_read(&s, path, 256, &err));
    if (strstr(err.text, path) == NULL || strstr(err.text, piece) == NULL)
        ck_abort_msg("\"%s\": expected \"%s\"", err.text, piece);
    ck_assert_uint_eq(mem_in_use(), before);
}

START_TEST(other_arrays_are_refused)
{
    static const uint8_t bytes[48];
    const uint16_t words[4] = {0, 255, 256, 0};
    const float floats[4] = {0, 0.5f, 1, 0};
    refused(NPY_U1, 2, (size_t[]){4, 12}, bytes, "2 axes, expected 3");
    refused(NPY_U1, 3, (size_t[]){0, 4, 3}, bytes, "axis 0 is 0");
    refused(NPY_U1, 3, (size_t[]){1, 5000, 0}, bytes, "axis 1 is 5000, expected 1 to 4096");
    refused(NPY_U1, 4, (size_t[]){1, 4, 6, 2}, bytes, "axis 3 is 2, expected 1 or 3 channels");
    refused(NPY_U1, 4, (size_t[]){1, 3, 4, 4}, bytes, "x.transpose(0, 2, 3, 1)");
    refused(NPY_F4, 3, (size_t[]){1, 2, 2}, floats, "(x * 255).round().astype('uint8')");
    refused(NPY_U2, 3, (size_t[]){2, 1, 2}, words, "entry 0 of picture 1 is 256");
    OutsideSamples s;
    Error err = {""};
    toy_text(path, "nothing");
    ck_assert(!outside_samples_read(&s, path, 256, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "expected a .npy file"));
}
END_TEST

Suite *outside_samples_suite(void)
{
    Suite *suite = suite_create("outside_samples");
    TCase *tc = tcase_create("outside_samples");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, bytes_and_numbers_of_16_bits);
    tcase_add_test(tc, numbers_of_other_types);
    tcase_add_test(tc, other_arrays_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
