/* Elementwise kernels, sums and softmax against the same formulas in double; the inline exp, log,
 * sigmoid and tanh in units in the last place.
 *
 * Entries are counted as wrong in a loop and checked once: a check costs a message to the
 * parent. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/fast_exp.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"
#include "tensor/softmax.h"

static float *random_floats(size_t n, double width, uint64_t seed)
{
    float *x = mem_alloc(n, sizeof *x);
    Rng r = rng_root(seed);

    for (size_t i = 0; i < n; i++)
        x[i] = (float)(width * rng_normal(&r));
    return x;
}

static float *copy_of(const float *x, size_t n)
{
    float *y = mem_alloc(n, sizeof *y);

    if (n > 0)
        memcpy(y, x, n * sizeof *y);
    return y;
}

/* Entries of y that differ from `expected` by more than a share `relative` of it and `absolute`. */
static size_t count_wrong(const float *y, const double *expected, size_t n, double relative,
                          double absolute)
{
    size_t wrong = 0;

    for (size_t i = 0; i < n; i++)
        wrong += !(fabs(y[i] - expected[i]) <= relative * fabs(expected[i]) + absolute);
    return wrong;
}

/* ---- accuracy of the inline functions ---- */

static double d_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Distance of float32 numbers at y. */
static double ulp(double y)
{
    int exponent;

    frexp(y, &exponent);
    return ldexp(1.0, (exponent > -125 ? exponent : -125) - 24);
}

/* Largest error of f on every `step`-th float32 number of [low, high]. */
static double worst_ulp(float (*f)(float), double (*exact)(double), float low, float high,
                        uint32_t step)
{
    double worst = 0.0;
    FloatBits u;

    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += step) {
        u.bits = (uint32_t)bits;
        if (!(u.value >= low && u.value <= high))
            continue;
        double y = exact(u.value), error = fabs(f(u.value) - y) / ulp(y);
        worst = error <= worst ? worst : error; /* NaN is taken over */
    }
    return worst;
}

START_TEST(errors_in_last_places)
{
    ck_assert_double_le(worst_ulp(fast_exp, exp, -87.0f, 88.0f, 2003), 1.0);
    ck_assert_double_le(worst_ulp(fast_exp, exp, 88.0f, 88.72f, 101), 1.0);
    ck_assert_double_le(worst_ulp(fast_exp_falling, exp, -87.3f, 0.0f, 2003), 1.0);
    ck_assert_double_le(worst_ulp(fast_log, log, 1.17549435e-38f, 3.4e38f, 2003), 1.0);
    ck_assert_double_le(worst_ulp(fast_sigmoid, d_sigmoid, -87.0f, 87.0f, 2003), 3.0);
    ck_assert_double_le(worst_ulp(fast_tanh, tanh, -20.0f, 20.0f, 2003), 2.0);
}
END_TEST

START_TEST(falling_exponentials_are_exponentials)
{
    for (int i = 0; i <= 79189; i++) { /* from -87 in steps of 9/8192 */
        const float x = -87.0f + 0.00109863281f * (float)i;
        if (fast_exp_falling(x) != fast_exp(x))
            ck_abort_msg("exp(%.9g) = %.9g, falling %.9g", x, fast_exp(x), fast_exp_falling(x));
    }
}
END_TEST

START_TEST(special_values)
{
    ck_assert(fast_exp(0.0f) == 1.0f && fast_exp(-0.0f) == 1.0f);
    ck_assert(fast_exp(-INFINITY) == 0.0f && fast_exp(-105.0f) == 0.0f);
    ck_assert(fast_exp(INFINITY) == INFINITY && fast_exp(88.73f) == INFINITY);
    ck_assert(fast_exp_falling(0.0f) == 1.0f && fast_exp_falling(-0.0f) == 1.0f);
    ck_assert(fast_exp_falling(-87.7f) == 0.0f && fast_exp_falling(-INFINITY) == 0.0f);
    const float none[] = {fast_exp(NAN),      fast_exp_falling(NAN), fast_log(NAN),
                          fast_tanh(NAN),     fast_sigmoid(NAN),     fast_log(-1.0f),
                          fast_log(-INFINITY)};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        ck_assert_msg(isnan(none[i]), "number %zu is %g", i, (double)none[i]);
    ck_assert(fast_log(0.0f) == -INFINITY && fast_log(-0.0f) == -INFINITY);
    ck_assert(fast_log(1.0f) == 0.0f && fast_log(INFINITY) == INFINITY);
    ck_assert_float_eq_tol(fast_log(1e-40f), -92.1034f, 1e-3f); /* denormal */
    ck_assert(fast_sigmoid(INFINITY) == 1.0f && fast_sigmoid(-INFINITY) == 0.0f);
    ck_assert(fast_sigmoid(0.0f) == 0.5f);
    ck_assert(fast_tanh(INFINITY) == 1.0f && fast_tanh(-INFINITY) == -1.0f);
    ck_assert(fast_tanh(0.0f) == 0.0f && fast_tanh(1e-30f) == 1e-30f);
}
END_TEST

/* ---- elementwise kernels ---- */

static double d_silu(double x)
{
    return x * d_sigmoid(x);
}

static double d_gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

static double d_relu(double x)
{
    return x > 0.0 ? x : 0.0;
}

typedef struct Unary {
    void (*forward)(float *y, const float *x, size_t n);
    void (*backward)(float *dx, const float *dy, const float *saved, size_t n);
    bool from_output; /* saved is y, else x */
    double (*exact)(double x);
    double tail; /* error of y allowed beside the relative one: what is small by a difference */
} Unary;

static const Unary unary[] = {
    {tensor_exp, NULL, false, exp, 0.0},
    {tensor_silu, tensor_silu_backward, false, d_silu, 0.0},
    {tensor_gelu, tensor_gelu_backward, false, d_gelu, 1e-7},
    {tensor_relu, tensor_relu_backward, false, d_relu, 0.0},
    {tensor_tanh, tensor_tanh_backward, true, tanh, 0.0},
    {tensor_sigmoid, tensor_sigmoid_backward, true, d_sigmoid, 0.0},
};
enum { UNARY = sizeof unary / sizeof *unary };

/* Around the lengths of a vector, of a block, and of the shortest parallel array. */
static const size_t lengths[] = {0, 1, 7, 16, 33, 4096, 4097, 32767, 32768, 40961};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void check_unary(const Unary *u, size_t n)
{
    float *x = random_floats(n, 3.0, 1), *y = random_floats(n, 1.0, 2), *same = copy_of(x, n);
    float *dy = random_floats(n, 1.0, 3), *dx = random_floats(n, 1.0, 4);
    double *expected = mem_alloc(n, sizeof *expected);

    for (size_t i = 0; i < n; i++) /* no difference quotient across the kink of ReLU */
        same[i] = x[i] = fabsf(x[i]) < 1e-3f ? 0.5f : x[i];
    u->forward(y, x, n);
    u->forward(same, same, n);
    if (n > 0)
        ck_assert(memcmp(y, same, n * sizeof *y) == 0);
    for (size_t i = 0; i < n; i++)
        expected[i] = u->exact(x[i]);
    ck_assert_uint_eq(count_wrong(y, expected, n, 4e-7, u->tail), 0);
    if (u->backward != NULL) {
        double h = 1e-5;
        for (size_t i = 0; i < n; i++) /* twice: gradients are added */
            expected[i] =
                dx[i] + 2.0 * dy[i] * (u->exact(x[i] + h) - u->exact(x[i] - h)) / (2.0 * h);
        u->backward(dx, dy, u->from_output ? y : x, n);
        u->backward(dx, dy, u->from_output ? y : x, n);
        ck_assert_uint_eq(count_wrong(dx, expected, n, 1e-6, 3e-6), 0);
    }
    mem_free(x), mem_free(y), mem_free(same), mem_free(dy), mem_free(dx), mem_free(expected);
}

START_TEST(functions_and_their_gradients)
{
    for (size_t k = 0; k < UNARY; k++)
        check_unary(&unary[k], lengths[_i]);
}
END_TEST

START_TEST(gelu_far_out)
{
    float x[5] = {0.0f, 30.0f, -30.0f, 1e18f, -1e18f}, y[5], dx[5] = {0};
    const float dy[5] = {1, 1, 1, 1, 1}, want[5] = {0.0f, 30.0f, 0.0f, 1e18f, 0.0f};
    const float slope[5] = {0.5f, 1.0f, 0.0f, 1.0f, 0.0f};

    tensor_gelu(y, x, 5);
    tensor_gelu_backward(dx, dy, x, 5);
    for (int i = 0; i < 5; i++)
        ck_assert(y[i] == want[i] && dx[i] == slope[i]);
}
END_TEST

START_TEST(relu_at_zero_and_nan)
{
    float x[3] = {0.0f, NAN, -INFINITY}, y[3], dy[3] = {1, 1, 1}, dx[3] = {0, 0, 0};

    tensor_relu(y, x, 3);
    tensor_relu_backward(dx, dy, x, 3);
    ck_assert(y[0] == 0.0f && isnan(y[1]) && y[2] == 0.0f);
    ck_assert(dx[0] == 0.0f && dx[2] == 0.0f);
}
END_TEST

START_TEST(arithmetic)
{
    size_t n = lengths[_i];
    float *a = random_floats(n, 1.0, 1), *b = random_floats(n, 1.0, 2);
    float *y = random_floats(n, 1.0, 3), *z = copy_of(y, n);
    size_t wrong[7] = {0};

    tensor_multiply_add(z, a, b, n);
    for (size_t i = 0; i < n; i++)
        wrong[0] += !(fabs(z[i] - (y[i] + (double)a[i] * b[i])) < 1e-6);
    tensor_copy(z, y, n);
    tensor_axpy(z, 0.7f, a, n);
    for (size_t i = 0; i < n; i++)
        wrong[1] += !(fabs(z[i] - (y[i] + 0.7 * a[i])) < 1e-6);
    tensor_add(z, a, b, n);
    for (size_t i = 0; i < n; i++)
        wrong[2] += z[i] != a[i] + b[i];
    tensor_multiply(z, a, b, n);
    for (size_t i = 0; i < n; i++)
        wrong[3] += z[i] != a[i] * b[i];
    tensor_scale(z, -2.0f, a, n);
    for (size_t i = 0; i < n; i++)
        wrong[4] += z[i] != -2.0f * a[i];
    tensor_add_scaled(z, 0.5f, a, z, n); /* onto an input */
    for (size_t i = 0; i < n; i++)
        wrong[5] += z[i] != 0.5f * (a[i] + -2.0f * a[i]);
    tensor_fill(z, 3.0f, n);
    for (size_t i = 0; i < n; i++)
        wrong[6] += z[i] != 3.0f;
    for (int k = 0; k < 7; k++)
        ck_assert_msg(wrong[k] == 0, "kernel %d: %zu of %zu wrong", k, wrong[k], n);
    mem_free(a), mem_free(b), mem_free(y), mem_free(z);
}
END_TEST

START_TEST(broadcasts)
{
    static const size_t shapes[7][3] = {{0, 3, 2},  {2, 0, 3},    {2, 3, 0},    {1, 1, 1},
                                        {3, 5, 17}, {4, 300, 33}, {1, 2, 20000}};
    size_t batch = shapes[_i][0], positions = shapes[_i][1], c = shapes[_i][2];
    size_t rows = batch * positions, n = rows * c, wrong = 0;
    float *x = random_floats(n, 1.0, 1), *v = random_floats(batch * c + c, 1.0, 2);
    float *y = random_floats(n, 1.0, 3);

    tensor_add_row(y, x, v, rows, c);
    for (size_t i = 0; i < n; i++)
        wrong += y[i] != x[i] + v[i % c];
    tensor_add_channel(y, x, v, batch, positions, c);
    for (size_t i = 0; i < n; i++)
        wrong += y[i] != x[i] + v[i / c / positions * c + i % c];
    ck_assert_uint_eq(wrong, 0);
    mem_free(x), mem_free(v), mem_free(y);
}
END_TEST

/* ---- sums ---- */

START_TEST(sums_and_products)
{
    static const size_t more[] = {0, 1, 5, 16, 4095, 8193, 32769, 300001, 1100003};
    size_t n = more[_i];
    float *x = random_floats(n, 1.0, 1), *y = random_floats(n, 1.0, 2);
    /* One running sum in double would be off by more than the lanes that are tested. */
    long double sum = 0, dot = 0, squares = 0, size = 0;
    float largest = 0;

    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        dot += (long double)x[i] * y[i];
        squares += (long double)x[i] * x[i];
        size += fabs(x[i]);
        largest = fmaxf(largest, fabsf(x[i]));
    }
    ck_assert_ldouble_le(fabsl(tensor_sum(x, n) - sum), 1e-13L * size);
    ck_assert_ldouble_le(fabsl(tensor_dot(x, y, n) - dot), 1e-13L * squares);
    ck_assert_ldouble_le(fabsl(tensor_sum_squares(x, n) - squares), 1e-13L * squares);
    ck_assert_float_eq(tensor_max_abs(x, n), largest);
    ck_assert(tensor_all_finite(x, n));
    const float bad[3] = {INFINITY, -INFINITY, NAN};
    for (int k = 0; k < 3 && n > 0; k++) {
        float kept = x[n * 2 / 3];
        x[n * 2 / 3] = bad[k];
        ck_assert(!tensor_all_finite(x, n));
        ck_assert(k < 2 ? tensor_max_abs(x, n) == INFINITY : isnan(tensor_max_abs(x, n)));
        x[n * 2 / 3] = kept;
    }
    mem_free(x), mem_free(y);
}
END_TEST

START_TEST(sums_over_rows_and_positions)
{
    static const size_t shapes[][3] = {
        {0, 3, 2},     {2, 0, 3},    {2, 3, 0},     {1, 1, 1},     {3, 5, 17},     {1, 5000, 9},
        {1, 300, 513}, {70, 40, 33}, {2, 1025, 64}, {1, 3, 40000}, {3, 1000, 128},
    };
    size_t batch = shapes[_i][0], positions = shapes[_i][1], c = shapes[_i][2];
    size_t n = batch * positions * c;
    float *x = random_floats(n, 1.0, 1);
    float *out = random_floats(batch * c, 1.0, 2), *row = random_floats(c, 1.0, 3);
    double *expected = mem_alloc(batch * c, sizeof *expected);
    double *total = mem_alloc(c, sizeof *total);

    for (size_t i = 0; i < batch * c; i++)
        expected[i] = out[i];
    for (size_t j = 0; j < c; j++)
        total[j] = row[j];
    for (size_t i = 0; i < n; i++) {
        expected[i / c / positions * c + i % c] += x[i];
        total[i % c] += x[i];
    }
    tensor_sum_positions(out, x, batch, positions, c);
    tensor_sum_rows(row, x, batch * positions, c);
    ck_assert_uint_eq(count_wrong(out, expected, batch * c, 2e-7, 1e-5), 0);
    ck_assert_uint_eq(count_wrong(row, total, c, 2e-7, 1e-5), 0);
    mem_free(x), mem_free(out), mem_free(row), mem_free(expected), mem_free(total);
}
END_TEST

/* ---- softmax ---- */

static const size_t softmax_shapes[][2] = {{0, 3},  {3, 0},   {1, 1},     {5, 2},    {7, 16},
                                           {9, 31}, {3, 257}, {2000, 17}, {2, 40000}};
enum { SOFTMAX_SHAPES = sizeof softmax_shapes / sizeof *softmax_shapes };

/* p = softmax(x), l = log p, row by row, in double. */
static void exact_softmax(double *p, double *l, const float *x, size_t rows, size_t c)
{
    for (size_t r = 0; r < rows; r++) {
        double top = -HUGE_VAL, sum = 0;
        for (size_t j = 0; j < c; j++)
            top = larger_of(top, x[r * c + j]);
        for (size_t j = 0; j < c; j++)
            sum += exp(x[r * c + j] - top);
        for (size_t j = 0; j < c; j++) {
            l[r * c + j] = x[r * c + j] - top - log(sum);
            p[r * c + j] = exp(l[r * c + j]);
        }
    }
}

START_TEST(softmax_and_its_logarithm)
{
    size_t rows = softmax_shapes[_i][0], c = softmax_shapes[_i][1], n = rows * c;
    float *x = random_floats(n, 5.0, 1), *y = random_floats(n, 1.0, 2);
    double *p = mem_alloc(n, sizeof *p), *l = mem_alloc(n, sizeof *l);

    for (size_t i = 0; i < n; i++)
        x[i] += 1000.0f; /* exp would overflow */
    exact_softmax(p, l, x, rows, c);
    tensor_softmax(y, x, rows, c);
    ck_assert_uint_eq(count_wrong(y, p, n, 5e-7, 0.0), 0);
    tensor_log_softmax(y, x, rows, c);
    ck_assert_uint_eq(count_wrong(y, l, n, 2e-7, 1e-7), 0);
    tensor_log_softmax(x, x, rows, c); /* in place */
    ck_assert(n == 0 || memcmp(x, y, n * sizeof *x) == 0);
    tensor_softmax(x, x, rows, c);
    ck_assert_uint_eq(count_wrong(x, p, n, 1e-5, 0.0), 0);
    mem_free(x), mem_free(y), mem_free(p), mem_free(l);
}
END_TEST

/* One entry, in every place of rows around the lanes' width, so far above the others that its
 * exponential overflows (from 88.8 on) if it is not taken off. */
START_TEST(softmax_of_one_large_entry)
{
    float x[40], y[40], l[40];
    double p[40], exact[40];

    for (size_t c = 1; c <= 40; c++)
        for (size_t large = 0; large < c; large++) {
            for (size_t j = 0; j < c; j++)
                x[j] = j == large ? 95.0f : (float)(j % 3);
            exact_softmax(p, exact, x, 1, c);
            tensor_softmax(y, x, 1, c);
            tensor_log_softmax(l, x, 1, c);
            ck_assert_msg(count_wrong(y, p, c, 1e-6, 1e-30) == 0, "entry %zu of %zu", large, c);
            ck_assert_msg(count_wrong(l, exact, c, 1e-6, 1e-6) == 0, "entry %zu of %zu", large, c);
        }
}
END_TEST

/* A row does not see how large those before and behind it are. */
START_TEST(softmax_between_larger_rows)
{
    float x[3 * 40], y[3 * 40], l[3 * 40];
    double p[3 * 40], exact[3 * 40];

    for (size_t c = 1; c <= 40; c++) {
        for (size_t j = 0; j < 3 * c; j++)
            x[j] = (float)(j % 3) + (j / c == 1 ? 0.0f : 1e4f);
        exact_softmax(p, exact, x, 3, c);
        tensor_softmax(y, x, 3, c);
        tensor_log_softmax(l, x, 3, c);
        ck_assert_msg(count_wrong(y, p, 3 * c, 1e-6, 1e-30) == 0, "%zu entries", c);
        ck_assert_msg(count_wrong(l, exact, 3 * c, 1e-6, 1e-6) == 0, "%zu entries", c);
    }
}
END_TEST

START_TEST(softmax_gradients)
{
    size_t rows = softmax_shapes[_i][0], c = softmax_shapes[_i][1], n = rows * c;
    float *x = random_floats(n, 2.0, 1), *y = random_floats(n, 1.0, 2);
    float *dy = random_floats(n, 1.0, 3), *dx = random_floats(n, 1.0, 4), *dl = copy_of(dx, n);
    double *p = mem_alloc(n, sizeof *p), *l = mem_alloc(n, sizeof *l);

    exact_softmax(p, l, x, rows, c);
    tensor_softmax(y, x, rows, c);
    tensor_softmax_backward(dx, dy, y, rows, c);
    tensor_log_softmax(y, x, rows, c);
    tensor_log_softmax_backward(dl, dy, y, rows, c);
    size_t wrong = 0;
    Rng r = rng_root(4);
    for (size_t i = 0; i < n; i++) {
        /* The Jacobians written out: dp_k/dx_i = p_k (1[i=k] - p_i), dl_k/dx_i = 1[i=k] - p_i. */
        double start = (float)rng_normal(&r), soft = start, logarithm = start;
        size_t first = i / c * c;
        for (size_t k = first; c <= 300 && k < first + c; k++) {
            soft += dy[k] * p[k] * ((i == k) - p[i]);
            logarithm += dy[k] * ((i == k) - p[i]);
        }
        wrong += c <= 300 && !(fabs(dx[i] - soft) < 3e-6 && fabs(dl[i] - logarithm) < 1e-5);
    }
    ck_assert_uint_eq(wrong, 0);
    mem_free(x), mem_free(y), mem_free(dy), mem_free(dx), mem_free(dl), mem_free(p), mem_free(l);
}
END_TEST

START_TEST(impossible_entries_get_probability_zero)
{
    enum { C = 20 };
    float x[C], y[C];

    for (int j = 0; j < C; j++)
        x[j] = -INFINITY;
    x[3] = 2.0f;
    x[18] = 2.0f;
    tensor_softmax(y, x, 1, C);
    for (int j = 0; j < C; j++)
        ck_assert_float_eq(y[j], j == 3 || j == 18 ? 0.5f : 0.0f);
    tensor_log_softmax(y, x, 1, C);
    for (int j = 0; j < C; j++)
        ck_assert(j == 3 || j == 18 ? fabsf(y[j] + 0.693147f) < 1e-6f : y[j] == -INFINITY);
    float dx[C] = {0}, dy[C];
    for (int j = 0; j < C; j++)
        dy[j] = (float)j;
    tensor_log_softmax_backward(dx, dy, y, 1, C);
    ck_assert(tensor_all_finite(dx, C));
}
END_TEST

START_TEST(nan_spreads_over_its_row)
{
    float x[3][3] = {{1, 2, 3}, {1, NAN, 3}, {NAN, NAN, NAN}}, y[3][3];

    tensor_softmax(y[0], x[0], 3, 3);
    ck_assert(tensor_all_finite(y[0], 3));
    for (int j = 0; j < 3; j++)
        ck_assert(isnan(y[1][j]) && isnan(y[2][j]));
    tensor_log_softmax(y[0], x[0], 3, 3);
    for (int j = 0; j < 3; j++)
        ck_assert(isfinite(y[0][j]) && isnan(y[1][j]) && isnan(y[2][j]));
}
END_TEST

START_TEST(a_row_of_minus_infinity_aborts)
{
    float x[3] = {-INFINITY, -INFINITY, -INFINITY}, y[3];

    tensor_softmax(y, x, 1, 3);
}
END_TEST

Suite *pointwise_suite(void)
{
    Suite *suite = suite_create("pointwise");
    TCase *inlines = tcase_create("inline functions"), *kernels = tcase_create("kernels");
    TCase *sums = tcase_create("sums"), *softmax = tcase_create("softmax");

    tcase_set_timeout(inlines, 60);
    tcase_add_test(inlines, errors_in_last_places);
    tcase_add_test(inlines, falling_exponentials_are_exponentials);
    tcase_add_test(inlines, special_values);
    suite_add_tcase(suite, inlines);

    tcase_set_timeout(kernels, 30);
    tcase_add_loop_test(kernels, functions_and_their_gradients, 0, LENGTHS);
    tcase_add_test(kernels, gelu_far_out);
    tcase_add_test(kernels, relu_at_zero_and_nan);
    tcase_add_loop_test(kernels, arithmetic, 0, LENGTHS);
    tcase_add_loop_test(kernels, broadcasts, 0, 7);
    suite_add_tcase(suite, kernels);

    tcase_set_timeout(sums, 30);
    tcase_add_loop_test(sums, sums_and_products, 0, 9);
    tcase_add_loop_test(sums, sums_over_rows_and_positions, 0, 11);
    suite_add_tcase(suite, sums);

    tcase_set_timeout(softmax, 30);
    tcase_add_loop_test(softmax, softmax_and_its_logarithm, 0, SOFTMAX_SHAPES);
    tcase_add_test(softmax, softmax_of_one_large_entry);
    tcase_add_test(softmax, softmax_between_larger_rows);
    tcase_add_loop_test(softmax, softmax_gradients, 0, SOFTMAX_SHAPES);
    tcase_add_test(softmax, impossible_entries_get_probability_zero);
    tcase_add_test(softmax, nan_spreads_over_its_row);
    tcase_add_test_raise_signal(softmax, a_row_of_minus_infinity_aborts, SIGABRT);
    suite_add_tcase(suite, softmax);
    return suite;
}
