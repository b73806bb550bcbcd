/* Threads: every piece of work once, scratch that is nobody else's, the same bits for every number
 * of threads. */
#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"
#include "tensor/softmax.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

static void count_piece(size_t i, void *context)
{
    unsigned char *seen = context;

    seen[i]++; /* piece i is handed out once, so nobody else writes here */
}

START_TEST(each_piece_once)
{
    unsigned char seen[1000];

    for (int threads = 1; threads <= 5; threads++)
        for (size_t count = 0; count <= 1000; count += count < 3 ? 1 : 499) {
            memset(seen, 0, sizeof seen);
            threads_set(threads);
            threads_for(count, count_piece, seen);
            for (size_t i = 0; i < 1000; i++)
                ck_assert_uint_eq(seen[i], i < count);
        }
}
END_TEST

/* When two threads that take blocks in turn are both done, a block's start counted as 4 entries. */
static size_t two_threads_take(size_t n, size_t block)
{
    size_t busy[2] = {0, 0};

    for (size_t first = 0; first < n; first += block) {
        const size_t who = busy[1] < busy[0];
        busy[who] += (n - first < block ? n - first : block) + 4;
    }
    return busy[0] > busy[1] ? busy[0] : busy[1];
}

START_TEST(even_blocks_are_the_best_ones)
{
    for (size_t n = 1; n < 700; n += 1 + n / 13)
        for (size_t unit = 1; unit <= 8; unit++)
            for (size_t most = unit; most <= 20 * unit; most += unit) {
                const size_t block = cut_even(n, unit, most);
                ck_assert(block % unit == 0 && block <= most && 2 * block >= most);
                for (size_t other = unit; other <= most; other += unit)
                    if (2 * other >= most &&
                        two_threads_take(n, other) + 4 < two_threads_take(n, block))
                        ck_abort_msg("%zu by %zu, at most %zu: %zu takes %zu, %zu takes %zu", n,
                                     unit, most, block, two_threads_take(n, block), other,
                                     two_threads_take(n, other));
            }
    ck_assert_uint_eq(cut_even(512, 6, 72), 66);
}
END_TEST

START_TEST(the_number_of_threads)
{
    ck_assert_int_eq(threads_index(), 0);
    threads_set(0);
    ck_assert_int_ge(threads_get(), 1);
#ifdef _OPENMP
    ck_assert_int_eq(threads_get(), omp_get_num_procs() < 256 ? omp_get_num_procs() : 256);
    threads_set(3);
    ck_assert_int_eq(threads_get(), 3);
    threads_set(1000);
    ck_assert_int_eq(threads_get(), 256);
#else
    threads_set(3);
    ck_assert_int_eq(threads_get(), 1);
#endif
}
END_TEST

#ifdef _OPENMP
/* Piece i writes entry i only: the thread that it ran on, or -1 if its scratch was not its own. */
static void note_thread(size_t i, void *context)
{
    int *threads = context;
    volatile unsigned char *mine = threads_scratch(SCRATCH_HEAD, 64);

    mine[0] = (unsigned char)i;
    threads[i] = threads_index();
    for (int k = 0; k < 1000; k++)
        if (mine[0] != (unsigned char)i)
            threads[i] = -1;
}

/* As OMP_NUM_THREADS=300, or a machine of 300 threads, leaves it without threads_set. */
START_TEST(more_threads_than_scratch_has_rows_for)
{
    int threads[2000];

    omp_set_dynamic(0);
    omp_set_num_threads(300);
    ck_assert_int_eq(threads_get(), 256);
    ck_assert_int_eq(threads_team(SIZE_MAX), 256);
    threads_flush_denormals();
    threads_for(2000, note_thread, threads);
    for (int i = 0; i < 2000; i++)
        ck_assert_msg(threads[i] >= 0 && threads[i] < 256, "piece %d: thread %d", i, threads[i]);
    threads_scratch_free();
}
END_TEST

static void note_team(size_t i, void *context)
{
    int *teams = context;

    teams[i] = threads_team(SIZE_MAX);
}

/* As OMP_NUM_THREADS=2,2 or OMP_MAX_ACTIVE_LEVELS=4 leave it. */
START_TEST(no_team_inside_a_team)
{
    int teams[100];

    omp_set_dynamic(0);
    omp_set_max_active_levels(4);
    omp_set_num_threads(2);
    ck_assert_int_eq(threads_team(SIZE_MAX), 2);
    ck_assert_int_eq(threads_team(100), 1);
    threads_for(100, note_team, teams);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(teams[i], 1);
}
END_TEST

/* Threads of two inner teams have the same numbers, so they would share scratch. */
START_TEST(calls_from_nested_teams_abort)
{
    omp_set_dynamic(0);
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2)
    {
#pragma omp parallel num_threads(2)
        threads_scratch(SCRATCH_HEAD, 64);
    }
}
END_TEST
#endif

START_TEST(a_negative_number_aborts)
{
    threads_set(-1);
}
END_TEST

/* What nested pieces found; outer piece i writes entry i only. */
typedef struct Nested {
    int index[64]; /* thread of the outer piece */
    int wrong[64];
    size_t outer;
    unsigned char *buffer;
} Nested;

static void inner_piece(size_t i, void *context)
{
    Nested *n = context;

    n->wrong[n->outer] += threads_index() != n->index[n->outer];
    n->wrong[n->outer] += threads_scratch(SCRATCH_CONV, 4096) != (void *)n->buffer;
    n->wrong[n->outer] += n->buffer[i] != (unsigned char)n->outer;
}

static void outer_piece(size_t i, void *context)
{
    Nested *all = context, mine;

    memset(&mine, 0, sizeof mine);
    mine.outer = i;
    mine.index[i] = threads_index();
    mine.buffer = threads_scratch(SCRATCH_CONV, 4096);
    /* If another thread had the same buffer, it would write its own number into it meanwhile. */
    for (int round = 0; round < 50; round++) {
        memset(mine.buffer, (int)i, 4096);
        threads_for(4096, inner_piece, &mine);
        /* A parallel region of a kernel, in which the library calls every thread number 0. */
#pragma omp parallel for default(none) shared(mine) num_threads(threads_team(SIZE_MAX))
        for (size_t j = 0; j < 16; j++)
            inner_piece(j, &mine);
    }
    all->index[i] = mine.index[i];
    all->wrong[i] = mine.wrong[i];
}

START_TEST(nested_work_keeps_its_thread_and_scratch)
{
    Nested nested;

    memset(&nested, 0, sizeof nested);
    threads_set(4);
    threads_for(16, outer_piece, &nested);
    for (int i = 0; i < 16; i++) {
        ck_assert_int_eq(nested.wrong[i], 0);
        ck_assert(nested.index[i] >= 0 && nested.index[i] < threads_get());
    }
    threads_scratch_free();
}
END_TEST

START_TEST(scratch_grows_and_is_freed)
{
    size_t start = mem_in_use();
    unsigned char *a = threads_scratch(SCRATCH_HEAD, 100);
    unsigned char *b = threads_scratch(SCRATCH_LOSS, 100);

    ck_assert(a != b && (uintptr_t)a % MEM_ALIGN == 0);
    memset(a, 1, 100);
    memset(b, 2, 100);
    ck_assert_uint_eq(a[99], 1);
    ck_assert_ptr_eq(threads_scratch(SCRATCH_HEAD, 50), a);
    ck_assert_ptr_nonnull(threads_scratch(SCRATCH_HEAD, 0));
    a = threads_scratch(SCRATCH_HEAD, 100000);
    memset(a, 1, 100000);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), start);
    threads_scratch_free();
}
END_TEST

static void halve_smallest(size_t i, void *context)
{
    volatile float *smallest = context;

    smallest[i] = smallest[i] * 0.5f; /* denormal, or 0 where those are flushed */
}

START_TEST(denormals_are_flushed_everywhere)
{
    float x[64];

    threads_set(2);
    threads_flush_denormals();
    threads_set(4); /* new threads are told as well */
    for (int i = 0; i < 64; i++)
        x[i] = 1.17549435e-38f;
    threads_for(64, halve_smallest, x);
    for (int i = 0; i < 64; i++) {
#if defined(__GNUC__) && !defined(__TINYC__) && defined(__SSE__) && !defined(DI4C_PLAIN_C)
        ck_assert(x[i] == 0.0f);
#else
        ck_assert(x[i] < 1.17549435e-38f);
#endif
    }
}
END_TEST

enum { N = 100003, ROWS = 1009, COLUMNS = 99 }; /* ROWS * COLUMNS < N */

/* Everything here that runs in parallel; results one after the other into out (8 N). */
static void compute(float *out, const float *x, const float *y)
{
    double sums[3] = {tensor_sum(x, N), tensor_dot(x, y, N), tensor_sum_squares(y, N)};

    memset(out, 0, 8 * (size_t)N * sizeof *out);
    memcpy(out, sums, sizeof sums);
    tensor_sum_rows(out + 10, x, ROWS, COLUMNS);
    tensor_sum_positions(out + 200, x, 7, ROWS / 7, COLUMNS);
    out[2000] = tensor_max_abs(x, N);
    tensor_silu(out + N, x, N);
    tensor_silu_backward(out + (size_t)2 * N, y, x, N);
    tensor_tanh(out + (size_t)3 * N, x, N);
    tensor_softmax(out + (size_t)4 * N, x, ROWS, COLUMNS);
    tensor_softmax_backward(out + (size_t)5 * N, y, out + (size_t)4 * N, ROWS, COLUMNS);
    tensor_log_softmax(out + (size_t)6 * N, x, ROWS, COLUMNS);
    tensor_log_softmax_backward(out + (size_t)7 * N, y, out + (size_t)6 * N, ROWS, COLUMNS);
}

START_TEST(the_same_bits_for_every_number_of_threads)
{
    float *x = mem_alloc(N, sizeof *x), *y = mem_alloc(N, sizeof *y);
    float *first = mem_alloc((size_t)8 * N, sizeof *first),
          *other = mem_alloc((size_t)8 * N, sizeof *other);
    Rng r = rng_root(1);

    for (size_t i = 0; i < N; i++) {
        x[i] = (float)rng_normal(&r);
        y[i] = (float)rng_normal(&r);
    }
    threads_set(1);
    compute(first, x, y);
    for (int threads = 2; threads <= 7; threads++) {
        threads_set(threads);
        compute(other, x, y);
        ck_assert_msg(memcmp(first, other, 8 * (size_t)N * sizeof *first) == 0, "%d threads",
                      threads);
    }
    mem_free(x), mem_free(y), mem_free(first), mem_free(other);
    threads_scratch_free();
}
END_TEST

START_TEST(the_clock_runs_forward)
{
    const double start = threads_seconds();
    double last = start;
    for (long i = 0; last <= start && i < 100000000; i++) {
        const double now = threads_seconds();
        ck_assert(now >= last);
        last = now;
    }
    ck_assert(last > start && last < start + 60.0);
}
END_TEST

Suite *threads_suite(void)
{
    Suite *suite = suite_create("threads");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, the_clock_runs_forward);
    tcase_add_test(threads, each_piece_once);
    tcase_add_test(threads, even_blocks_are_the_best_ones);
    tcase_add_test(threads, the_number_of_threads);
    tcase_add_test_raise_signal(threads, a_negative_number_aborts, SIGABRT);
#ifdef _OPENMP
    tcase_add_test(threads, more_threads_than_scratch_has_rows_for);
    tcase_add_test(threads, no_team_inside_a_team);
    tcase_add_test_raise_signal(threads, calls_from_nested_teams_abort, SIGABRT);
#endif
    tcase_add_test(threads, nested_work_keeps_its_thread_and_scratch);
    tcase_add_test(threads, scratch_grows_and_is_freed);
    tcase_add_test(threads, denormals_are_flushed_everywhere);
    tcase_add_test(threads, the_same_bits_for_every_number_of_threads);
    suite_add_tcase(suite, threads);
    return suite;
}
