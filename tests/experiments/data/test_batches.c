/* The order of batches, flips, and draws from a law. */
#include <check.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "experiments/data/readers/glyphs.h"
#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER   "test-batches.tmp.d"
#define PICTURES FOLDER "/train-images-idx3-ubyte"
#define CIFAR    "cifar10:" FOLDER

static void set_up(void)
{
    toys_set_up(FOLDER);
}

/* Every epoch is a permutation, whatever the batch size; batches depend on seed and step alone. */
START_TEST(epochs_are_permutations)
{
    data_file_pictures(PICTURES, 10, 1, 1); /* pixel: 7 i mod 256, all different */
    Dataset *d = data_open("idx:" PICTURES, false, DATA_AS_IS);
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
    data_file_cifar(FOLDER "/data_batch_1.bin", 3, 0);
    Dataset *d = data_open(CIFAR, false, DATA_AS_IS);
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
    data_file_cifar(FOLDER "/data_batch_1.bin", 3, 0);
    Dataset *d = data_open(CIFAR, false, DATA_AS_IS);
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
    Dataset *d = data_open("glyphs", false, DATA_AS_IS);
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

/* ---- texts ---- */

/* Symbols 0, 1, ..., count-1 of 1000. */
static Dataset *counting_text(size_t count, size_t length)
{
    Buffer lines = {0};
    Error err = {""};
    Dataset *d = dataset_create("text:x");

    for (int i = 0; i < 1000; i++)
        buffer_format(&lines, "%d\n", i);
    d->text = text_data_create(count, vocabulary_parse(lines.bytes, lines.length, "", &err));
    buffer_free(&lines);
    for (size_t i = 0; i < count; i++)
        d->text->symbols[i] = (uint16_t)i;
    d->height = d->channels = 1;
    d->width = d->dims = length;
    d->states = 1000;
    d->count = count / length;
    return d;
}

/* Windows that begin anywhere, the first and the last place too, and go on without a gap; a
 * function of seed, step and place in the batch, never mirrored. */
START_TEST(texts_give_windows)
{
    enum { N = 2000, LENGTH = 4, COUNT = 19 };
    Dataset *d = counting_text(COUNT, LENGTH);
    States s = states_alloc(N, LENGTH), part = states_alloc(7, LENGTH);
    size_t begins[COUNT] = {0};

    dataset_batch(d, 3, 5, N, true, &s, NULL);
    for (size_t b = 0; b < N; b++) {
        const uint16_t *row = states_row(&s, b);
        for (size_t i = 1; i < LENGTH; i++)
            ck_assert_uint_eq(row[i], row[0] + i);
        begins[row[0]]++;
    }
    /* 16 places, 125 each on average, deviation 10.8: outside 60..190 with probability 3e-8 */
    for (size_t i = 0; i < COUNT; i++)
        ck_assert(i < 16 ? begins[i] >= 60 && begins[i] <= 190 : begins[i] == 0);
    dataset_batch(d, 3, 5, 7, false, &part, NULL);
    ck_assert_mem_eq(part.x, s.x, 7 * LENGTH * sizeof *s.x);
    dataset_batch(d, 3, 6, 7, false, &part, NULL);
    ck_assert_mem_ne(part.x, s.x, 7 * LENGTH * sizeof *s.x);
    dataset_batch(d, 4, 5, 7, false, &part, NULL);
    ck_assert_mem_ne(part.x, s.x, 7 * LENGTH * sizeof *s.x);
    states_free(&s);
    states_free(&part);
    dataset_close(d);
}
END_TEST

/* A seed means the same windows in every version: a stream of their own, a child for each. */
START_TEST(windows_are_those_of_the_seed)
{
    Dataset *d = counting_text(700, 3);
    States s = states_alloc(5, 3);
    const Rng draws = rng_child(rng_child(rng_root(9), 0xDA7A0005), 2);
    dataset_batch(d, 9, 2, 5, false, &s, NULL);
    for (size_t b = 0; b < 5; b++) {
        Rng rng = rng_child(draws, b);
        ck_assert_uint_eq(states_row(&s, b)[0], rng_below(&rng, 698));
    }
    states_free(&s);
    dataset_close(d);
}
END_TEST

START_TEST(a_text_of_one_window)
{
    Dataset *d = counting_text(6, 6);
    States s = states_alloc(3, 6);
    dataset_batch(d, 1, 0, 3, false, &s, NULL);
    for (size_t i = 0; i < 18; i++)
        ck_assert_uint_eq(s.x[i], i % 6);
    states_free(&s);
    dataset_close(d);
}
END_TEST

START_TEST(rows_of_a_text_lie_side_by_side)
{
    Dataset *d = counting_text(700, 3);
    States s = states_alloc(3, 3);
    ck_assert_uint_eq(d->count, 233);
    dataset_rows(d, 230, &s, NULL);
    for (size_t i = 0; i < 9; i++)
        ck_assert_uint_eq(s.x[i], 690 + i); /* beyond a byte */
    states_free(&s);
    dataset_close(d);
}
END_TEST

/* What was put in comes out, in the order of pictures: each row once in an epoch. */
START_TEST(texts_in_rows_keep_them)
{
    Dataset *d = counting_text(700, 3), *like = dataset_like(d, 10);
    States rows = states_alloc(10, 3), out = states_alloc(10, 3);
    unsigned seen = 0;

    dataset_rows(d, 200, &rows, NULL);
    States first = states_rows(&rows, 0, 4), last = states_rows(&rows, 4, 6);
    dataset_put(like, 0, &first);
    dataset_put(like, 4, &last);
    dataset_rows(like, 0, &out, NULL);
    ck_assert_mem_eq(out.x, rows.x, 30 * sizeof *out.x);
    dataset_batch(like, 2, 0, 10, true, &out, NULL);
    for (size_t b = 0; b < 10; b++) {
        const uint16_t *row = states_row(&out, b);
        ck_assert(row[0] % 3 == 0 && row[1] == row[0] + 1 && row[2] == row[0] + 2);
        seen |= 1u << (row[0] / 3 - 200);
    }
    ck_assert_uint_eq(seen, 1023);
    states_free(&rows);
    states_free(&out);
    dataset_close(like);
    dataset_close(d);
}
END_TEST

START_TEST(pictures_can_be_put)
{
    data_file_pictures(PICTURES, 10, 2, 2);
    Dataset *d = data_open("idx:" PICTURES, false, DATA_AS_IS), *like = dataset_like(d, 3);
    States x = states_alloc(3, 4), out = states_alloc(3, 4);
    dataset_rows(d, 7, &x, NULL);
    dataset_put(like, 0, &x);
    dataset_rows(like, 0, &out, NULL);
    ck_assert_mem_eq(out.x, x.x, 12 * sizeof *x.x);
    states_free(&x);
    states_free(&out);
    dataset_close(like);
    dataset_close(d);
}
END_TEST

START_TEST(windows_must_fit)
{
    Dataset *d = counting_text(5, 6);
    States s = states_alloc(1, 6);
    dataset_batch(d, 0, 0, 1, false, &s, NULL);
}
END_TEST

START_TEST(rows_that_are_put_must_fit)
{
    Dataset *d = counting_text(12, 6);
    States s = states_alloc(2, 6);
    dataset_put(d, 1, &s);
}
END_TEST

START_TEST(batch_must_fit)
{
    Dataset *d = data_open("glyphs", false, DATA_AS_IS);
    States s = states_alloc(2, 35);
    dataset_batch(d, 0, 0, 2, false, &s, NULL);
}
END_TEST

Suite *batches_suite(void);
Suite *batches_suite(void)
{
    Suite *suite = suite_create("batches");
    TCase *tc = tcase_create("batches");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, epochs_are_permutations);
    tcase_add_test(tc, flips_mirror_rows);
    tcase_add_test(tc, flips_change_from_step_to_step);
    tcase_add_test(tc, glyphs_follow_their_law);
    tcase_add_test(tc, texts_give_windows);
    tcase_add_test(tc, windows_are_those_of_the_seed);
    tcase_add_test(tc, a_text_of_one_window);
    tcase_add_test(tc, rows_of_a_text_lie_side_by_side);
    tcase_add_test(tc, texts_in_rows_keep_them);
    tcase_add_test(tc, pictures_can_be_put);
    suite_add_tcase(suite, tc);
    tc = tcase_create("misuse");
    tcase_add_test_raise_signal(tc, batch_must_fit, 6);
    tcase_add_test_raise_signal(tc, windows_must_fit, 6);
    tcase_add_test_raise_signal(tc, rows_that_are_put_must_fit, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
