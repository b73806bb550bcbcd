/* The gradient check is shown wrong backward functions, which it must refuse. */
#include "autograd/gradient_check.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "autograd/operations.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"

static Arena *pool;

static void setup(void)
{
    pool = arena_create(1 << 16);
}

static void teardown(void)
{
    arena_destroy(pool);
}

/* Uniform on (-1, 1). */
static Tensor numbers(size_t rows, size_t columns, uint64_t seed)
{
    Rng rng = rng_root(seed);
    Tensor t = tensor_make2(pool, rows, columns);
    for (size_t i = 0; i < tensor_size(&t); i++)
        t.data[i] = 2.0f * rng_uniform24(&rng) - 1.0f;
    return t;
}

/* y = x^2 in several wrong ways; `wrong` is read by square_backward. */
typedef enum Wrong {
    RIGHT,
    SIGN,
    FACTOR,
    OVERWRITES,
    FORGETS_UPSTREAM,
    ONE_ENTRY,
    GIVES_NAN,
    NOTHING,
    SLIGHTLY,
    INFERENCE_DIFFERS,
    WRONGS,
    CHANGES = WRONGS /* with the calls, by a hundredth of a per cent each */
} Wrong;

static Wrong wrong;
static int calls; /* of square_backward */

static void square_backward(Var *v)
{
    const float *x = v->inputs[0]->value.data;
    float *dx = ag_grad(v->inputs[0]);
    for (size_t i = 0; i < tensor_size(&v->value); i++) {
        const float right = 2.0f * x[i] * v->grad[i];
        switch (wrong) {
        case SIGN: dx[i] -= right; break;
        case FACTOR: dx[i] += x[i] * v->grad[i]; break;
        case OVERWRITES: dx[i] = right; break;
        case FORGETS_UPSTREAM: dx[i] += 2.0f * x[i]; break;
        case ONE_ENTRY: dx[i] += i == 4 ? 0.0f : right; break;
        case GIVES_NAN: dx[i] += i == 2 ? NAN : right; break;
        case NOTHING: break;
        case SLIGHTLY: dx[i] += 1.01f * right; break;
        case CHANGES: dx[i] += (1.0f + 1e-4f * (float)calls) * right; break;
        default: dx[i] += right; break;
        }
    }
    calls++;
}

static Var *square(Graph *g, Var *const *in, void *context)
{
    (void)context;
    Var *v = ag_new_var("square", in[0]->value.rank, in[0]->value.shape, square_backward, 1, in);
    for (size_t i = 0; i < tensor_size(&v->value); i++) {
        const float x = in[0]->value.data[i];
        v->value.data[i] = x * x + (wrong == INFERENCE_DIFFERS && !g->recording ? 1.0f : 0.0f);
    }
    return ag_done(v);
}

static bool square_passes(uint64_t seed, double *worst)
{
    GradientCheck check = {
        .function = square, .input_count = 1, .needs_grad = {true}, .seed = seed};
    check.inputs[0] = numbers(1, 8, 3);
    return ag_gradient_check(&check, worst);
}

START_TEST(harness_fails_wrong_backward)
{
    double worst = -1.0;
    wrong = (Wrong)_i;
    for (uint64_t seed = 0; seed < 3; seed++)
        ck_assert_msg(square_passes(seed, &worst) == (wrong == RIGHT), "wrong %d: error %g", _i,
                      worst);
    if (wrong == RIGHT)
        ck_assert_double_lt(worst, 1e-3);
}
END_TEST

/* What rounding does to large gradients is small beside them. */
START_TEST(errors_are_relative)
{
    GradientCheck check = {.function = square, .input_count = 1, .needs_grad = {true}};
    double worst;
    check.inputs[0] = numbers(1, 8, 3);
    for (size_t i = 0; i < 8; i++)
        check.inputs[0].data[i] *= 100.0f;
    wrong = RIGHT;
    ck_assert(ag_gradient_check(&check, &worst));
    wrong = SLIGHTLY; /* 1 % of the largest, beside that and 0.1 */
    ck_assert(!ag_gradient_check(&check, &worst));
    ck_assert_double_eq_tol(worst, 0.01, 0.002);
}
END_TEST

static Var *square_both(Graph *g, Var *const *in, void *context)
{
    return ag_add(square(g, in, context), square(g, in + 1, context));
}

/* What two passes differ by is seen beside the entry that it is about, not beside another one. */
START_TEST(differences_of_passes_are_relative)
{
    GradientCheck check = {.function = square_both, .input_count = 2, .needs_grad = {true, true}};
    double worst;
    for (int large = 0; large < 4; large++) {
        for (int i = 0; i < 2; i++) {
            check.inputs[i] = numbers(1, 2, 3);
            for (int j = 0; j < 2; j++)
                check.inputs[i].data[j] = 2 * i + j == large ? 100.0f : 0.0f;
        }
        wrong = CHANGES;
        calls = 0;
        ck_assert(ag_gradient_check(&check, &worst));
        ck_assert_double_lt(worst, 1e-3);
    }
}
END_TEST

/* A softmax that hands nothing back: for upstream weights of one that is its true gradient, so only
 * other weights can tell. */
static void no_backward(Var *v)
{
    ag_grad(v->inputs[0]);
}

static Var *bad_softmax(Graph *g, Var *const *in, void *context)
{
    Var *v = ag_softmax(in[0]);
    (void)g, (void)context;
    if (v->needs_grad)
        v->backward = no_backward;
    return v;
}

/* A product whose inputs get their own value instead of the other's. */
static void swapped_backward(Var *v)
{
    for (int i = 0; i < 2; i++) {
        float *d = ag_grad(v->inputs[i]);
        for (size_t j = 0; d && j < tensor_size(&v->value); j++)
            d[j] += v->grad[j] * v->inputs[i]->value.data[j];
    }
}

static Var *swapped(Graph *g, Var *const *in, void *context)
{
    Var *v = ag_multiply(in[0], in[1]);
    (void)g, (void)context;
    if (v->needs_grad)
        v->backward = swapped_backward;
    return v;
}

START_TEST(harness_fails_wrong_formulas)
{
    GradientCheck check = {.function = bad_softmax, .input_count = 1, .needs_grad = {true}};
    check.inputs[0] = numbers(3, 4, 3);
    ck_assert(!ag_gradient_check(&check, NULL));
    GradientCheck two = {.function = swapped, .input_count = 2, .needs_grad = {true, false}};
    two.inputs[0] = check.inputs[0];
    two.inputs[1] = numbers(3, 4, 4);
    ck_assert(!ag_gradient_check(&two, NULL));
}
END_TEST

/* Inputs are copied: the caller's numbers are never written. */
START_TEST(harness_leaves_inputs_alone)
{
    GradientCheck check = {.function = square, .input_count = 1, .needs_grad = {true}};
    check.inputs[0] = numbers(1, 8, 3);
    float before[8];
    memcpy(before, check.inputs[0].data, sizeof before);
    wrong = RIGHT;
    ck_assert(ag_gradient_check(&check, NULL));
    ck_assert_mem_eq(before, check.inputs[0].data, sizeof before);
}
END_TEST

START_TEST(harness_keeps_no_memory)
{
    GradientCheck check = {.function = square_both, .input_count = 2, .needs_grad = {true, false}};
    check.inputs[0] = numbers(1, 8, 3);
    check.inputs[1] = numbers(1, 8, 4);
    wrong = RIGHT;
    const size_t before = mem_in_use();
    ck_assert(ag_gradient_check(&check, NULL));
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

/* Seeds are names: a check run again finds the same error. */
START_TEST(harness_repeats)
{
    double first, again;
    wrong = SLIGHTLY;
    square_passes(9, &first);
    square_passes(9, &again);
    ck_assert_double_eq(first, again);
    square_passes(10, &again);
    ck_assert_double_ne(first, again);
}
END_TEST

START_TEST(harness_needs_inputs)
{
    GradientCheck check = {.function = square, .input_count = AG_MAX_INPUTS + 1};
    ag_gradient_check(&check, NULL);
}
END_TEST

Suite *gradient_check_suite(void)
{
    Suite *s = suite_create("gradient_check");
    TCase *harness = tcase_create("harness");

    tcase_add_checked_fixture(harness, setup, teardown);
    tcase_set_timeout(harness, 10);
    tcase_add_loop_test(harness, harness_fails_wrong_backward, 0, WRONGS);
    tcase_add_test(harness, errors_are_relative);
    tcase_add_test(harness, differences_of_passes_are_relative);
    tcase_add_test(harness, harness_fails_wrong_formulas);
    tcase_add_test(harness, harness_leaves_inputs_alone);
    tcase_add_test(harness, harness_keeps_no_memory);
    tcase_add_test(harness, harness_repeats);
    tcase_add_test_raise_signal(harness, harness_needs_inputs, SIGABRT);
    suite_add_tcase(s, harness);
    return s;
}
