/* What the operations of a transformer promise beyond their formulas: which inputs do not matter,
 * what stays the same, how memory grows, how long sums are rounded. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "autograd/operations.h"

static Arena *pool;
static Graph *g;

static void setup(void)
{
    pool = arena_create(1 << 16);
    g = ag_graph_create();
}

static void teardown(void)
{
    ag_graph_destroy(g);
    arena_destroy(pool);
}

/* Normal numbers, rank 3. */
static Tensor draw(size_t b, size_t n, size_t c, uint64_t seed)
{
    const size_t shape[] = {b, n, c};
    Rng rng = rng_root(seed);
    Tensor t = tensor_make(pool, 3, shape);
    for (size_t i = 0; i < tensor_size(&t); i++)
        t.data[i] = (float)rng_normal(&rng);
    return t;
}

static Var *leaf(const Tensor *t)
{
    return ag_leaf(g, *t, arena_zeroed(pool, tensor_size(t), sizeof(float)));
}

/* ---- attention ---- */

enum { LONG = 700, WIDTH = 6, HEADS = 2 };

/* Softmax over the keys that stay, in double. */
static double attended(const Tensor in[3], const uint8_t *left_out, size_t i, size_t c)
{
    const size_t h = WIDTH / HEADS, first = c / h * h;
    double total = 0.0, sum = 0.0;
    for (size_t j = 0; j < LONG; j++) {
        double dot = 0.0;
        for (size_t k = first; k < first + h; k++)
            dot += (double)in[0].data[i * WIDTH + k] * in[1].data[j * WIDTH + k];
        const double weight = left_out[j] ? 0.0 : exp(dot / sqrt((double)h));
        total += weight;
        sum += weight * in[2].data[j * WIDTH + c];
    }
    return sum / total;
}

/* Longer than a block of queries. */
START_TEST(long_attention_against_double)
{
    const Tensor in[3] = {draw(1, LONG, WIDTH, 1), draw(1, LONG, WIDTH, 2),
                          draw(1, LONG, WIDTH, 3)};
    uint8_t left_out[LONG];
    for (size_t j = 0; j < LONG; j++)
        left_out[j] = j % 5 == 2;
    const Var *y =
        ag_multihead_attention(leaf(&in[0]), leaf(&in[1]), leaf(&in[2]), HEADS, left_out);
    for (size_t i = 0; i < LONG; i++)
        for (size_t c = 0; c < WIDTH; c++) {
            const double want = attended(in, left_out, i, c);
            ck_assert(fabs(y->value.data[i * WIDTH + c] - want) <= 3e-6 * (0.1 + fabs(want)));
        }
}
END_TEST

/* The share of query i, head from channel `first` on, in the gradients of q, k and v, in double. */
static void add_slopes(double d[3][LONG * WIDTH], const Tensor in[3], const uint8_t *left_out,
                       const float *dy, size_t i, size_t first)
{
    const size_t h = WIDTH / HEADS;
    const double root = sqrt((double)h);
    double p[LONG], dp[LONG], total = 0.0, level = 0.0;
    for (size_t j = 0; j < LONG; j++) {
        double dot = 0.0;
        dp[j] = 0.0;
        for (size_t k = first; k < first + h; k++) {
            dot += (double)in[0].data[i * WIDTH + k] * in[1].data[j * WIDTH + k];
            dp[j] += (double)dy[i * WIDTH + k] * in[2].data[j * WIDTH + k];
        }
        p[j] = left_out[j] ? 0.0 : exp(dot / root);
        total += p[j];
        level += p[j] * dp[j];
    }
    for (size_t j = 0; j < LONG; j++)
        for (size_t k = first; k < first + h; k++) {
            const double slope = p[j] / total * (dp[j] - level / total) / root;
            d[0][i * WIDTH + k] += slope * in[1].data[j * WIDTH + k];
            d[1][j * WIDTH + k] += slope * in[0].data[i * WIDTH + k];
            d[2][j * WIDTH + k] += p[j] / total * dy[i * WIDTH + k];
        }
}

/* The gradients of k and v are sums over several blocks of queries, the first of which writes where
 * the input is no leaf. */
START_TEST(long_gradients_against_double)
{
    static double want[3][LONG * WIDTH];
    const Tensor in[3] = {draw(1, LONG, WIDTH, 1), draw(1, LONG, WIDTH, 2),
                          draw(1, LONG, WIDTH, 3)};
    const Tensor dy = draw(1, LONG, WIDTH, 4);
    uint8_t left_out[LONG];
    Var *leaves[3], *inner[3];
    memset(want, 0, sizeof want);
    for (size_t i = 0; i < LONG; i++)
        left_out[i] = i % 5 == 2;
    for (size_t i = 0; i < LONG; i++)
        for (size_t head = 0; head < HEADS; head++)
            add_slopes(want, in, left_out, dy.data, i, head * (WIDTH / HEADS));
    for (int k = 0; k < 3; k++) {
        leaves[k] = leaf(&in[k]);
        inner[k] = ag_scale(leaves[k], 1.0f);
    }
    Var *y = ag_multihead_attention(inner[0], inner[1], inner[2], HEADS, left_out);
    ag_backward_from(y, dy.data);
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < LONG * WIDTH; i++)
            ck_assert_msg(fabs(leaves[k]->grad[i] - want[k][i]) <= 1e-5 * (0.1 + fabs(want[k][i])),
                          "input %d, entry %zu: %g, in double %g", k, i, (double)leaves[k]->grad[i],
                          want[k][i]);
}
END_TEST

/* Keys that are left out change nothing and get no gradient, whatever a later attention leaves
 * out. */
START_TEST(keys_left_out_do_not_matter)
{
    enum { N = 50, C = 8 };
    Tensor q = draw(2, N, C, 1), k = draw(2, N, C, 2), v = draw(2, N, C, 3), w = draw(2, N, C, 4);
    uint8_t left_out[2 * N], others[2 * N];
    float *first = arena_alloc(pool, tensor_size(&q), sizeof *first);
    for (size_t i = 0; i < (size_t)2 * N; i++) {
        left_out[i] = (i * i + i / N) % 3 == 1 ? 7 : 0;
        others[i] = !left_out[i];
    }
    for (int turn = 0; turn < 2; turn++) {
        Var *in[] = {leaf(&q), leaf(&k), leaf(&v)};
        Var *y = ag_multihead_attention(in[0], in[1], in[2], 2, left_out);
        ag_multihead_attention(in[0], in[1], in[2], 2, others);
        ag_backward_from(y, w.data);
        if (turn == 0)
            memcpy(first, y->value.data, tensor_size(&q) * sizeof *first);
        ck_assert_mem_eq(first, y->value.data, tensor_size(&q) * sizeof *first);
        for (size_t i = 0; i < (size_t)2 * N * C; i++) {
            ck_assert((in[1]->grad[i] == 0.0f) == (left_out[i / C] != 0));
            ck_assert((in[2]->grad[i] == 0.0f) == (left_out[i / C] != 0));
            if (left_out[i / C]) {
                k.data[i] *= -30.0f;
                v.data[i] += 100.0f;
            }
        }
    }
}
END_TEST

/* One key is enough, be it a sample's first or its last: the result is its value. */
START_TEST(one_key_that_stays_is_all)
{
    enum { B = 6, N = 2, C = 4 };
    const Tensor q = draw(B, N, C, 1), v = draw(B, N, C, 2);
    const uint8_t left_out[B * N] = {0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1};
    const Var *y = ag_multihead_attention(leaf(&q), leaf(&q), leaf(&v), 2, left_out);
    for (size_t i = 0; i < (size_t)B * N; i++) {
        const size_t key = i / N * N + left_out[i / N * N];
        ck_assert_mem_eq(y->value.data + i * C, v.data + key * C, C * sizeof(float));
    }
}
END_TEST

/* Scores beyond the range of exp. */
START_TEST(attention_of_large_scores)
{
    float q[] = {1000.0f, -1000.0f}, k[] = {1.0f, -1.0f}, v[] = {3.0f, 5.0f};
    const size_t shape[] = {1, 2, 1};
    const Tensor in[] = {tensor_view(q, 3, shape), tensor_view(k, 3, shape),
                         tensor_view(v, 3, shape)};
    Var *vars[] = {leaf(&in[0]), leaf(&in[1]), leaf(&in[2])};
    Var *y = ag_multihead_attention(vars[0], vars[1], vars[2], 1, NULL);
    ck_assert(y->value.data[0] == 3.0f && y->value.data[1] == 5.0f);
    ag_backward_from(y, (const float[]){1.0f, 2.0f});
    ck_assert(vars[2]->grad[0] == 1.0f && vars[2]->grad[1] == 2.0f);
    ck_assert(vars[0]->grad[0] == 0.0f && vars[1]->grad[1] == 0.0f);
}
END_TEST

/* What a recording keeps grows with the positions, not with their square. */
START_TEST(attention_keeps_no_square)
{
    size_t kept[2];
    for (size_t i = 0; i < 2; i++) {
        const size_t n = i == 0 ? 128 : 1024;
        const Tensor q = draw(1, n, 4, 1);
        Var *v = leaf(&q);
        const size_t before = ag_memory_used(g);
        ag_multihead_attention(v, v, v, 2, NULL);
        kept[i] = ag_memory_used(g) - before;
    }
    ck_assert_uint_lt(kept[1], 9 * kept[0]);
}
END_TEST

/* ---- rotary ---- */

/* The scores of a query and a key depend on how far apart they are. */
START_TEST(rotation_leaves_the_distance)
{
    enum { N = 40, C = 16, FIRST = 1 };
    Tensor q = draw(1, N, C, 1), k = draw(1, N, C, 2);
    for (size_t i = C; i < (size_t)N * C; i++) { /* one query and one key everywhere */
        q.data[i] = q.data[i % C];
        k.data[i] = k.data[i % C];
    }
    const float *a = ag_rotary(leaf(&q), 1, FIRST)->value.data;
    const float *b = ag_rotary(leaf(&k), 1, FIRST)->value.data;
    for (size_t distance = 0; distance < N - FIRST; distance++) {
        double want = 0.0;
        for (size_t p = FIRST; p + distance < N; p++) {
            double dot = 0.0;
            for (size_t c = 0; c < C; c++)
                dot += (double)a[p * C + c] * b[(p + distance) * C + c];
            want = p == FIRST ? dot : want;
            ck_assert(fabs(dot - want) <= 1e-5);
        }
    }
    ck_assert_mem_eq(a, q.data, (size_t)FIRST * C * sizeof *a);
}
END_TEST

/* ---- layer norm ---- */

START_TEST(adaptive_by_nothing_is_plain)
{
    const Tensor x = draw(3, 5, 21, 1);
    const size_t shape[] = {3, 21};
    Tensor zero = tensor_make(pool, 2, shape);
    memset(zero.data, 0, tensor_size(&zero) * sizeof *zero.data);
    const Var *plain = ag_layer_norm(leaf(&x), NULL, NULL, 1e-5);
    const Var *adaptive = ag_layer_norm_adaptive(leaf(&x), leaf(&zero), leaf(&zero), 1e-5);
    ck_assert_mem_eq(plain->value.data, adaptive->value.data, tensor_size(&x) * sizeof(float));
}
END_TEST

/* Sums in double, and squares of distances from the mean. */
START_TEST(a_large_mean_does_no_harm)
{
    enum { C = 256 };
    Tensor x = draw(1, 4, C, 1);
    for (size_t i = 0; i < (size_t)4 * C; i++)
        x.data[i] = 4096.0f + (float)(i % 2 ? 1 : -1);
    const Var *y = ag_layer_norm(leaf(&x), NULL, NULL, 0.0);
    for (size_t i = 0; i < (size_t)4 * C; i++)
        ck_assert_float_eq(y->value.data[i], i % 2 ? 1.0f : -1.0f);
}
END_TEST

START_TEST(nan_stays_at_its_position)
{
    Tensor x = draw(2, 3, 20, 1);
    x.data[4 * 20 + 7] = NAN;
    const Var *y = ag_layer_norm(leaf(&x), NULL, NULL, 1e-5);
    for (size_t i = 0; i < (size_t)2 * 3 * 20; i++)
        ck_assert((isnan(y->value.data[i]) != 0) == (i / 20 == 4));
}
END_TEST

/* ---- embedding ---- */

/* Most places of a noised text hold the mask: a sum of so many terms is one in double. */
START_TEST(a_common_state_has_an_exact_gradient)
{
    enum { B = 4, L = 50000 };
    const size_t shape[] = {3, 2};
    States x = states_make(pool, B, L);
    Tensor table = tensor_make(pool, 2, shape);
    memset(table.data, 0, 6 * sizeof *table.data);
    for (size_t i = 0; i < (size_t)B * L; i++)
        x.x[i] = i == 77 ? 0 : 2;
    Var *v = leaf(&table), *y = ag_embedding(v, &x);
    float *w = arena_alloc(pool, tensor_size(&y->value), sizeof *w);
    for (size_t i = 0; i < tensor_size(&y->value); i++)
        w[i] = 0.1f;
    ag_backward_from(y, w);
    const float want[] = {0.1f, 0.0f, (float)((B * L - 1) * (double)0.1f)};
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq(v->grad[i], want[i / 2]);
}
END_TEST

Suite *transformer_operations_suite(void)
{
    Suite *s = suite_create("transformer_operations");
    TCase *tc = tcase_create("transformer_operations");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, long_attention_against_double);
    tcase_add_test(tc, long_gradients_against_double);
    tcase_add_test(tc, keys_left_out_do_not_matter);
    tcase_add_test(tc, one_key_that_stays_is_all);
    tcase_add_test(tc, attention_of_large_scores);
    tcase_add_test(tc, attention_keeps_no_square);
    tcase_add_test(tc, rotation_leaves_the_distance);
    tcase_add_test(tc, adaptive_by_nothing_is_plain);
    tcase_add_test(tc, a_large_mean_does_no_harm);
    tcase_add_test(tc, nan_stays_at_its_position);
    tcase_add_test(tc, a_common_state_has_an_exact_gradient);
    suite_add_tcase(s, tc);
    return s;
}
