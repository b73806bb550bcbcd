/* Symmetric eigenproblems: residuals, orthogonality, known spectra, awkward input. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/eigen/eigen.h"
#include "tensor/system/threads.h"

static double *random_symmetric(size_t n, double scale, uint64_t seed)
{
    double *a = mem_alloc(n, n * sizeof *a);
    Rng r = rng_root(seed);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            a[i * n + j] = a[j * n + i] = scale * rng_normal(&r);
    return a;
}

static double largest_size(const double *a, size_t n)
{
    double size = 0.0;

    for (size_t i = 0; i < n * n; i++)
        size = larger_of(size, fabs(a[i]));
    return size;
}

/* Solves a copy of a and checks A = V diag(values) V^T, V^T V = 1 and the order; the values are
 * returned. */
static double *check_solution(size_t n, const double *a)
{
    double *v = mem_alloc(n, n * sizeof *v), *values = mem_alloc(n, sizeof *values);
    double size = largest_size(a, n), residual = 0.0, angle = 0.0;

    memcpy(v, a, n * n * sizeof *v);
    ck_assert(tensor_eigen_symmetric(n, v, values));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0.0, product = 0.0;
            for (size_t k = 0; k < n; k++) {
                sum += v[i * n + k] * (values[k] / (size > 0.0 ? size : 1.0)) * v[j * n + k];
                product += v[k * n + i] * v[k * n + j];
            }
            residual = larger_of(residual, fabs(sum - (size > 0.0 ? a[i * n + j] / size : 0.0)));
            angle = larger_of(angle, fabs(product - (i == j)));
        }
    ck_assert_double_le(residual, 1e-14 * (10.0 + (double)n));
    ck_assert_double_le(angle, 1e-13);
    for (size_t k = 1; k < n; k++)
        ck_assert_double_le(values[k - 1], values[k]);
    mem_free(v);
    return values;
}

START_TEST(random_matrices)
{
    static const size_t sizes[] = {1, 2, 3, 4, 15, 16, 17, 33, 64, 150};
    size_t n = sizes[_i];
    double *a = random_symmetric(n, 1.0, 1 + (uint64_t)_i), *values = check_solution(n, a);
    double trace = 0.0, sum = 0.0;

    for (size_t k = 0; k < n; k++) {
        trace += a[k * n + k];
        sum += values[k];
    }
    ck_assert_double_eq_tol(trace, sum, 1e-12 * (double)n);
    mem_free(a), mem_free(values);
}
END_TEST

START_TEST(no_matrix)
{
    ck_assert(tensor_eigen_symmetric(0, NULL, NULL));
}
END_TEST

/* The second difference matrix: 2 - 2 cos(k pi/(n + 1)). */
START_TEST(second_differences)
{
    enum { N = 40 };
    double *a = mem_zeroed(N, N * sizeof *a);

    for (size_t i = 0; i < N; i++) {
        a[i * N + i] = 2.0;
        if (i > 0)
            a[i * N + i - 1] = a[(i - 1) * N + i] = -1.0;
    }
    double *values = check_solution(N, a);
    for (int k = 0; k < N; k++)
        ck_assert_double_eq_tol(values[k], 2.0 - 2.0 * cos((k + 1) * acos(-1.0) / (N + 1)), 1e-14);
    mem_free(a), mem_free(values);
}
END_TEST

/* All ones: n once, 0 otherwise; the identity and zero: nothing to rotate. */
START_TEST(repeated_values)
{
    enum { N = 30 };
    double *a = mem_alloc(N, N * sizeof *a);

    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < (size_t)N * N; i++)
            a[i] = kind == 0 ? 1.0 : kind == 1 && i % (N + 1) == 0 ? 1.0 : 0.0;
        double *values = check_solution(N, a);
        for (int k = 0; k < N; k++) {
            double expected = kind == 0 ? (k == N - 1 ? N : 0.0) : kind == 1 ? 1.0 : 0.0;
            ck_assert_double_eq_tol(values[k], expected, 1e-13 * N);
        }
        mem_free(values);
    }
    mem_free(a);
}
END_TEST

/* A matrix of two blocks, so that T has a zero inside. */
START_TEST(blocks)
{
    enum { N = 20 };
    double *a = random_symmetric(N, 1.0, 5);

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            if ((i < 7) != (j < 7))
                a[i * N + j] = 0.0;
    mem_free(check_solution(N, a));
    mem_free(a);
}
END_TEST

/* Entries whose squares over- or underflow. */
START_TEST(extreme_scales)
{
    static const double scales[] = {1e200, 1e-200, 1e-290};
    double *a = random_symmetric(25, scales[_i], 6);

    mem_free(check_solution(25, a));
    mem_free(a);
}
END_TEST

/* Entries whose squares are denormal or 0 beside entries of size 1: a Gaussian's far tail. */
START_TEST(tiny_entries_among_large_ones)
{
    enum { N = 5 };
    static const double tiny[] = {1e-150, 1e-153, 3e-154, 1e-154, 1e-155, 1e-160,
                                  1e-161, 1e-162, 1e-200, 1e-307, 1e-320};

    for (size_t t = 0; t < sizeof tiny / sizeof tiny[0]; t++)
        for (size_t shape = 0; shape < 3; shape++) {
            double a[N * N];
            for (size_t i = 0; i < N; i++)
                for (size_t j = 0; j < N; j++) {
                    size_t distance = i > j ? i - j : j - i;
                    a[i * N + j] = distance == 0      ? 1.0 + (double)(i * shape)
                                   : distance > shape ? tiny[t]
                                                      : 0.0;
                }
            mem_free(check_solution(N, a));
        }
}
END_TEST

START_TEST(the_lower_triangle_is_read)
{
    const size_t n = _i == 0 ? 9 : 530; /* reflections one by one, and in panels */
    double *a = random_symmetric(n, 1.0, 7), *b = random_symmetric(n, 1.0, 7);
    double *va = mem_alloc(n, sizeof *va), *vb = mem_alloc(n, sizeof *vb);

    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            b[i * n + j] = NAN;
    ck_assert(tensor_eigen_symmetric(n, a, va) && tensor_eigen_symmetric(n, b, vb));
    ck_assert_mem_eq(va, vb, n * sizeof *va);
    ck_assert_mem_eq(a, b, n * n * sizeof *a);
    mem_free(a), mem_free(b), mem_free(va), mem_free(vb);
}
END_TEST

/* From 512 on reflections are collected in panels of 32. */
START_TEST(large_matrices)
{
    static const size_t sizes[] = {511, 512, 513, 544, 577};
    size_t n = sizes[_i];
    double *a = random_symmetric(n, 1.0, 20 + (uint64_t)_i);
    mem_free(check_solution(n, a));
    mem_free(a);
}
END_TEST

/* Blocks, so that some reflections are none; the identity, where all are; a product of a thin
 * matrix with itself, whose other values are 0. */
START_TEST(large_matrices_with_little_in_them)
{
    enum { N = 530, THIN = 7 };
    double *a = random_symmetric(N, 1.0, 30), *b = random_symmetric(N, 1.0, 31);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < THIN; k++)
                sum += b[i * N + k] * b[j * N + k];
            if (_i == 0 && (i < 100) != (j < 100))
                a[i * N + j] = 0.0;
            else if (_i > 0)
                a[i * N + j] = _i == 1 ? (i == j) : sum;
        }
    double *values = check_solution(N, a);
    if (_i == 2)
        for (size_t k = 0; k < N - THIN; k++)
            ck_assert_double_le(fabs(values[k]), 1e-11);
    mem_free(values);
    mem_free(a), mem_free(b);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads)
{
    const size_t n = _i == 0 ? 400 : 600;
    double *a = random_symmetric(n, 1.0, 32), *b = random_symmetric(n, 1.0, 32);
    double *va = mem_alloc(n, sizeof *va), *vb = mem_alloc(n, sizeof *vb);
    threads_set(1);
    ck_assert(tensor_eigen_symmetric(n, a, va));
    threads_set(3);
    ck_assert(tensor_eigen_symmetric(n, b, vb));
    ck_assert_mem_eq(va, vb, n * sizeof *va);
    ck_assert_mem_eq(a, b, n * n * sizeof *a);
    mem_free(va), mem_free(vb);
    mem_free(a), mem_free(b);
}
END_TEST

START_TEST(values_alone_are_the_same)
{
    static const size_t sizes[] = {0, 1, 2, 33, 530};
    const size_t n = sizes[_i];
    double *a = random_symmetric(n, 1.0, 33), *b = random_symmetric(n, 1.0, 33);
    double *va = mem_alloc(n, sizeof *va), *vb = mem_alloc(n, sizeof *vb);
    ck_assert(tensor_eigen_symmetric(n, a, va) && tensor_eigen_values(n, b, vb));
    ck_assert(n == 0 || memcmp(va, vb, n * sizeof *va) == 0);
    mem_free(va), mem_free(vb);
    mem_free(a), mem_free(b);
}
END_TEST

START_TEST(what_is_not_finite_is_refused)
{
    const double bad[3] = {NAN, INFINITY, -INFINITY};
    double values[4];

    for (int k = 0; k < 6; k++) {
        double *a = random_symmetric(4, 1.0, 8);
        a[2 * 4 + 1] = bad[k % 3];
        ck_assert(!(k < 3 ? tensor_eigen_symmetric : tensor_eigen_values)(4, a, values));
        mem_free(a);
    }
}
END_TEST

Suite *eigen_suite(void)
{
    Suite *suite = suite_create("eigen");
    TCase *eigen = tcase_create("eigen");

    tcase_set_timeout(eigen, 60);
    tcase_add_loop_test(eigen, random_matrices, 0, 10);
    tcase_add_test(eigen, no_matrix);
    tcase_add_test(eigen, second_differences);
    tcase_add_test(eigen, repeated_values);
    tcase_add_test(eigen, blocks);
    tcase_add_loop_test(eigen, extreme_scales, 0, 3);
    tcase_add_test(eigen, tiny_entries_among_large_ones);
    tcase_add_loop_test(eigen, the_lower_triangle_is_read, 0, 2);
    tcase_add_loop_test(eigen, large_matrices, 0, 5);
    tcase_add_loop_test(eigen, large_matrices_with_little_in_them, 0, 3);
    tcase_add_loop_test(eigen, bits_do_not_depend_on_threads, 0, 2);
    tcase_add_loop_test(eigen, values_alone_are_the_same, 0, 5);
    tcase_add_test(eigen, what_is_not_finite_is_refused);
    suite_add_tcase(suite, eigen);
    return suite;
}
