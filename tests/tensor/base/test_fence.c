/* Under the address sanitizer, what lies beside a block is fenced, whoever gave the block. */
#include "tensor/base/fence.h"

#include <check.h>

#include "tensor/base/arena.h"
#include "tensor/base/memory.h"
#include "tensor/base/pool.h"
#include "tensor/system/threads.h"

#ifdef DI4C_FENCES_ASAN
static int open_byte(const void *p)
{
    return !__asan_address_is_poisoned(p);
}
#else
static int open_byte(const void *p)
{
    (void)p;
    return -1;
}
#endif

/* All bytes of a block may be touched, and not the one behind them. */
static void check_block(const unsigned char *block, size_t bytes)
{
    if (open_byte(block) < 0)
        return;
    size_t fenced = 0;
    for (size_t i = 0; i < bytes; i++)
        fenced += !open_byte(block + i);
    ck_assert_uint_eq(fenced, 0);
    ck_assert(!open_byte(block + bytes));
}

static void check_gone(const unsigned char *block)
{
    ck_assert(open_byte(block) != 1);
}

/* Around the sizes at which blocks lie wall to wall. */
enum { SIZES = 3 * MEM_ALIGN };

START_TEST(blocks_of_memory_end_at_a_fence)
{
    for (size_t bytes = 0; bytes < SIZES; bytes++) {
        unsigned char *block = mem_alloc(bytes, 1);
        check_block(block, bytes);
        mem_free(block);
    }
}
END_TEST

START_TEST(blocks_of_an_arena_end_at_a_fence)
{
    unsigned char *block[SIZES];
    Arena *arena = arena_create(1000);
    for (int round = 0; round < 2; round++) {
        const ArenaMark start = arena_mark(arena);
        for (size_t i = 0; i < SIZES; i++)
            block[i] = arena_alloc(arena, i, 1);
        for (size_t i = 0; i < SIZES; i++)
            check_block(block[i], i);
        arena_release(arena, start);
        for (size_t i = 0; i < SIZES; i++)
            check_gone(block[i]);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(blocks_of_a_pool_lie_between_fences)
{
    unsigned char *block[SIZES];
    Pool *pool = pool_create(1000);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < SIZES; i++)
            block[i] = pool_alloc(pool, i, 1);
        for (size_t i = 0; i < SIZES; i++) {
            check_block(block[i], i);
            check_gone(block[i] - 1);
        }
        for (size_t i = 0; i < SIZES; i += 2)
            pool_free(pool, block[i]);
        for (size_t i = 0; i < SIZES; i += 2)
            check_gone(block[i]);
        for (size_t i = 0; i < SIZES; i += 2)
            block[i] = pool_alloc(pool, i, 1);
        for (size_t i = 0; i < SIZES; i++)
            check_block(block[i], i);
        pool_reset(pool);
        for (size_t i = 0; i < SIZES; i++)
            check_gone(block[i]);
    }
    pool_destroy(pool);
}
END_TEST

START_TEST(scratch_ends_at_a_fence)
{
    for (size_t bytes = SIZES; bytes-- > 0;)
        check_block(threads_scratch(SCRATCH_LOSS, bytes), bytes);
    for (size_t bytes = 0; bytes < 2 * SIZES; bytes++)
        check_block(threads_scratch(SCRATCH_LOSS, bytes), bytes);
    threads_scratch_free();
}
END_TEST

Suite *fence_suite(void)
{
    Suite *s = suite_create("fence");
    TCase *tc = tcase_create("fence");
    tcase_add_test(tc, blocks_of_memory_end_at_a_fence);
    tcase_add_test(tc, blocks_of_an_arena_end_at_a_fence);
    tcase_add_test(tc, blocks_of_a_pool_lie_between_fences);
    tcase_add_test(tc, scratch_ends_at_a_fence);
    suite_add_tcase(s, tc);
    return s;
}
