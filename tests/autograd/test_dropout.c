/* Dropout: whose masks are whose, and how many entries become zero.  Value and gradient are in
 * test_pointwise_operations.c. */
#include "autograd/operations.h"

#include <check.h>
#include <math.h>
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

static void sample_streams(Rng streams[SAMPLES])
{
    for (size_t b = 0; b < SAMPLES; b++)
        streams[b] = rng_child(rng_root(5), b);
}

/* A sample keeps its mask when the batch around it changes; layers differ. */
START_TEST(dropout_follows_the_sample)
{
    const size_t two[] = {2, 500};
    Tensor x = tensor_make(pool, 2, two);
    for (size_t i = 0; i < 1000; i++)
        x.data[i] = 1.0f + (float)(i % 500);
    Rng streams[SAMPLES];
    sample_streams(streams);
    const Rng swapped[2] = {streams[1], streams[0]};
    Graph *g = ag_graph_create();
    const float *a = ag_dropout(ag_constant(g, x), 0.5, streams, 7)->value.data;
    const float *b = ag_dropout(ag_constant(g, x), 0.5, swapped, 7)->value.data;
    const float *other = ag_dropout(ag_constant(g, x), 0.5, streams, 8)->value.data;
    ck_assert_mem_eq(a, b + 500, 500 * sizeof *a);
    ck_assert_mem_eq(a + 500, b, 500 * sizeof *a);
    ck_assert_mem_ne(a, a + 500, 500 * sizeof *a);
    ck_assert_mem_ne(a, other, 500 * sizeof *a);
    ag_graph_destroy(g);
}
END_TEST

/* 40000 entries, p = 0.25: the count of zeros leaves 10000 +- 433 (5 deviations) with probability
 * below 1e-6. */
START_TEST(dropout_rate)
{
    const size_t shape[] = {SAMPLES, 10000};
    Tensor x = tensor_make(pool, 2, shape);
    Rng streams[SAMPLES];
    int zeros = 0;
    sample_streams(streams);
    for (size_t i = 0; i < tensor_size(&x); i++)
        x.data[i] = 3.0f;
    Graph *g = ag_graph_create();
    Var *v = ag_constant(g, x);
    const float *y = ag_dropout(v, 0.25, streams, 0)->value.data;
    for (size_t i = 0; i < tensor_size(&x); i++) {
        ck_assert(y[i] == 0.0f || fabsf(y[i] - 4.0f) < 1e-6f);
        zeros += y[i] == 0.0f;
    }
    ck_assert_int_ge(zeros, 10000 - 433);
    ck_assert_int_le(zeros, 10000 + 433);
    ck_assert_ptr_eq(ag_dropout(v, 0.25, NULL, 0), v);
    ck_assert_ptr_eq(ag_dropout(v, 0.0, streams, 0), v);
    ag_graph_destroy(g);
}
END_TEST

Suite *dropout_suite(void)
{
    Suite *s = suite_create("dropout");
    TCase *tc = tcase_create("dropout");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, dropout_follows_the_sample);
    tcase_add_test(tc, dropout_rate);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
