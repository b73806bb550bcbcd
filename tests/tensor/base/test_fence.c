/* Under the address sanitizer and valgrind, what lies beside a block is fenced, whoever gave it. */
#include "tensor/base/fence.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/arena.h"
#include "tensor/base/memory.h"
#include "tensor/base/pool.h"
#include "tensor/system/threads.h"

#ifdef DI4C_FENCES_ASAN
static int open_byte(const void *p)
{
    return !__asan_address_is_poisoned(p);
}
#elif defined(DI4C_VALGRIND)
static int open_byte(const void *p)
{
    unsigned char bits;
    const unsigned answer = VALGRIND_GET_VBITS(p, &bits, 1);
    return answer == 0 ? -1 : answer == 1; /* 0: valgrind does not run this */
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

/* The header of mem_alloc has these bytes. */
static void check_header(const unsigned char *block)
{
    for (size_t i = 1; i <= 2 * sizeof(void *); i++)
        check_gone(block - i);
}

START_TEST(blocks_of_memory_lie_between_fences)
{
    for (size_t bytes = 0; bytes < SIZES; bytes++) {
        unsigned char *block = mem_alloc(bytes, 1);
        check_block(block, bytes);
        check_header(block);
        mem_free(block);
    }
}
END_TEST

START_TEST(a_header_that_was_read_is_fenced_again)
{
    unsigned char *block = mem_zeroed(SIZES, 1);
    check_block(block, SIZES);
    check_header(block);
    block = mem_resize(block, SIZES, 2 * SIZES, 1);
    check_block(block, 2 * SIZES);
    check_header(block);
    mem_free(block);
    check_gone(block);
}
END_TEST

START_TEST(blocks_of_an_arena_lie_between_fences)
{
    unsigned char *block[SIZES];
    Arena *arena = arena_create(1000);
    for (int round = 0; round < 2; round++) {
        const ArenaMark start = arena_mark(arena);
        for (size_t i = 0; i < SIZES; i++)
            block[i] = arena_alloc(arena, i, 1);
        for (size_t i = 0; i < SIZES; i++) {
            check_block(block[i], i);
            check_gone(block[i] - 1);
        }
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

static void check_scratch(size_t bytes)
{
    const unsigned char *block = threads_scratch(SCRATCH_LOSS, bytes);
    check_block(block, bytes);
    check_header(block);
}

START_TEST(scratch_lies_between_fences)
{
    for (size_t bytes = SIZES; bytes-- > 0;)
        check_scratch(bytes);
    for (size_t bytes = 0; bytes < 2 * SIZES; bytes++)
        check_scratch(bytes);
    threads_scratch_free();
}
END_TEST

#ifdef DI4C_FENCES_ASAN
enum { REPORTED = 77, KINDS = 4, COUNTS = 2 };
static int expected; /* is a report what the test waits for? */

/* The sanitizer calls this before it reports. */
void __asan_on_error(void)
{
    if (expected)
        _Exit(REPORTED);
}

static float *made_by(int kind, size_t count)
{
    if (kind == 0)
        return mem_alloc(count, sizeof(float));
    if (kind == 1)
        return arena_alloc(arena_create(1000), count, sizeof(float));
    if (kind == 2)
        return pool_alloc(pool_create(1000), count, sizeof(float));
    return threads_scratch(SCRATCH_LOSS, count * sizeof(float));
}

/* The float before a block or behind it, written or read: all of them by the bits of _i. */
START_TEST(a_float_beside_a_block_is_reported)
{
    const size_t count = _i / KINDS % COUNTS == 0 ? 7 : 16;
    float *block = made_by(_i % KINDS, count);
    volatile float *beside = _i / (KINDS * COUNTS) % 2 == 0 ? block - 1 : block + count;
    memset(block, 0, count * sizeof *block);
    expected = 1;
    if (_i / (2 * KINDS * COUNTS) == 0)
        *beside = 1;
    else
        exit(*beside > 0);
}
END_TEST

START_TEST(a_block_that_is_freed_twice_is_reported)
{
    float *block = mem_alloc(7, sizeof *block);
    mem_free(block);
    expected = 1;
    mem_free(block);
}
END_TEST

static void add_reports(TCase *tc)
{
    tcase_add_loop_exit_test(tc, a_float_beside_a_block_is_reported, REPORTED, 0,
                             2 * 2 * KINDS * COUNTS);
    tcase_add_exit_test(tc, a_block_that_is_freed_twice_is_reported, REPORTED);
}
#else
static void add_reports(TCase *tc)
{
    (void)tc;
}
#endif

Suite *fence_suite(void)
{
    Suite *s = suite_create("fence");
    TCase *tc = tcase_create("fence");
    tcase_add_test(tc, blocks_of_memory_lie_between_fences);
    tcase_add_test(tc, a_header_that_was_read_is_fenced_again);
    tcase_add_test(tc, blocks_of_an_arena_lie_between_fences);
    tcase_add_test(tc, blocks_of_a_pool_lie_between_fences);
    tcase_add_test(tc, scratch_lies_between_fences);
    add_reports(tc);
    suite_add_tcase(s, tc);
    return s;
}
