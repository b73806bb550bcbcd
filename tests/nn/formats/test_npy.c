/* .npy files: round trips, files as NumPy writes them, and every refusal. */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-npy.tmp";

static void remove_file(void)
{
    remove(path);
}

static void write_bytes(const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

/* A file of the given version, header text and data. */
static void write_file(int version, const char *header, const void *data, size_t bytes)
{
    unsigned char all[600] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    size_t n = strlen(header), start = version == 1 ? 10 : 12;
    all[6] = (unsigned char)version;
    all[8] = (unsigned char)n;
    all[9] = (unsigned char)(n >> 8);
    memcpy(all + start, header, n);
    if (bytes > 0)
        memcpy(all + start + n, data, bytes);
    write_bytes(all, start + n + bytes);
}

static NpyArray *read_file(void)
{
    Error err = {""};
    NpyArray *a = npy_read(path, &err);
    ck_assert_msg(a != NULL, "%s", err.text);
    return a;
}

static void expect_sentence(const char *piece)
{
    Error err = {""};
    NpyArray *a = npy_read(path, &err);
    ck_assert_msg(a == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, piece) != NULL, "%s: expected \"%s\"", err.text, piece);
}

START_TEST(round_trip)
{
    const float f[6] = {0, -1.5f, 3e38f, 1e-45f, -0.0f, 7};
    const uint8_t u1[3] = {0, 7, 255};
    const uint16_t u2[4] = {0, 255, 256, 65535};
    Error err = {""};
    ck_assert_msg(npy_write(path, NPY_F4, 3, (size_t[]){1, 2, 3}, f, &err), "%s", err.text);
    NpyArray *a = read_file();
    ck_assert(a->type == NPY_F4 && a->rank == 3 && a->count == 6 && a->shape[2] == 3);
    ck_assert_uint_eq((size_t)(a->bytes - a->buffer) % 64, 0);
    for (size_t i = 0; i < 6; i++)
        ck_assert(npy_number(a, i) == (double)f[i]);
    npy_free(a);
    ck_assert(npy_write(path, NPY_U1, 1, (size_t[]){3}, u1, &err));
    a = read_file();
    ck_assert(a->type == NPY_U1 && a->rank == 1 && npy_number(a, 2) == 255);
    npy_free(a);
    ck_assert(npy_write(path, NPY_U2, 2, (size_t[]){2, 2}, u2, &err));
    a = read_file();
    ck_assert(a->type == NPY_U2 && npy_number(a, 2) == 256 && npy_number(a, 3) == 65535);
    npy_free(a);
    ck_assert(npy_write(path, NPY_F4, 0, NULL, f + 1, &err));
    a = read_file();
    ck_assert(a->rank == 0 && a->count == 1 && npy_number(a, 0) == -1.5);
    npy_free(a);
    ck_assert(npy_write(path, NPY_U1, 2, (size_t[]){0, 5}, NULL, &err));
    a = read_file();
    ck_assert(a->rank == 2 && a->count == 0);
    npy_free(a);
    ck_assert(!npy_write("no-such-folder/x.npy", NPY_U1, 1, (size_t[]){3}, u1, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-folder"));
}
END_TEST

START_TEST(every_type_and_version)
{
    static const unsigned char minus_two[8] = {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    static const unsigned char one_half[8] = {0, 0, 0, 0, 0, 0, 0xE0, 0x3F};
    static const unsigned char lowest[8] = {0, 0, 0, 0, 0, 0, 0, 0x80};
    for (int version = 1; version <= 3; version++) {
        write_file(version, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }   \n",
                   minus_two, 8);
        NpyArray *a = read_file();
        ck_assert(a->type == NPY_I8 && npy_number(a, 0) == -2);
        npy_free(a);
    }
    write_file(1, "{\"shape\": (2,), 'fortran_order':False,'descr':'<i4'}", minus_two, 8);
    NpyArray *a = read_file();
    ck_assert(npy_number(a, 0) == -2 && npy_number(a, 1) == -1);
    npy_free(a);
    write_file(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", one_half, 8);
    a = read_file();
    ck_assert(a->rank == 0 && npy_number(a, 0) == 0.5);
    npy_free(a);
    write_file(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1)}", lowest, 8);
    a = read_file();
    ck_assert(npy_number(a, 0) == -9223372036854775808.0);
    npy_free(a);
}
END_TEST

static const struct {
    const char *header, *sentence;
} bad[] = {
    {"", "dictionary"},
    {"[]", "dictionary"},
    {"{}", "keys"},
    {"{'descr': '<f4', 'fortran_order': False}", "keys"},
    {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", "each once"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "each once"},
    {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", "','"},
    {"{' descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "each once"},
    {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", "descr"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "descr"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "descr"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", "fortran_order"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", "entries"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "expected 1 entries"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "expected 3 entries"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "spaces"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "','"},
};

START_TEST(bad_headers)
{
    const float data[2] = {1, 2};
    write_file(1, bad[_i].header, data, sizeof data);
    expect_sentence(bad[_i].sentence);
}
END_TEST

START_TEST(bad_files)
{
    static const unsigned char short_header[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0xFF, 0xFF};
    static const unsigned char minor[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 1, 2, 0, '{', '}'};
    write_bytes("nothing of the kind", 19);
    expect_sentence("expected a .npy file");
    write_bytes("", 0);
    expect_sentence("expected a .npy file");
    write_bytes(short_header, 12);
    expect_sentence("within the file's 12 bytes");
    write_file(4, "{}", NULL, 0);
    expect_sentence("version");
    write_bytes(minor, 12);
    expect_sentence("expected version 1.0, 2.0 or 3.0 of .npy, found 1.1");
    remove_file();
    expect_sentence("readable");
}
END_TEST

START_TEST(mutations_end_in_an_array_or_a_sentence)
{
    const uint16_t data[6] = {1, 2, 3, 4, 5, 6};
    unsigned char valid[256], bytes[256];
    Error err = {""};
    ck_assert(npy_write(path, NPY_U2, 2, (size_t[]){2, 3}, data, &err));
    FILE *file = fopen(path, "rb");
    size_t size = fread(valid, 1, sizeof valid, file), accepted = 0;
    fclose(file);
    Rng rng = rng_root(5);
    size_t before = mem_in_use();
    for (int round = 0; round < 2000; round++) {
        memcpy(bytes, valid, size);
        for (size_t i = rng_below(&rng, 3); i > 0; i--)
            bytes[rng_below(&rng, size)] = (unsigned char)rng_below(&rng, 256);
        write_bytes(bytes, rng_below(&rng, 8) == 0 ? rng_below(&rng, size) : size);
        err.text[0] = '\0';
        NpyArray *a = npy_read(path, &err);
        ck_assert(a != NULL || strlen(err.text) > 20);
        for (size_t i = 0; a != NULL && i < a->count; i++)
            npy_number(a, i);
        accepted += a != NULL;
        npy_free(a);
    }
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_lt(accepted, 1900);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

Suite *npy_suite(void);
Suite *npy_suite(void)
{
    Suite *suite = suite_create("npy");
    TCase *tc = tcase_create("npy");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, every_type_and_version);
    tcase_add_loop_test(tc, bad_headers, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tc, bad_files);
    tcase_add_test(tc, mutations_end_in_an_array_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
