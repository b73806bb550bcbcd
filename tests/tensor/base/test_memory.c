/* The allocator, the arena, errors as sentences and always-on checks. */
#include <check.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/arena.h"
#include "tensor/base/check.h"
#include "tensor/base/error.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"

static int aligned(const void *p)
{
    return (uintptr_t)p % MEM_ALIGN == 0;
}

START_TEST(products_that_overflow_are_refused)
{
    size_t product = 5;

    ck_assert(mem_product(0, SIZE_MAX, &product));
    ck_assert_uint_eq(product, 0);
    ck_assert(mem_product(SIZE_MAX, 1, &product));
    ck_assert(product == SIZE_MAX);
    ck_assert(mem_product(SIZE_MAX, 0, &product));
    ck_assert_uint_eq(product, 0);
    product = 5;
    ck_assert(!mem_product(SIZE_MAX / 2 + 1, 2, &product));
    ck_assert(!mem_product(2, SIZE_MAX / 2 + 1, &product));
    ck_assert_uint_eq(product, 5);
}
END_TEST

START_TEST(blocks_are_aligned_and_apart)
{
    enum { COUNT = 60 };
    unsigned char *block[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        block[i] = mem_alloc(i, 3);
        ck_assert(aligned(block[i]));
        memset(block[i], (int)i, 3 * i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < 3 * i; j++)
            ck_assert_uint_eq(block[i][j], i);
        mem_free(block[i]);
    }
    mem_free(NULL);
}
END_TEST

START_TEST(totals_follow_the_blocks)
{
    size_t start = mem_in_use();
    void *a = mem_alloc(1000, 4), *b = mem_zeroed(10, 1);

    ck_assert_uint_eq(mem_in_use(), start + 4010);
    mem_free(a);
    ck_assert_uint_eq(mem_in_use(), start + 10);
    ck_assert_uint_ge(mem_peak(), start + 4010);
    mem_free(b);
    ck_assert_uint_eq(mem_in_use(), start);
}
END_TEST

START_TEST(resize_keeps_the_first_entries)
{
    int *p = mem_zeroed(3, sizeof *p);

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(p[i], 0);
        p[i] = 7 + i;
    }
    p = mem_resize(p, 3, 100, sizeof *p);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(p[i], 7 + i);
    p = mem_resize(p, 100, 2, sizeof *p);
    ck_assert_int_eq(p[1], 8);
    p = mem_resize(p, 2, 0, sizeof *p);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
    p = mem_resize(NULL, 0, 4, sizeof *p);
    ck_assert(aligned(p));
    mem_free(p);
}
END_TEST

START_TEST(growth_keeps_all_entries)
{
    size_t *p = NULL, capacity = 0;
    const size_t start = mem_in_use();

    for (size_t count = 0; count < 100; count++) {
        if (count == capacity) {
            p = mem_grow(p, &capacity, 3, sizeof *p);
            ck_assert_uint_eq(capacity, count == 0 ? 3 : 2 * count);
            ck_assert_uint_eq(mem_in_use(), start + capacity * sizeof *p);
        }
        p[count] = 7 * count;
    }
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(p[i], 7 * i);
    mem_free(p);
    ck_assert_uint_eq(mem_in_use(), start);
}
END_TEST

START_TEST(strings_are_copied)
{
    char text[] = "abc";
    char *copy = mem_string(text);

    text[0] = 'x';
    ck_assert_str_eq(copy, "abc");
    mem_free(copy);
}
END_TEST

START_TEST(try_returns_null)
{
    size_t before = mem_in_use();

    ck_assert_ptr_null(mem_try(SIZE_MAX, 2));
    ck_assert_ptr_null(mem_try(SIZE_MAX - 8, 1)); /* no room for the header */
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

static size_t asked;

static void *none(size_t bytes)
{
    asked = bytes;
    return NULL;
}

START_TEST(another_source_may_have_nothing)
{
    const size_t before = mem_in_use();

    mem_allocate_by(none);
    ck_assert_ptr_null(mem_try(3, 5));
    ck_assert_uint_ge(asked, 15);
    mem_allocate_by(NULL);
    void *block = mem_try(3, 5);
    ck_assert_ptr_nonnull(block);
    mem_free(block);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

START_TEST(out_of_memory_exits_with_1)
{
    mem_alloc(SIZE_MAX / 2, 4);
}
END_TEST

static void exit_with_7(size_t count, size_t size)
{
    exit(count == SIZE_MAX / 2 && size == 4 ? 7 : 8);
}

START_TEST(the_handler_gets_both_factors)
{
    mem_on_failure(exit_with_7);
    mem_zeroed(SIZE_MAX / 2, 4);
}
END_TEST

START_TEST(no_handler_means_the_default_one)
{
    mem_on_failure(exit_with_7);
    mem_on_failure(NULL);
    mem_alloc(SIZE_MAX / 2, 4);
}
END_TEST

START_TEST(arena_blocks_are_aligned_and_apart)
{
    enum { COUNT = 80 };
    Arena *arena = arena_create(1000);
    unsigned char *block[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        block[i] = i % 2 != 0 ? arena_alloc(arena, i * 7, 1) : arena_zeroed(arena, i, 7);
        ck_assert(aligned(block[i]));
        for (size_t j = 0; i % 2 == 0 && j < 7 * i; j++)
            ck_assert_uint_eq(block[i][j], 0);
        memset(block[i], (int)i, 7 * i);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < 7 * i; j++)
            ck_assert_uint_eq(block[i][j], i);
    arena_destroy(arena);
    arena_destroy(NULL);
}
END_TEST

START_TEST(release_goes_back_to_the_mark)
{
    Arena *arena = arena_create(256);

    ck_assert_uint_eq(arena_used(arena), 0);
    arena_alloc(arena, 1, 100);
    size_t used = arena_used(arena);
    ArenaMark mark = arena_mark(arena);
    void *first = arena_alloc(arena, 1, 64);
    for (int i = 0; i < 20; i++)
        arena_alloc(arena, 10, 13);
    arena_alloc(arena, 1, 5000); /* larger than a chunk */
    size_t peak = arena_peak(arena);
    ck_assert_uint_ge(peak, 128 + 64 + 20 * 130 + 5000);
    ck_assert_uint_eq(arena_used(arena), peak);
    arena_release(arena, mark);
    ck_assert_uint_eq(arena_used(arena), used);
    ck_assert_uint_eq(arena_peak(arena), peak);
    ck_assert_ptr_eq(arena_alloc(arena, 1, 64), first);
    arena_reset(arena);
    ck_assert_uint_eq(arena_used(arena), 0);
    arena_reset(arena);
    arena_destroy(arena);
}
END_TEST

START_TEST(a_mark_of_an_empty_arena_works)
{
    Arena *arena = arena_create(0);
    ArenaMark mark = arena_mark(arena);

    arena_release(arena, mark);
    arena_alloc(arena, 0, 8);
    arena_alloc(arena, 1000, 8);
    arena_release(arena, mark);
    ck_assert_uint_eq(arena_used(arena), 0);
    arena_destroy(arena);
}
END_TEST

START_TEST(the_second_step_calls_no_malloc)
{
    size_t start = mem_in_use();
    Arena *arena = arena_create(4096);
    size_t after_first = 0;

    for (int step = 0; step < 5; step++) {
        for (size_t i = 1; i < 100; i++)
            arena_alloc(arena, i * i, 3);
        if (step == 0)
            after_first = mem_in_use();
        ck_assert_uint_eq(mem_in_use(), after_first);
        arena_reset(arena);
    }
    arena_destroy(arena);
    ck_assert_uint_eq(mem_in_use(), start);
}
END_TEST

static size_t allocations;

static void *count_allocation(size_t bytes)
{
    allocations++;
    return malloc(bytes);
}

/* Few chunks for much, yet never twice of it: they double until each has a megabyte. */
START_TEST(chunks_grow_up_to_a_megabyte)
{
    enum { PIECE = 1000, MANY = 16000 };
    const size_t start = mem_in_use();
    Arena *arena = arena_create(1 << 16);
    size_t most = 0;

    mem_allocate_by(count_allocation);
    arena_alloc(arena, PIECE, 1);
    ck_assert_uint_lt(mem_in_use() - start, 2 << 16);
    for (size_t i = 1; i < MANY; i++) {
        arena_alloc(arena, PIECE, 1);
        const size_t idle = mem_in_use() - start - arena_used(arena);
        most = idle > most ? idle : most;
    }
    mem_allocate_by(NULL);
    ck_assert_uint_lt(allocations,
                      28); /* 64, 64, 128, 256, 512 KiB, 15 or 16 MiB; and lists of them */
    ck_assert_uint_lt(most, (1 << 20) + (1 << 14));
    arena_destroy(arena);
    ck_assert_uint_eq(mem_in_use(), start);
}
END_TEST

START_TEST(smaller_chunks_are_skipped_and_found_again)
{
    Arena *arena = arena_create(64);

    for (int i = 0; i < 4; i++)
        arena_alloc(arena, 1, 64);
    arena_alloc(arena, 1, 640);
    arena_reset(arena);
    size_t bytes = mem_in_use();
    arena_alloc(arena, 1, 640); /* skips four chunks */
    ck_assert_uint_eq(mem_in_use(), bytes);
    arena_reset(arena);
    for (int i = 0; i < 4; i++)
        arena_alloc(arena, 1, 64);
    ck_assert_uint_eq(mem_in_use(), bytes);
    arena_destroy(arena);
}
END_TEST

START_TEST(released_memory_reads_as_nan_in_poisoned_builds)
{
    Arena *arena = arena_create(4096);
    float *x = arena_zeroed(arena, 10, sizeof *x);

    arena_reset(arena);
    unfence(x, 10 * sizeof *x);
    for (int i = 0; i < 10; i++)
        ck_assert(POISONED ? x[i] != x[i] : x[i] == 0.0f);
    arena_destroy(arena);
}
END_TEST

static Arena *at_exit;

static void free_at_exit(void)
{
    arena_destroy(at_exit);
}

START_TEST(arena_out_of_memory_exits_with_1)
{
    at_exit = arena_create(64);
    ck_assert_int_eq(atexit(free_at_exit), 0);
    arena_alloc(at_exit, SIZE_MAX / 2, 4);
}
END_TEST

START_TEST(a_mark_from_ahead_aborts)
{
    Arena *arena = arena_create(64);

    arena_alloc(arena, 1, 64);
    ArenaMark ahead = arena_mark(arena);
    arena_reset(arena);
    arena_release(arena, ahead);
}
END_TEST

START_TEST(an_error_is_a_sentence)
{
    Error err;

    ck_assert(!error_set(&err, "%s: %d entries, expected %d", "file", 3, 4));
    ck_assert_str_eq(err.text, "file: 3 entries, expected 4");
    ck_assert(!error_set(&err, "%s is \xc3\xa9, \xc2\xa9", "a\x1b[2J\nb\x7f\xc2\x9b\xc2"));
    ck_assert_str_eq(err.text, "a?[2J?b???\xc2 is \xc3\xa9, \xc2\xa9");
    ck_assert(!error_set(&err, "%s", "\x01\x1f ~\x7f \xc2\x7f\xc2\x80\xc2\x9f\xc2\xa0"));
    ck_assert_str_eq(err.text, "?? ~? \xc2?????\xc2\xa0");
    ck_assert(!error_set(NULL, "dropped %d", 1));
    ck_assert(!error_set(&err, "%2000d", 1)); /* too long: cut, ends with 0 */
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
}
END_TEST

static int calls;

static int one(void)
{
    calls++;
    return 1;
}

START_TEST(a_check_that_holds_runs_once)
{
    TENSOR_CHECK(one() == 1, "%d", calls);
    ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(a_check_that_fails_aborts)
{
    TENSOR_CHECK(one() == 2, "called %d times", calls);
}
END_TEST

static jmp_buf back;

static void on_abort(int number)
{
    (void)number;
    longjmp(back, 1);
}

START_TEST(the_message_names_place_and_condition)
{
    static const char name[] = "test-check.tmp";
    char text[400] = "";

    ck_assert_ptr_nonnull(freopen(name, "w", stderr));
    ck_assert(signal(SIGABRT, on_abort) != SIG_ERR);
    if (setjmp(back) == 0)
        TENSOR_CHECK(1 > 2, "sizes %d and %d", 10, 20);
    ck_assert(signal(SIGABRT, SIG_DFL) != SIG_ERR);
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    remove(name);
    ck_assert_ptr_nonnull(strstr(text, "test_memory.c:"));
    ck_assert_ptr_nonnull(strstr(text, "the_message_names_place_and_condition"));
    ck_assert_ptr_nonnull(strstr(text, ": sizes 10 and 20 [1 > 2]"));
}
END_TEST

Suite *memory_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *memory = tcase_create("memory"), *arena = tcase_create("arena");
    TCase *errors = tcase_create("errors");

    tcase_set_timeout(memory, 10);
    tcase_add_test(memory, products_that_overflow_are_refused);
    tcase_add_test(memory, blocks_are_aligned_and_apart);
    tcase_add_test(memory, totals_follow_the_blocks);
    tcase_add_test(memory, resize_keeps_the_first_entries);
    tcase_add_test(memory, growth_keeps_all_entries);
    tcase_add_test(memory, strings_are_copied);
    tcase_add_test(memory, try_returns_null);
    tcase_add_test(memory, another_source_may_have_nothing);
    tcase_add_exit_test(memory, out_of_memory_exits_with_1, 1);
    tcase_add_exit_test(memory, the_handler_gets_both_factors, 7);
    tcase_add_exit_test(memory, no_handler_means_the_default_one, 1);
    suite_add_tcase(suite, memory);

    tcase_set_timeout(arena, 10);
    tcase_add_test(arena, arena_blocks_are_aligned_and_apart);
    tcase_add_test(arena, release_goes_back_to_the_mark);
    tcase_add_test(arena, a_mark_of_an_empty_arena_works);
    tcase_add_test(arena, the_second_step_calls_no_malloc);
    tcase_add_test(arena, chunks_grow_up_to_a_megabyte);
    tcase_add_test(arena, smaller_chunks_are_skipped_and_found_again);
    tcase_add_test(arena, released_memory_reads_as_nan_in_poisoned_builds);
    tcase_add_exit_test(arena, arena_out_of_memory_exits_with_1, 1);
    tcase_add_test_raise_signal(arena, a_mark_from_ahead_aborts, SIGABRT);
    suite_add_tcase(suite, arena);

    tcase_set_timeout(errors, 10);
    tcase_add_test(errors, an_error_is_a_sentence);
    tcase_add_test(errors, a_check_that_holds_runs_once);
    tcase_add_test_raise_signal(errors, a_check_that_fails_aborts, SIGABRT);
    tcase_add_test(errors, the_message_names_place_and_condition);
    suite_add_tcase(suite, errors);
    return suite;
}
