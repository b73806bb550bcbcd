/* Convolutions: the fast algorithms against the reference, and the reference against numbers worked
 * out by hand and against the definition of a gradient. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/conv/conv.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/threads.h"
#include "tests/tools/slow.h"

static float *random_floats(Rng *rng, size_t n)
{
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_uniform(rng) - 0.5f;
    return x;
}

static float *copy_floats(const float *x, size_t n)
{
    float *y = mem_alloc(n, sizeof *y);
    memcpy(y, x, n * sizeof *y);
    return y;
}

/* Everything one shape needs. */
typedef struct Buffers {
    ConvShape shape;
    size_t inputs, outputs, weights;
    float *x, *w, *bias, *y, *dx, *dw, *dbias;
} Buffers;

static Buffers buffers_make(ConvShape shape, uint64_t seed)
{
    Buffers t = {.shape = shape};
    Rng rng = rng_root(seed);
    t.inputs = shape.batch * shape.height * shape.width * shape.cin;
    t.outputs =
        shape.batch * tensor_conv_out_height(&shape) * tensor_conv_out_width(&shape) * shape.cout;
    t.weights = 9 * shape.cin * shape.cout;
    t.x = random_floats(&rng, t.inputs);
    t.w = random_floats(&rng, t.weights);
    t.bias = random_floats(&rng, shape.cout);
    t.y = random_floats(&rng, t.outputs);
    t.dx = random_floats(&rng, t.inputs);
    t.dw = random_floats(&rng, t.weights);
    t.dbias = random_floats(&rng, shape.cout);
    return t;
}

static void buffers_free(Buffers *t)
{
    mem_free(t->x);
    mem_free(t->w);
    mem_free(t->bias);
    mem_free(t->y);
    mem_free(t->dx);
    mem_free(t->dw);
    mem_free(t->dbias);
}

static void assert_close(const char *what, const ConvShape *s, const float *got, const float *want,
                         size_t n, double tolerance)
{
    double largest = 1e-3;
    for (size_t i = 0; i < n; i++)
        if (fabs((double)want[i]) > largest)
            largest = fabs((double)want[i]);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance * largest))
            ck_abort_msg("%s, (%zu, %zu, %zu) %zu -> %zu stride %d: entry %zu is %g, not %g", what,
                         s->batch, s->height, s->width, s->cin, s->cout, s->stride, i,
                         (double)got[i], (double)want[i]);
}

static void compare(ConvShape shape, ConvAlgorithm algorithm, double tolerance, uint64_t seed)
{
    Buffers t = buffers_make(shape, seed);
    float *y = copy_floats(t.y, t.outputs), *dx = copy_floats(t.dx, t.inputs);
    float *dw = copy_floats(t.dw, t.weights), *dbias = copy_floats(t.dbias, shape.cout);
    const float *bias = seed % 2 ? t.bias : NULL;
    const bool add = seed % 4 < 2;
    float *dy = copy_floats(t.y, t.outputs);
    tensor_conv_choose(CONV_REFERENCE);
    tensor_conv3x3(t.y, t.x, t.w, bias, &shape);
    tensor_conv3x3_data_gradient(t.dx, dy, t.w, add, &shape);
    tensor_conv3x3_weight_gradient(t.dw, seed % 3 ? t.dbias : NULL, t.x, dy, &shape);
    tensor_conv_choose(algorithm);
    tensor_conv3x3(y, t.x, t.w, bias, &shape);
    tensor_conv3x3_data_gradient(dx, dy, t.w, add, &shape);
    tensor_conv3x3_weight_gradient(dw, seed % 3 ? dbias : NULL, t.x, dy, &shape);
    assert_close("forward", &shape, y, t.y, t.outputs, tolerance);
    tensor_conv3x3_residual(y, t.x, t.w, bias, dy, 0.7f, &shape);
    for (size_t i = 0; i < t.outputs; i++)
        t.y[i] = 0.7f * (dy[i] + t.y[i]);
    assert_close("residual", &shape, y, t.y, t.outputs, tolerance);
    assert_close("data gradient", &shape, dx, t.dx, t.inputs, tolerance);
    assert_close("weight gradient", &shape, dw, t.dw, t.weights, tolerance);
    assert_close("bias gradient", &shape, dbias, t.dbias, shape.cout, tolerance);
    mem_free(y);
    mem_free(dx);
    mem_free(dw);
    mem_free(dbias);
    mem_free(dy);
    buffers_free(&t);
}

static const ConvShape shapes[] = {
    {1, 1, 1, 1, 1, 1},    {1, 1, 5, 2, 3, 1},
    {2, 3, 1, 3, 2, 1},    {3, 2, 2, 1, 17, 1},
    {2, 5, 7, 6, 16, 1},   {5, 4, 4, 8, 32, 1},
    {3, 7, 7, 5, 33, 1},   {2, 14, 14, 12, 20, 1},
    {1, 18, 20, 4, 64, 1}, {2, 6, 6, 40, 65, 1},
    {1, 3, 3, 260, 9, 1},  {1, 2, 3, 9, 260, 1},
    {1, 1, 200, 2, 2, 1},  {17, 3, 2, 49, 3, 1},
    {1, 2, 2, 1, 1, 2},    {2, 2, 6, 3, 5, 2},
    {3, 8, 4, 16, 32, 2},  {5, 14, 14, 7, 33, 2},
    {1, 4, 4, 258, 10, 2}, {2, 4, 4, 50, 66, 2},
    {1, 30, 28, 3, 8, 2},  {3, 9, 10, 90, 100, 1},
    {0, 4, 4, 3, 3, 1},    {2, 0, 4, 3, 3, 1},
    {2, 4, 4, 0, 3, 1},    {2, 4, 4, 3, 0, 1},
    {2, 4, 4, 0, 3, 2},    {2, 9, 5, 20, 2, 1},
    {1, 40, 20, 33, 6, 1}, {3, 3, 4, 64, 1, 1},
    {2, 8, 8, 70, 130, 2}, {2, 3, 4, 5, 2 * TILE_MAX_COLUMNS, 1}, /* whole panels, more than one */
};

START_TEST(test_direct)
{
    compare(shapes[_i], CONV_DIRECT, 3e-6, (uint64_t)_i);
    compare(shapes[_i], CONV_WINOGRAD, 3e-5, (uint64_t)_i + 1);
    compare(shapes[_i], CONV_AUTO, 3e-5, (uint64_t)_i + 2);
    compare(shapes[_i], CONV_FEW, 3e-6, (uint64_t)_i + 3);
}
END_TEST

/* As wide as the networks' layers: rounding grows with the number of channels. */
START_TEST(test_winograd_error_with_many_channels)
{
    compare((ConvShape){1, 16, 16, 256, 96, 1}, CONV_WINOGRAD, 3e-5, 1);
    compare((ConvShape){3, 8, 8, 192, 200, 1}, CONV_AUTO, 3e-5, 2);
    compare((ConvShape){1, 38, 38, 1024, 8, 1}, CONV_WINOGRAD, 3e-5, 3);  /* dw from two chunks */
    compare((ConvShape){5, 14, 13, 181, 183, 1}, CONV_WINOGRAD, 3e-5, 5); /* groups of squares */
}
END_TEST

START_TEST(test_by_hand)
{
    /* One 2x2 picture, one channel, weights 1..9. */
    const float x[4] = {1, 2, 3, 4}, w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    float y[4];
    ConvShape s = {1, 2, 2, 1, 1, 1};
    for (int algorithm = CONV_AUTO; algorithm <= CONV_REFERENCE; algorithm++) {
        tensor_conv_choose((ConvAlgorithm)algorithm);
        ck_assert_int_eq(tensor_conv_chosen(), algorithm);
        s.stride = 1;
        tensor_conv3x3(y, x, w, NULL, &s);
        ck_assert(fabsf(y[0] - 77.0f) < 1e-3f); /* 5 + 12 + 24 + 36 */
        ck_assert(fabsf(y[1] - 67.0f) < 1e-3f); /* 4 + 10 + 21 + 32 */
        ck_assert(fabsf(y[2] - 47.0f) < 1e-3f); /* 2 + 6 + 15 + 24 */
        ck_assert(fabsf(y[3] - 37.0f) < 1e-3f); /* 1 + 4 + 12 + 20 */
        s.stride = 2;
        const float bias = 100.0f;
        tensor_conv3x3(y, x, w, &bias, &s);
        ck_assert(fabsf(y[0] - 137.0f) < 1e-3f); /* 1 + 4 + 12 + 20 */
    }
}
END_TEST

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The convolution is linear in x and in w: <conv(x, w), dy> = <x, dx> = <w, dw>. */
START_TEST(test_gradients_are_adjoint)
{
    for (int stride = 1; stride <= 2; stride++) {
        Buffers t = buffers_make((ConvShape){2, 6, 8, 5, 7, stride}, 11);
        Rng rng = rng_root(12);
        float *dy = random_floats(&rng, t.outputs);
        memset(t.dx, 0, t.inputs * sizeof *t.dx);
        memset(t.dw, 0, t.weights * sizeof *t.dw);
        tensor_conv_choose(CONV_REFERENCE);
        tensor_conv3x3(t.y, t.x, t.w, NULL, &t.shape);
        tensor_conv3x3_data_gradient(t.dx, dy, t.w, true, &t.shape);
        tensor_conv3x3_weight_gradient(t.dw, NULL, t.x, dy, &t.shape);
        const double direct = dot(t.y, dy, t.outputs);
        ck_assert(fabs(direct - dot(t.x, t.dx, t.inputs)) < 1e-4);
        ck_assert(fabs(direct - dot(t.w, t.dw, t.weights)) < 1e-4);
        mem_free(dy);
        buffers_free(&t);
    }
}
END_TEST

START_TEST(test_nan_reaches_its_neighbours_only)
{
    const ConvAlgorithm algorithms[] = {CONV_DIRECT, CONV_FEW, CONV_AUTO};
    for (size_t k = 0; k < 3; k++) {
        Buffers t = buffers_make((ConvShape){2, 9, 9, k == 2 ? 40 : 3, 5, 1}, 1);
        tensor_conv_choose(algorithms[k]);
        t.x[(4 * 9 + 4) * t.shape.cin + 1] = NAN;
        tensor_conv3x3(t.y, t.x, t.w, t.bias, &t.shape);
        for (size_t b = 0; b < 2; b++)
            for (size_t i = 0; i < 9; i++)
                for (size_t j = 0; j < 9; j++)
                    for (size_t o = 0; o < 5; o++)
                        ck_assert((isnan(t.y[((b * 9 + i) * 9 + j) * 5 + o]) != 0) ==
                                  (b == 0 && i >= 3 && i <= 5 && j >= 3 && j <= 5));
        buffers_free(&t);
    }
}
END_TEST

/* Four squares of one picture see the pixel at (4, 4); the other picture does not. */
START_TEST(test_nan_reaches_its_squares_with_winograd)
{
    Buffers t = buffers_make((ConvShape){2, 12, 12, 16, 16, 1}, 1);
    tensor_conv_choose(CONV_WINOGRAD);
    t.x[(4 * 12 + 4) * 16 + 1] = NAN;
    tensor_conv3x3(t.y, t.x, t.w, t.bias, &t.shape);
    for (size_t b = 0; b < 2; b++)
        for (size_t i = 0; i < 12; i++)
            for (size_t j = 0; j < 12; j++) {
                const bool nan = isnan(t.y[((b * 12 + i) * 12 + j) * 16]) != 0;
                if (b == 0 && i >= 3 && i <= 5 && j >= 3 && j <= 5)
                    ck_assert_msg(nan, "(%zu, %zu) touches a NaN and is none", i, j);
                if (b == 1 || i >= 8 || j >= 8)
                    ck_assert_msg(!nan, "(%zu, %zu, %zu) touches no NaN and is one", b, i, j);
            }
    buffers_free(&t);
}
END_TEST

START_TEST(test_same_bits_for_any_thread_count)
{
    const ConvShape several[] = {
        {7, 14, 14, 32, 33, 1}, {9, 8, 8, 70, 64, 1},
        {9, 7, 6, 90, 100, 1},  {5, 16, 12, 24, 40, 2},
        {6, 9, 8, 190, 180, 1}, {6, 16, 16, 190, 180, 1}, /* groups; panels for three threads */
        {3, 30, 20, 64, 6, 1}};
    for (size_t i = 0; i < sizeof several / sizeof *several; i++) {
        Buffers t[2];
        for (int k = 0; k < 2; k++) {
            t[k] = buffers_make(several[i], 7);
            threads_set(k == 0 ? 1 : 3);
            tensor_conv3x3(t[k].y, t[k].x, t[k].w, t[k].bias, &several[i]);
            tensor_conv3x3_data_gradient(t[k].dx, t[k].y, t[k].w, true, &several[i]);
            tensor_conv3x3_weight_gradient(t[k].dw, t[k].dbias, t[k].x, t[k].y, &several[i]);
        }
        ck_assert(memcmp(t[0].y, t[1].y, t[0].outputs * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dx, t[1].dx, t[0].inputs * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dw, t[1].dw, t[0].weights * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dbias, t[1].dbias, several[i].cout * sizeof(float)) == 0);
        buffers_free(&t[0]);
        buffers_free(&t[1]);
    }
}
END_TEST

/* With eight threads panels take over from groups: the last shape has several blocks of squares in
 * two chunks. */
START_TEST(test_picture_does_not_depend_on_the_others)
{
    threads_set(_i == 0 ? 0 : 8);
    /* The last five are cut differently for one picture: few, some or many squares, two chunks. */
    const ConvShape several[] = {{7, 6, 5, 20, 33, 1},    {4, 3, 4, 70, 5, 1},
                                 {5, 8, 6, 24, 40, 2},    {300, 4, 4, 190, 180, 1},
                                 {90, 4, 4, 190, 180, 1}, {280, 4, 4, 70, 500, 1},
                                 {250, 4, 4, 520, 64, 1}};
    const size_t shapes_count = sizeof several / sizeof *several;
    for (size_t i = _i == 0 ? 0 : shapes_count - 1; i < shapes_count; i++) {
        Buffers all = buffers_make(several[i], 7), one = buffers_make(several[i], 7);
        const size_t b = 2, in = all.inputs / several[i].batch,
                     out = all.outputs / several[i].batch;
        ConvShape single = several[i];
        single.batch = 1;
        tensor_conv3x3_data_gradient(all.dx, all.y, all.w, true, &several[i]);
        tensor_conv3x3_data_gradient(one.dx + b * in, one.y + b * out, one.w, true, &single);
        tensor_conv3x3(all.y, all.x, all.w, all.bias, &several[i]);
        tensor_conv3x3(one.y + b * out, one.x + b * in, one.w, one.bias, &single);
        ck_assert(memcmp(all.dx + b * in, one.dx + b * in, in * sizeof(float)) == 0);
        ck_assert(memcmp(all.y + b * out, one.y + b * out, out * sizeof(float)) == 0);
        buffers_free(&all);
        buffers_free(&one);
    }
}
END_TEST

START_TEST(test_overflowing_sizes)
{
    const size_t half = SIZE_MAX / 2 + 1;
    const ConvShape s[] = {{half, 2, 2, 1, 1, 1},
                           {1, half, 1, 2, 1, 1},
                           {1, 1, half / 8, 1, 4, 1},
                           {1, 2, 2, half / 4, 2, 1},
                           {1, 2, 2, half / 8, 1, 2}};
    float number = 0.0f;
    tensor_conv3x3(&number, &number, &number, NULL, &s[_i]);
}
END_TEST

START_TEST(test_odd_size_with_stride_two)
{
    const ConvShape s = {1, 3, 4, 1, 1, 2};
    float x[12] = {0}, w[9] = {0}, y[12];
    tensor_conv3x3(y, x, w, NULL, &s);
}
END_TEST

enum { FORWARD, DATA, WEIGHT };

/* Shapes on both sides of every limit of the rule in conv.c: 16 channels on either side and 2048
 * pairs of them (more where squares reach out of the picture), a dozen squares of 4x4. */
static const struct {
    ConvShape shape;
    int pass;
    ConvAlgorithm algorithm;
} choices[] = {
    {{1, 4, 4, 16, 128, 1}, FORWARD, CONV_WINOGRAD},
    {{1, 4, 4, 16, 127, 1}, FORWARD, CONV_DIRECT},
    {{1, 4, 4, 15, 160, 1}, FORWARD, CONV_DIRECT},
    {{1, 4, 4, 128, 16, 1}, DATA, CONV_WINOGRAD},
    {{1, 4, 4, 160, 15, 1}, DATA, CONV_DIRECT},
    {{1, 4, 4, 127, 16, 1}, DATA, CONV_DIRECT},
    {{1, 3, 8, 64, 64, 1}, FORWARD, CONV_DIRECT},
    {{1, 8, 3, 64, 64, 1}, FORWARD, CONV_DIRECT},
    {{1, 8, 4, 16, 128, 1}, FORWARD, CONV_WINOGRAD},
    {{1, 4, 8, 16, 128, 1}, FORWARD, CONV_WINOGRAD},
    {{1, 7, 7, 52, 52, 1}, FORWARD, CONV_WINOGRAD}, /* 49 of 64 pixels */
    {{1, 7, 7, 51, 52, 1}, FORWARD, CONV_DIRECT},
    {{1, 5, 8, 52, 63, 1}, DATA, CONV_DIRECT}, /* 5 of 8 */
    {{1, 8, 5, 52, 64, 1}, DATA, CONV_WINOGRAD},
    {{3, 8, 8, 4, 4, 1}, WEIGHT, CONV_WINOGRAD},
    {{12, 4, 4, 4, 4, 1}, WEIGHT, CONV_WINOGRAD},
    {{11, 4, 4, 4, 4, 1}, WEIGHT, CONV_DIRECT},
    {{2, 9, 5, 4, 4, 1}, WEIGHT, CONV_WINOGRAD},
    {{1, 11, 12, 4, 4, 1}, WEIGHT, CONV_DIRECT},
    {{1, 12, 13, 4, 4, 1}, WEIGHT, CONV_WINOGRAD},
    {{12, 4, 4, 3, 5, 1}, WEIGHT, CONV_DIRECT},
    {{12, 3, 8, 4, 4, 1}, WEIGHT, CONV_DIRECT},
    {{12, 8, 3, 4, 4, 1}, WEIGHT, CONV_DIRECT},
};

static size_t run_pass(const Buffers *t, int pass, ConvAlgorithm algorithm, float *out)
{
    const size_t n = pass == FORWARD ? t->outputs : pass == DATA ? t->inputs : t->weights;
    memset(out, 0, n * sizeof *out);
    tensor_conv_choose(algorithm);
    if (pass == FORWARD)
        tensor_conv3x3(out, t->x, t->w, t->bias, &t->shape);
    else if (pass == DATA)
        tensor_conv3x3_data_gradient(out, t->y, t->w, false, &t->shape);
    else
        tensor_conv3x3_weight_gradient(out, NULL, t->x, t->y, &t->shape);
    return n * sizeof *out;
}

/* Which of the two it was is told by the last bits. */
START_TEST(test_choice_by_shape)
{
    const int pass = choices[_i].pass;
    const bool squares = choices[_i].algorithm == CONV_WINOGRAD;
    Buffers t = buffers_make(choices[_i].shape, 77);
    float *out[3];
    static const ConvAlgorithm algorithms[] = {CONV_AUTO, CONV_DIRECT, CONV_WINOGRAD};
    size_t bytes = 0;
    for (int k = 0; k < 3; k++) {
        out[k] = mem_alloc(t.inputs + t.outputs + t.weights, sizeof(float));
        bytes = run_pass(&t, pass, algorithms[k], out[k]);
    }
    ck_assert_int_eq(memcmp(out[0], out[1], bytes) == 0, !squares);
    ck_assert_int_eq(memcmp(out[0], out[2], bytes) == 0, squares);
    for (int k = 0; k < 3; k++)
        mem_free(out[k]);
    buffers_free(&t);
}
END_TEST

Suite *conv_suite(void)
{
    Suite *suite = suite_create("conv");
    TCase *all = tcase_create("conv3x3");
    tcase_set_timeout(all, 120.0);
    tcase_add_loop_test(all, test_direct, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_loop_test(all, test_choice_by_shape, 0, (int)(sizeof choices / sizeof *choices));
    tcase_add_test(all, test_by_hand);
    tcase_add_test(all, test_gradients_are_adjoint);
    tcase_add_test(all, test_nan_reaches_its_neighbours_only);
    tcase_add_test(all, test_nan_reaches_its_squares_with_winograd);
    tcase_add_test(all, test_same_bits_for_any_thread_count);
    tcase_add_loop_test(all, test_picture_does_not_depend_on_the_others, 0, 2);
    tcase_add_loop_test_raise_signal(all, test_overflowing_sizes, SIGABRT, 0, 5);
    tcase_add_test_raise_signal(all, test_odd_size_with_stride_two, SIGABRT);
    suite_add_tcase(suite, all);
    TCase *slow = slow_case(suite, 120);
    tcase_add_test(slow, test_winograd_error_with_many_channels);
    return suite;
}
