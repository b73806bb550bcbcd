/* Convolutions of any kernel: against plain loops in double, over kernels, strides, paddings,
 * channels around the tile's width and sums longer than a piece. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/conv/kernel.h"
#include "tensor/system/threads.h"

typedef struct Case {
    KernelShape kernel;
    size_t batch, height, width, extra; /* extra: numbers between the pixels of y */
    bool bias, relu;
} Case;

static const Case cases[] = {
    {{1, 1, 1, 1, 1, 0, 0}, 1, 1, 1, 0, false, false},
    {{3, 3, 3, 32, 2, 0, 0}, 2, 23, 21, 0, true, true},
    {{3, 3, 32, 32, 1, 0, 0}, 1, 19, 20, 0, true, true},
    {{3, 3, 32, 64, 1, 1, 1}, 2, 17, 18, 0, true, false},
    {{1, 1, 64, 80, 1, 0, 0}, 2, 9, 7, 3, true, true},
    {{3, 3, 80, 192, 1, 0, 0}, 1, 9, 11, 0, false, true},
    {{5, 5, 48, 64, 1, 2, 2}, 2, 11, 9, 17, true, true},
    {{1, 7, 160, 192, 1, 0, 3}, 3, 17, 17, 0, true, true},
    {{7, 1, 192, 192, 1, 3, 0}, 2, 17, 17, 5, true, true},
    {{1, 3, 384, 384, 1, 0, 1}, 3, 8, 8, 384, true, true},
    {{3, 1, 384, 70, 1, 1, 0}, 5, 8, 8, 0, true, true},
    {{3, 3, 448, 33, 1, 1, 1}, 2, 8, 8, 0, true, true},
    {{3, 3, 288, 65, 2, 0, 0}, 1, 15, 17, 0, true, true},
    {{3, 3, 64, 96, 1, 1, 1}, 7, 35, 35, 96, true, true},
    {{3, 3, 16, 128, 1, 0, 0}, 1, 3, 3, 2, true, false},
    {{3, 3, 64, 32, 1, 1, 1}, 1, 2, 1, 0, false, true},
    {{3, 3, 64, 32, 1, 1, 0}, 1, 5, 6, 0, false, true},
    {{1, 1, 2048, 320, 1, 0, 0}, 2, 8, 8, 0, true, true},
    {{2, 5, 7, 6, 3, 1, 4}, 2, 13, 10, 2, true, false},
    {{20, 1, 3, 5, 1, 19, 0}, 1, 4, 5, 0, true, false},
    {{4, 4, 2, 3, 5, 0, 0}, 2, 4, 4, 0, false, true},
};
enum { CASES = sizeof cases / sizeof cases[0] };

typedef struct World {
    Case c;
    size_t rows, columns, inputs, weights, outputs;
    float *x, *w, *bias, *packed, *y;
} World;

static float *random_floats(Rng *rng, size_t n)
{
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_uniform(rng) - 0.5f;
    return x;
}

static World world_make(const Case *c, uint64_t seed)
{
    World t = {.c = *c};
    Rng rng = rng_root(seed);
    const KernelShape *k = &c->kernel;
    t.rows = kernel_out_height(k, c->height);
    t.columns = kernel_out_width(k, c->width);
    t.inputs = c->batch * c->height * c->width * k->cin;
    t.weights = k->height * k->width * k->cin * k->cout;
    t.outputs = c->batch * t.rows * t.columns * (k->cout + c->extra);
    t.x = random_floats(&rng, t.inputs);
    t.w = random_floats(&rng, t.weights);
    t.bias = random_floats(&rng, k->cout);
    t.y = random_floats(&rng, t.outputs);
    t.packed = kernel_pack(k, t.w);
    return t;
}

static void world_free(World *t)
{
    mem_free(t->x);
    mem_free(t->w);
    mem_free(t->bias);
    mem_free(t->y);
    mem_free(t->packed);
}

static void run_world(const World *t, float *y)
{
    const KernelCall call = {.batch = t->c.batch,
                             .height = t->c.height,
                             .width = t->c.width,
                             .x = t->x,
                             .packed = t->packed,
                             .bias = t->c.bias ? t->bias : NULL,
                             .relu = t->c.relu,
                             .y = y,
                             .y_stride = t->c.kernel.cout + t->c.extra};
    tensor_conv_kernel(&t->c.kernel, &call);
}

/* Winograd's algorithm has larger errors. */
static double tolerance(const World *t)
{
    const KernelShape *k = &t->c.kernel;
    const bool squares = k->height == 3 && k->width == 3 && k->stride == 1 && k->cin > 16;
    const size_t terms = t->weights / k->cout;
    return (squares ? 1e-5 : 1e-6) * sqrt((double)terms);
}

/* The formula of kernel.h at one output. */
static double naive(const World *t, size_t b, size_t i, size_t j, size_t o)
{
    const KernelShape *k = &t->c.kernel;
    double sum = t->c.bias ? (double)t->bias[o] : 0.0;
    for (size_t p = 0; p < k->height; p++)
        for (size_t q = 0; q < k->width; q++) {
            const size_t u = k->stride * i + p, v = k->stride * j + q;
            if (u < k->pad_height || v < k->pad_width || u - k->pad_height >= t->c.height ||
                v - k->pad_width >= t->c.width)
                continue;
            const float *x =
                t->x +
                ((b * t->c.height + u - k->pad_height) * t->c.width + v - k->pad_width) * k->cin;
            const float *w = t->w + (p * k->width + q) * k->cin * k->cout + o;
            for (size_t c = 0; c < k->cin; c++)
                sum += (double)x[c] * (double)w[c * k->cout];
        }
    return t->c.relu && sum < 0.0 ? 0.0 : sum;
}

START_TEST(sums_are_those_of_the_formula)
{
    World t = world_make(&cases[_i], 1 + (uint64_t)_i);
    const size_t cout = t.c.kernel.cout, stride = cout + t.c.extra;
    float *y = mem_alloc(t.outputs, sizeof *y);
    memcpy(y, t.y, t.outputs * sizeof *y);
    ck_assert_uint_gt(t.outputs, 0);
    run_world(&t, y);
    for (size_t pixel = 0; pixel < t.c.batch * t.rows * t.columns; pixel++)
        for (size_t o = 0; o < stride; o++) {
            const size_t j = pixel % t.columns, i = pixel / t.columns % t.rows;
            const size_t b = pixel / t.columns / t.rows, at = pixel * stride + o;
            if (o >= cout && memcmp(&y[at], &t.y[at], sizeof *y) != 0)
                ck_abort_msg("pixel %zu: number %zu beside the %zu channels was touched", pixel, o,
                             cout);
            if (o < cout && !(fabs(naive(&t, b, i, j, o) - (double)y[at]) <= tolerance(&t)))
                ck_abort_msg("(%zu, %zu, %zu, %zu) is %g, not %g", b, i, j, o, (double)y[at],
                             naive(&t, b, i, j, o));
        }
    mem_free(y);
    world_free(&t);
}
END_TEST

/* The last picture alone has the bits that it has in the batch; so have other numbers of threads.
 */
START_TEST(bits_depend_on_neither_batch_nor_threads)
{
    World t = world_make(&cases[_i], 50 + (uint64_t)_i);
    const size_t last = t.c.batch - 1, picture = t.outputs / t.c.batch;
    float *y = mem_zeroed(t.outputs, sizeof *y), *other = mem_zeroed(t.outputs, sizeof *other);
    threads_set(1);
    run_world(&t, y);
    threads_set(3);
    run_world(&t, other);
    ck_assert_mem_eq(y, other, t.outputs * sizeof *y);
    World one = t;
    one.c.batch = 1;
    one.x = t.x + last * (t.inputs / t.c.batch);
    run_world(&one, other);
    ck_assert_mem_eq(y + last * picture, other, picture * sizeof *y);
    mem_free(other);
    mem_free(y);
    world_free(&t);
}
END_TEST

START_TEST(sizes_of_the_output)
{
    const KernelShape k = {3, 5, 1, 1, 2, 1, 0};
    ck_assert_uint_eq(kernel_out_height(&k, 0), 0);
    ck_assert_uint_eq(kernel_out_height(&k, 1), 1);
    ck_assert_uint_eq(kernel_out_height(&k, 299), 150);
    ck_assert_uint_eq(kernel_out_width(&k, 4), 0);
    ck_assert_uint_eq(kernel_out_width(&k, 5), 1);
    ck_assert_uint_eq(kernel_out_width(&k, 8), 2);
}
END_TEST

START_TEST(no_pictures)
{
    const KernelShape k = {1, 1, 1, 1, 1, 0, 0};
    tensor_conv_kernel(&k, &(KernelCall){.batch = 0, .height = 3, .width = 3, .y_stride = 1});
    const KernelShape large = {3, 3, 1, 1, 1, 0, 0};
    tensor_conv_kernel(&large, &(KernelCall){.batch = 1, .height = 2, .width = 2, .y_stride = 1});
}
END_TEST

/* NaN in a picture is seen in the output, also behind the ReLU. */
START_TEST(nan_is_not_hidden)
{
    const KernelShape k = {1, 1, 1, 2, 1, 0, 0};
    const float w[2] = {1.0f, -1.0f}, x = NAN;
    float y[2], *packed = kernel_pack(&k, w);
    tensor_conv_kernel(&k, &(KernelCall){.batch = 1,
                                         .height = 1,
                                         .width = 1,
                                         .x = &x,
                                         .packed = packed,
                                         .relu = true,
                                         .y = y,
                                         .y_stride = 2});
    ck_assert(isnan(y[0]) && isnan(y[1]));
    mem_free(packed);
}
END_TEST

/* Winograd's algorithm takes 3x3 kernels with step 1 and the same padding, 0 or 1, on both sides,
 * from 16 channels on either side and 2048 pairs of them on. */
static const struct {
    KernelShape kernel;
    bool squares;
} choices[] = {
    {{3, 3, 16, 128, 1, 1, 1}, true},  {{3, 3, 128, 16, 1, 0, 0}, true},
    {{3, 3, 16, 127, 1, 1, 1}, false}, {{3, 3, 127, 16, 1, 1, 1}, false},
    {{3, 3, 15, 160, 1, 1, 1}, false}, {{3, 3, 160, 15, 1, 1, 1}, false},
    {{3, 3, 16, 128, 1, 1, 0}, false}, {{3, 3, 16, 128, 1, 0, 1}, false},
    {{3, 3, 16, 128, 1, 2, 2}, false}, {{3, 3, 16, 128, 2, 1, 1}, false},
    {{1, 3, 16, 128, 1, 0, 0}, false}, {{3, 1, 16, 128, 1, 0, 0}, false},
};
enum { CHOICES = sizeof choices / sizeof *choices, SIDE = 12, AT = 5 };

/* It spreads a NaN at (AT, AT) to all of a square; else only outputs that read the pixel have it.
 */
START_TEST(kernels_with_many_channels_go_by_squares)
{
    const KernelShape *k = &choices[_i].kernel;
    const Case c = {*k, 1, SIDE, SIDE, 0, false, false};
    World t = world_make(&c, 9);
    size_t readers = 0, found = 0;
    for (size_t o = 0; o < k->cin; o++)
        t.x[(AT * SIDE + AT) * k->cin + o] = NAN;
    tensor_conv_kernel(k, &(KernelCall){.batch = 1,
                                        .height = SIDE,
                                        .width = SIDE,
                                        .x = t.x,
                                        .packed = t.packed,
                                        .y = t.y,
                                        .y_stride = k->cout});
    for (size_t i = 0; i < t.rows; i++)
        for (size_t j = 0; j < t.columns; j++) {
            const size_t top = i * k->stride, left = j * k->stride;
            readers += top <= AT + k->pad_height && AT + k->pad_height < top + k->height &&
                       left <= AT + k->pad_width && AT + k->pad_width < left + k->width;
            found += isnan(t.y[(i * t.columns + j) * k->cout]) != 0;
        }
    if (choices[_i].squares)
        ck_assert_uint_gt(found, readers);
    else
        ck_assert_uint_eq(found, readers);
    world_free(&t);
}
END_TEST

/* No rows, columns or channels, no step, or padding of a whole kernel. */
static const KernelShape no_kernel[] = {
    {0, 3, 1, 1, 1, 0, 0}, {3, 0, 1, 1, 1, 0, 0}, {3, 3, 0, 1, 1, 0, 0}, {3, 3, 1, 0, 1, 0, 0},
    {3, 3, 1, 1, 0, 0, 0}, {3, 3, 1, 1, 1, 3, 0}, {3, 3, 1, 1, 1, 0, 3}};
enum { NO_KERNEL = sizeof no_kernel / sizeof *no_kernel };

START_TEST(what_is_no_kernel_stops_the_program)
{
    const float weights[9] = {0};
    kernel_pack(&no_kernel[_i], weights);
}
END_TEST

START_TEST(pixels_that_overlap_stop_the_program)
{
    const KernelShape k = {1, 1, 1, 4, 1, 0, 0};
    tensor_conv_kernel(&k, &(KernelCall){.batch = 1, .height = 1, .width = 1, .y_stride = 3});
}
END_TEST

Suite *kernel_suite(void)
{
    Suite *suite = suite_create("kernel");
    TCase *tc = tcase_create("kernel");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, sums_are_those_of_the_formula, 0, CASES);
    tcase_add_loop_test(tc, bits_depend_on_neither_batch_nor_threads, 0, CASES);
    tcase_add_test(tc, sizes_of_the_output);
    tcase_add_test(tc, no_pictures);
    tcase_add_test(tc, nan_is_not_hidden);
    tcase_add_loop_test(tc, kernels_with_many_channels_go_by_squares, 0, CHOICES);
    tcase_add_loop_test_raise_signal(tc, what_is_no_kernel_stops_the_program, SIGABRT, 0,
                                     NO_KERNEL);
    tcase_add_test_raise_signal(tc, pixels_that_overlap_stop_the_program, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
