/* Random streams: the block function against published vectors, draws against their laws.
 *
 * Seeds are fixed, so a test that passes once always passes; the thresholds are such that a correct
 * generator with a fresh seed would fail one with probability below 1e-6. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tests/tools/statistics.h"

/* The value a chi-square variable of k degrees of freedom exceeds with probability 1e-6 (Wilson and
 * Hilferty). */
static double chi_square_limit(double k)
{
    double z = 4.753424, v = 2.0 / (9.0 * k), t = 1.0 - v + z * sqrt(v);

    return k * t * t * t;
}

static double chi_square(const size_t *count, const double *p, size_t n, double total)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        double expected = p[i] * total, d = (double)count[i] - expected;
        if (expected > 0.0)
            sum += d * d / expected;
    }
    return sum;
}

START_TEST(philox_known_answers)
{
    /* Random123's kat_vectors, philox4x32 with 10 rounds. */
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[3] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        rng_philox(out, known[i].counter, known[i].key);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
}
END_TEST

START_TEST(a_stream_is_its_path)
{
    Rng root = rng_root(42), used = root;

    for (int i = 0; i < 7; i++)
        rng_u32(&used);
    Rng a = rng_child(root, 3), b = rng_child(used, 3), c = rng_child(root, 4);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = rng_u32(&a);
        ck_assert_uint_eq(x, rng_u32(&b));
        same += x == rng_u32(&c);
    }
    ck_assert_int_le(same, 1);
    Rng again = rng_root(42), other = rng_root(43);
    ck_assert(again.key == root.key && again.stream == root.stream);
    ck_assert(other.key != root.key && other.stream != root.stream);
    /* The order of a path matters: child 1 of child 2 is not child 2 of child 1. */
    a = rng_child(rng_child(root, 1), 2);
    b = rng_child(rng_child(root, 2), 1);
    ck_assert(a.key != b.key);
}
END_TEST

START_TEST(filling_equals_drawing)
{
    enum { MOST = 300 };
    uint32_t out[MOST + 1];

    for (uint64_t start = 0; start < 9; start++)
        for (size_t n = 0; n <= MOST; n += n < 140 ? 1 : 37) {
            Rng one = rng_child(rng_root(11), start), many;
            /* From 0 on, and across the carry into the second counter word. */
            one.position = start % 2 == 0 ? 0 : UINT64_C(0xfffffff8);
            for (uint64_t i = 0; i < start; i++)
                rng_u32(&one);
            many = one;
            out[n] = 12345;
            rng_fill_u32(&many, out, n);
            for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(out[i], rng_u32(&one));
            ck_assert_uint_eq(out[n], 12345);
            for (int i = 0; i < 5; i++)
                ck_assert_uint_eq(rng_u32(&many), rng_u32(&one));
        }
}
END_TEST

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Names of 30000 children, grandchildren and draws as names: all different.  Equal ones have
 * probability 30000^2/2^65 = 2e-11. */
START_TEST(names_do_not_meet)
{
    enum { N = 10000 };
    uint64_t *name = mem_alloc((size_t)3 * N, sizeof *name);
    Rng root = rng_root(0), draws = root;

    for (size_t i = 0; i < N; i++) {
        Rng child = rng_child(root, i);
        name[i] = child.key;
        name[N + i] = rng_child(child, i % 3).key;
        name[(size_t)2 * N + i] = rng_u64(&draws);
        rng_u64(&draws);
    }
    qsort(name, (size_t)3 * N, sizeof *name, by_value);
    for (size_t i = 1; i < (size_t)3 * N; i++)
        ck_assert(name[i] != name[i - 1]);
    mem_free(name);
}
END_TEST

/* Correlations of streams next to each other, n = 50000: |r| sqrt(n) < 5 fails by chance with
 * probability 6e-7. */
START_TEST(neighbours_are_uncorrelated)
{
    enum { N = 50000 };
    Rng root = rng_root(7);
    Rng first = rng_child(root, 0);
    Rng stream[4] = {root, first, rng_child(root, 1), rng_child(first, 0)};
    double sum[4][4] = {{0}};

    for (int i = 0; i < N; i++) {
        double u[4];
        for (int k = 0; k < 4; k++)
            u[k] = (rng_uniform(&stream[k]) - 0.5) * sqrt(12.0);
        for (int k = 0; k < 4; k++)
            for (int l = 0; l < k; l++)
                sum[k][l] += u[k] * u[l];
    }
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < k; l++)
            ck_assert_double_lt(fabs(sum[k][l]) / sqrt(N), 5.0);
}
END_TEST

START_TEST(uniforms_fill_the_interval)
{
    enum { N = 200000, CELLS = 256 };
    size_t fine[CELLS] = {0}, coarse[CELLS] = {0}, low[CELLS] = {0};
    double p[CELLS];
    Rng r = rng_root(1);

    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&r);
        float v = rng_uniform24(&r);
        ck_assert(u >= 0.0 && u < 1.0 && v >= 0.0f && v < 1.0f);
        ck_assert(v * 16777216.0f == floorf(v * 16777216.0f));
        fine[(size_t)(u * CELLS)]++;
        coarse[(size_t)(v * CELLS)]++;
        low[(uint64_t)(u * 9007199254740992.0) % CELLS]++; /* last 8 of 53 bits */
    }
    for (int i = 0; i < CELLS; i++)
        p[i] = 1.0 / CELLS;
    ck_assert_double_lt(chi_square(fine, p, CELLS, N), chi_square_limit(CELLS - 1));
    ck_assert_double_lt(chi_square(coarse, p, CELLS, N), chi_square_limit(CELLS - 1));
    ck_assert_double_lt(chi_square(low, p, CELLS, N), chi_square_limit(CELLS - 1));
}
END_TEST

START_TEST(below_is_even)
{
    enum { N = 70000 };
    Rng r = rng_root(2);
    size_t count[7] = {0}, upper = 0;
    double p[7];

    for (int i = 0; i < N; i++) {
        size_t k = rng_below(&r, 7);
        ck_assert_uint_lt(k, 7);
        count[k]++;
        p[k] = 1.0 / 7;
        ck_assert_uint_eq(rng_below(&r, 1), 0);
    }
    ck_assert_double_lt(chi_square(count, p, 7, N), chi_square_limit(6));
    /* n = 3/4 of the range: a plain remainder would put 2/3 of the results into the lower third. */
    size_t n = SIZE_MAX / 4 * 3;
    for (int i = 0; i < N; i++) {
        size_t k = rng_below(&r, n);
        ck_assert(k < n);
        upper += k >= n / 3;
    }
    ck_assert_double_lt(fabs((double)upper - N * 2.0 / 3), 5.0 * sqrt(N * 2.0 / 9));
}
END_TEST

START_TEST(below_nothing_aborts)
{
    Rng r = rng_root(2);

    rng_below(&r, 0);
}
END_TEST

/* Moments of 200000 normals within 5 deviations of their estimators, and the two tails. */
START_TEST(normals_have_their_moments)
{
    enum { N = 200000 };
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, tail = 0;
    Rng r = rng_root(3);

    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r);
        ck_assert(isfinite(x));
        m1 += x;
        m2 += x * x;
        m3 += x * x * x;
        m4 += x * x * x * x;
        tail += fabs(x) > 2.0;
    }
    ck_assert_double_lt(fabs(m1 / N), 5.0 / sqrt(N));
    ck_assert_double_lt(fabs(m2 / N - 1), 5.0 * sqrt(2.0 / N));
    ck_assert_double_lt(fabs(m3 / N), 5.0 * sqrt(15.0 / N));
    ck_assert_double_lt(fabs(m4 / N - 3), 5.0 * sqrt(96.0 / N));
    double p = 0.04550026;
    ck_assert_double_lt(fabs(tail / N - p), 5.0 * sqrt(p * (1 - p) / N));
}
END_TEST

START_TEST(categorical_follows_its_weights)
{
    enum { N = 100000 };
    static const double weight[6] = {0, 3, 1, 0, 6, 0}; /* not normalised */
    double p[6];
    size_t plain[6] = {0}, logits[6] = {0};
    float logit[6];
    Rng r = rng_root(4), s = rng_root(5);

    for (int i = 0; i < 6; i++) {
        p[i] = weight[i] / 10;
        logit[i] = (float)(log(weight[i]) + 300.0); /* exp would overflow */
    }
    for (int i = 0; i < N; i++) {
        plain[rng_categorical(&r, weight, 6)]++;
        logits[rng_categorical_logits(&s, logit, 6)]++;
    }
    for (int i = 0; i < 6; i++)
        if (weight[i] == 0.0)
            ck_assert(plain[i] == 0 && logits[i] == 0);
    ck_assert_double_lt(chi_square(plain, p, 6, N), chi_square_limit(2));
    ck_assert_double_lt(chi_square(logits, p, 6, N), chi_square_limit(2));
}
END_TEST

/* Weights that do not add up exactly, and zeros at both ends: never an impossible index. */
START_TEST(categorical_never_draws_an_impossible_index)
{
    double p[100];
    Rng r = rng_root(6);

    for (int round = 0; round < 20000; round++) {
        size_t n = 2 + rng_below(&r, 99), possible = rng_below(&r, n);
        for (size_t i = 0; i < n; i++)
            p[i] = rng_below(&r, 3) == 0 || i == possible ? rng_uniform(&r) + 1e-30 : 0.0;
        p[n - 1] = possible == n - 1 ? p[n - 1] : 0.0;
        ck_assert(p[rng_categorical(&r, p, n)] > 0.0);
    }
    /* One uniform, that is two words, per draw. */
    Rng a = rng_root(8), b = a;
    rng_categorical(&a, p, 100);
    rng_uniform(&b);
    ck_assert_uint_eq(rng_u32(&a), rng_u32(&b));
}
END_TEST

START_TEST(categorical_without_weight_aborts)
{
    static const double p[2] = {0, 0};
    Rng r = rng_root(6);

    rng_categorical(&r, p, 2);
}
END_TEST

START_TEST(categorical_with_negative_weight_aborts)
{
    static const double p[2] = {2, -1};
    Rng r = rng_root(6);

    rng_categorical(&r, p, 2);
}
END_TEST

START_TEST(logits_of_minus_infinity_abort)
{
    const float logit[2] = {-INFINITY, -INFINITY};
    Rng r = rng_root(6);

    rng_categorical_logits(&r, logit, 2);
}
END_TEST

START_TEST(poisson_follows_its_law)
{
    enum { N = 100000, CELLS = 80 };
    static const double mean[5] = {0.3, 3.0, 9.9, 10.0, 30.0};

    for (int m = 0; m < 5; m++) {
        size_t count[CELLS] = {0}, merged_count[CELLS] = {0}, cells = 0;
        double p[CELLS], merged[CELLS] = {0}, rest = 1.0;
        Rng r = rng_root(100 + (uint64_t)m);
        for (int i = 0; i < N; i++) {
            uint64_t k = rng_poisson(&r, mean[m]);
            count[k < CELLS - 1 ? k : CELLS - 1]++;
        }
        p[0] = exp(-mean[m]);
        for (int k = 1; k < CELLS; k++)
            p[k] = p[k - 1] * mean[m] / k;
        for (int k = 0; k < CELLS - 1; k++)
            rest -= p[k];
        p[CELLS - 1] = rest > 0.0 ? rest : 0.0;
        for (int k = 0; k < CELLS; k++) { /* cells of at least 10 expected counts */
            merged[cells] += p[k];
            merged_count[cells] += count[k];
            rest = 0.0;
            for (int l = k + 1; l < CELLS; l++)
                rest += p[l];
            if (merged[cells] * N >= 10.0 && rest * N >= 10.0)
                cells++;
        }
        ck_assert_double_lt(chi_square(merged_count, merged, cells + 1, N),
                            chi_square_limit((double)cells));
    }
}
END_TEST

/* Most draws for large means take a short cut, the squeeze.  Its region is not far from too large:
 * many draws are needed to see that. */
START_TEST(poisson_of_large_means_follows_its_law)
{
    enum { N = 1000000, CELLS = 1400 };
    static const double mean[] = {12.0, 50.0, 200.0, 1000.0};
    static size_t count[CELLS];
    static double p[CELLS];

    for (int m = 0; m < 4; m++) {
        double rest = 1.0;
        Rng r = rng_root(200 + (uint64_t)m);
        memset(count, 0, sizeof count);
        for (int i = 0; i < N; i++) {
            uint64_t k = rng_poisson(&r, mean[m]);
            count[k < CELLS - 1 ? k : CELLS - 1]++;
        }
        for (int k = 0; k < CELLS - 1; k++) {
            p[k] = exp(k * log(mean[m]) - mean[m] - lgamma(k + 1.0));
            rest -= p[k];
        }
        p[CELLS - 1] = rest > 1e-12 ? rest : 1e-12;
        ck_assert_msg(statistics_fit(count, p, CELLS), "mean %g", mean[m]);
    }
}
END_TEST

/* The transformed rejection of means from 10 on without its short cuts: every point is compared
 * with the density. */
static uint64_t poisson_by_density(Rng *r, double mean)
{
    const double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;

    for (;;) {
        const double u = rng_uniform(r) - 0.5, v = 1.0 - rng_uniform(r), us = 0.5 - fabs(u);
        const double k = floor((2 * a / us + b) * u + mean + 0.43);
        const double density = k * log(mean) - mean - lgamma(k + 1.0);
        if (k >= 0 && log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b)) <= density)
            return (uint64_t)k;
    }
}

/* Short cuts that go too far hardly move the law (a million draws of mean 200 do not show 0.97 for
 * 0.9277), but they change draws. */
START_TEST(short_cuts_of_poisson_change_no_draw)
{
    static const double mean[] = {10.0, 14.0, 40.0, 200.0, 1000.0, 30000.0};

    for (int m = 0; m < 6; m++) {
        Rng r = rng_root(300 + (uint64_t)m), same = r;
        for (int i = 0; i < 200000; i++)
            if (rng_poisson(&r, mean[m]) != poisson_by_density(&same, mean[m]))
                ck_abort_msg("mean %g: draw %d differs", mean[m], i);
    }
}
END_TEST

START_TEST(poisson_of_extreme_means)
{
    Rng r = rng_root(9);

    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(rng_poisson(&r, 0.0), 0);
        double k = (double)rng_poisson(&r, 1e10);
        ck_assert_double_lt(fabs(k - 1e10), 7e5); /* 7 deviations */
    }
}
END_TEST

START_TEST(permutations_are_even)
{
    enum { N = 48000 };
    size_t count[256] = {0};
    double p[256] = {0};
    uint32_t order[100];
    Rng r = rng_root(10);

    for (int i = 0; i < N; i++) {
        rng_permutation(&r, order, 4);
        size_t code = order[0] + 4 * order[1] + 16 * order[2] + 64 * order[3];
        count[code]++;
        p[code] = 1.0 / 24;
    }
    ck_assert_double_lt(chi_square(count, p, 256, N), chi_square_limit(23));
    rng_permutation(&r, order, 0);
    rng_permutation(&r, order, 1);
    ck_assert_uint_eq(order[0], 0);
    int seen[100] = {0};
    rng_permutation(&r, order, 100);
    for (int i = 0; i < 100; i++)
        seen[order[i]]++;
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(seen[i], 1);
}
END_TEST

/* Against the distribution function: P(normal <= z) = erfc(-z/sqrt 2)/2, from both ends. */
START_TEST(normal_quantile_inverts_the_distribution)
{
    static const double u[] = {0x1p-53, 1e-12, 1e-5, 0.0013, 0.02425, 0.1, 0.3, 0.4999, 0.5};

    for (size_t i = 0; i < sizeof u / sizeof u[0]; i++) {
        double z = rng_normal_quantile(u[i]), back = 0.5 * erfc(-z * sqrt(0.5));
        ck_assert_double_le(fabs(back / u[i] - 1.0), 1e-13);
        ck_assert_double_le(fabs(rng_normal_quantile(1.0 - u[i]) + z), u[i] < 1e-4 ? 1e-3 : 1e-11);
    }
    ck_assert_double_eq_tol(rng_normal_quantile(0.975), 1.959963984540054, 1e-14);
    ck_assert(rng_normal_quantile(0.0) < -8.0 && isfinite(rng_normal_quantile(0.0)));
}
END_TEST

Suite *rng_suite(void)
{
    Suite *suite = suite_create("rng");
    TCase *streams = tcase_create("streams"), *laws = tcase_create("laws");

    tcase_set_timeout(streams, 20);
    tcase_add_test(streams, philox_known_answers);
    tcase_add_test(streams, normal_quantile_inverts_the_distribution);
    tcase_add_test(streams, a_stream_is_its_path);
    tcase_add_test(streams, filling_equals_drawing);
    tcase_add_test(streams, names_do_not_meet);
    tcase_add_test(streams, neighbours_are_uncorrelated);
    suite_add_tcase(suite, streams);

    tcase_set_timeout(laws, 30);
    tcase_add_test(laws, uniforms_fill_the_interval);
    tcase_add_test(laws, below_is_even);
    tcase_add_test_raise_signal(laws, below_nothing_aborts, SIGABRT);
    tcase_add_test(laws, normals_have_their_moments);
    tcase_add_test(laws, categorical_follows_its_weights);
    tcase_add_test(laws, categorical_never_draws_an_impossible_index);
    tcase_add_test_raise_signal(laws, categorical_without_weight_aborts, SIGABRT);
    tcase_add_test_raise_signal(laws, categorical_with_negative_weight_aborts, SIGABRT);
    tcase_add_test_raise_signal(laws, logits_of_minus_infinity_abort, SIGABRT);
    tcase_add_test(laws, poisson_follows_its_law);
    tcase_add_test(laws, poisson_of_large_means_follows_its_law);
    tcase_add_test(laws, short_cuts_of_poisson_change_no_draw);
    tcase_add_test(laws, poisson_of_extreme_means);
    tcase_add_test(laws, permutations_are_even);
    suite_add_tcase(suite, laws);
    return suite;
}
