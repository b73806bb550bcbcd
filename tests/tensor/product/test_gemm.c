/* Matrix products against the loops in double: all forms, sizes around those of the tiles. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/product/gemm.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/threads.h"

static float *random_floats(Rng *rng, size_t n)
{
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_uniform(rng) - 0.5f;
    return x;
}

typedef struct Case {
    GemmForm form;
    size_t m, n, k, extra; /* extra: columns added to every row of the stored matrices */
    float alpha, beta;
    bool bias;
} Case;

static bool left_transposed(GemmForm form)
{
    return form == GEMM_TN || form == GEMM_TT;
}

static bool right_transposed(GemmForm form)
{
    return form == GEMM_NT || form == GEMM_TT;
}

/* Entries are in [-1/2, 1/2], so a sum of k products in float32 is off by far less than this. */
static double tolerance(size_t k)
{
    return 1e-6 + 3e-7 * sqrt((double)k + 1.0) + 1e-8 * (double)k;
}

static void compare(const Case *t, uint64_t seed)
{
    Rng rng = rng_root(seed);
    const size_t lda = (left_transposed(t->form) ? t->m : t->k) + t->extra;
    const size_t ldb = (right_transposed(t->form) ? t->k : t->n) + t->extra, ldc = t->n + t->extra;
    float *a = random_floats(&rng, (left_transposed(t->form) ? t->k : t->m) * lda);
    float *b = random_floats(&rng, (right_transposed(t->form) ? t->n : t->k) * ldb);
    float *c = random_floats(&rng, t->m * ldc), *bias = random_floats(&rng, t->n);
    float *expected = mem_alloc(t->m * ldc, sizeof *expected);
    memcpy(expected, c, t->m * ldc * sizeof *c);
    const float *used = t->bias ? bias : NULL;
    tensor_gemm(t->form, t->m, t->n, t->k, t->alpha, a, lda, b, ldb, t->beta, used, c, ldc);
    tensor_gemm_reference(t->form, t->m, t->n, t->k, t->alpha, a, lda, b, ldb, t->beta, used,
                          expected, ldc);
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < ldc; j++) {
            const double got = c[i * ldc + j], want = expected[i * ldc + j];
            /* ck_assert writes a message each time: too slow for every entry. */
            if (j >= t->n && got != want)
                ck_abort_msg("column %zu lies outside of C and was changed", j);
            if (!(fabs(got - want) <= tolerance(t->k)))
                ck_abort_msg("form %d (%zu, %zu, %zu): entry (%zu, %zu) is %g, not %g",
                             (int)t->form, t->m, t->n, t->k, i, j, got, want);
        }
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(bias);
    mem_free(expected);
}

START_TEST(test_sizes)
{
    /* Below, at and above the heights and widths of all tiles, and the blocks of depth. */
    static const size_t ms[] = {0, 1, 5, 6, 7, 8, 9, 24, 25, 50};
    static const size_t ns[] = {0, 1, 2, 15, 16, 17, 32, 33, 47, 48, 49, 64, 65, 72, 130};
    static const size_t ks[] = {0, 1, 2, 31, 33, 130};
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
        for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
            for (size_t l = 0; l < sizeof ks / sizeof *ks; l++) {
                const Case t = {.form = (GemmForm)_i,
                                .m = ms[i],
                                .n = ns[j],
                                .k = ks[l],
                                .extra = (i + j + l) % 3,
                                .alpha = (i + l) % 2 ? 1.0f : -0.7f,
                                .beta = (float)((i + j) % 3) * 0.5f,
                                .bias = (j + l) % 2};
                compare(&t, 1000 * i + 10 * j + l);
            }
}
END_TEST

START_TEST(test_blocks)
{
    /* Sizes beyond one block of rows, of depth, and one chunk of depth and of columns; left
     * operands that are copied where they are read across their rows, and such that are not. */
    static const size_t sizes[][3] = {{300, 70, 600}, {3000, 3, 20},   {7, 150, 2200},
                                      {3, 2100, 40},  {150, 130, 512}, {20, 64, 1025},
                                      {150, 40, 1100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const Case t = {.form = (GemmForm)_i,
                        .m = sizes[i][0],
                        .n = sizes[i][1],
                        .k = sizes[i][2],
                        .extra = i % 2,
                        .alpha = 1.0f,
                        .beta = 0.5f,
                        .bias = true};
        compare(&t, i);
    }
}
END_TEST

START_TEST(test_nan_in_output_is_overwritten)
{
    const float a[2] = {1.0f, 2.0f}, b[2] = {3.0f, 4.0f}, bias[2] = {10.0f, 20.0f};
    float c[4] = {NAN, NAN, NAN, NAN};
    tensor_gemm(GEMM_NN, 2, 2, 1, 1.0f, a, 1, b, 2, 0.0f, NULL, c, 2);
    ck_assert(c[0] == 3.0f && c[1] == 4.0f && c[2] == 6.0f && c[3] == 8.0f);
    c[0] = c[3] = NAN;
    tensor_gemm(GEMM_NN, 2, 2, 0, 1.0f, a, 1, b, 2, 0.0f, bias, c, 2);
    ck_assert(c[0] == 10.0f && c[1] == 20.0f && c[2] == 10.0f && c[3] == 20.0f);
}
END_TEST

START_TEST(test_nan_and_inf_stay_in_their_rows_and_columns)
{
    enum { M = 21, N = 70, K = 40 };
    float a[M * K], b[K * N], c[M * N];
    for (size_t i = 0; i < (size_t)M * K; i++)
        a[i] = 0.5f;
    for (size_t i = 0; i < (size_t)K * N; i++)
        b[i] = 0.25f;
    a[20 * K + 39] = NAN;
    a[3 * K + 1] = INFINITY;
    b[7 * N + 69] = INFINITY;
    b[7 * N + 5] = NAN;
    tensor_gemm(GEMM_NN, M, N, K, 1.0f, a, K, b, N, 0.0f, NULL, c, N);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            const float x = c[i * N + j];
            if (i == 20 || j == 5)
                ck_assert_msg(isnan(x), "(%zu, %zu) is %g, not NaN", i, j, (double)x);
            else if (i == 3 || j == 69)
                ck_assert_msg(fabs((double)x) == INFINITY, "(%zu, %zu) is %g, not inf", i, j,
                              (double)x);
            else
                ck_assert_msg(x == 5.0f, "(%zu, %zu) is %g", i, j, (double)x);
        }
}
END_TEST

/* 0 times NaN or infinity is NaN, at the edges of tiles and in every form. */
START_TEST(test_zero_hides_nothing)
{
    enum { M = 7, N = 66, K = 3 };
    const GemmForm form = (GemmForm)_i;
    const bool ta = left_transposed(form), tb = right_transposed(form);
    float a[M * K] = {0}, b[K * N] = {0}, c[M * N];
    a[ta ? 1 * M + 6 : 6 * K + 1] = NAN;
    b[tb ? 65 * K + 2 : 2 * N + 65] = INFINITY;
    for (int alpha = 0; alpha < 2; alpha++) {
        for (size_t i = 0; i < (size_t)M * N; i++)
            c[i] = NAN;
        tensor_gemm(form, M, N, K, (float)alpha, a, ta ? M : K, b, tb ? K : N, 0.0f, NULL, c, N);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++) {
                const float x = c[i * N + j];
                ck_assert_msg(i == 6 || j == 65 ? isnan(x) : x == 0.0f, "(%zu, %zu) is %g", i, j,
                              (double)x);
            }
    }
}
END_TEST

START_TEST(test_added_infinities)
{
    const float a[2] = {1.0f, -1.0f}, b[1] = {INFINITY};
    float c[2] = {INFINITY, INFINITY};
    tensor_gemm(GEMM_NN, 2, 1, 1, 1.0f, a, 1, b, 1, 1.0f, NULL, c, 1);
    ck_assert(c[0] == INFINITY && isnan(c[1]));
}
END_TEST

/* A sum that is cut into chunks of depth and added to C has the bits of one long sum. */
START_TEST(test_sums_go_on_from_c)
{
    enum { M = 13, N = 70, K = 300, CUT = 77 };
    Rng rng = rng_root(8);
    float *a = random_floats(&rng, (size_t)M * K), *b = random_floats(&rng, (size_t)K * N);
    float *c = mem_alloc((size_t)2 * M * N, sizeof *c), *d = c + (size_t)M * N;
    tensor_gemm(GEMM_NN, M, N, K, 1.0f, a, K, b, N, 0.0f, NULL, c, N);
    tensor_gemm(GEMM_NN, M, N, CUT, 1.0f, a, K, b, N, 0.0f, NULL, d, N);
    tensor_gemm(GEMM_NN, M, N, K - CUT, 1.0f, a + CUT, K, b + (size_t)CUT * N, N, 1.0f, NULL, d, N);
    ck_assert_mem_eq(c, d, (size_t)M * N * sizeof *c);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}
END_TEST

static const struct {
    size_t count, m, n, k, lda, ldb, ldc, stride;
} huge[] = {
    {0, SIZE_MAX / 2, 3, 1, 1, 3, 3, 0}, /* m n */
    {0, SIZE_MAX / 2, 1, 3, 3, 1, 1, 0}, /* m k */
    {0, 1, SIZE_MAX / 2, 3, 3, SIZE_MAX / 2, SIZE_MAX / 2, 0},
    {0, 2, 2, 2, SIZE_MAX - 1, 2, 2, 0}, /* the second row of A */
    {0, 2, 2, 2, 2, 2, SIZE_MAX / 4, 0}, /* bytes of C */
    {0, SIZE_MAX / 4, 2, 0, 0, 2, 2, 0}, /* no terms, but C */
    {9, 1, 1, 1, 1, 1, 1, SIZE_MAX / 8}, /* the last of nine */
};

START_TEST(test_sizes_that_overflow)
{
    float number[4] = {0.0f};
    if (huge[_i].count == 0)
        tensor_gemm(GEMM_NN, huge[_i].m, huge[_i].n, huge[_i].k, 1.0f, number, huge[_i].lda, number,
                    huge[_i].ldb, 0.0f, NULL, number, huge[_i].ldc);
    else
        tensor_gemm_batch(GEMM_NN, huge[_i].count, 1, 1, 1, 1.0f, number, 1, huge[_i].stride,
                          number, 1, 0, 0.0f, number, 1, 1);
}
END_TEST

START_TEST(test_batch)
{
    static const size_t sizes[][4] = {{0, 3, 3, 3},    {1, 100, 90, 80},   {5, 7, 9, 0},
                                      {40, 49, 49, 8}, {3, 120, 130, 140}, {9, 1, 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t count = sizes[i][0], m = sizes[i][1], n = sizes[i][2], k = sizes[i][3];
        const GemmForm form = (GemmForm)_i;
        Rng rng = rng_root(i);
        const size_t lda = left_transposed(form) ? m : k, ldb = right_transposed(form) ? k : n;
        const size_t gap = 5; /* between the operands of two products */
        float *a = random_floats(&rng, count * (m * k + gap));
        float *b = random_floats(&rng, count * (k * n + gap));
        float *c = random_floats(&rng, count * (m * n + gap));
        float *d = mem_alloc(count * (m * n + gap), sizeof *d);
        memcpy(d, c, count * (m * n + gap) * sizeof *d);
        tensor_gemm_batch(form, count, m, n, k, 0.5f, a, lda, m * k + gap, b, ldb, k * n + gap,
                          2.0f, c, n, m * n + gap);
        for (size_t t = 0; t < count; t++)
            tensor_gemm_reference(form, m, n, k, 0.5f, a + t * (m * k + gap), lda,
                                  b + t * (k * n + gap), ldb, 2.0f, NULL, d + t * (m * n + gap), n);
        for (size_t t = 0; t < count * (m * n + gap); t++)
            if (!(fabs((double)c[t] - (double)d[t]) <= tolerance(k)))
                ck_abort_msg("entry %zu is %g, not %g", t, (double)c[t], (double)d[t]);
        mem_free(a);
        mem_free(b);
        mem_free(c);
        mem_free(d);
    }
}
END_TEST

static double *random_doubles(Rng *rng, size_t n)
{
    double *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_uniform(rng) - 0.5;
    return x;
}

START_TEST(test_double)
{
    static const size_t sizes[][3] = {{0, 2, 2},     {2, 3, 0},     {1, 1, 1},
                                      {4, 32, 5},    {5, 33, 260},  {49, 31, 7},
                                      {70, 90, 300}, {96, 64, 256}, {3, 4, 1025}};
    const GemmForm form = (GemmForm)_i;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        Rng rng = rng_root(s);
        double *a = random_doubles(&rng, m * k), *b = random_doubles(&rng, k * n);
        double *c = random_doubles(&rng, m * n);
        tensor_dgemm(form, m, n, k, a, b, c);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0.0;
                for (size_t p = 0; p < k; p++)
                    sum += (left_transposed(form) ? a[p * m + i] : a[i * k + p]) *
                           (right_transposed(form) ? b[j * k + p] : b[p * n + j]);
                if (!(fabs(c[i * n + j] - sum) <= 1e-15 * (double)(k + 1)))
                    ck_abort_msg("(%zu, %zu, %zu): entry (%zu, %zu) is %.17g, not %.17g", m, n, k,
                                 i, j, c[i * n + j], sum);
            }
        mem_free(a);
        mem_free(b);
        mem_free(c);
    }
}
END_TEST

START_TEST(test_same_bits_for_any_thread_count)
{
    enum { M = 333, N = 150, K = 700 };
    Rng rng = rng_root(5);
    float *a = random_floats(&rng, (size_t)M * K), *b = random_floats(&rng, (size_t)K * N);
    float *c[2] = {mem_alloc((size_t)M * N, sizeof(float)),
                   mem_alloc((size_t)M * N, sizeof(float))};
    double *x = random_doubles(&rng, (size_t)M * K), *y = random_doubles(&rng, (size_t)K * N);
    double *z[2] = {mem_alloc((size_t)M * N, sizeof(double)),
                    mem_alloc((size_t)M * N, sizeof(double))};
    for (int t = 0; t < 2; t++) {
        threads_set(t == 0 ? 1 : 3);
        tensor_gemm(GEMM_TN, M, N, K, 1.0f, a, M, b, N, 0.0f, NULL, c[t], N);
        tensor_dgemm(GEMM_NT, M, N, K, x, y, z[t]);
    }
    ck_assert_mem_eq(c[0], c[1], (size_t)M * N * sizeof(float));
    ck_assert_mem_eq(z[0], z[1], (size_t)M * N * sizeof(double));
    for (int t = 0; t < 2; t++) {
        mem_free(c[t]);
        mem_free(z[t]);
    }
    mem_free(a);
    mem_free(b);
    mem_free(x);
    mem_free(y);
}
END_TEST

START_TEST(test_row_does_not_depend_on_the_others)
{
    enum { M = 61, N = 70, K = 600 };
    Rng rng = rng_root(6);
    float *a = random_floats(&rng, (size_t)M * K), *b = random_floats(&rng, (size_t)K * N);
    float *c = mem_alloc((size_t)M * N, sizeof *c), row[N];
    tensor_gemm(GEMM_NN, M, N, K, 1.0f, a, K, b, N, 0.0f, NULL, c, N);
    for (size_t i = 0; i < M; i += 13) {
        tensor_gemm(GEMM_NN, 1, N, K, 1.0f, a + i * K, K, b, N, 0.0f, NULL, row, N);
        ck_assert_mem_eq(row, c + i * N, sizeof row);
    }
    mem_free(a);
    mem_free(b);
    mem_free(c);
}
END_TEST

START_TEST(test_too_small_stride)
{
    static const struct {
        GemmForm form;
        size_t lda, ldb, ldc;
    } small[] = {{GEMM_NN, 2, 2, 2}, {GEMM_NN, 3, 1, 2}, {GEMM_NN, 3, 2, 1},
                 {GEMM_TN, 1, 2, 2}, {GEMM_NT, 3, 2, 2}, {(GemmForm)4, 3, 3, 3}};
    float a[6] = {0}, b[6] = {0}, c[4] = {0};
    tensor_gemm(small[_i].form, 2, 2, 3, 1.0f, a, small[_i].lda, b, small[_i].ldb, 0.0f, NULL, c,
                small[_i].ldc);
}
END_TEST

Suite *gemm_suite(void)
{
    Suite *suite = suite_create("gemm");
    TCase *products = tcase_create("products");
    tcase_set_timeout(products, 120.0);
    tcase_add_loop_test(products, test_zero_hides_nothing, 0, 4);
    tcase_add_test(products, test_added_infinities);
    tcase_add_test(products, test_sums_go_on_from_c);
    tcase_add_loop_test_raise_signal(products, test_sizes_that_overflow, SIGABRT, 0,
                                     (int)(sizeof huge / sizeof huge[0]));
    tcase_add_loop_test(products, test_sizes, 0, 4);
    tcase_add_loop_test(products, test_blocks, 0, 4);
    tcase_add_loop_test(products, test_batch, 0, 4);
    tcase_add_loop_test(products, test_double, 0, 4);
    tcase_add_test(products, test_nan_in_output_is_overwritten);
    tcase_add_test(products, test_nan_and_inf_stay_in_their_rows_and_columns);
    tcase_add_test(products, test_same_bits_for_any_thread_count);
    tcase_add_test(products, test_row_does_not_depend_on_the_others);
    tcase_add_loop_test_raise_signal(products, test_too_small_stride, SIGABRT, 0, 6);
    suite_add_tcase(suite, products);
    return suite;
}
