/* Windows and resizing, against plain loops in double and numbers worked out by hand. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"
#include "tensor/window.h"

static const WindowShape shapes[] = {
    {1, 1, 1, 1, 1, 1, 0}, {2, 9, 7, 5, 3, 2, 0},    {2, 8, 8, 33, 3, 1, 1}, {1, 3, 2, 4, 3, 1, 1},
    {1, 1, 1, 3, 3, 1, 1}, {3, 12, 5, 2, 5, 3, 4},   {1, 4, 4, 0, 2, 2, 0},  {0, 4, 4, 3, 2, 2, 0},
    {1, 2, 5, 3, 3, 1, 0}, {2, 35, 35, 18, 3, 2, 0},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static double naive(const WindowShape *s, const float *x, size_t b, size_t i, size_t j, size_t k,
                    bool mean)
{
    double sum = 0.0, largest = -INFINITY, count = 0.0;
    for (size_t p = i * s->stride; p < i * s->stride + s->size; p++)
        for (size_t q = j * s->stride; q < j * s->stride + s->size; q++) {
            if (p < s->pad || q < s->pad || p - s->pad >= s->height || q - s->pad >= s->width)
                continue;
            const double v =
                (double)x[((b * s->height + p - s->pad) * s->width + q - s->pad) * s->channels + k];
            sum += v;
            largest = larger_of(largest, v);
            count += 1.0;
        }
    return mean ? sum / count : largest;
}

static void compare(const WindowShape *s, bool mean, size_t extra)
{
    const size_t rows = window_out_height(s), columns = window_out_width(s);
    const size_t inputs = s->batch * s->height * s->width * s->channels;
    const size_t stride = s->channels + extra, outputs = s->batch * rows * columns * stride;
    float *x = mem_alloc(inputs, sizeof *x), *y = mem_zeroed(outputs, sizeof *y);
    Rng rng = rng_root(3);
    for (size_t i = 0; i < inputs; i++)
        x[i] = (float)rng_normal(&rng) - 2.0f;
    threads_set(2);
    (mean ? tensor_mean_window : tensor_max_window)(y, stride, x, s);
    for (size_t at = 0; at < outputs; at++) {
        const size_t pixel = at / stride, k = at % stride;
        const double want = k >= s->channels
                                ? 0.0
                                : naive(s, x, pixel / columns / rows, pixel / columns % rows,
                                        pixel % columns, k, mean);
        if (!(fabs((double)y[at] - want) <= 1e-6))
            ck_abort_msg("entry %zu is %g, not %g", at, (double)y[at], want);
    }
    mem_free(y);
    mem_free(x);
}

START_TEST(windows_are_those_of_the_formula)
{
    compare(&shapes[_i], false, 0);
    compare(&shapes[_i], true, 0);
    compare(&shapes[_i], false, 3);
    compare(&shapes[_i], true, 7);
}
END_TEST

/* The corner of a padded window has 4 pixels of 9: zeros outside would make it 4/9. */
START_TEST(what_lies_outside_is_not_counted)
{
    const WindowShape s = {1, 2, 2, 1, 3, 1, 1};
    const float ones[4] = {1, 1, 1, 1}, below[4] = {-4, -3, -2, -1};
    float y[4];
    tensor_mean_window(y, 1, ones, &s);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(y[i], 1.0f);
    tensor_max_window(y, 1, below, &s);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(y[i], -1.0f);
}
END_TEST

START_TEST(nan_is_the_maximum)
{
    const WindowShape s = {1, 1, 3, 1, 1, 1, 0};
    const float x[3] = {1, NAN, 2};
    float y[3];
    tensor_max_window(y, 1, x, &s);
    ck_assert(y[0] == 1.0f && isnan(y[1]) && y[2] == 2.0f);
    tensor_max_window(y, 1, x, &(WindowShape){1, 1, 3, 1, 3, 1, 1});
    ck_assert(isnan(y[0]) && isnan(y[1]) && isnan(y[2]));
}
END_TEST

/* Two pixels to four: read at -1/4 (0), 1/4, 3/4, 5/4 (1). */
START_TEST(enlarging_by_hand)
{
    const float x[2] = {10.0f, 20.0f}, want[4] = {10.0f, 12.5f, 17.5f, 20.0f};
    float y[8];
    tensor_resize_bilinear(y, 1, 4, x, 1, 1, 2, 1);
    ck_assert_mem_eq(y, want, sizeof want);
    tensor_resize_bilinear(y, 4, 1, x, 1, 2, 1, 1);
    ck_assert_mem_eq(y, want, sizeof want);
    tensor_resize_bilinear(y, 2, 1, x, 1, 1, 1, 2); /* one pixel of two channels */
    ck_assert(y[0] == 10.0f && y[1] == 20.0f && y[2] == 10.0f && y[3] == 20.0f);
    tensor_resize_bilinear(y, 1, 1, (const float[]){1, 2, 3, 4}, 1, 2, 2, 1);
    ck_assert_float_eq(y[0], 2.5f);
}
END_TEST

/* Four pixels to two: the mean of two neighbours each, nothing from the others. */
START_TEST(reducing_without_a_filter)
{
    const float x[8] = {8, 0, 0, 0, 0, 0, 0, 4};
    float y[2];
    tensor_resize_bilinear(y, 1, 2, x, 1, 1, 8, 1);
    ck_assert_float_eq(y[0], 0.0f); /* read at 3/2, between pixels 1 and 2 */
    ck_assert_float_eq(y[1], 0.0f);
    tensor_resize_bilinear(y, 1, 1, x, 2, 1, 4, 1);
    ck_assert(y[0] == 0.0f && y[1] == 0.0f);
}
END_TEST

START_TEST(resizing_is_that_of_the_formula)
{
    static const size_t sizes[][4] = {
        {32, 32, 299, 299}, {5, 9, 7, 4}, {28, 28, 299, 299}, {6, 6, 6, 6}};
    const size_t *s = sizes[_i], c = 3, b = 2;
    float *x = mem_alloc(b * s[0] * s[1] * c, sizeof *x),
          *y = mem_alloc(b * s[2] * s[3] * c, sizeof *y);
    Rng rng = rng_root(4);
    for (size_t i = 0; i < b * s[0] * s[1] * c; i++)
        x[i] = (float)rng_uniform(&rng);
    tensor_resize_bilinear(y, s[2], s[3], x, b, s[0], s[1], c);
    for (size_t at = 0; at < b * s[2] * s[3] * c; at++) {
        const size_t k = at % c, j = at / c % s[3], i = at / c / s[3] % s[2],
                     n = at / c / s[3] / s[2];
        double sum = 0.0, weight = 0.0;
        const double u =
            fmin(fmax(((double)i + 0.5) * (double)s[0] / (double)s[2] - 0.5, 0), (double)s[0] - 1);
        const double v =
            fmin(fmax(((double)j + 0.5) * (double)s[1] / (double)s[3] - 0.5, 0), (double)s[1] - 1);
        for (size_t p = 0; p < s[0]; p++)
            for (size_t q = 0; q < s[1]; q++) {
                const double w =
                    fmax(1 - fabs(u - (double)p), 0) * fmax(1 - fabs(v - (double)q), 0);
                sum += w * (double)x[((n * s[0] + p) * s[1] + q) * c + k];
                weight += w;
            }
        if (!(fabs(sum - (double)y[at]) < 1e-6 && fabs(weight - 1) < 1e-12))
            ck_abort_msg("entry %zu is %g, not %g", at, (double)y[at], sum);
        if (at > 4000 && at % 97 != 0)
            at += 50;
    }
    mem_free(y);
    mem_free(x);
}
END_TEST

START_TEST(padding_of_a_whole_window_stops_the_program)
{
    float x = 0, y[9];
    tensor_max_window(y, 1, &x, &(WindowShape){1, 1, 1, 1, 2, 1, 2});
}
END_TEST

START_TEST(resizing_nothing_stops_the_program)
{
    float y = 0;
    tensor_resize_bilinear(&y, 1, 1, NULL, 1, 0, 1, 1);
}
END_TEST

Suite *window_suite(void)
{
    Suite *suite = suite_create("window");
    TCase *tc = tcase_create("window");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, windows_are_those_of_the_formula, 0, SHAPES);
    tcase_add_test(tc, what_lies_outside_is_not_counted);
    tcase_add_test(tc, nan_is_the_maximum);
    tcase_add_test(tc, enlarging_by_hand);
    tcase_add_test(tc, reducing_without_a_filter);
    tcase_add_loop_test(tc, resizing_is_that_of_the_formula, 0, 4);
    tcase_add_test_raise_signal(tc, padding_of_a_whole_window_stops_the_program, SIGABRT);
    tcase_add_test_raise_signal(tc, resizing_nothing_stops_the_program, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
