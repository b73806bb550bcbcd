/* The Frechet distance against a naive formula, Gaussians whose distance is known, and its limits.
 */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "experiments/metrics/features/frechet.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"

enum { MAX_F = 6 };

static double distance(const Moments *a, const Moments *b)
{
    Error err = {""};
    double d = -1;
    ck_assert_msg(frechet_distance(a, b, &d, &err), "%s", err.text);
    return d;
}

/* n vectors of f numbers, mixed by a random matrix. */
static float *vectors(size_t n, size_t f, double shift, uint64_t seed)
{
    Rng rng = rng_root(seed);
    double mix[MAX_F * MAX_F], z[MAX_F];
    float *x = mem_alloc(n * f, sizeof *x);
    for (size_t i = 0; i < f * f; i++)
        mix[i] = rng_normal(&rng);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < f; i++)
            z[i] = rng_normal(&rng);
        for (size_t i = 0; i < f; i++) {
            double sum = shift;
            for (size_t j = 0; j < f; j++)
                sum += mix[i * f + j] * z[j];
            x[k * f + i] = (float)sum;
        }
    }
    return x;
}

/* out = a b. */
static void product(size_t n, const double *a, const double *b, double *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += a[i * n + k] * b[k * n + j];
            out[i * n + j] = sum;
        }
}

/* a becomes its inverse (Gauss-Jordan with pivoting); returns log |det a|. */
static double invert(size_t n, double *a)
{
    double left[MAX_F * MAX_F], log_det = 0;
    memcpy(left, a, n * n * sizeof(double));
    for (size_t i = 0; i < n * n; i++)
        a[i] = i % (n + 1) == 0;
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;
        for (size_t r = c; r < n; r++)
            if (fabs(left[r * n + c]) > fabs(left[pivot * n + c]))
                pivot = r;
        for (size_t k = 0; k < n; k++) {
            const double x = left[c * n + k], y = a[c * n + k];
            left[c * n + k] = left[pivot * n + k];
            left[pivot * n + k] = x;
            a[c * n + k] = a[pivot * n + k];
            a[pivot * n + k] = y;
        }
        const double p = left[c * n + c];
        log_det += log(fabs(p));
        for (size_t k = 0; k < n; k++) {
            left[c * n + k] /= p;
            a[c * n + k] /= p;
        }
        for (size_t r = 0; r < n; r++) {
            const double q = left[r * n + c];
            for (size_t k = 0; r != c && k < n; k++) {
                left[r * n + k] -= q * left[c * n + k];
                a[r * n + k] -= q * a[c * n + k];
            }
        }
    }
    return log_det;
}

/* tr sqrt(C1 C2) another way: the product itself, which is not symmetric, by the iteration of
 * Denman and Beavers, Y -> (Y + Z^-1)/2, Z -> (Z + Y^-1)/2, scaled by the determinants. */
static double naive_trace(size_t n, const double *c1, const double *c2)
{
    double y[MAX_F * MAX_F], z[MAX_F * MAX_F], iy[MAX_F * MAX_F], iz[MAX_F * MAX_F], trace = 0;
    product(n, c1, c2, y);
    for (size_t i = 0; i < n * n; i++)
        z[i] = i % (n + 1) == 0;
    for (int k = 0; k < 40; k++) {
        memcpy(iy, y, sizeof y);
        memcpy(iz, z, sizeof z);
        const double log_det = invert(n, iy) + invert(n, iz);
        const double g = exp(-log_det / (2 * (double)n));
        for (size_t i = 0; i < n * n; i++) {
            y[i] = (g * y[i] + iz[i] / g) / 2;
            z[i] = (g * z[i] + iy[i] / g) / 2;
        }
    }
    for (size_t i = 0; i < n; i++)
        trace += y[i * n + i];
    return trace;
}

START_TEST(moments_are_those_of_the_definition)
{
    const size_t n = 57, f = 5;
    float *x = vectors(n, f, 3, 1);
    Moments m = moments_of(x, n, f);
    ck_assert(m.count == n && m.features == f);
    for (size_t i = 0; i < f; i++) {
        double mean = 0;
        for (size_t k = 0; k < n; k++)
            mean += x[k * f + i] / (double)n;
        ck_assert_double_eq_tol(m.mean[i], mean, 1e-12);
    }
    for (size_t i = 0; i < f; i++)
        for (size_t j = 0; j < f; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += (x[k * f + i] - m.mean[i]) * (x[k * f + j] - m.mean[j]);
            ck_assert_double_eq_tol(m.covariance[i * f + j], sum / (double)(n - 1), 1e-11);
        }
    moments_free(&m);
    mem_free(x);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(distances_match_the_naive_formula)
{
    const size_t f = (size_t)_i + 1;
    float *x = vectors(40, f, 0, 10), *y = vectors(60, f, 0.5, 20);
    Moments a = moments_of(x, 40, f), b = moments_of(y, 60, f);
    double expected = 0;
    for (size_t i = 0; i < f; i++)
        expected +=
            pow(a.mean[i] - b.mean[i], 2) + a.covariance[i * f + i] + b.covariance[i * f + i];
    expected -= 2 * naive_trace(f, a.covariance, b.covariance);
    ck_assert_double_gt(expected, 0.01);
    ck_assert_double_eq_tol(distance(&a, &b), expected, 1e-9 * (1 + expected));
    ck_assert_double_eq_tol(distance(&b, &a), expected, 1e-9 * (1 + expected));
    moments_free(&a);
    moments_free(&b);
    mem_free(x);
    mem_free(y);
}
END_TEST

START_TEST(equal_sets_have_no_distance)
{
    float *x = vectors(50, 6, 1, 3);
    Moments a = moments_of(x, 50, 6), few = moments_of(x, 3, 6);
    ck_assert_double_le(distance(&a, &a), 1e-9);
    ck_assert_double_le(distance(&few, &few), 1e-6); /* covariance of rank 2: roots of rounding */
    moments_free(&a);
    moments_free(&few);
    mem_free(x);
}
END_TEST

/* Diagonal covariances: |m1 - m2|^2 + sum (s1 - s2)^2. */
START_TEST(known_gaussians)
{
    double mean1[3] = {1, 0, -2}, mean2[3] = {0, 2, -2};
    double c1[9] = {4, 0, 0, 0, 9, 0, 0, 0, 0}, c2[9] = {1, 0, 0, 0, 9, 0, 0, 0, 0.25};
    Moments a = {3, 2, mean1, c1}, b = {3, 2, mean2, c2};
    ck_assert_double_eq_tol(distance(&a, &b), 5 + 1 + 0 + 0.25, 1e-12);
    double r1[4] = {5, 4, 4, 5}, r2[4] = {1, 0, 0, 1}; /* roots 3 and 1 against 1 and 1 */
    Moments c = {2, 2, mean1, r1}, d = {2, 2, mean1, r2};
    ck_assert_double_eq_tol(distance(&c, &d), 4, 1e-12);
}
END_TEST

START_TEST(large_and_constant_features)
{
    float x[8] = {1e6f, 5, -1e6f, 5, 2e6f, 5, 0, 5}, y[4] = {7, 5, 7, 5};
    Moments a = moments_of(x, 4, 2), b = moments_of(y, 2, 2);
    ck_assert(b.covariance[0] == 0);
    const double expected = pow(0.5e6 - 7, 2) + a.covariance[0];
    ck_assert_double_eq_tol(distance(&a, &b) / expected, 1, 1e-12);
    moments_free(&a);
    moments_free(&b);
}
END_TEST

START_TEST(broken_features_are_said)
{
    float x[6] = {1, 2, 3, 4, 5, _i == 0 ? NAN : INFINITY};
    float y[6] = {1, 2, 2, 2, 5, 1};
    Moments a = moments_of(x, 3, 2), b = moments_of(y, 3, 2);
    Error err = {""};
    double d;
    ck_assert(!frechet_distance(&a, &b, &d, &err));
    ck_assert_msg(strstr(err.text, "not finite") != NULL, "%s", err.text);
    ck_assert(!frechet_distance(&b, &a, &d, &err));
    moments_free(&a);
    moments_free(&b);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(one_vector_stops)
{
    float x[2] = {1, 2};
    moments_of(x, 1, 2);
}
END_TEST

START_TEST(other_features_stop)
{
    double zero[4] = {0}, d;
    Moments a = {2, 2, zero, zero}, b = {1, 2, zero, zero};
    Error err;
    frechet_distance(&a, &b, &d, &err);
}
END_TEST

Suite *frechet_suite(void)
{
    Suite *s = suite_create("frechet");
    TCase *tc = tcase_create("frechet");

    tcase_add_test(tc, moments_are_those_of_the_definition);
    tcase_add_loop_test(tc, distances_match_the_naive_formula, 0, MAX_F);
    tcase_add_test(tc, equal_sets_have_no_distance);
    tcase_add_test(tc, known_gaussians);
    tcase_add_test(tc, large_and_constant_features);
    tcase_add_loop_test(tc, broken_features_are_said, 0, 2);
    tcase_add_test_raise_signal(tc, one_vector_stops, SIGABRT);
    tcase_add_test_raise_signal(tc, other_features_stop, SIGABRT);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return s;
}
