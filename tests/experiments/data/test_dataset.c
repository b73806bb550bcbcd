/* Data sets: small files of every kind, every kind of damage, and the order of batches. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "experiments/data/glyphs.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

#define FOLDER   "test-dataset.tmp.d"
#define MNIST    "mnist:" FOLDER
#define CIFAR    "cifar10:" FOLDER
#define PICTURES FOLDER "/train-images-idx3-ubyte"
#define LABELS   FOLDER "/train-labels-idx1-ubyte"

static void remove_files(void)
{
    static const char *const names[] = {PICTURES,
                                        LABELS,
                                        FOLDER "/t10k-images-idx3-ubyte",
                                        FOLDER "/t10k-labels-idx1-ubyte",
                                        FOLDER "/data_batch_1.bin",
                                        FOLDER "/data_batch_2.bin",
                                        FOLDER "/data_batch_3.bin",
                                        FOLDER "/test_batch.bin",
                                        FOLDER};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove(names[i]);
}

static void make_folder(void)
{
    Error err = {""};

    remove_files();
    ck_assert_msg(platform_make_folder(FOLDER, &err), "%s", err.text);
}

static void write_file(const char *path, const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

/* An idx3 file: pixel p of picture i is (7 i + 3 p) mod 256. */
static void write_pictures(const char *path, size_t count, size_t h, size_t w)
{
    unsigned char bytes[4096] = {0, 0, 8, 3};

    bytes[7] = (unsigned char)count;
    bytes[11] = (unsigned char)h;
    bytes[15] = (unsigned char)w;
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < h * w; p++)
            bytes[16 + i * h * w + p] = (unsigned char)(7 * i + 3 * p);
    write_file(path, bytes, 16 + count * h * w);
}

/* An idx1 file: label of picture i is i mod 10. */
static void write_labels(const char *path, size_t count)
{
    unsigned char bytes[300] = {0, 0, 8, 1};

    bytes[7] = (unsigned char)count;
    for (size_t i = 0; i < count; i++)
        bytes[8 + i] = (unsigned char)(i % 10);
    write_file(path, bytes, 8 + count);
}

static Dataset *open_good(const char *spec, bool test_split, DataTransform transform)
{
    DatasetOptions options = dataset_defaults();
    Error err = {""};

    options.transform = transform;
    Dataset *d = dataset_open(spec, test_split, &options, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    return d;
}

static void expect_sentence(const char *spec, bool test_split, DataTransform transform,
                            const char *file, const char *piece)
{
    DatasetOptions options = dataset_defaults();
    Error err = {""};

    options.transform = transform;
    Dataset *d = dataset_open(spec, test_split, &options, &err);
    ck_assert_msg(d == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strstr(err.text, file) != NULL && strstr(err.text, piece) != NULL,
                  "%s: expected \"%s\" and \"%s\"", err.text, file, piece);
}

START_TEST(mnist_is_read)
{
    write_pictures(PICTURES, 12, 3, 5);
    write_labels(LABELS, 12);
    ck_assert(!dataset_has_test(MNIST));
    write_pictures(FOLDER "/t10k-images-idx3-ubyte", 2, 3, 5);
    write_labels(FOLDER "/t10k-labels-idx1-ubyte", 2);
    ck_assert(dataset_has_test(MNIST));
    Dataset *d = open_good(MNIST, false, DATA_AS_IS), *t = open_good(MNIST "/", true, DATA_AS_IS);
    uint16_t labels[12];
    States rows = states_alloc(12, 15);

    ck_assert_uint_eq(d->count, 12);
    ck_assert_uint_eq(t->count, 2);
    ck_assert_uint_eq(d->dims, 15);
    ck_assert_uint_eq(d->height, 3);
    ck_assert_uint_eq(d->width, 5);
    ck_assert_uint_eq(d->channels, 1);
    ck_assert_uint_eq(d->states, 256);
    ck_assert_uint_eq(d->classes, 10);
    dataset_rows(d, 0, &rows, labels);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_uint_eq(labels[i], i % 10);
        for (size_t p = 0; p < 15; p++)
            ck_assert_uint_eq(rows.x[i * 15 + p], (7 * i + 3 * p) % 256);
    }
    states_free(&rows);
    dataset_close(d);
    dataset_close(t);
}
END_TEST

START_TEST(idx_file_has_no_labels)
{
    write_pictures(PICTURES, 4, 2, 2);
    Dataset *d = open_good("idx:" PICTURES, false, DATA_AS_IS);
    ck_assert_uint_eq(d->classes, 0);
    ck_assert_ptr_null(d->labels);
    ck_assert(!dataset_has_test("idx:" PICTURES));
    expect_sentence("idx:" PICTURES, true, DATA_AS_IS, PICTURES, "no test split");
    dataset_close(d);
}
END_TEST

static void write_cifar(const char *path, size_t count, unsigned first)
{
    static unsigned char bytes[4 * 3073];

    for (size_t i = 0; i < count; i++) {
        bytes[i * 3073] = (unsigned char)((first + i) % 10);
        for (size_t p = 0; p < 3072; p++)
            bytes[i * 3073 + 1 + p] = (unsigned char)(first + i + p % 1024 + 50 * (p / 1024));
    }
    write_file(path, bytes, count * 3073);
}

START_TEST(cifar_planes_become_channels)
{
    write_cifar(FOLDER "/data_batch_1.bin", 3, 0);
    write_cifar(FOLDER "/data_batch_2.bin", 2, 3);
    write_cifar(FOLDER "/test_batch.bin", 1, 9);
    Dataset *d = open_good(CIFAR, false, DATA_AS_IS), *t = open_good(CIFAR, true, DATA_AS_IS);

    ck_assert_uint_eq(d->count, 5);
    ck_assert_uint_eq(d->dims, 3072);
    ck_assert_uint_eq(d->channels, 3);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(d->labels[i], i);
        for (size_t p = 0; p < 1024; p++)
            for (size_t c = 0; c < 3; c++)
                ck_assert_uint_eq(d->data[i * 3072 + p * 3 + c], (i + p + 50 * c) % 256);
    }
    ck_assert_uint_eq(t->count, 1);
    ck_assert_uint_eq(t->labels[0], 9);
    ck_assert(dataset_has_test(CIFAR));
    dataset_close(d);
    dataset_close(t);
}
END_TEST

START_TEST(binary_halves_the_size)
{
    /* means 102 (0.4 exactly: not above) and 102.25; the last row and column are dropped */
    unsigned char bytes[16 + 15] = {0,   0,   8, 3,   0, 0,   0,   1,   0, 0, 0, 3, 0, 0, 0, 5,
                                    102, 102, 0, 255, 9, 102, 102, 154, 0, 9, 9, 9, 9, 9, 9};
    write_file(PICTURES, bytes, sizeof bytes);
    Dataset *d = open_good("idx:" PICTURES, false, DATA_BINARY);

    ck_assert_uint_eq(d->height, 1);
    ck_assert_uint_eq(d->width, 2);
    ck_assert_uint_eq(d->dims, 2);
    ck_assert_uint_eq(d->states, 2);
    ck_assert_uint_eq(d->data[0], 0);
    ck_assert_uint_eq(d->data[1], 1);
    dataset_close(d);
}
END_TEST

START_TEST(binary_in_colour)
{
    write_cifar(FOLDER "/data_batch_1.bin", 2, 0);
    Dataset *d = open_good(CIFAR, false, DATA_BINARY);

    ck_assert_uint_eq(d->dims, 768);
    for (size_t i = 0; i < 2; i++)
        for (size_t y = 0; y < 16; y++)
            for (size_t x = 0; x < 16; x++)
                for (size_t c = 0; c < 3; c++) {
                    size_t sum = 0;
                    for (size_t k = 0; k < 4; k++)
                        sum += (i + (2 * y + k / 2) * 32 + 2 * x + k % 2 + 50 * c) % 256;
                    ck_assert_uint_eq(d->data[i * 768 + (y * 16 + x) * 3 + c],
                                      (double)sum / 1020 > 0.4);
                }
    dataset_close(d);
}
END_TEST

START_TEST(specs_are_checked)
{
    DataTransform transform;
    Error err = {""};
    DatasetOptions options = {DATA_BINARY, 1.5};

    expect_sentence("glyph", false, DATA_AS_IS, "'glyph'", "expected glyphs, mnist:DIR");
    expect_sentence("mnist:", false, DATA_AS_IS, "'mnist:'", "expected glyphs, mnist:DIR");
    expect_sentence("", false, DATA_AS_IS, "''", "expected glyphs");
    expect_sentence("glyphs", false, DATA_BINARY, "glyphs", "256 levels");
    expect_sentence(MNIST, false, DATA_AS_IS, PICTURES, "cannot be read");
    expect_sentence(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "cannot be read");
    expect_sentence(CIFAR, true, DATA_AS_IS, "test_batch.bin", "cannot be read");
    expect_sentence("idx:" FOLDER, false, DATA_AS_IS, FOLDER, "cannot be read");
    ck_assert_ptr_null(dataset_open("glyphs", false, &options, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "threshold 1.5"));
    ck_assert(dataset_transform("binary", &transform) && transform == DATA_BINARY);
    ck_assert(dataset_transform("none", &transform) && transform == DATA_AS_IS);
    ck_assert(!dataset_transform("Binary", &transform));
    ck_assert(!dataset_has_test("nothing"));
}
END_TEST

/* A good file of 2 pictures 3x3 with one byte of its header changed, or cut, or longer. */
START_TEST(bad_picture_files)
{
    static const struct {
        int at, value;
        size_t length;
        const char *piece;
    } cases[] = {
        {0, 1, 34, "magic number 0x01000803, expected 0x00000803"},
        {2, 9, 34, "magic number"},
        {3, 1, 34, "magic number 0x00000801"},
        {7, 0, 34, "axis 0 of the header is 0"},
        {7, 3, 34, "18 bytes after the header, its sizes ask for 27"},
        {4, 255, 34, "its sizes ask for"},
        {11, 0, 34, "axis 1"},
        {8, 1, 34, "axis 1 of the header is 16777219, expected at most"},
        {13, 1, 34, "axis 2"},
        {0, 0, 33, "17 bytes after the header, its sizes ask for 18"},
        {0, 0, 35, "19 bytes after the header, its sizes ask for 18"},
        {0, 0, 16, "0 bytes after the header"},
        {0, 0, 15, "the header alone takes 16"},
        {0, 0, 0, "the header alone takes 16"},
    };
    unsigned char bytes[64] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3};

    ck_assert_int_lt(_i, (int)(sizeof cases / sizeof cases[0]));
    bytes[cases[_i].at] = (unsigned char)cases[_i].value;
    write_file(PICTURES, bytes, cases[_i].length);
    expect_sentence(MNIST, false, DATA_AS_IS, PICTURES, cases[_i].piece);
}
END_TEST

START_TEST(gzip_is_named)
{
    unsigned char bytes[64] = {0x1F, 0x8B, 8, 0};

    write_file(PICTURES, bytes, sizeof bytes);
    expect_sentence(MNIST, false, DATA_AS_IS, PICTURES, "compressed with gzip");
}
END_TEST

START_TEST(bad_label_files)
{
    unsigned char bytes[16] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 10};

    write_pictures(PICTURES, 2, 3, 3);
    expect_sentence(MNIST, false, DATA_AS_IS, LABELS, "cannot be read");
    write_file(LABELS, bytes, 10);
    expect_sentence(MNIST, false, DATA_AS_IS, LABELS, "label 10 of picture 1, expected 0 to 9");
    write_file(LABELS, bytes, 9);
    expect_sentence(MNIST, false, DATA_AS_IS, LABELS, "1 bytes after the header");
    write_labels(LABELS, 3);
    expect_sentence(MNIST, false, DATA_AS_IS, LABELS, "3 labels, but there are 2 pictures");
    write_pictures(LABELS, 2, 3, 3);
    expect_sentence(MNIST, false, DATA_AS_IS, LABELS, "magic number 0x00000803");
}
END_TEST

START_TEST(bad_cifar_files)
{
    static unsigned char bytes[2 * 3073];

    write_file(FOLDER "/data_batch_1.bin", bytes, 0);
    expect_sentence(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "multiple of 3073");
    write_file(FOLDER "/data_batch_1.bin", bytes, 3072);
    expect_sentence(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "3072 bytes, expected");
    bytes[3073] = 10;
    write_file(FOLDER "/data_batch_1.bin", bytes, sizeof bytes);
    expect_sentence(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "label 10 of picture 1");
    write_cifar(FOLDER "/data_batch_1.bin", 1, 0);
    write_cifar(FOLDER "/data_batch_3.bin", 1, 0);
    expect_sentence(CIFAR, false, DATA_AS_IS, "data_batch_2.bin", "is missing, but");
}
END_TEST

/* Every epoch is a permutation, whatever the batch size; batches depend on seed and step alone. */
START_TEST(epochs_are_permutations)
{
    write_pictures(PICTURES, 10, 1, 1); /* pixel: 7 i mod 256, all different */
    Dataset *d = open_good("idx:" PICTURES, false, DATA_AS_IS);
    States by1 = states_alloc(30, 1), by4 = states_alloc(32, 1), again = states_alloc(4, 1);
    bool same_epochs = true;

    for (size_t i = 0; i < 30; i++) {
        States row = states_rows(&by1, i, 1);
        dataset_batch(d, 3, i, 1, false, &row, NULL);
    }
    for (size_t i = 0; i < 8; i++) {
        States rows = states_rows(&by4, 4 * i, 4);
        dataset_batch(d, 3, i, 4, false, &rows, NULL);
    }
    ck_assert_mem_eq(by1.x, by4.x, 30 * sizeof *by1.x);
    for (size_t epoch = 0; epoch < 3; epoch++) {
        unsigned seen = 0;
        for (size_t i = 0; i < 10; i++)
            seen |= 1u << by1.x[10 * epoch + i] / 7;
        ck_assert_uint_eq(seen, 1023);
        same_epochs = same_epochs && memcmp(by1.x, by1.x + 10 * epoch, 10 * sizeof *by1.x) == 0;
    }
    ck_assert(!same_epochs);
    dataset_batch(d, 3, 2, 4, false, &again, NULL); /* going back, across an epoch's end */
    ck_assert_mem_eq(again.x, by4.x + 8, 4 * sizeof *again.x);
    dataset_batch(d, 4, 2, 4, false, &again, NULL);
    ck_assert_mem_ne(again.x, by4.x + 8, 4 * sizeof *again.x);
    states_free(&by1);
    states_free(&by4);
    states_free(&again);
    dataset_close(d);
}
END_TEST

START_TEST(flips_mirror_rows)
{
    write_cifar(FOLDER "/data_batch_1.bin", 3, 0);
    Dataset *d = open_good(CIFAR, false, DATA_AS_IS);
    States plain = states_alloc(64, 3072), flipped = states_alloc(64, 3072);
    uint16_t labels[64], same[64];
    size_t mirrored = 0;

    dataset_batch(d, 1, 5, 64, false, &plain, labels);
    dataset_batch(d, 1, 5, 64, true, &flipped, same);
    ck_assert_mem_eq(labels, same, sizeof labels);
    for (size_t b = 0; b < 64; b++) {
        const uint16_t *p = states_row(&plain, b), *f = states_row(&flipped, b);
        bool mirror = f[0] != p[0];
        mirrored += mirror;
        for (size_t i = 0; i < 3072; i++) {
            size_t y = i / 96, x = i % 96 / 3, c = i % 3;
            ck_assert_uint_eq(f[i], p[(y * 32 + (mirror ? 31 - x : x)) * 3 + c]);
        }
    }
    /* 64 fair coins: outside 12..52 with probability below 1e-6. */
    ck_assert_uint_ge(mirrored, 12);
    ck_assert_uint_le(mirrored, 52);
    states_free(&plain);
    states_free(&flipped);
    dataset_close(d);
}
END_TEST

/* One flip for each place of each step's batch: no two steps, and no two places, flip alike. */
START_TEST(flips_change_from_step_to_step)
{
    enum { STEPS = 64, BATCH = 64 };
    static bool mirror[STEPS][BATCH];
    write_cifar(FOLDER "/data_batch_1.bin", 3, 0);
    Dataset *d = open_good(CIFAR, false, DATA_AS_IS);
    States plain = states_alloc(BATCH, 3072), flipped = states_alloc(BATCH, 3072);

    for (uint64_t step = 0; step < STEPS; step++) {
        dataset_batch(d, 1, step, BATCH, false, &plain, NULL);
        dataset_batch(d, 1, step, BATCH, true, &flipped, NULL);
        for (size_t b = 0; b < BATCH; b++)
            mirror[step][b] = *states_row(&flipped, b) != *states_row(&plain, b);
    }
    for (size_t i = 1; i < STEPS; i++) {
        size_t steps_agree = 0, places_agree = 0;
        for (size_t k = 0; k < 64; k++) {
            steps_agree += mirror[i][k] == mirror[i - 1][k];
            places_agree += mirror[k][i] == mirror[k][i - 1];
        }
        /* 64 fair coins: outside 8..56 with probability 6e-10 */
        ck_assert_uint_ge(steps_agree, 8);
        ck_assert_uint_le(steps_agree, 56);
        ck_assert_uint_ge(places_agree, 8);
        ck_assert_uint_le(places_agree, 56);
    }
    states_free(&plain);
    states_free(&flipped);
    dataset_close(d);
}
END_TEST

START_TEST(glyphs_follow_their_law)
{
    Dataset *d = open_good("glyphs", false, DATA_AS_IS);
    enum { N = 4000 };
    States s = states_alloc(N, GLYPH_DIMS), part = states_alloc(7, GLYPH_DIMS);
    uint16_t *labels = mem_alloc(N, sizeof *labels);

    ck_assert_uint_eq(d->states, 2);
    ck_assert_uint_eq(d->dims, GLYPH_DIMS);
    dataset_batch(d, 9, 0, N, true, &s, labels);
    LawFit fit = law_fit(d->law, &s);
    ck_assert(fit.valid == 1.0);
    ck_assert_double_le(fit.tv, 1.5 * law_tv_floor(d->law, N, 20, 1));
    for (size_t b = 0; b < N; b++)
        ck_assert_uint_eq(labels[b], d->law->label[law_lookup(d->law, states_row(&s, b))]);
    dataset_batch(d, 9, 0, 7, false, &part, NULL); /* keyed by index: the start of s */
    ck_assert_mem_eq(part.x, s.x, 7 * GLYPH_DIMS * sizeof *s.x);
    dataset_rows(d, d->count - 7, &part, NULL);
    ck_assert_mem_eq(part.x, d->law->patterns + (d->count - 7) * GLYPH_DIMS,
                     7 * GLYPH_DIMS * sizeof *s.x);
    states_free(&s);
    states_free(&part);
    mem_free(labels);
    dataset_close(d);
}
END_TEST

START_TEST(batch_must_fit)
{
    Dataset *d = open_good("glyphs", false, DATA_AS_IS);
    States s = states_alloc(2, 35);
    dataset_batch(d, 0, 0, 2, false, &s, NULL);
}
END_TEST

Suite *dataset_suite(void);
Suite *dataset_suite(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tc = tcase_create("files");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, make_folder, remove_files);
    tcase_add_test(tc, mnist_is_read);
    tcase_add_test(tc, idx_file_has_no_labels);
    tcase_add_test(tc, cifar_planes_become_channels);
    tcase_add_test(tc, binary_halves_the_size);
    tcase_add_test(tc, binary_in_colour);
    tcase_add_test(tc, specs_are_checked);
    tcase_add_loop_test(tc, bad_picture_files, 0, 14);
    tcase_add_test(tc, gzip_is_named);
    tcase_add_test(tc, bad_label_files);
    tcase_add_test(tc, bad_cifar_files);
    tcase_add_test(tc, epochs_are_permutations);
    tcase_add_test(tc, flips_mirror_rows);
    tcase_add_test(tc, flips_change_from_step_to_step);
    suite_add_tcase(suite, tc);
    tc = tcase_create("glyphs");
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, glyphs_follow_their_law);
    tcase_add_test_raise_signal(tc, batch_must_fit, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
