/* The pool: blocks in any order, against a list of who should own which bytes. */
#include "tensor/base/pool.h"

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/fence.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

enum { LIVE = 40 };

typedef struct Block {
    unsigned char *data;
    size_t bytes;
    unsigned char mark;
} Block;

static void check_block(const Block *b)
{
    size_t wrong = 0;
    for (size_t i = 0; i < b->bytes; i++)
        wrong += b->data[i] != b->mark;
    ck_assert_uint_eq(wrong, 0);
}

/* Random sizes come and go; every block keeps its bytes until it is freed. */
START_TEST(blocks_keep_their_bytes)
{
    Pool *pool = pool_create(1000);
    Block live[LIVE] = {{0}};
    Rng rng = rng_root(1);
    for (int step = 0; step < 3000; step++) {
        Block *b = &live[rng_below(&rng, LIVE)];
        if (b->data) {
            check_block(b);
            pool_free(pool, b->data);
            b->data = NULL;
            continue;
        }
        b->bytes = rng_below(&rng, step % 7 == 0 ? 20000 : 300);
        b->mark = (unsigned char)step;
        b->data = pool_alloc(pool, b->bytes, 1);
        ck_assert_uint_eq((uintptr_t)b->data % MEM_ALIGN, 0);
        memset(b->data, b->mark, b->bytes);
    }
    for (int i = 0; i < LIVE; i++) {
        if (live[i].data)
            check_block(&live[i]);
        pool_free(pool, live[i].data);
    }
    ck_assert_uint_eq(pool_used(pool), 0);
    pool_destroy(pool);
    pool_destroy(NULL);
}
END_TEST

/* Freed neighbours become one block again: the whole pool fits one request, in every order of
 * freeing. */
START_TEST(freed_neighbours_are_joined)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    Pool *pool = pool_create(1 << 16);
    const size_t whole = (1 << 16) - 2 * MEM_ALIGN;
    void *all = pool_alloc(pool, whole, 1);
    pool_free(pool, all);
    const size_t held = mem_in_use();
    for (int i = 0; i < 6; i++) {
        void *part[3];
        for (int k = 0; k < 3; k++)
            part[k] = pool_alloc(pool, 1000, 1);
        for (int k = 0; k < 3; k++)
            pool_free(pool, part[orders[i][k]]);
        ck_assert_ptr_eq(pool_alloc(pool, whole, 1), all);
        pool_free(pool, all);
    }
    ck_assert_uint_eq(mem_in_use(), held);
    pool_destroy(pool);
}
END_TEST

START_TEST(the_smallest_block_that_fits_is_taken)
{
    Pool *pool = pool_create(1 << 16);
    void *large = pool_alloc(pool, 4096, 1), *wall = pool_alloc(pool, 64, 1);
    void *small = pool_alloc(pool, 1024, 1), *end = pool_alloc(pool, 64, 1);
    pool_free(pool, large);
    pool_free(pool, small);
    ck_assert_ptr_eq(pool_alloc(pool, 1000, 1), small);
    ck_assert_ptr_eq(pool_alloc(pool, 1025, 1), large);
    pool_free(pool, wall);
    pool_free(pool, end);
    pool_destroy(pool);
}
END_TEST

START_TEST(reset_frees_all_and_keeps_the_chunks)
{
    Pool *pool = pool_create(256);
    void *first = pool_alloc(pool, 10, 10);
    for (int i = 0; i < 30; i++)
        pool_alloc(pool, 1000, 7);
    const size_t held = mem_in_use(), peak = pool_peak(pool);
    for (int round = 0; round < 3; round++) {
        pool_reset(pool);
        ck_assert_uint_eq(pool_used(pool), 0);
        for (int i = 0; i < 30; i++)
            pool_alloc(pool, 1000, 7);
        pool_alloc(pool, 10, 10);
        ck_assert_uint_eq(pool_peak(pool), peak);
    }
    ck_assert_uint_eq(mem_in_use(), held);
    pool_reset(pool);
    ck_assert_ptr_nonnull(first);
    pool_destroy(pool);
}
END_TEST

/* Blocks in use at a reset, and one that was freed before. */
START_TEST(what_is_given_back_reads_as_nan_in_poisoned_builds)
{
    enum { COUNT = 3, FLOATS = 100 };
    float *x[COUNT];
    Pool *pool = pool_create(1 << 14);
    for (int i = 0; i < COUNT; i++) {
        x[i] = pool_alloc(pool, FLOATS, sizeof(float));
        memset(x[i], 0, FLOATS * sizeof(float));
    }
    pool_free(pool, x[1]);
    float *again = pool_alloc(pool, FLOATS, sizeof(float));
    ck_assert_ptr_eq(again, x[1]);
    if (POISONED)
        for (int k = 0; k < FLOATS; k++)
            ck_assert(again[k] != again[k]);
    memset(again, 0, FLOATS * sizeof(float));
    pool_free(pool, again);
    pool_reset(pool);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_ptr_eq(pool_alloc(pool, FLOATS, sizeof(float)), x[i]);
        for (int k = 0; POISONED && k < FLOATS; k++)
            ck_assert_msg(x[i][k] != x[i][k], "block %d, entry %d is %g", i, k, (double)x[i][k]);
    }
    pool_destroy(pool);
}
END_TEST

START_TEST(nothing_is_a_block_too)
{
    Pool *pool = pool_create(0);
    void *a = pool_alloc(pool, 0, 4), *b = pool_alloc(pool, 3, 0);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_ne(a, b);
    pool_free(pool, a);
    pool_free(pool, b);
    pool_free(pool, NULL);
    pool_destroy(pool);
}
END_TEST

START_TEST(a_block_freed_twice_aborts)
{
    Pool *pool = pool_create(1000);
    void *a = pool_alloc(pool, 1, 100);
    pool_free(pool, a);
    pool_free(pool, a);
}
END_TEST

static Pool *at_exit;

static void free_at_exit(void)
{
    pool_destroy(at_exit);
}

START_TEST(a_product_that_overflows_is_out_of_memory)
{
    at_exit = pool_create(1000);
    ck_assert_int_eq(atexit(free_at_exit), 0);
    pool_alloc(at_exit, SIZE_MAX / 2, 3);
}
END_TEST

Suite *pool_suite(void)
{
    Suite *s = suite_create("pool");
    TCase *t = tcase_create("pool");
    tcase_set_timeout(t, 10);
    tcase_add_test(t, blocks_keep_their_bytes);
    tcase_add_test(t, freed_neighbours_are_joined);
    tcase_add_test(t, the_smallest_block_that_fits_is_taken);
    tcase_add_test(t, reset_frees_all_and_keeps_the_chunks);
    tcase_add_test(t, what_is_given_back_reads_as_nan_in_poisoned_builds);
    tcase_add_test(t, nothing_is_a_block_too);
    tcase_add_test_raise_signal(t, a_block_freed_twice_aborts, SIGABRT);
    tcase_add_exit_test(t, a_product_that_overflows_is_out_of_memory, 1);
    suite_add_tcase(s, t);
    return s;
}
