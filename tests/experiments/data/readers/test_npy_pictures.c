/* Pictures in .npy files: both shapes, and what is refused. */
#include <check.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER "test-npy-pictures.tmp.d"
#define NPY    "npy:" FOLDER "/x.npy"

static void set_up(void)
{
    toys_set_up(FOLDER);
}

/* Entry i is 7 i mod 256, as bytes or as floats. */
static void write_array(NpyType type, int rank, const size_t *shape)
{
    uint8_t bytes[512];
    float numbers[512];
    Error err = {""};
    for (size_t i = 0; i < 512; i++)
        numbers[i] = bytes[i] = (uint8_t)(7 * i);
    const void *data = type == NPY_F4 ? (const void *)numbers : bytes;
    ck_assert_msg(npy_write(toy("x.npy"), type, rank, shape, data, &err), "%s", err.text);
}

static Dataset *open_with(size_t count, size_t h, size_t w, size_t c)
{
    Dataset *d = data_open(NPY, false, DATA_AS_IS);
    ck_assert(d->count == count && d->height == h && d->width == w && d->channels == c);
    ck_assert_uint_eq(d->dims, h * w * c);
    ck_assert_uint_eq(d->states, 256);
    ck_assert(d->classes == 0 && d->labels == NULL && d->law == NULL);
    for (size_t i = 0; i < count * h * w * c; i++)
        ck_assert_uint_eq(d->data[i], 7 * i % 256);
    return d;
}

START_TEST(pictures_are_read)
{
    write_array(NPY_U1, 3, (size_t[]){5, 3, 4});
    dataset_close(open_with(5, 3, 4, 1));
    write_array(NPY_U1, 4, (size_t[]){4, 2, 5, 3});
    dataset_close(open_with(4, 2, 5, 3));
    Dataset *d = data_open(NPY, false, DATA_BINARY);
    ck_assert(d->height == 1 && d->width == 2 && d->channels == 3 && d->states == 2);
    dataset_close(d);
}
END_TEST

START_TEST(the_test_split_lies_beside)
{
    Error err = {""};
    const uint8_t other[2 * 3 * 4] = {9, 8};
    write_array(NPY_U1, 3, (size_t[]){5, 3, 4});
    ck_assert(!dataset_has_test(NPY));
    data_refused(NPY, true, DATA_AS_IS, "x.test.npy", "expected a readable .npy file");
    ck_assert(npy_write(toy("x.test.npy"), NPY_U1, 3, (size_t[]){2, 3, 4}, other, &err));
    ck_assert(dataset_has_test(NPY));
    Dataset *d = data_open(NPY, true, DATA_AS_IS);
    ck_assert(d->count == 2 && d->data[0] == 9 && d->data[1] == 8);
    dataset_close(d);
    dataset_close(open_with(5, 3, 4, 1)); /* all of it, as without */
}
END_TEST

/* A file of NumPy: its header, and two pictures of 1x2 in these bytes. */
static void write_header(const char *descr, const char *fortran, const void *data, size_t bytes)
{
    char file[200] = "\x93NUMPY\1";
    const int n =
        snprintf(file + 10, 100, "{'descr': '%s', 'fortran_order': %s, 'shape': (2, 1, 2), }",
                 descr, fortran);
    file[8] = (char)n;
    memcpy(file + 10 + n, data, bytes);
    data_file(FOLDER "/x.npy", file, 10 + (size_t)n + bytes);
}

static const unsigned char floats[16] = {0, 0, 0,    0x40, 0, 0, 0x80, 0x3F,
                                         0, 0, 0x7F, 0x43, 0, 0, 0,    0}; /* 2, 1, 255, 0 */
static const unsigned char halves[8] = {0x40, 0x00, 0x3C, 0x00, 0x5B, 0xF8, 0, 0}; /* >f2 */
static const unsigned char longs[32] = {[0] = 2, [8] = 1, [16] = 255};
static const unsigned char words[8] = {0, 2, 0, 255, 0, 1, 0, 0}; /* >i2, axis 0 first */

static void expect_levels(const char *descr, const char *fortran, const void *data, size_t bytes)
{
    static const unsigned char levels[4] = {2, 1, 255, 0};
    write_header(descr, fortran, data, bytes);
    Dataset *d = data_open(NPY, false, DATA_AS_IS);
    ck_assert(d->count == 2 && d->height == 1 && d->width == 2 && d->states == 256);
    ck_assert_mem_eq(d->data, levels, 4);
    dataset_close(d);
}

START_TEST(whole_numbers_of_other_types)
{
    write_array(NPY_F4, 3, (size_t[]){5, 3, 4});
    dataset_close(open_with(5, 3, 4, 1));
    expect_levels("<f4", "False", floats, sizeof floats);
    expect_levels(">f2", "False", halves, sizeof halves);
    expect_levels("<i8", "False", longs, sizeof longs);
    expect_levels("<u8", "False", longs, sizeof longs);
    expect_levels(">i2", "True", words, sizeof words);
    expect_levels("|u1", "True", "\2\377\1", 4);
}
END_TEST

static void expect_no_levels(const char *descr, const void *data, size_t bytes, const char *piece)
{
    write_header(descr, "False", data, bytes);
    data_refused(NPY, false, DATA_AS_IS, "x.npy", piece);
}

START_TEST(numbers_that_are_no_levels)
{
    static const unsigned char shares[8] = {0x38, 0x00, 0x3C, 0x00};    /* 1/2, 1, 0, 0 */
    static const unsigned char both[8] = {0xB8, 0x00, 0x3C, 0x00};      /* -1/2 */
    static const unsigned char odd[8] = {0x38, 0x00, 0x40, 0x00};       /* 1/2, 2 */
    static const unsigned char none[8] = {0x7E, 0x00, 0x40, 0x00};      /* NaN, 2 */
    static const unsigned char whole[8] = {0x3C, 0x00, 0x3C, 0x00};     /* 1, 1 */
    static const unsigned char high[8] = {0, 1, 0, 2, 1, 0, 0, 3};      /* 1, 2, 256, 3 */
    static const unsigned char low[8] = {0, 1, 0, 2, 0, 4, 0xFF, 0xFF}; /* -1 */
    static const unsigned char most[32] = {[31] = 0x80};                /* -2^63 */
    expect_no_levels(">f2", shares, 8, "save (x * 255).round().astype('uint8')");
    expect_no_levels(">f2", whole, 8, "entries of float16, expected whole numbers from 0 to 255");
    expect_no_levels(">f2", both, 8, "save ((x + 1) * 127.5).round().astype('uint8')");
    expect_no_levels(">f2", odd, 8,
                     "entry 0 of picture 0 is 0.5, of float16, expected whole numbers from 0 to "
                     "255: save x.clip(0, 255).round().astype('uint8')");
    expect_no_levels(">f2", none, 8, "numpy.nan_to_num(x)");
    expect_no_levels(">u2", high, 8, "entry 0 of picture 1 is 256, of uint16");
    expect_no_levels(">i2", low, 8, "entry 1 of picture 1 is -1, of int16");
    expect_no_levels("<i8", most, 32, "entry 1 of picture 1 is -9.22337204e+18, of int64");
    expect_no_levels("|b1", "\0\1\1", 4, "save (x * 255).astype('uint8')");
    expect_no_levels("|O", shares, 8, "numpy.stack(array)");
}
END_TEST

START_TEST(other_arrays_are_refused)
{
    static const struct {
        NpyType type;
        int rank;
        size_t shape[5];
        const char *piece;
    } cases[] = {
        {NPY_U1, 0, {0}, "0 axes, expected 3"},
        {NPY_U1, 2, {5, 12}, "2 axes, expected 3"},
        {NPY_U1, 5, {5, 3, 2, 2, 1}, "5 axes, expected 3"},
        {NPY_U1, 3, {0, 3, 4}, "axis 0 is 0, expected 1 to 4294967295"},
        {NPY_U1, 3, {5, 0, 4}, "axis 1 is 0, expected 1 to 4096"},
        {NPY_U1, 4, {0, 4097, 1, 1}, "axis 0 is 0"},
        {NPY_U1, 4, {5, 3, 4, 0}, "axis 3 is 0, expected 1 to 4096"},
    };
    ck_assert_int_lt(_i, (int)(sizeof cases / sizeof cases[0]));
    write_array(cases[_i].type, cases[_i].rank, cases[_i].shape);
    data_refused(NPY, false, DATA_AS_IS, "x.npy", cases[_i].piece);
}
END_TEST

START_TEST(sides_have_a_limit)
{
    static const uint8_t bytes[4097] = {0};
    Error err = {""};
    ck_assert(npy_write(toy("x.npy"), NPY_U1, 3, (size_t[]){1, 4097, 1}, bytes, &err));
    data_refused(NPY, false, DATA_AS_IS, "x.npy", "axis 1 is 4097, expected 1 to 4096");
    ck_assert(npy_write(toy("x.npy"), NPY_U1, 3, (size_t[]){1, 1, 4096}, bytes, &err));
    dataset_close(data_open(NPY, false, DATA_AS_IS));
}
END_TEST

START_TEST(damaged_files_are_refused)
{
    size_t size;
    data_refused(NPY, false, DATA_AS_IS, "x.npy", "expected a readable .npy file");
    write_array(NPY_U1, 3, (size_t[]){5, 3, 4});
    char *bytes = toy_read(toy("x.npy"), &size);
    data_file(FOLDER "/x.npy", bytes, size - 1);
    data_refused(NPY, false, DATA_AS_IS, "x.npy", "expected 60 entries of 1 bytes");
    bytes[0] = 'x';
    data_file(FOLDER "/x.npy", bytes, size);
    data_refused(NPY, false, DATA_AS_IS, "x.npy", "expected a .npy file");
    mem_free(bytes);
}
END_TEST

Suite *npy_pictures_suite(void);
Suite *npy_pictures_suite(void)
{
    Suite *suite = suite_create("npy_pictures");
    TCase *tc = tcase_create("npy_pictures");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, pictures_are_read);
    tcase_add_test(tc, the_test_split_lies_beside);
    tcase_add_test(tc, whole_numbers_of_other_types);
    tcase_add_test(tc, numbers_that_are_no_levels);
    tcase_add_loop_test(tc, other_arrays_are_refused, 0, 7);
    tcase_add_test(tc, sides_have_a_limit);
    tcase_add_test(tc, damaged_files_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
