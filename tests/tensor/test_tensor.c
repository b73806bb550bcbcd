/* Tensors and states, and the kernels that move pixels. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/picture.h"
#include "tensor/states.h"
#include "tensor/tensor.h"

static float *random_floats(size_t n, uint64_t seed)
{
    float *x = mem_alloc(n, sizeof *x);
    Rng r = rng_root(seed);

    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(&r);
    return x;
}

/* Copies so that the accumulating kernels can be compared with what was there before. */
static float *copy_of(const float *x, size_t n)
{
    float *y = mem_alloc(n, sizeof *y);

    if (n > 0)
        memcpy(y, x, n * sizeof *y);
    return y;
}

START_TEST(shapes_and_text)
{
    Arena *arena = arena_create(1024);
    Tensor a = tensor_make4(arena, 2, 3, 4, 5), b = tensor_make2(arena, 6, 20);
    Tensor scalar = tensor_make(arena, 0, NULL), none = tensor_make1(arena, 0);
    char text[TENSOR_TEXT];

    ck_assert_uint_eq(tensor_size(&a), 120);
    ck_assert_uint_eq(tensor_size(&b), 120);
    ck_assert_uint_eq(b.shape[2], 1);
    ck_assert_uint_eq(tensor_size(&scalar), 1);
    ck_assert_uint_eq(tensor_size(&none), 0);
    ck_assert_str_eq(tensor_text(&a, text), "(2, 3, 4, 5)");
    ck_assert_str_eq(tensor_text(&scalar, text), "()");
    size_t huge[4] = {SIZE_MAX, 1, 1, 1};
    Tensor large = tensor_view(NULL, 4, huge);
    ck_assert_uint_lt(strlen(tensor_text(&large, text)), TENSOR_TEXT);
    Tensor c = tensor_reshape(a, 2, b.shape);
    ck_assert(c.data == a.data && tensor_same_shape(&b, &c));
    ck_assert(!tensor_same_shape(&a, &b));
    size_t other[2] = {20, 6};
    Tensor d = tensor_view(b.data, 2, other);
    ck_assert(!tensor_same_shape(&b, &d));
    arena_destroy(arena);
}
END_TEST

START_TEST(a_reshape_of_another_size_aborts)
{
    float data[6];
    size_t six = 6, five = 5;

    tensor_reshape(tensor_view(data, 1, &six), 1, &five);
}
END_TEST

START_TEST(rank_five_aborts)
{
    size_t shape[5] = {1, 1, 1, 1, 1};

    tensor_view(NULL, 5, shape);
}
END_TEST

START_TEST(an_overflowing_shape_aborts)
{
    size_t shape[2] = {SIZE_MAX, 2};

    tensor_view(NULL, 2, shape);
}
END_TEST

START_TEST(states_rows_and_repeats)
{
    Arena *arena = arena_create(1024);
    States s = states_alloc(3, 4);

    for (size_t i = 0; i < 12; i++)
        s.x[i] = (uint16_t)i;
    ck_assert_uint_eq(states_row(&s, 2)[1], 9);
    States view = states_rows(&s, 1, 2);
    ck_assert(view.batch == 2 && view.dims == 4 && view.x == s.x + 4);
    ck_assert_uint_eq(states_rows(&s, 3, 0).batch, 0);
    States repeated = states_repeat(arena, &view, 3);
    ck_assert_uint_eq(repeated.batch, 6);
    for (size_t b = 0; b < 6; b++)
        for (size_t d = 0; d < 4; d++)
            ck_assert_uint_eq(states_row(&repeated, b)[d], 4 * (1 + b / 3) + d);
    ck_assert_uint_eq(states_repeat(arena, &view, 0).batch, 0);
    states_free(&s);
    ck_assert_ptr_null(s.x);
    arena_destroy(arena);
}
END_TEST

START_TEST(states_as_floats)
{
    uint16_t x[6] = {0, 1, 2, 4, 3, 0};
    States s = {x, 2, 3};
    float centred[6], hot[30];

    states_centre(centred, &s, 4);
    states_one_hot(hot, &s, 5);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_float_eq(centred[i], (float)(x[i] / 2.0 - 1.0));
        for (size_t k = 0; k < 5; k++)
            ck_assert_float_eq(hot[5 * i + k], k == x[i] ? 1.0f : 0.0f);
    }
    uint16_t pixels[3] = {0, 255, 128};
    States p = {pixels, 1, 3};
    states_centre(centred, &p, 255);
    ck_assert_float_eq(centred[0], -1.0f);
    ck_assert_float_eq(centred[1], 1.0f);
    ck_assert_float_eq(centred[2], (float)(256.0 / 255.0 - 1.0));
}
END_TEST

START_TEST(a_row_past_the_end_aborts)
{
    uint16_t x[2] = {0, 0};
    States s = {x, 2, 1};

    states_row(&s, 2);
}
END_TEST

START_TEST(rows_past_the_end_abort)
{
    uint16_t x[2] = {0, 0};
    States s = {x, 2, 1};

    states_rows(&s, 1, 2);
}
END_TEST

START_TEST(one_hot_of_a_state_too_large_aborts)
{
    uint16_t x[2] = {0, 3};
    States s = {x, 2, 1};
    float out[6];

    states_one_hot(out, &s, 3);
}
END_TEST

typedef struct Picture {
    size_t b, h, w, c;
} Picture;

/* Empty, single, odd and long enough for a parallel region. */
static const Picture pictures[] = {{0, 2, 2, 1},  {1, 1, 1, 1},  {1, 2, 2, 1},   {2, 3, 5, 7},
                                   {3, 4, 4, 16}, {1, 7, 6, 33}, {5, 16, 16, 32}};
enum { PICTURES = sizeof pictures / sizeof *pictures };

START_TEST(upsampling_repeats_and_its_gradient_sums)
{
    Picture p = pictures[_i];
    size_t n = p.b * p.h * p.w * p.c, wrong = 0;
    float *x = random_floats(n, 1), *y = random_floats(4 * n, 2), *dy = random_floats(4 * n, 3);
    float *dx = random_floats(n, 4), *before = copy_of(dx, n), *written = random_floats(n, 5);
    double *sum = mem_zeroed(n, sizeof *sum);

    tensor_upsample2(y, x, p.b, p.h, p.w, p.c);
    tensor_upsample2_backward(dx, dy, true, p.b, p.h, p.w, p.c);
    tensor_upsample2_backward(written, dy, false, p.b, p.h, p.w, p.c);
    for (size_t i = 0; i < 4 * n; i++) {
        size_t k = i % p.c, j = i / p.c % (2 * p.w), r = i / p.c / (2 * p.w);
        size_t from = (r / 2 * p.w + j / 2) * p.c + k;
        wrong += y[i] != x[from];
        sum[from] += dy[i];
    }
    for (size_t i = 0; i < n; i++)
        wrong +=
            !(fabs(dx[i] - before[i] - sum[i]) <= 1e-5) || !(fabs(written[i] - sum[i]) <= 1e-6);
    ck_assert_uint_eq(wrong, 0);
    mem_free(x), mem_free(y), mem_free(dy), mem_free(dx), mem_free(before), mem_free(sum);
    mem_free(written);
}
END_TEST

START_TEST(max_pooling_finds_the_first_maximum)
{
    Picture p = pictures[_i];
    size_t n = p.b * p.h * p.w * p.c, oh = p.h / 2, ow = p.w / 2, m = p.b * oh * ow * p.c;
    float *x = random_floats(n, 5), *y = random_floats(m, 6), *dy = random_floats(m, 7);
    float *dx = random_floats(n, 8), *expected = copy_of(dx, n);
    size_t wrong = 0;
    uint8_t *which = mem_zeroed(m, 1);

    for (size_t i = 0; i < n; i++)
        x[i] = roundf(x[i]); /* ties */
    tensor_max_pool2(y, which, x, p.b, p.h, p.w, p.c);
    tensor_max_pool2_backward(dx, dy, which, p.b, p.h, p.w, p.c);
    for (size_t i = 0; i < m; i++) {
        size_t k = i % p.c, j = i / p.c % ow, r = i / p.c / ow;
        size_t best = 0;
        for (size_t q = 0; q < 4; q++) {
            size_t row = r / oh * p.h + 2 * (r % oh) + q / 2;
            size_t at = (row * p.w + 2 * j + q % 2) * p.c + k;
            if (q == 0 || x[at] > x[best])
                best = at;
        }
        wrong += y[i] != x[best];
        expected[best] += dy[i];
    }
    for (size_t i = 0; i < n; i++)
        wrong += dx[i] != expected[i];
    ck_assert_uint_eq(wrong, 0);
    mem_free(x), mem_free(y), mem_free(dy), mem_free(dx), mem_free(expected), mem_free(which);
}
END_TEST

START_TEST(max_pooling_does_not_hide_nan)
{
    for (size_t place = 0; place < 4; place++) {
        float x[4] = {1.0f, -2.0f, 5.0f, 3.0f}, y;
        uint8_t which;
        x[place] = NAN;
        tensor_max_pool2(&y, &which, x, 1, 2, 2, 1);
        ck_assert(isnan(y));
        ck_assert_uint_eq(which, place);
    }
}
END_TEST

START_TEST(concatenation_and_split)
{
    static const size_t shapes[6][3] = {{0, 2, 3}, {1, 1, 1},  {5, 3, 0},
                                        {5, 0, 3}, {7, 13, 5}, {1000, 32, 17}};
    size_t rows = shapes[_i][0], ca = shapes[_i][1], cb = shapes[_i][2], c = ca + cb;
    size_t wrong = 0;
    float *a = random_floats(rows * ca, 1), *b = random_floats(rows * cb, 2);
    float *y = random_floats(rows * c, 3);
    float *a2 = copy_of(a, rows * ca), *b2 = copy_of(b, rows * cb);

    tensor_concat(y, a, b, rows, ca, cb);
    for (size_t i = 0; i < rows * c; i++) {
        size_t r = i / c, j = i % c;
        wrong += y[i] != (j < ca ? a[r * ca + j] : b[r * cb + j - ca]);
    }
    tensor_columns(a2, y, rows, c, ca, true);
    tensor_columns(b2, y + ca, rows, c, cb, true);
    for (size_t i = 0; i < rows * ca; i++)
        wrong += a2[i] != 2 * a[i];
    for (size_t i = 0; i < rows * cb; i++)
        wrong += b2[i] != 2 * b[i];
    tensor_columns(a2, y, rows, c, ca, false);
    tensor_columns(b2, y + ca, rows, c, cb, false);
    for (size_t i = 0; i < rows * ca; i++)
        wrong += a2[i] != a[i];
    for (size_t i = 0; i < rows * cb; i++)
        wrong += b2[i] != b[i];
    ck_assert_uint_eq(wrong, 0);
    mem_free(a), mem_free(b), mem_free(y), mem_free(a2), mem_free(b2);
}
END_TEST

static void check_permutation(int rank, const size_t *shape, const int *order)
{
    size_t n = 1, wrong = 0, out_shape[4], index[4];

    for (int i = 0; i < rank; i++) {
        n *= shape[i];
        out_shape[i] = shape[order[i]];
    }
    float *in = random_floats(n, 9), *out = random_floats(n, 10);
    tensor_permute(out, in, rank, shape, order);
    for (size_t o = 0; o < n; o++) {
        size_t rest = o, at = 0;
        for (int i = rank; i-- > 0;) {
            index[order[i]] = rest % out_shape[i];
            rest /= out_shape[i];
        }
        for (int i = 0; i < rank; i++)
            at = at * shape[i] + index[i];
        wrong += out[o] != in[at];
    }
    ck_assert_uint_eq(wrong, 0); /* one check: each costs a message to the parent */
    mem_free(in), mem_free(out);
}

START_TEST(permutations_of_every_order)
{
    static const size_t shapes[4][4] = {{2, 3, 4, 5}, {1, 7, 1, 3}, {3, 0, 2, 2}, {33, 32, 5, 8}};

    for (int rank = 2; rank <= 4; rank++)
        for (int code = 0; code < 256; code++) {
            int order[4] = {code % 4, code / 4 % 4, code / 16 % 4, code / 64}, seen = 0;
            for (int i = 0; i < rank; i++)
                seen |= 1 << order[i];
            if (seen == (1 << rank) - 1 && (rank == 4 || code < 1 << 2 * rank))
                check_permutation(rank, shapes[_i], order);
        }
}
END_TEST

START_TEST(an_order_with_a_repeated_axis_aborts)
{
    static const size_t shape[2] = {2, 2};
    static const int order[2] = {1, 1};
    float in[4] = {0}, out[4];

    tensor_permute(out, in, 2, shape, order);
}
END_TEST

Suite *tensor_suite(void)
{
    Suite *suite = suite_create("tensor");
    TCase *shapes = tcase_create("shapes"), *states = tcase_create("states");
    TCase *picture = tcase_create("picture");

    tcase_set_timeout(shapes, 10);
    tcase_add_test(shapes, shapes_and_text);
    tcase_add_test_raise_signal(shapes, a_reshape_of_another_size_aborts, SIGABRT);
    tcase_add_test_raise_signal(shapes, rank_five_aborts, SIGABRT);
    tcase_add_test_raise_signal(shapes, an_overflowing_shape_aborts, SIGABRT);
    suite_add_tcase(suite, shapes);

    tcase_set_timeout(states, 10);
    tcase_add_test(states, states_rows_and_repeats);
    tcase_add_test(states, states_as_floats);
    tcase_add_test_raise_signal(states, a_row_past_the_end_aborts, SIGABRT);
    tcase_add_test_raise_signal(states, rows_past_the_end_abort, SIGABRT);
    tcase_add_test_raise_signal(states, one_hot_of_a_state_too_large_aborts, SIGABRT);
    suite_add_tcase(suite, states);

    tcase_set_timeout(picture, 20);
    tcase_add_loop_test(picture, upsampling_repeats_and_its_gradient_sums, 0, PICTURES);
    tcase_add_loop_test(picture, max_pooling_finds_the_first_maximum, 0, PICTURES);
    tcase_add_test(picture, max_pooling_does_not_hide_nan);
    tcase_add_loop_test(picture, concatenation_and_split, 0, 6);
    tcase_add_loop_test(picture, permutations_of_every_order, 0, 4);
    tcase_add_test_raise_signal(picture, an_order_with_a_repeated_axis_aborts, SIGABRT);
    suite_add_tcase(suite, picture);
    return suite;
}
