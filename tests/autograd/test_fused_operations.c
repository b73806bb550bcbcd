/* Operations that do the work of several in one pass, against those several; and values that are
 * dropped and computed again, against values that stay. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "autograd/gradient_check.h"
#include "autograd/operations.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

enum { MAX_IN = 5 };

/* A function of Vars, and its inputs. */
typedef struct Problem {
    int count;
    Tensor in[MAX_IN];
    float *grad[MAX_IN];
    Rng rng;
} Problem;

static Problem problem(void)
{
    Problem p = {.count = 0};
    p.rng = rng_root(77);
    return p;
}

static float *random_numbers(Rng *rng, size_t n)
{
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = 2.0f * rng_uniform24(rng) - 1.0f;
    return x;
}

static void add_input(Problem *p, int rank, size_t a, size_t b, size_t c, size_t d)
{
    const size_t shape[] = {a, b, c, d};
    Tensor t = tensor_view(NULL, rank, shape);
    t.data = random_numbers(&p->rng, tensor_size(&t));
    p->grad[p->count] = mem_zeroed(tensor_size(&t), sizeof(float));
    p->in[p->count++] = t;
}

static void free_problem(Problem *p)
{
    for (int i = 0; i < p->count; i++) {
        mem_free(p->in[i].data);
        mem_free(p->grad[i]);
    }
}

typedef struct Result {
    size_t n, total;
    float *value;
    float *grad; /* of all inputs, one behind the other */
    size_t used, peak;
} Result;

/* The value, and the gradients of sum w y from random w. */
static Result run(Problem *p, Var *(*f)(Graph *g, Var *const *in, void *context), void *context)
{
    Graph *g = ag_graph_create();
    Var *in[MAX_IN];
    Result r = {0};
    for (int i = 0; i < p->count; i++) {
        r.total += tensor_size(&p->in[i]);
        memset(p->grad[i], 0, tensor_size(&p->in[i]) * sizeof(float));
        in[i] = ag_leaf(g, p->in[i], p->grad[i]);
    }
    Var *y = f(g, in, context);
    r.n = tensor_size(&y->value);
    r.value = mem_alloc(r.n, sizeof(float));
    memcpy(r.value, y->value.data, r.n * sizeof(float));
    Rng rng = rng_root(5);
    float *w = random_numbers(&rng, r.n);
    r.used = ag_memory_used(g);
    ag_backward_from(y, w);
    ck_assert_uint_eq(ag_memory_used(g), r.used); /* every gradient was freed */
    r.peak = ag_memory_peak(g);
    r.grad = mem_alloc(r.total, sizeof(float));
    for (size_t i = 0, at = 0; i < (size_t)p->count; at += tensor_size(&p->in[i++]))
        memcpy(r.grad + at, p->grad[i], tensor_size(&p->in[i]) * sizeof(float));
    mem_free(w);
    ag_graph_destroy(g);
    return r;
}

static void free_result(Result *r)
{
    mem_free(r->value);
    mem_free(r->grad);
}

static void assert_close(const float *a, const float *b, size_t n, float tolerance)
{
    float largest = 1.0f;
    for (size_t i = 0; i < n; i++)
        largest = b[i] > largest ? b[i] : -b[i] > largest ? -b[i] : largest;
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(a[i] - b[i] <= tolerance * largest && b[i] - a[i] <= tolerance * largest,
                      "entry %d is %g, not %g", (int)i, (double)a[i], (double)b[i]);
}

static bool same(const Result *a, const Result *b)
{
    return a->n == b->n && a->total == b->total &&
           memcmp(a->value, b->value, a->n * sizeof(float)) == 0 &&
           memcmp(a->grad, b->grad, a->total * sizeof(float)) == 0;
}

/* ---- fused operations ---- */

static Var *shifted(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_group_norm_shifted(in[0], in[1], in[2], in[3], 4, 1e-6, true);
}

static Var *shifted_in_parts(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_group_norm(ag_add_channel(in[0], in[1]), in[2], in[3], 4, 1e-6, true);
}

static Var *residual(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_conv3x3_residual(in[0], in[1], in[2], in[3], 0.7f);
}

static Var *residual_in_parts(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add_scaled(in[3], ag_conv3x3(in[0], in[1], in[2], 1), 0.7f);
}

/* The input is its own residual, and an inner Var, whose gradient comes from two sides. */
static Var *own_residual(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    Var *x = ag_add_row(in[0], in[2]);
    return ag_conv3x3_residual(x, in[1], in[2], x, 0.7f);
}

static Var *own_residual_in_parts(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    const size_t *s = in[0]->value.shape;
    Var *row = ag_reshape(in[2], 2, (size_t[]){1, s[3]});
    Var *flat = ag_reshape(in[0], 3, (size_t[]){1, s[0] * s[1] * s[2], s[3]});
    Var *x = ag_reshape(ag_add_channel(flat, row), 4, s);
    return ag_add_scaled(x, ag_conv3x3(x, in[1], in[2], 1), 0.7f);
}

static Var *one_head(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_multihead_attention(in[0], in[1], in[3], 1, NULL);
}

static Var *one_head_in_parts(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    const size_t c = in[0]->value.shape[3];
    return ag_attention(in[0], in[1], in[3], (float)(1.0 / sqrt((double)c)));
}

static Var *heads(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_multihead_attention(in[0], in[1], in[3], 2, NULL);
}

static Var *heads_in_parts(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    const size_t c = in[0]->value.shape[3] / 2;
    Var *head[2];
    for (size_t i = 0; i < 2; i++)
        head[i] = ag_attention(ag_slice(in[0], i * c, c), ag_slice(in[1], i * c, c),
                               ag_slice(in[3], i * c, c), (float)(1.0 / sqrt((double)c)));
    return ag_concat(head[0], head[1]);
}

typedef struct Pair {
    Var *(*fused)(Graph *g, Var *const *in, void *context);
    Var *(*parts)(Graph *g, Var *const *in, void *context);
} Pair;

static const Pair pairs[] = {
    {shifted, shifted_in_parts},
    {residual, residual_in_parts},
    {own_residual, own_residual_in_parts},
    {one_head, one_head_in_parts},
    {heads, heads_in_parts},
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

/* (B, H, W, C) -> C channels; with few channels convolutions are direct, with many Winograd's. */
static Problem inputs_of(size_t which, size_t b, size_t h, size_t c)
{
    Problem p = problem();
    add_input(&p, 4, b, h, h + 1, c);
    if (which == 0)
        add_input(&p, 2, b, c, 1, 1);
    else if (which >= 3)
        add_input(&p, 4, b, h, h + 1, c);
    else
        add_input(&p, 4, 3, 3, c, c);
    add_input(&p, 1, c, 1, 1, 1);
    if (which == 0)
        add_input(&p, 1, c, 1, 1, 1);
    if (which == 1 || which >= 3)
        add_input(&p, 4, b, h, h + 1, c);
    return p;
}

START_TEST(fused_is_the_sum_of_its_parts)
{
    static const size_t sizes[][3] = {{1, 1, 4}, {3, 5, 8}, {2, 9, 16}, {4, 20, 32}, {0, 3, 4}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Problem p = inputs_of((size_t)_i, sizes[i][0], sizes[i][1], sizes[i][2]);
        Result fused = run(&p, pairs[_i].fused, NULL), parts = run(&p, pairs[_i].parts, NULL);
        assert_close(fused.value, parts.value, parts.n, 1e-5f);
        assert_close(fused.grad, parts.grad, parts.total, 2e-5f);
        free_result(&fused);
        free_result(&parts);
        free_problem(&p);
    }
}
END_TEST

START_TEST(fused_has_the_right_gradient)
{
    Problem p = inputs_of((size_t)_i, 2, 3, 4);
    GradientCheck check = {.function = pairs[_i].fused, .input_count = p.count, .seed = 3};
    for (int i = 0; i < p.count; i++) {
        check.inputs[i] = p.in[i];
        check.needs_grad[i] = true;
    }
    double worst;
    ck_assert_msg(ag_gradient_check(&check, &worst), "error %g", worst);
    free_problem(&p);
}
END_TEST

START_TEST(fused_has_the_same_bits_for_all_thread_counts)
{
    Problem p = inputs_of((size_t)_i, 3, 17, 32);
    threads_set(1);
    Result one = run(&p, pairs[_i].fused, NULL);
    threads_set(3);
    Result three = run(&p, pairs[_i].fused, NULL);
    threads_set(1);
    ck_assert(same(&one, &three));
    free_result(&one);
    free_result(&three);
    free_problem(&p);
}
END_TEST

/* ---- dropped values ---- */

/* Every operation that can be dropped, one on another; *context: whether to drop. */
static Var *droppable(Graph *g, Var *const *in, void *context)
{
    const bool drop = *(const bool *)context;
    Rng streams[3];
    (void)g;
    for (size_t b = 0; b < 3; b++)
        streams[b] = rng_child(rng_root(9), b);
    Var *chain[10], *map = ag_linear(in[0], in[4], NULL);
    chain[0] = ag_concat(in[0], map);
    chain[1] = ag_group_norm_shifted(chain[0], in[1], in[2], in[3], 2, 1e-6, true);
    chain[2] = ag_dropout(chain[1], 0.3, streams, 1);
    chain[3] = ag_upsample2(chain[2]);
    chain[4] = ag_silu(chain[3]);
    chain[5] = ag_relu(chain[4]);
    chain[6] = ag_multiply(chain[5], chain[4]);
    chain[7] = ag_layer_norm(chain[6], in[2], in[3], 1e-5);
    chain[8] = ag_gelu(chain[7]);
    chain[9] = ag_rotary(chain[8], 2, 3);
    Var *y = ag_add(ag_mean_positions(ag_multiply(chain[9], chain[5])),
                    ag_mean_positions(ag_silu(chain[0])));
    if (drop)
        ag_drop(map);
    for (int i = 0; drop && i < 10; i++)
        ag_drop(chain[i]); /* chain[6] has no forward function and stays */
    ck_assert((chain[5]->value.data == NULL) == drop);
    for (int i = 7; i < 10; i++)
        ck_assert((chain[i]->value.data == NULL) == drop);
    ck_assert_ptr_nonnull(chain[6]->value.data);
    return y;
}

START_TEST(dropped_values_come_back)
{
    Problem p = problem();
    bool yes = true, no = false;
    add_input(&p, 4, 3, 6, 5, 2);
    add_input(&p, 2, 3, 4, 1, 1);
    add_input(&p, 1, 4, 1, 1, 1);
    add_input(&p, 1, 4, 1, 1, 1);
    add_input(&p, 2, 2, 2, 1, 1);
    Result kept = run(&p, droppable, &no), dropped = run(&p, droppable, &yes);
    ck_assert(same(&kept, &dropped));
    ck_assert_uint_lt(dropped.used, kept.used);
    free_result(&kept);
    free_result(&dropped);
    free_problem(&p);
}
END_TEST

START_TEST(dropping_in_inference_frees)
{
    float x[100] = {1.0f};
    const size_t n = 100;
    Graph *g = ag_graph_create();
    ag_set_recording(g, false);
    Var *v = ag_scale(ag_constant(g, tensor_view(x, 1, &n)), 2.0f);
    const size_t used = ag_memory_used(g);
    Var *y = ag_scale(v, 2.0f);
    ag_drop(v);
    ag_drop(v); /* again: nothing */
    ck_assert_ptr_null(v->value.data);
    ck_assert_float_eq(y->value.data[0], 4.0f);
    ck_assert_uint_lt(ag_memory_used(g), used + 100 * sizeof(float) + 64);
    ag_graph_destroy(g);
}
END_TEST

/* Neither a constant nor a view has anything of its own to give back, so both can be used further.
 */
START_TEST(constants_and_views_stay_in_inference)
{
    float x[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    const size_t n = 4, square[] = {2, 2};
    Graph *g = ag_graph_create();
    ag_set_recording(g, false);
    Var *constant = ag_constant(g, tensor_view(x, 1, &n)), *v = ag_scale(constant, 2.0f);
    Var *view = ag_reshape(v, 2, square);
    ag_drop(constant);
    ag_drop(view);
    ck_assert_float_eq(ag_scale(constant, 3.0f)->value.data[3], 12.0f);
    ck_assert_float_eq(ag_scale(view, 3.0f)->value.data[3], 24.0f);
    ag_graph_destroy(g);
}
END_TEST

/* What cannot come back must not go: leaves, constants, views, operations without a forward. */
START_TEST(what_cannot_come_back_stays)
{
    float x[4] = {1.0f, 2.0f, 3.0f, 4.0f}, dx[4] = {0};
    const size_t n = 4, square[] = {2, 2};
    Graph *g = ag_graph_create();
    Var *leaf = ag_leaf(g, tensor_view(x, 1, &n), dx), *view = ag_reshape(leaf, 2, square);
    Var *fixed = ag_silu(ag_constant(g, tensor_view(x, 1, &n))), *y = ag_scale(leaf, 3.0f);
    Var *all[] = {leaf, view, fixed, y};
    for (int i = 0; i < 4; i++) {
        ag_drop(all[i]);
        ck_assert_ptr_nonnull(all[i]->value.data);
    }
    ag_graph_destroy(g);
}
END_TEST

START_TEST(a_value_dropped_in_inference_is_gone)
{
    float x[1] = {1.0f};
    const size_t n = 1;
    Graph *g = ag_graph_create();
    ag_set_recording(g, false);
    Var *v = ag_silu(ag_constant(g, tensor_view(x, 1, &n)));
    ag_drop(v);
    ag_value(v);
}
END_TEST

static void misuse_residual(Graph *g)
{
    float x[64] = {0};
    const size_t a[] = {1, 2, 2, 1}, w[] = {3, 3, 1, 1}, r[] = {1, 2, 1, 2};
    ag_conv3x3_residual(ag_constant(g, tensor_view(x, 4, a)), ag_constant(g, tensor_view(x, 4, w)),
                        NULL, ag_constant(g, tensor_view(x, 4, r)), 1.0f);
}

static void misuse_shift(Graph *g)
{
    float x[8] = {0};
    const size_t a[] = {2, 4}, c[] = {4}, s[] = {1, 4};
    Var *gamma = ag_constant(g, tensor_view(x, 1, c));
    ag_group_norm_shifted(ag_constant(g, tensor_view(x, 2, a)),
                          ag_constant(g, tensor_view(x, 2, s)), gamma, gamma, 2, 1e-6, false);
}

static void misuse_row(Graph *g)
{
    float x[8] = {0};
    const size_t a[] = {2, 4}, c[] = {3};
    ag_add_row(ag_constant(g, tensor_view(x, 2, a)), ag_constant(g, tensor_view(x, 1, c)));
}

static void (*const misuses[])(Graph *g) = {misuse_residual, misuse_shift, misuse_row};

START_TEST(wrong_shapes_abort)
{
    misuses[_i](ag_graph_create());
}
END_TEST

Suite *fused_operations_suite(void)
{
    Suite *s = suite_create("fused_operations");
    TCase *fused = tcase_create("fused"), *drop = tcase_create("drop");
    tcase_set_timeout(fused, 60);
    tcase_add_loop_test(fused, fused_is_the_sum_of_its_parts, 0, PAIRS);
    tcase_add_loop_test(fused, fused_has_the_right_gradient, 0, PAIRS);
    tcase_add_loop_test(fused, fused_has_the_same_bits_for_all_thread_counts, 0, PAIRS);
    tcase_add_loop_test_raise_signal(fused, wrong_shapes_abort, SIGABRT, 0, 3);
    suite_add_tcase(s, fused);
    tcase_set_timeout(drop, 20);
    tcase_add_test(drop, dropped_values_come_back);
    tcase_add_test(drop, dropping_in_inference_frees);
    tcase_add_test(drop, constants_and_views_stay_in_inference);
    tcase_add_test(drop, what_cannot_come_back_stays);
    tcase_add_test_raise_signal(drop, a_value_dropped_in_inference_is_gone, SIGABRT);
    suite_add_tcase(s, drop);
    return s;
}
