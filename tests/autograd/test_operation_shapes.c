/* Operations stop at shapes that do not fit each other, and at labels that do not exist. */
#include "autograd/operations.h"

#include <check.h>
#include <signal.h>
#include <string.h>

static Arena *pool;

static void setup(void)
{
    pool = arena_create(1 << 16);
}

static void teardown(void)
{
    arena_destroy(pool);
}

enum { SAMPLES = 4 };
static const uint16_t labels[SAMPLES] = {1, 0, 2, 1};

static Graph *g;

static Var *zeros(int rank, size_t a, size_t b, size_t c, size_t d)
{
    const size_t shape[] = {a, b, c, d};
    Tensor t = tensor_make(pool, rank, shape);
    memset(t.data, 0, tensor_size(&t) * sizeof *t.data);
    return ag_constant(g, t);
}

/* A line a mistake. */
/* clang-format off */
static void misuse_linear(void) { ag_linear(zeros(2, 2, 3, 1, 1), zeros(2, 4, 3, 1, 1), NULL); }
static void misuse_linear_rank(void)
{
    ag_linear(zeros(2, 2, 3, 1, 1), zeros(1, 3, 1, 1, 1), NULL);
}
static void misuse_bias(void)
{
    ag_linear(zeros(2, 2, 3, 1, 1), zeros(2, 3, 4, 1, 1), zeros(1, 3, 1, 1, 1));
}
static void misuse_conv(void) { ag_conv3x3(zeros(4, 1, 4, 4, 2), zeros(4, 3, 3, 3, 2), NULL, 1); }
static void misuse_conv_rank(void)
{
    ag_conv3x3(zeros(3, 4, 4, 3, 1), zeros(4, 3, 3, 3, 2), NULL, 1);
}
static void misuse_conv_odd(void)
{
    ag_conv3x3(zeros(4, 1, 5, 4, 2), zeros(4, 3, 3, 2, 2), NULL, 2);
}
static void misuse_stride(void) { ag_conv3x3(zeros(4, 1, 4, 4, 2), zeros(4, 3, 3, 2, 2), NULL, 3); }
static void misuse_embedding(void)
{
    const States x = states_make(pool, 1, 2);
    x.x[0] = x.x[1] = 0;
    ag_embedding(zeros(3, 2, 3, 4, 1), &x);
}
static void misuse_state(void)
{
    const States x = states_make(pool, 1, 2);
    x.x[0] = 0;
    x.x[1] = 2;
    ag_embedding(zeros(2, 2, 3, 1, 1), &x);
}
static void misuse_attention(void)
{
    ag_attention(zeros(3, 1, 4, 2, 1), zeros(3, 1, 5, 2, 1), zeros(3, 1, 4, 2, 1), 1.0f);
}
static void misuse_multihead(void)
{
    ag_multihead_attention(zeros(3, 1, 4, 2, 1), zeros(3, 1, 4, 2, 1), zeros(3, 1, 4, 4, 1), 2,
                           NULL);
}
static void misuse_heads(void)
{
    ag_multihead_attention(zeros(3, 1, 4, 4, 1), zeros(3, 1, 4, 4, 1), zeros(3, 1, 4, 4, 1), 3,
                           NULL);
}
static void misuse_no_heads(void)
{
    ag_multihead_attention(zeros(3, 1, 4, 4, 1), zeros(3, 1, 4, 4, 1), zeros(3, 1, 4, 4, 1), 0,
                           NULL);
}
static void misuse_no_keys(void)
{
    const uint8_t left_out[] = {0, 1, 1, 1};
    ag_multihead_attention(zeros(3, 2, 2, 4, 1), zeros(3, 2, 2, 4, 1), zeros(3, 2, 2, 4, 1), 2,
                           left_out);
}
static void misuse_rotary(void) { ag_rotary(zeros(2, 3, 4, 1, 1), 1, 0); }
static void misuse_pairs(void) { ag_rotary(zeros(3, 1, 3, 6, 1), 2, 0); }
static void misuse_rotary_heads(void) { ag_rotary(zeros(3, 1, 3, 6, 1), 4, 0); }
static Places one_place(void)
{
    static const size_t first[] = {0, 1, 1}, at[] = {2};
    return (Places){2, 3, first, at};
}
static void misuse_pick(void)
{
    const Places p = one_place();
    ag_pick(zeros(3, 2, 4, 5, 1), &p);
}
static void misuse_pick_rank(void)
{
    const Places p = one_place();
    ag_pick(zeros(2, 2, 3, 1, 1), &p);
}
static void misuse_spread(void)
{
    const Places p = one_place();
    ag_spread(zeros(3, 1, 2, 5, 1), &p);
}
static void misuse_rotary_places(void)
{
    const Places p = one_place();
    ag_rotary_places(zeros(3, 1, 2, 4, 1), 2, 0, &p);
}
static void misuse_queries(void)
{
    const Places p = one_place();
    ag_multihead_attention_places(zeros(3, 1, 2, 4, 1), zeros(3, 2, 3, 4, 1), zeros(3, 2, 3, 4, 1),
                                  2, NULL, &p);
}
static void misuse_keys_of_queries(void)
{
    const Places p = one_place();
    ag_multihead_attention_places(zeros(3, 1, 1, 4, 1), zeros(3, 2, 4, 4, 1), zeros(3, 2, 4, 4, 1),
                                  2, NULL, &p);
}
static void misuse_groups(void)
{
    ag_group_norm(zeros(2, 2, 6, 1, 1), zeros(1, 6, 1, 1, 1), zeros(1, 6, 1, 1, 1), 4, 1e-6, false);
}
static void misuse_gamma(void)
{
    ag_group_norm(zeros(2, 2, 6, 1, 1), zeros(1, 5, 1, 1, 1), zeros(1, 6, 1, 1, 1), 2, 1e-6, false);
}
static void misuse_gain(void)
{
    ag_layer_norm(zeros(2, 2, 6, 1, 1), zeros(1, 5, 1, 1, 1), NULL, 1e-5);
}
static void misuse_gain_rank(void)
{
    ag_layer_norm(zeros(2, 1, 6, 1, 1), NULL, zeros(2, 1, 6, 1, 1), 1e-5);
}
static void misuse_adaptive(void)
{
    ag_layer_norm_adaptive(zeros(3, 2, 3, 4, 1), zeros(2, 2, 4, 1, 1), zeros(2, 3, 4, 1, 1), 1e-5);
}
static void misuse_adaptive_rank(void)
{
    ag_layer_norm_adaptive(zeros(1, 4, 1, 1, 1), zeros(2, 4, 4, 1, 1), zeros(2, 4, 4, 1, 1), 1e-5);
}
static void misuse_adaptive_alone(void)
{
    ag_layer_norm_adaptive(zeros(3, 2, 3, 4, 1), NULL, zeros(2, 2, 4, 1, 1), 1e-5);
}
static void misuse_add(void) { ag_add(zeros(2, 2, 3, 1, 1), zeros(2, 3, 2, 1, 1)); }
static void misuse_add_rank(void) { ag_add(zeros(2, 2, 3, 1, 1), zeros(1, 6, 1, 1, 1)); }
static void misuse_multiply(void) { ag_multiply(zeros(1, 2, 1, 1, 1), zeros(1, 3, 1, 1, 1)); }
static void misuse_channel(void) { ag_add_channel(zeros(3, 2, 3, 4, 1), zeros(2, 3, 4, 1, 1)); }
static void misuse_gate(void)
{
    ag_add_gated(zeros(3, 2, 3, 4, 1), zeros(2, 3, 4, 1, 1), zeros(3, 2, 3, 4, 1));
}
static void misuse_gated(void)
{
    ag_add_gated(zeros(3, 2, 3, 4, 1), zeros(2, 2, 4, 1, 1), zeros(3, 2, 1, 4, 1));
}
static void misuse_dropout(void) { ag_dropout(zeros(1, 2, 1, 1, 1), 1.0, NULL, 0); }
static void misuse_concat(void) { ag_concat(zeros(2, 2, 3, 1, 1), zeros(2, 3, 3, 1, 1)); }
static void misuse_slice(void) { ag_slice(zeros(2, 2, 3, 1, 1), 2, 2); }
static void misuse_upsample(void) { ag_upsample2(zeros(3, 2, 3, 4, 1)); }
static void misuse_pool(void) { ag_max_pool2(zeros(2, 2, 3, 1, 1)); }
static void misuse_mean_positions(void) { ag_mean_positions(zeros(3, 2, 0, 3, 1)); }
static void misuse_softmax(void) { ag_softmax(zeros(0, 1, 1, 1, 1)); }
static void misuse_mean(void) { ag_mean(zeros(1, 0, 1, 1, 1)); }
static void misuse_label(void) { ag_cross_entropy(zeros(2, SAMPLES, 2, 1, 1), labels); }
static void misuse_logits(void) { ag_cross_entropy(zeros(1, SAMPLES, 1, 1, 1), labels); }

static void (*const misuses[])(void) = {
    misuse_linear, misuse_linear_rank, misuse_bias, misuse_conv, misuse_conv_rank,
    misuse_conv_odd, misuse_stride, misuse_attention, misuse_groups, misuse_gamma, misuse_add,
    misuse_add_rank, misuse_multiply, misuse_channel, misuse_dropout, misuse_concat, misuse_slice,
    misuse_upsample, misuse_pool, misuse_mean_positions, misuse_softmax, misuse_mean, misuse_label,
    misuse_logits, misuse_embedding, misuse_state,
    misuse_gain, misuse_gain_rank, misuse_adaptive, misuse_adaptive_rank, misuse_adaptive_alone,
    misuse_gate, misuse_gated,
    misuse_multihead, misuse_heads, misuse_no_heads, misuse_no_keys, misuse_rotary, misuse_pairs, misuse_rotary_heads,
    misuse_pick, misuse_pick_rank, misuse_spread, misuse_rotary_places, misuse_queries,
    misuse_keys_of_queries,
};
/* clang-format on */

START_TEST(wrong_shapes_abort)
{
    g = ag_graph_create();
    misuses[_i]();
}
END_TEST

/* ---- each part of what an operation asks, wrong alone ---- */

static Var *row(size_t n)
{
    return zeros(1, n, 1, 1, 1);
}
static Var *matrix(size_t n, size_t m)
{
    return zeros(2, n, m, 1, 1);
}
static Var *cube(size_t n, size_t m, size_t c)
{
    return zeros(3, n, m, c, 1);
}
static Var *scalar(void)
{
    return zeros(0, 1, 1, 1, 1);
}
static Var *normed(Var *x, Var *shift, Var *beta, size_t groups)
{
    return ag_group_norm_shifted(x, shift, row(6), beta, groups, 1e-6, false);
}
static Var *convolved(size_t width, size_t kernel_height, size_t kernel_width, Var *bias,
                      int stride)
{
    return ag_conv3x3(zeros(4, 1, 4, width, 2), zeros(4, kernel_height, kernel_width, 2, 2), bias,
                      stride);
}

enum { PARTS = 38 };

static Var *wrong_part(int i)
{
    const Rng streams[] = {rng_root(1), rng_root(2)};
    /* clang-format off */
    switch (i) {
    case 0: return ag_linear(scalar(), matrix(1, 3), NULL);
    case 1: return convolved(4, 2, 3, NULL, 1);
    case 2: return convolved(4, 3, 2, NULL, 1);
    case 3: return convolved(4, 3, 3, row(3), 1);
    case 4: return convolved(5, 3, 3, NULL, 2);
    case 5: return ag_attention(matrix(4, 2), matrix(4, 2), matrix(4, 2), 1.0f);
    case 6: return ag_attention(cube(1, 4, 2), cube(1, 4, 2), cube(1, 4, 3), 1.0f);
    case 7: return ag_multihead_attention(matrix(4, 2), matrix(4, 2), matrix(4, 2), 1, NULL);
    case 8: return ag_multihead_attention(cube(1, 4, 2), cube(1, 3, 2), cube(1, 4, 2), 1, NULL);
    case 9: return ag_rotary(cube(1, 3, 6), 0, 0);
    case 10: return normed(row(6), NULL, row(6), 2);
    case 11: return normed(matrix(2, 6), NULL, row(5), 2);
    case 12: return normed(matrix(2, 6), NULL, row(6), 0);
    case 13: return normed(matrix(2, 6), row(6), row(6), 2);
    case 14: return normed(matrix(2, 6), matrix(3, 6), row(6), 2);
    case 15: return normed(matrix(2, 6), matrix(2, 5), row(6), 2);
    case 16: return ag_layer_norm(scalar(), NULL, NULL, 1e-5);
    case 17: return ag_layer_norm(matrix(2, 6), NULL, row(5), 1e-5);
    case 18: return ag_layer_norm_adaptive(cube(2, 3, 4), matrix(2, 4), NULL, 1e-5);
    case 19: return ag_layer_norm_adaptive(cube(2, 3, 4), matrix(2, 4), matrix(2, 3), 1e-5);
    case 20: return ag_layer_norm_adaptive(cube(2, 3, 4), row(4), matrix(2, 4), 1e-5);
    case 21: return ag_add_row(scalar(), row(1));
    case 22: return ag_add_row(matrix(2, 3), row(2));
    case 23: return ag_add_channel(row(4), matrix(4, 4));
    case 24: return ag_add_channel(cube(2, 3, 4), row(8));
    case 25: return ag_add_channel(cube(2, 3, 4), matrix(2, 3));
    case 26: return ag_add_gated(row(4), matrix(4, 4), row(4));
    case 27: return ag_add_gated(cube(2, 3, 4), row(8), cube(2, 3, 4));
    case 28: return ag_add_gated(cube(2, 3, 4), matrix(2, 3), cube(2, 3, 4));
    case 29: return ag_concat(scalar(), scalar());
    case 30: return ag_concat(matrix(2, 3), row(3));
    case 31: return ag_slice(scalar(), 0, 1);
    case 32: return ag_slice(matrix(2, 3), 4, 0);
    case 33: return ag_mean_positions(row(3));
    case 34: return ag_cross_entropy(matrix(0, 3), labels);
    case 35: return ag_cross_entropy(matrix(SAMPLES, 0), labels);
    case 36: return ag_dropout(row(2), -0.1, streams, 0);
    case 37: return ag_dropout(scalar(), 0.5, streams, 0);
    default: return NULL;
    }
    /* clang-format on */
}

START_TEST(a_wrong_part_aborts)
{
    g = ag_graph_create();
    wrong_part(_i);
}
END_TEST

/* ---- shapes of results that are not those of the first input ---- */

typedef struct Shape {
    int rank;
    size_t sizes[4];
} Shape;

static void has_shape(const Var *v, Shape want)
{
    bool same = v->value.rank == want.rank;
    for (int i = 0; same && i < want.rank; i++)
        same = v->value.shape[i] == want.sizes[i];
    char text[TENSOR_TEXT];
    ck_assert_msg(same, "%s: %s", v->op, tensor_text(&v->value, text));
}

START_TEST(shapes_of_results)
{
    g = ag_graph_create();
    Var *picture = zeros(4, 2, 6, 9, 3), *logits = matrix(SAMPLES, 3);
    has_shape(ag_linear(zeros(3, 2, 5, 4, 1), zeros(2, 4, 7, 1, 1), NULL), (Shape){3, {2, 5, 7}});
    has_shape(ag_conv3x3(picture, zeros(4, 3, 3, 3, 5), NULL, 1), (Shape){4, {2, 6, 9, 5}});
    has_shape(ag_conv3x3(zeros(4, 2, 6, 8, 3), zeros(4, 3, 3, 3, 5), NULL, 2),
              (Shape){4, {2, 3, 4, 5}});
    has_shape(ag_concat(picture, zeros(4, 2, 6, 9, 2)), (Shape){4, {2, 6, 9, 5}});
    has_shape(ag_slice(picture, 1, 2), (Shape){4, {2, 6, 9, 2}});
    has_shape(ag_upsample2(picture), (Shape){4, {2, 12, 18, 3}});
    has_shape(ag_max_pool2(picture), (Shape){4, {2, 3, 4, 3}});
    has_shape(ag_mean_positions(picture), (Shape){2, {2, 3}});
    const Places one = one_place();
    has_shape(ag_pick(zeros(3, 2, 3, 5, 1), &one), (Shape){3, {1, 1, 5}});
    has_shape(ag_spread(zeros(3, 1, 1, 5, 1), &one), (Shape){3, {2, 3, 5}});
    has_shape(ag_sum(picture), (Shape){1, {1}});
    has_shape(ag_mean(picture), (Shape){1, {1}});
    has_shape(ag_cross_entropy(logits, labels), (Shape){1, {1}});
    has_shape(ag_reshape(picture, 2, (const size_t[]){12, 27}), (Shape){2, {12, 27}});
    ag_graph_destroy(g);
}
END_TEST

Suite *operation_shapes_suite(void)
{
    Suite *s = suite_create("operation_shapes");
    TCase *tc = tcase_create("wrong shapes");
    const int count = (int)(sizeof misuses / sizeof misuses[0]);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 10);
    tcase_add_loop_test_raise_signal(tc, wrong_shapes_abort, SIGABRT, 0, count);
    tcase_add_loop_test_raise_signal(tc, a_wrong_part_aborts, SIGABRT, 0, PARTS);
    tcase_add_test(tc, shapes_of_results);
    suite_add_tcase(s, tc);
    return s;
}
