/* Exact sums of features: the same bits however vectors are shared out and in any order, moments as
 * those of long double, and what is refused. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "experiments/metrics/features/moment_sums.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"

enum { F = 45, N = 101 };

/* Sizes from 1e-6 to 100. */
static void make_vectors(float x[N * F])
{
    Rng rng = rng_root(5);
    for (size_t i = 0; i < (size_t)N * F; i++)
        x[i] =
            (float)(rng_normal(&rng) * exp(-6.0 * rng_uniform(&rng)) + (i % F == 3 ? 90.0 : 0.4));
    x[17] = 1e-12f;
    x[18] = -128.0f;
}

static MomentSums sum_of(const float *x, size_t count)
{
    Error err = {""};
    MomentSums s = moment_sums_create(F);
    ck_assert_msg(moment_sums_add(&s, x, count, &err), "%s", err.text);
    return s;
}

static void assert_same(const MomentSums *a, const MomentSums *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (int k = 0; k < MOMENT_PARTS; k++) {
        ck_assert_mem_eq(a->sum[k], b->sum[k], F * sizeof(double));
        ck_assert_mem_eq(a->product[k], b->product[k], (size_t)F * F * sizeof(double));
    }
}

START_TEST(shards_have_the_bits_of_one_run)
{
    static const size_t shards[] = {1, 2, 3, 7, N};
    float x[N * F];
    Error err = {""};
    make_vectors(x);
    threads_set(1);
    MomentSums whole = sum_of(x, N);
    threads_set(3);
    for (size_t k = 0; k < sizeof shards / sizeof shards[0]; k++) {
        MomentSums all = moment_sums_create(F);
        for (size_t i = shards[k]; i-- > 0;) { /* the last one first */
            const size_t from = i * N / shards[k], end = (i + 1) * N / shards[k];
            MomentSums part = sum_of(x + from * F, end - from);
            ck_assert(moment_sums_merge(&all, &part, &err));
            moment_sums_free(&part);
        }
        assert_same(&whole, &all);
        moment_sums_free(&all);
    }
    moment_sums_free(&whole);
}
END_TEST

START_TEST(moments_are_those_of_the_definition)
{
    float x[N * F];
    long double mean[F] = {0}, largest = 0;
    make_vectors(x);
    MomentSums s = sum_of(x, N);
    Moments m = moment_sums_moments(&s);
    ck_assert(m.features == F && m.count == N);
    for (size_t i = 0; i < (size_t)N * F; i++)
        mean[i % F] += (long double)x[i] / N;
    for (size_t i = 0; i < F; i++)
        ck_assert_double_eq_tol(m.mean[i], (double)mean[i], 1e-13);
    for (size_t i = 0; i < F; i++)
        for (size_t j = 0; j < F; j++) {
            long double c = 0;
            for (size_t b = 0; b < N; b++)
                c += (x[b * F + i] - mean[i]) * (x[b * F + j] - mean[j]) / (N - 1);
            largest = fmaxl(largest, fabsl(c));
            if (!(fabs(m.covariance[i * F + j] - (double)c) < 3e-11))
                ck_abort_msg("covariance (%zu, %zu) is %.17g, not %.17Lg", i, j,
                             m.covariance[i * F + j], c);
        }
    ck_assert(largest > 1);
    moments_free(&m);
    moment_sums_free(&s);
}
END_TEST

START_TEST(what_would_round_is_refused)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 128.5f, -1e30f};
    float x[2 * F] = {0};
    Error err = {""};
    MomentSums s = moment_sums_create(F);
    x[F + 7] = bad[_i];
    ck_assert(!moment_sums_add(&s, x, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "finite numbers from -128 to 128"));
    ck_assert_uint_eq(s.count, 0);
    for (size_t i = 0; i < F; i++)
        ck_assert_double_eq(s.sum[0][i], 0);
    s.count = MOMENT_MOST - 1;
    x[F + 7] = 1;
    ck_assert(!moment_sums_add(&s, x, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "at most 16777216 vectors"));
    MomentSums other = moment_sums_create(F);
    other.count = 2;
    ck_assert(!moment_sums_merge(&s, &other, &err));
    moment_sums_free(&other);
    moment_sums_free(&s);
}
END_TEST

/* Products from the diagonal on, which is all that the bytes hold. */
static void assert_same_triangles(const MomentSums *a, const MomentSums *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (int k = 0; k < MOMENT_PARTS; k++) {
        ck_assert_mem_eq(a->sum[k], b->sum[k], F * sizeof(double));
        for (size_t i = 0; i < F; i++)
            ck_assert_mem_eq(a->product[k] + i * F + i, b->product[k] + i * F + i,
                             (F - i) * sizeof(double));
    }
}

START_TEST(bytes_add_up_to_one_run)
{
    float x[N * F];
    Error err = {""};
    make_vectors(x);
    const size_t bytes = moment_sums_bytes(F);
    ck_assert_uint_eq(bytes, (size_t)16 * (F + F * (F + 1) / 2));
    MomentSums whole = sum_of(x, N), all = sum_of(x, 20), rest = sum_of(x + (size_t)20 * F, N - 20);
    unsigned char *file = mem_alloc(bytes + 1, 1);
    file[bytes] = 77;
    moment_sums_put(&rest, file);
    ck_assert_uint_eq(file[bytes], 77);
    ck_assert_msg(moment_sums_add_bytes(&all, file, N - 20, &err), "%s", err.text);
    assert_same_triangles(&whole, &all);
    mem_free(file);
    moment_sums_free(&rest);
    moment_sums_free(&all);
    moment_sums_free(&whole);
}
END_TEST

/* A number in a file that no sum of so many vectors can be. */
START_TEST(bytes_that_are_no_sums)
{
    static const struct {
        size_t place;
        double value;
    } bad[] = {
        {3, NAN},
        {3, INFINITY},
        {3, 256.5},                                           /* 2 vectors of up to 128 */
        {3, 0x1p-22},                                         /* not whole in 2^-21 */
        {F + 7, 32769},                                       /* 2 products of up to 2^14 */
        {F + 7, 0x1p-15},                                     /* not whole in 2^-14 */
        {F + F * (F + 1) / 2 + 1, 0x1p-51},                   /* the low part: 2^-50 */
        {2 * F + F * (F + 1) / 2 + F * (F + 1) / 2 - 1, NAN}, /* the last */
    };
    Error err = {""};
    const size_t bytes = moment_sums_bytes(F);
    unsigned char *file = mem_zeroed(bytes, 1);
    uint64_t bits;
    memcpy(&bits, &bad[_i].value, sizeof bits);
    MomentSums s = moment_sums_create(F);
    ck_assert(moment_sums_add_bytes(&s, file, 2, &err));
    for (int k = 0; k < 8; k++)
        file[8 * bad[_i].place + (size_t)k] = (unsigned char)(bits >> 8 * k);
    ck_assert(!moment_sums_add_bytes(&s, file, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "expected the sums of 2 vectors"));
    ck_assert_uint_eq(s.count, 2);
    for (size_t i = 0; i < F; i++)
        ck_assert_double_eq(s.sum[0][i], 0);
    s.count = MOMENT_MOST - 1;
    ck_assert(!moment_sums_add_bytes(&s, file, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "at most 16777216 vectors"));
    moment_sums_free(&s);
    mem_free(file);
}
END_TEST

START_TEST(one_vector_has_no_covariance)
{
    const float x[F] = {0};
    MomentSums s = sum_of(x, 1);
    moment_sums_moments(&s);
}
END_TEST

START_TEST(other_features_do_not_merge)
{
    Error err;
    MomentSums a = moment_sums_create(3), b = moment_sums_create(4);
    moment_sums_merge(&a, &b, &err);
}
END_TEST

Suite *moment_sums_suite(void)
{
    Suite *suite = suite_create("moment_sums");
    TCase *tc = tcase_create("moment_sums");
    tcase_add_test(tc, shards_have_the_bits_of_one_run);
    tcase_add_test(tc, bytes_add_up_to_one_run);
    tcase_add_loop_test(tc, bytes_that_are_no_sums, 0, 8);
    tcase_add_test(tc, moments_are_those_of_the_definition);
    tcase_add_loop_test(tc, what_would_round_is_refused, 0, 5);
    tcase_add_test_raise_signal(tc, one_vector_has_no_covariance, SIGABRT);
    tcase_add_test_raise_signal(tc, other_features_do_not_merge, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
