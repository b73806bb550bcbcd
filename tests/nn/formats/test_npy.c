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

/* One entry of each type, its bytes as a file has them. */
static const struct {
    const char *descr;
    NpyType type;
    size_t bytes;
    unsigned char data[8];
    double value;
} kinds[] = {
    {"|b1", NPY_BOOL, 1, {1}, 1},
    {"|u1", NPY_U1, 1, {0xFE}, 254},
    {"<u1", NPY_U1, 1, {0xFE}, 254},
    {"|i1", NPY_I1, 1, {0xFE}, -2},
    {">i1", NPY_I1, 1, {0x80}, -128},
    {"<i2", NPY_I2, 2, {0xFE, 0xFF}, -2},
    {">i2", NPY_I2, 2, {0x80, 0x01}, -32767},
    {"<u2", NPY_U2, 2, {0x02, 0x01}, 258},
    {">u2", NPY_U2, 2, {0x02, 0x01}, 513},
    {"<i4", NPY_I4, 4, {1, 0, 0, 0x80}, -2147483647.0},
    {">i4", NPY_I4, 4, {0xFF, 0xFF, 0xFF, 0xFE}, -2},
    {"<u4", NPY_U4, 4, {1, 0, 0, 0x80}, 2147483649.0},
    {">u4", NPY_U4, 4, {0xFF, 0xFF, 0xFF, 0xFE}, 4294967294.0},
    {"<i8", NPY_I8, 8, {0, 0, 0, 0, 0, 1, 0, 0}, 1099511627776.0},
    {">i8", NPY_I8, 8, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0}, -65536},
    {"<u8", NPY_U8, 8, {0, 0, 0, 0, 0, 0, 0, 0x80}, 9223372036854775808.0},
    {">u8", NPY_U8, 8, {0, 0, 0, 0, 0, 0, 1, 2}, 258},
    {"<f2", NPY_F2, 2, {0x00, 0xC1}, -2.5},
    {">f2", NPY_F2, 2, {0x7B, 0xFF}, 65504},
    {">f2", NPY_F2, 2, {0x00, 0x01}, 5.9604644775390625e-8},
    {"<f4", NPY_F4, 4, {0, 0, 0xC0, 0xBF}, -1.5},
    {">f4", NPY_F4, 4, {0xBF, 0xC0, 0, 0}, -1.5},
    {"<f8", NPY_F8, 8, {0, 0, 0, 0, 0, 0, 0xE0, 0x3F}, 0.5},
    {">f8", NPY_F8, 8, {0x3F, 0xE0, 0, 0, 0, 0, 0, 0}, 0.5},
};

START_TEST(every_width_and_order_of_bytes)
{
    unsigned char data[24];
    char header[100];
    const size_t n = kinds[_i].bytes;
    memset(data, 0, sizeof data);
    memcpy(data + n, kinds[_i].data, n); /* the second of three */
    for (int fortran = 0; fortran < 2; fortran++) {
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': (3,), }",
                 kinds[_i].descr, fortran ? "True" : "False");
        write_file(1, header, data, 3 * n);
        NpyArray *a = read_file();
        ck_assert(a->type == kinds[_i].type && a->count == 3);
        ck_assert_double_eq(npy_number(a, 0), 0);
        ck_assert_double_eq(npy_number(a, 1), kinds[_i].value);
        ck_assert_double_eq(npy_number(a, 2), 0);
        ck_assert_int_eq(npy_is_float(a->type), kinds[_i].descr[1] == 'f');
        npy_free(a);
    }
}
END_TEST

START_TEST(half_floats_that_are_no_numbers)
{
    static const unsigned char data[4] = {0x7C, 0x00, 0xFE, 0x00};
    write_file(1, "{'descr': '>f2', 'fortran_order': False, 'shape': (2,), }", data, 4);
    NpyArray *a = read_file();
    ck_assert(npy_number(a, 0) > 1e300);
    ck_assert(npy_number(a, 1) != npy_number(a, 1));
    npy_free(a);
}
END_TEST

/* Entry (i, j, k, l) is its place in C order; written with axis 0 fastest, in both orders of bytes,
 * of sizes that one block of axis 0 holds, and not. */
static void check_axes(const size_t shape[4], bool high_first)
{
    static unsigned char data[2 * 70 * 3 * 5 * 2];
    unsigned char *at = data;
    char header[120];
    for (size_t l = 0; l < shape[3]; l++)
        for (size_t k = 0; k < shape[2]; k++)
            for (size_t j = 0; j < shape[1]; j++)
                for (size_t i = 0; i < shape[0]; i++, at += 2) {
                    const size_t n = ((i * shape[1] + j) * shape[2] + k) * shape[3] + l;
                    at[0] = (unsigned char)(high_first ? n >> 8 : n);
                    at[1] = (unsigned char)(high_first ? n : n >> 8);
                }
    snprintf(header, sizeof header,
             "{'descr': '%su2', 'fortran_order': True, 'shape': (%zu, %zu, %zu, %zu), }",
             high_first ? ">" : "<", shape[0], shape[1], shape[2], shape[3]);
    unsigned char *all = mem_alloc(10 + sizeof header + sizeof data, 1);
    const size_t n = strlen(header), bytes = (size_t)(at - data);
    memcpy(all, "\x93NUMPY\1\0", 8);
    all[8] = (unsigned char)n;
    all[9] = 0;
    memcpy(all + 10, header, n);
    memcpy(all + 10 + n, data, bytes);
    write_bytes(all, 10 + n + bytes);
    mem_free(all);
    NpyArray *a = read_file();
    ck_assert_uint_eq(a->count, bytes / 2);
    for (size_t i = 0; i < a->count; i++)
        ck_assert_double_eq(npy_number(a, i), (double)i);
    npy_free(a);
}

START_TEST(fortran_order_is_read)
{
    static const size_t shapes[][4] = {{2, 3, 4, 5},  {70, 3, 5, 2}, {64, 1, 3, 2}, {1, 3, 1, 5},
                                       {65, 2, 1, 1}, {1, 1, 7, 1},  {5, 1, 1, 3},  {0, 3, 2, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int high_first = 0; high_first < 2; high_first++)
            check_axes(shapes[i], high_first);
}
END_TEST

/* Numbers that a size_t holds: of entries whose bytes it does not, and half as many as whose bytes
 * no machine has. */
#if SIZE_MAX > 0xFFFFFFFF
#define ENTRIES "4611686018427387904"
#define HALF    "1099511627776"
#define WHOLE   "2199023255552"
#else
#define ENTRIES "1073741824"
#define HALF    "134217728"
#define WHOLE   "268435456"
#endif

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
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "array.real"},
    {"{'descr': '>c16', 'fortran_order': False, 'shape': (1,)}", "array.real"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "numpy.stack(array)"},
    {"{'descr': '<U1', 'fortran_order': False, 'shape': (2,)}", "found texts: array.astype('<f8')"},
    {"{'descr': '|S8', 'fortran_order': False, 'shape': (1,)}", "found texts: array.astype('<f8')"},
    {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", "array.astype('<i8')"},
    {"{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", "array.view('uint8')"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "array['NAME']"},
    {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "array.astype('<f8')"},
    {"{'descr': '|f4', 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': '<f3', 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': '=f4', 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': 'f4', 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': '', 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': 7, 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': '<f4\", 'fortran_order': False, 'shape': (2,)}", "array.astype('<f8')"},
    {"{'descr': '<f4", "array.astype('<f8')"},
    {"{'descr':", "array.astype('<f8')"},
    {"{'descr' '<f4'", "':' after descr"},
    {"{'fortran_order' True", "':' after fortran_order"},
    {"{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", "True or False"},
    {"{'descr': '<f4', 'fortran_order': true, 'shape': (2,)}", "True or False"},
    {"{'descr': '>f4', 'fortran_order': True, 'shape': (3,)}", "expected 3 entries of 4"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (" ENTRIES ",)}", ENTRIES " entries"},
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

/* Entries out of order are put in order beside the file's bytes: no more than their own size. */
START_TEST(memory_is_that_of_the_file)
{
    static const unsigned char data[8] = {0, 1, 0, 2, 0, 3, 0, 4};
    const size_t before = mem_in_use();
    write_file(1, "{'descr': '>u2', 'fortran_order': True, 'shape': (2, 2), }", data, 8);
    NpyArray *a = read_file();
    static const double values[4] = {1, 3, 2, 4};
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq(npy_number(a, i), values[i]);
    ck_assert_uint_lt(mem_in_use() - before, sizeof *a + a->size + 8 + 300);
    npy_free(a);
    write_file(1, "{'descr': '>f8', 'fortran_order': True, 'shape': (" HALF ", 2), }", data, 8);
    expect_sentence("expected " WHOLE " entries of 8 bytes after the header, found 8 bytes");
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
    tcase_add_loop_test(tc, every_width_and_order_of_bytes, 0,
                        (int)(sizeof kinds / sizeof kinds[0]));
    tcase_add_test(tc, half_floats_that_are_no_numbers);
    tcase_add_test(tc, fortran_order_is_read);
    tcase_add_loop_test(tc, bad_headers, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tc, bad_files);
    tcase_add_test(tc, memory_is_that_of_the_file);
    tcase_add_test(tc, mutations_end_in_an_array_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
