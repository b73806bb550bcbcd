/* The tape: who gets a gradient, in which order, how often, and whose memory it is. */
#include "autograd/autograd.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "autograd/operations.h"

static Graph *g;

static void setup(void)
{
    g = ag_graph_create();
}

static void teardown(void)
{
    ag_graph_destroy(g);
}

static Tensor vector(float *data, size_t n)
{
    return tensor_view(data, 1, &n);
}

static void check_numbers(const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabsf(got[i] - want[i]) <= 1e-6f * (1.0f + fabsf(want[i])),
                      "entry %d: %g, expected %g", (int)i, got[i], want[i]);
}

START_TEST(fan_out_adds_up)
{
    float x[] = {3.0f, -2.0f}, dx[] = {0.0f, 0.0f};
    const float want[] = {2 * 3.0f + 2.0f, 2 * -2.0f + 2.0f};
    Var *v = ag_leaf(g, vector(x, 2), dx);
    /* x^2 + (x + x): x is used four times, twice by one operation */
    ag_backward(ag_sum(ag_add(ag_multiply(v, v), ag_add(v, v))));
    check_numbers(dx, want, 2);
}
END_TEST

START_TEST(diamond_visits_inputs_last)
{
    float x[] = {0.5f}, dx[] = {0.0f};
    Var *v = ag_leaf(g, vector(x, 1), dx);
    Var *a = ag_scale(v, 2.0f);
    Var *b = ag_multiply(a, a); /* 4 x^2 */
    Var *c = ag_multiply(b, a); /* 8 x^3; a is shared with b */
    ag_backward(c);
    const float want = 24.0f * 0.25f;
    check_numbers(dx, &want, 1);
}
END_TEST

START_TEST(constants_stay_off_the_tape)
{
    float x[] = {1.0f, 2.0f};
    Var *c = ag_constant(g, vector(x, 2));
    Var *y = ag_add(ag_silu(c), ag_constant(g, vector(x, 2)));
    ck_assert(!c->needs_grad && !y->needs_grad);
    ck_assert_ptr_null(y->grad);
    ck_assert_ptr_null(y->saved);
    ck_assert_ptr_null(g->last);
    ck_assert_int_eq(y->input_count, 0);
    ck_assert_ptr_null(ag_grad(c));
    ck_assert_ptr_null(ag_grad(NULL));
}
END_TEST

START_TEST(mixed_inputs)
{
    float x[] = {1.0f, 2.0f}, y[] = {5.0f, 7.0f}, dy[] = {0.0f, 0.0f};
    Var *a = ag_constant(g, vector(x, 2)), *b = ag_leaf(g, vector(y, 2), dy);
    Var *product = ag_multiply(a, b);
    ck_assert(product->needs_grad);
    ag_backward(ag_sum(product));
    check_numbers(dy, x, 2);
    ck_assert_ptr_null(a->grad);
}
END_TEST

START_TEST(leaves_accumulate_inner_ones_restart)
{
    float x[] = {2.0f}, dx[] = {100.0f};
    Var *v = ag_leaf(g, vector(x, 1), dx);
    Var *square = ag_multiply(v, v), *loss = ag_scale(square, 3.0f);
    g->keep_grads = true;
    for (int pass = 1; pass <= 3; pass++) {
        const float leaf = 100.0f + 12.0f * (float)pass, inner = 3.0f;
        ag_backward(loss);
        check_numbers(dx, &leaf, 1);
        check_numbers(square->grad, &inner, 1);
    }
}
END_TEST

START_TEST(backward_from_any_var)
{
    float x[] = {1.0f, 2.0f, 3.0f}, dx[] = {0.0f, 0.0f, 0.0f};
    const float up[] = {0.5f, -1.0f, 2.0f}, once[] = {1.0f, -4.0f, 12.0f};
    Var *v = ag_leaf(g, vector(x, 3), dx), *square = ag_multiply(v, v);
    Var *later = ag_silu(square);
    ag_backward_from(square, up);
    check_numbers(dx, once, 3);
    ck_assert_ptr_null(later->grad); /* recorded after the start: not reached */
    ag_backward_from(square, up);
    const float twice[] = {2.0f, -8.0f, 24.0f};
    check_numbers(dx, twice, 3);
    ag_backward_from(v, up); /* a leaf takes it as it is */
    const float more[] = {2.5f, -9.0f, 26.0f};
    check_numbers(dx, more, 3);
}
END_TEST

/* Two outputs of one graph, one after the other: what the first pass left in shared inner Vars must
 * not count again. */
START_TEST(two_outputs_of_one_graph)
{
    float x[] = {2.0f}, dx[] = {0.0f};
    Var *v = ag_leaf(g, vector(x, 1), dx), *shared = ag_multiply(v, v);
    Var *a = ag_scale(shared, 10.0f), *b = ag_scale(shared, 1.0f);
    ag_backward(a);
    ag_backward(b);
    const float want = 40.0f + 4.0f;
    check_numbers(dx, &want, 1);
}
END_TEST

START_TEST(views_share_value_and_gradient)
{
    float x[] = {1, 2, 3, 4, 5, 6}, dx[6] = {0};
    const size_t shape[] = {2, 3}, flat[] = {6};
    Var *v = ag_leaf(g, vector(x, 6), dx);
    Var *leaf_view = ag_reshape(v, 2, shape);
    Var *inner = ag_scale(leaf_view, 2.0f), *view = ag_reshape(inner, 1, flat);
    g->keep_grads = true;
    ck_assert_ptr_eq(leaf_view->value.data, x);
    ck_assert_ptr_eq(view->value.data, inner->value.data);
    /* the inner Var is used directly and through its view */
    ag_backward(ag_add(ag_sum(view), ag_sum(ag_multiply(inner, inner))));
    ck_assert_ptr_eq(view->grad, inner->grad);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq_tol(dx[i], 2.0f + 8.0f * x[i], 1e-4f);
    ag_backward_from(leaf_view, x);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq_tol(dx[i], 2.0f + 9.0f * x[i], 1e-4f);
}
END_TEST

START_TEST(view_of_a_part)
{
    float x[] = {1, 2, 3, 4, 5, 6}, dx[6] = {0};
    const float want[] = {0, 0, 2 * 3, 2 * 4, 0, 0};
    const size_t two = 2;
    Var *y = ag_scale(ag_leaf(g, vector(x, 6), dx), 1.0f);
    Var *part = ag_new_view("rows", tensor_view(y->value.data + 2, 1, &two), NULL, y);
    ag_backward(ag_sum(ag_multiply(part, part)));
    check_numbers(dx, want, 6);
}
END_TEST

/* An optional input in the middle may be missing. */
static void weighted_backward(Var *v)
{
    for (int i = 0; i < v->input_count; i++) {
        float *d = ag_grad(v->inputs[i]);
        if (d)
            d[0] += v->grad[0];
    }
}

START_TEST(optional_inputs)
{
    float x[] = {1.0f}, y[] = {2.0f}, dx[] = {0.0f}, dy[] = {0.0f};
    const size_t one = 1;
    Var *inputs[] = {ag_leaf(g, vector(x, 1), dx), NULL, ag_leaf(g, vector(y, 1), dy)};
    Var *v = ag_new_var("optional", 1, &one, weighted_backward, 3, inputs);
    v->value.data[0] = 3.0f;
    ag_backward(ag_done(v));
    ck_assert_float_eq(dx[0], 1.0f);
    ck_assert_float_eq(dy[0], 1.0f);
}
END_TEST

START_TEST(inference_keeps_nothing)
{
    float x[] = {1.0f, 2.0f}, dx[] = {7.0f, 7.0f};
    ag_set_recording(g, false);
    Var *v = ag_leaf(g, vector(x, 2), dx);
    Var *y = ag_scale(ag_multiply(v, v), 3.0f);
    const float want[] = {3.0f, 12.0f};
    check_numbers(y->value.data, want, 2);
    ck_assert(!v->needs_grad && !y->needs_grad);
    ck_assert_ptr_null(y->saved);
    ck_assert_int_eq(y->input_count, 0);
    ck_assert_ptr_null(g->last);
    ck_assert_ptr_null(ag_grad(v));
    ag_graph_reset(g);
    ag_set_recording(g, true);
    ag_backward(ag_sum(ag_leaf(g, vector(x, 2), dx)));
    ck_assert_float_eq(dx[0], 8.0f);
}
END_TEST

/* n numbers start, start + 1, ... from a chain of scopes that would need `depth` times the memory
 * without them. */
static void scope_chain(size_t n, int depth)
{
    float *x = arena_alloc(g->arena, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)i;
    Var *v = ag_constant(g, vector(x, n));
    size_t used = 0;
    for (int i = 0; i < depth; i++) {
        AgScope outer = ag_scope_begin(g);
        AgScope inner = ag_scope_begin(g);
        Var *a = ag_scope_end(inner, ag_scale(ag_scale(v, 2.0f), 0.5f));
        v = ag_scope_end(outer, ag_add(a, ag_scale(a, 0.0f)));
        ck_assert_str_eq(v->op, "add");
        if (i == 0)
            used = ag_memory_used(g);
        /* one kept value and its Var for each round */
        ck_assert_uint_le(ag_memory_used(g), used + (size_t)i * (n * sizeof *x + 1024));
        size_t wrong = 0;
        for (size_t j = 0; j < n; j++)
            wrong += v->value.data[j] != (float)j;
        ck_assert_uint_eq(wrong, 0);
    }
}

START_TEST(scopes_move_what_they_keep)
{
    ag_set_recording(g, false);
    scope_chain(5, 20);
    ag_graph_reset(g);
    scope_chain(300000, 4); /* each value larger than a chunk */
    ag_graph_reset(g);
    scope_chain(90000, 12); /* values that end chunks early */
    ag_graph_reset(g);
    scope_chain(0, 3);
}
END_TEST

/* One value replaced scope after scope, as a network's blocks do, stays one value. */
START_TEST(scopes_bound_memory)
{
    enum { N = 1000 };
    float x[N];
    for (int i = 0; i < N; i++)
        x[i] = 1.0f;
    ag_set_recording(g, false);
    Var *v = NULL;
    AgScope whole = ag_scope_begin(g);
    for (int i = 0; i < 50; i++) {
        AgScope block = ag_scope_begin(g);
        Var *y = ag_constant(g, vector(x, N));
        for (int j = 0; j < 50; j++)
            y = ag_scale(y, 1.0f);
        v = ag_scope_end(block, y);
    }
    v = ag_scope_end(whole, v);
    ck_assert_float_eq(v->value.data[N - 1], 1.0f);
    ck_assert_uint_le(ag_memory_used(g), N * sizeof *x + 1024);
    ck_assert_uint_le(ag_memory_peak(g), 120 * (N * sizeof *x + 1024));
}
END_TEST

START_TEST(scopes_leave_older_values_in_place)
{
    float x[] = {1.0f, 2.0f, 3.0f};
    const size_t shape[] = {3, 1};
    ag_set_recording(g, false);
    Var *old = ag_scale(ag_constant(g, vector(x, 3)), 2.0f);
    const float *data = old->value.data;
    AgScope scope = ag_scope_begin(g);
    ag_silu(old);
    Var *view = ag_scope_end(scope, ag_reshape(old, 2, shape));
    ck_assert_ptr_eq(view->value.data, data);
    ck_assert_int_eq(view->value.rank, 2);
    ck_assert_float_eq(view->value.data[2], 6.0f);
    AgScope nothing = ag_scope_begin(g);
    const size_t used = ag_memory_used(g);
    ag_silu(old);
    ck_assert_ptr_null(ag_scope_end(nothing, NULL));
    ck_assert_uint_eq(ag_memory_used(g), used);
}
END_TEST

/* A leaf over arena memory taken inside the scope must be moved, and so must a view of it. */
START_TEST(scopes_move_inner_leaves)
{
    const size_t shape[] = {2, 2};
    ag_set_recording(g, false);
    AgScope scope = ag_scope_begin(g);
    arena_alloc(g->arena, 100, 1);
    Tensor t = tensor_make1(g->arena, 4);
    for (int i = 0; i < 4; i++)
        t.data[i] = (float)i;
    Var *v = ag_scope_end(scope, ag_reshape(ag_constant(g, t), 2, shape));
    memset(arena_alloc(g->arena, 1000, 1), 0xFF, 1000);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(v->value.data[i], (float)i);
}
END_TEST

START_TEST(scopes_do_nothing_while_recording)
{
    float x[] = {1.5f}, dx[] = {0.0f};
    Var *v = ag_leaf(g, vector(x, 1), dx);
    AgScope scope = ag_scope_begin(g);
    Var *inner = ag_multiply(v, v), *y = ag_scale(inner, 2.0f);
    ck_assert_ptr_eq(ag_scope_end(scope, y), y);
    ag_backward(y);
    ck_assert_float_eq(dx[0], 6.0f);
}
END_TEST

START_TEST(reset_releases_everything)
{
    float x[] = {1.0f, NAN}, dx[] = {0.0f, 0.0f};
    g->check_finite = true;
    size_t used = 0;
    for (int step = 0; step < 5; step++) {
        ag_backward(ag_sum(ag_silu(ag_leaf(g, vector(x, 2), dx))));
        ck_assert_ptr_nonnull(g->bad_op);
        if (step == 0)
            used = ag_memory_used(g);
        ck_assert_uint_eq(ag_memory_used(g), used);
        ag_graph_reset(g);
        ck_assert_uint_eq(ag_memory_used(g), 0);
        ck_assert_ptr_null(g->last);
        ck_assert_str_eq(g->bad_op, "silu"); /* until the caller looked */
        ck_assert_uint_eq(g->bad_value.shape[0], 2);
        g->bad_op = NULL;
    }
}
END_TEST

START_TEST(first_bad_operation_is_named)
{
    float x[] = {3e38f, 1.0f}, good[] = {1.0f, 2.0f};
    Var *v = ag_constant(g, vector(x, 2));
    ag_scale(v, 2.0f);
    ck_assert_ptr_null(g->bad_op); /* nobody asked */
    g->check_finite = true;
    Var *fine = ag_multiply(v, ag_constant(g, vector(good, 2)));
    ck_assert_ptr_null(g->bad_op);
    Var *bad = ag_scale(fine, 2.0f);
    ag_multiply(bad, bad);
    ck_assert_str_eq(g->bad_op, "scale");
    ck_assert_ptr_eq(g->bad_value.data, bad->value.data);
    ck_assert_uint_eq(g->bad_value.shape[0], 2);
}
END_TEST

/* The values are finite, the gradient overflows on the way back: at the output of the inner scale,
 * or only in a leaf. */
START_TEST(first_bad_gradient_is_named)
{
    float x[] = {1e-30f, 1e-30f}, dx[] = {0.0f, 0.0f}, y[] = {1e30f, 1.0f}, dy[] = {0.0f, 0.0f};
    g->check_finite = true;
    Var *v = ag_scale(ag_leaf(g, vector(x, 2), dx), 1e-5f);
    ag_backward(ag_sum(ag_scale(ag_scale(v, 1e30f), 1e30f)));
    ck_assert_str_eq(g->bad_op, "scale");
    ck_assert(g->bad_gradient);
    ck_assert_uint_eq(g->bad_value.shape[0], 2);
    ag_graph_reset(g);
    g->bad_op = NULL;
    v = ag_leaf(g, vector(x, 2), dx);
    Var *product = ag_multiply(v, ag_leaf(g, vector(y, 2), dy));
    const float up[] = {1e20f, 1.0f};
    ag_backward_from(product, up); /* 1e50 for x */
    ck_assert_str_eq(g->bad_op, "multiply");
    ck_assert(g->bad_gradient);
}
END_TEST

/* A weight that is only reached through views of it: whole, in part, and as a repeated input. */
START_TEST(bad_gradient_behind_a_view_is_named)
{
    for (int way = 0; way < 4; way++) {
        float x[] = {1e30f, 1.0f}, w[] = {way == 3 ? 1e19f : 1e-30f, 1.0f}, dw[] = {0.0f, 0.0f};
        const float up[] = {1e20f, 1.0f}; /* more than 1e38 for w */
        const size_t shape[] = {1, 2}, size = way == 2 ? 1 : 2;
        Var *leaf = ag_leaf(g, vector(w, 2), dw), *view = ag_reshape(leaf, 2, shape);
        Var *y = ag_constant(g, vector(x, size));
        if (way == 1)
            view = ag_reshape(view, 1, &size);
        else if (way != 0)
            view = ag_new_view("part", vector(view->value.data, size), NULL, view);
        if (way == 0)
            y = ag_reshape(y, 2, shape);
        g->check_finite = true;
        y = way == 3 ? ag_multiply(leaf, view) : ag_multiply(y, view);
        ck_assert_ptr_null(g->bad_op);
        ag_backward_from(y, up);
        ck_assert_ptr_nonnull(g->bad_op);
        ck_assert_str_eq(g->bad_op, "multiply");
        ck_assert(g->bad_gradient);
        ag_graph_reset(g);
        g->bad_op = NULL;
    }
}
END_TEST

/* ---- misuse: each of these must abort ---- */

static float numbers[] = {1.0f, 2.0f}, gradients[2];

static void backward_of_a_vector(void)
{
    ag_backward(ag_silu(ag_leaf(g, vector(numbers, 2), gradients)));
}

static void backward_of_a_constant(void)
{
    ag_backward(ag_sum(ag_constant(g, vector(numbers, 2))));
}

static void backward_in_inference(void)
{
    ag_set_recording(g, false);
    ag_backward(ag_sum(ag_leaf(g, vector(numbers, 2), gradients)));
}

static void recording_switched_midway(void)
{
    ag_constant(g, vector(numbers, 2));
    ag_set_recording(g, false);
}

static void two_graphs_mixed(void)
{
    Graph *other = ag_graph_create();
    ag_add(ag_constant(g, vector(numbers, 2)), ag_constant(other, vector(numbers, 2)));
}

static void scope_of_another_graph(void)
{
    Graph *other = ag_graph_create();
    ag_set_recording(g, false);
    ag_scope_end(ag_scope_begin(g), ag_constant(other, vector(numbers, 2)));
}

static void too_many_inputs(void)
{
    Var *x = ag_constant(g, vector(numbers, 2));
    Var *inputs[AG_MAX_INPUTS + 1] = {x, x, x, x, x, x, x};
    ag_new_var("many", 1, x->value.shape, NULL, AG_MAX_INPUTS + 1, inputs);
}

static void reshape_to_another_size(void)
{
    const size_t shape[] = {3};
    ag_reshape(ag_constant(g, vector(numbers, 2)), 1, shape);
}

static void result_of_no_inputs(void)
{
    Var *x = ag_constant(g, vector(numbers, 2));
    ag_new_var("none", 1, x->value.shape, NULL, 0, &x);
}

static void result_without_its_first_input(void)
{
    Var *x = ag_constant(g, vector(numbers, 2)), *inputs[] = {NULL, x};
    ag_new_var("headless", 1, x->value.shape, NULL, 2, inputs);
}

static void backward_of_no_results(void)
{
    ag_backward_from_all(0, NULL, NULL);
}

static void backward_of_two_graphs(void)
{
    static const float ones[] = {1.0f, 1.0f};
    Graph *other = ag_graph_create();
    Var *results[] = {ag_silu(ag_leaf(g, vector(numbers, 2), gradients)),
                      ag_silu(ag_leaf(other, vector(numbers, 2), gradients))};
    ag_backward_from_all(2, results, (const float *[]){ones, ones});
}

static void (*const misuses[])(void) = {
    backward_of_a_vector,   backward_of_a_constant,
    backward_in_inference,  recording_switched_midway,
    two_graphs_mixed,       scope_of_another_graph,
    too_many_inputs,        reshape_to_another_size,
    result_of_no_inputs,    result_without_its_first_input,
    backward_of_no_results, backward_of_two_graphs,
};

START_TEST(misuse_aborts)
{
    misuses[_i]();
}
END_TEST

Suite *autograd_suite(void)
{
    Suite *s = suite_create("autograd");
    TCase *tape = tcase_create("tape"), *scopes = tcase_create("scopes");
    TCase *misuse = tcase_create("misuse");
    const int misuse_count = (int)(sizeof misuses / sizeof misuses[0]);

    tcase_add_checked_fixture(tape, setup, teardown);
    tcase_set_timeout(tape, 10);
    tcase_add_test(tape, fan_out_adds_up);
    tcase_add_test(tape, diamond_visits_inputs_last);
    tcase_add_test(tape, constants_stay_off_the_tape);
    tcase_add_test(tape, mixed_inputs);
    tcase_add_test(tape, leaves_accumulate_inner_ones_restart);
    tcase_add_test(tape, backward_from_any_var);
    tcase_add_test(tape, two_outputs_of_one_graph);
    tcase_add_test(tape, views_share_value_and_gradient);
    tcase_add_test(tape, view_of_a_part);
    tcase_add_test(tape, optional_inputs);
    tcase_add_test(tape, reset_releases_everything);
    tcase_add_test(tape, first_bad_operation_is_named);
    tcase_add_test(tape, first_bad_gradient_is_named);
    tcase_add_test(tape, bad_gradient_behind_a_view_is_named);
    suite_add_tcase(s, tape);

    tcase_add_checked_fixture(scopes, setup, teardown);
    tcase_set_timeout(scopes, 20);
    tcase_add_test(scopes, inference_keeps_nothing);
    tcase_add_test(scopes, scopes_move_what_they_keep);
    tcase_add_test(scopes, scopes_bound_memory);
    tcase_add_test(scopes, scopes_leave_older_values_in_place);
    tcase_add_test(scopes, scopes_move_inner_leaves);
    tcase_add_test(scopes, scopes_do_nothing_while_recording);
    suite_add_tcase(s, scopes);

    tcase_add_checked_fixture(misuse, setup, teardown);
    tcase_set_timeout(misuse, 10);
    tcase_add_loop_test_raise_signal(misuse, misuse_aborts, SIGABRT, 0, misuse_count);
    suite_add_tcase(s, misuse);
    return s;
}
