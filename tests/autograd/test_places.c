/* Operations at some places of a batch: picking and spreading against plain loops, and the others
 * bit by bit against the same operation at all places, from which theirs are picked. */
#include <math.h>
#include <string.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tests/tools/operation_cases.h"

/* Which places of (B, L): none; every third; all but those of every second sample; all. */
enum { NONE, THIRD, SAMPLES, ALL, WHICH };

static bool is_wanted(int which, size_t b, size_t i)
{
    return which == ALL || (which == THIRD && (b + i) % 3 == 1) || (which == SAMPLES && b % 2 == 0);
}

static Places some_places(int which, size_t batch, size_t positions)
{
    bool *wanted = arena_alloc(operation_pool, batch * positions, sizeof *wanted);
    for (size_t i = 0; i < batch * positions; i++)
        wanted[i] = is_wanted(which, i / positions, i % positions);
    return places_make(operation_pool, wanted, batch, positions, 0);
}

/* ---- the tables: first and count are B and L, stride says which places ---- */

static Places places_of(const Parameters *p)
{
    return some_places(p->stride, p->first, p->count);
}

static Var *pick(Graph *g, Var *const *in, void *context)
{
    const Places places = places_of(context);
    (void)g;
    return ag_pick(in[0], &places);
}

static void naive_pick(double *y, const Tensor *in, const Parameters *p)
{
    const size_t c = axes_last(in);
    for (size_t i = 0; i < tensor_size(in); i++)
        if (is_wanted(p->stride, i / c / p->count, i / c % p->count))
            *y++ = in->data[i];
}

static Var *spread(Graph *g, Var *const *in, void *context)
{
    const Places places = places_of(context);
    (void)g;
    return ag_spread(in[0], &places);
}

static void naive_spread(double *y, const Tensor *in, const Parameters *p)
{
    const size_t c = axes_last(in);
    const float *x = in->data;
    for (size_t i = 0; i < p->first * p->count * c; i++)
        y[i] = is_wanted(p->stride, i / c / p->count, i / c % p->count) ? *x++ : 0.0;
}

static Var *rotary(Graph *g, Var *const *in, void *context)
{
    const Places places = places_of(context);
    (void)g;
    return ag_rotary_places(in[0], 2, 1, &places);
}

static Var *multihead(Graph *g, Var *const *in, void *context)
{
    const Places places = places_of(context);
    (void)g;
    return ag_multihead_attention_places(in[0], in[1], in[2], 2, NULL, &places);
}

/* clang-format off */
static const OperationCase cases[] = {
    {"pick", pick, naive_pick, 1, {{3, {2, 5, 3}}}, {.first = 2, .count = 5, .stride = THIRD}, false},
    {"pick all", pick, naive_pick, 1, {{3, {2, 2, 3}}}, {.first = 2, .count = 2, .stride = ALL},
     false},
    {"pick none", pick, naive_pick, 1, {{3, {2, 2, 3}}}, {.first = 2, .count = 2, .stride = NONE},
     false},
    {"pick batch 0", pick, naive_pick, 1, {{3, {0, 2, 3}}}, {.first = 0, .count = 2, .stride = ALL},
     false},
    {"pick C=0", pick, naive_pick, 1, {{3, {2, 2, 0}}}, {.first = 2, .count = 2, .stride = ALL},
     false},
    {"spread", spread, naive_spread, 1, {{3, {1, 4, 4}}}, {.first = 2, .count = 5, .stride = THIRD},
     false},
    {"spread samples", spread, naive_spread, 1, {{3, {1, 4, 3}}},
     {.first = 3, .count = 2, .stride = SAMPLES}, false},
    {"spread none", spread, naive_spread, 1, {{3, {1, 0, 3}}},
     {.first = 2, .count = 2, .stride = NONE}, false},
    {"rotary", rotary, NULL, 1, {{3, {1, 4, 8}}}, {.first = 2, .count = 5, .stride = THIRD}, false},
    {"rotary none", rotary, NULL, 1, {{3, {1, 0, 8}}}, {.first = 2, .count = 5, .stride = NONE},
     false},
    {"multihead", multihead, NULL, 3, {{3, {1, 4, 6}}, {3, {2, 5, 6}}, {3, {2, 5, 6}}},
     {.first = 2, .count = 5, .stride = THIRD}, false},
    {"multihead samples", multihead, NULL, 3, {{3, {1, 4, 6}}, {3, {3, 2, 6}}, {3, {3, 2, 6}}},
     {.first = 3, .count = 2, .stride = SAMPLES}, false},
    {"multihead none", multihead, NULL, 3, {{3, {1, 0, 6}}, {3, {3, 2, 6}}, {3, {3, 2, 6}}},
     {.first = 3, .count = 2, .stride = NONE}, false},
};

static const OperationCase large_cases[] = {
    {"pick", pick, NULL, 1, {{3, {6, 99, 400}}}, {.first = 6, .count = 99, .stride = THIRD}, false},
    {"spread", spread, NULL, 1, {{3, {1, 198, 400}}}, {.first = 6, .count = 99, .stride = THIRD},
     false},
    {"rotary", rotary, NULL, 1, {{3, {1, 198, 400}}}, {.first = 6, .count = 99, .stride = THIRD},
     false},
    {"multihead", multihead, NULL, 3, {{3, {1, 198, 64}}, {3, {6, 99, 64}}, {3, {6, 99, 64}}},
     {.first = 6, .count = 99, .stride = THIRD}, false},
};
/* clang-format on */

static const OperationTable table = {
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .large = large_cases,
    .large_count = sizeof large_cases / sizeof large_cases[0],
};

static void setup(void)
{
    operation_setup(&table);
}

/* ---- the same bits as at all places ---- */

static Tensor draw(size_t b, size_t n, size_t c, uint64_t seed)
{
    const size_t shape[] = {b, n, c};
    Rng rng = rng_root(seed);
    Tensor t = tensor_make(operation_pool, 3, shape);
    for (size_t i = 0; i < tensor_size(&t); i++)
        t.data[i] = (float)rng_normal(&rng);
    return t;
}

/* An inner Var, so that its gradient is written before it is added to. */
static Var *inner(Graph *g, const Tensor *t)
{
    float *gradient = arena_zeroed(operation_pool, tensor_size(t), sizeof *gradient);
    return ag_scale(ag_leaf(g, *t, gradient), 1.0f);
}

static void same_bits(const float *a, const float *b, size_t n, const char *what, int which)
{
    ck_assert_msg(n == 0 || memcmp(a, b, n * sizeof *a) == 0, "%s, places %d", what, which);
}

/* Long: several blocks of queries a sample.  B samples of odd lengths. */
static void compare(Graph *g, int which, size_t batch, size_t n, size_t c)
{
    const Places places = some_places(which, batch, n);
    const Tensor in[] = {draw(batch, n, c, 1), draw(batch, n, c, 2), draw(batch, n, c, 3)};
    const Tensor weights = draw(1, places_count(&places), c, 4);
    const size_t rows = places_count(&places) * c;
    Var *of_all[3], *of_some[3];
    g->keep_grads = true;
    for (int i = 0; i < 3; i++) {
        of_all[i] = inner(g, &in[i]);
        of_some[i] = inner(g, &in[i]);
    }
    Var *turned = ag_rotary(of_all[0], 2, 1);
    Var *all = ag_multihead_attention(turned, of_all[1], of_all[2], 2, NULL);
    Var *from_all = ag_pick(all, &places);
    Var *turned_there = ag_rotary_places(ag_pick(of_some[0], &places), 2, 1, &places);
    Var *there =
        ag_multihead_attention_places(turned_there, of_some[1], of_some[2], 2, NULL, &places);
    same_bits(ag_pick(turned, &places)->value.data, turned_there->value.data, rows, "turned",
              which);
    same_bits(from_all->value.data, there->value.data, rows, "attention", which);
    ag_backward_from(from_all, weights.data);
    ag_backward_from(there, weights.data);
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < batch * n * c; k++) {
            const double a = of_all[i]->grad[k], b = of_some[i]->grad[k];
            ck_assert_msg(fabs(a - b) <= 3e-6 * (1.0 + fabs(a)),
                          "gradient %d, places %d, entry %zu: %g, at some places %g", i, which, k,
                          a, b);
        }
    ag_graph_reset(g);
}

START_TEST(rows_are_those_of_all_places)
{
    Graph *g = ag_graph_create();
    for (int which = 0; which < WHICH; which++) {
        compare(g, which, 3, 37, 12);
        compare(g, which, 2, 700, 8);
        compare(g, which, 1, 1, 4);
    }
    ag_graph_destroy(g);
}
END_TEST

/* Positions in front of those that are chosen. */
START_TEST(places_behind_others)
{
    const bool wanted[] = {false, true, true, false, false, false, true, false, true};
    const size_t first[] = {0, 2, 2, 4}, at[] = {3, 4, 12, 14};
    const Places p = places_make(operation_pool, wanted, 3, 3, 2);
    ck_assert_uint_eq(places_count(&p), 4);
    ck_assert_uint_eq(p.positions, 5);
    ck_assert_mem_eq(p.first, first, sizeof first);
    ck_assert_mem_eq(p.at, at, sizeof at);
    ck_assert_uint_eq(places_of_sample(&p, 1), 0);
    ck_assert_uint_eq(places_of_sample(&p, 2), 2);
}
END_TEST

Suite *places_suite(void)
{
    Suite *s = operation_suite("places", &table, setup);
    TCase *tc = tcase_create("all and some");
    tcase_add_checked_fixture(tc, setup, operation_teardown);
    tcase_add_test(tc, rows_are_those_of_all_places);
    tcase_add_test(tc, places_behind_others);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
