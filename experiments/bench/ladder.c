/* bench ladder: from three loops to the register tile, one step at a time.
 *
 * Every step computes the same product C = A B of n x n matrices, is compared with the last one's
 * result, and is timed; `factor` is its gain over the step before.  tensor/README.md explains the
 * steps.  All but the last run on one thread. */
#include <math.h>
#include <string.h>

#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"
#include "tensor/product/gemm.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { BLOCK = 64 };

typedef struct Matrices {
    size_t n;
    const float *a, *b;
    float *c;
    float *packed; /* n x padded n */
} Matrices;

/* 1. The definition: each sum walks down a column of B, a new cache line for every term. */
static void step_naive(void *context)
{
    const Matrices *m = context;
    const size_t n = m->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (size_t k = 0; k < n; k++)
                sum += m->a[i * n + k] * m->b[k * n + j];
            m->c[i * n + j] = sum;
        }
}

/* C[i] += A[i][k] B[k] for rows i0..i1, terms k0..k1, columns j0..j1: the inner loop runs along
 * rows, which compilers turn into vector code. */
static void add_rows(const Matrices *m, size_t i0, size_t i1, size_t k0, size_t k1, size_t j0,
                     size_t j1)
{
    const size_t n = m->n;
    for (size_t i = i0; i < i1; i++)
        for (size_t k = k0; k < k1; k++) {
            const float factor = m->a[i * n + k];
            const float *restrict b = m->b + k * n;
            float *restrict c = m->c + i * n;
#pragma omp simd
            for (size_t j = j0; j < j1; j++)
                c[j] += factor * b[j];
        }
}

/* 2. Loops in the order i, k, j: everything is read along rows. */
static void step_order(void *context)
{
    const Matrices *m = context;
    memset(m->c, 0, m->n * m->n * sizeof *m->c);
    add_rows(m, 0, m->n, 0, m->n, 0, m->n);
}

/* 3. Blocks: a block of B stays in the cache while all rows of A pass. */
static void step_blocks(void *context)
{
    const Matrices *m = context;
    const size_t n = m->n;
    memset(m->c, 0, n * n * sizeof *m->c);
    for (size_t k = 0; k < n; k += BLOCK)
        for (size_t j = 0; j < n; j += (size_t)4 * BLOCK)
            add_rows(m, 0, n, k, cut_min(k + BLOCK, n), j, cut_min(j + (size_t)4 * BLOCK, n));
}

/* All panels of C from right operands that lie `stride` apart row by row. */
static void run_tiles(const Matrices *m, bool packed)
{
    const size_t n = m->n, offset = 0;
    const float **left = mem_alloc(n, sizeof *left);
    float **c = mem_alloc(n, sizeof *c);
    for (size_t j = 0; j < n; j += TILE_MAX_COLUMNS) {
        const size_t columns = cut_min(n - j, TILE_MAX_COLUMNS);
        const Tile *tile = tile_for(columns);
        const float *right = packed ? m->packed + j * n : m->b + j;
        const TileProduct product = {.segments = 1,
                                     .depth = n,
                                     .left_step = 1,
                                     .offset = &offset,
                                     .right = &right,
                                     .right_stride = packed ? tile->columns : n,
                                     .alpha = 1.0f};
        for (size_t i = 0; i < n; i++) {
            left[i] = m->a + i * n;
            c[i] = m->c + i * n + j;
        }
        tile_column(tile, &product, left, c, n, columns);
    }
    mem_free(left);
    mem_free(c);
}

/* 4. The register tile: the sums of a small block of C stay in registers for the whole depth. */
static void step_tile(void *context)
{
    run_tiles(context, false);
}

/* 5. Panels of B are copied, so that a tile reads it without gaps. */
static void step_packed(void *context)
{
    const Matrices *m = context;
    const size_t n = m->n;
    for (size_t j = 0; j < n; j += TILE_MAX_COLUMNS) {
        const size_t columns = cut_min(n - j, TILE_MAX_COLUMNS);
        tile_pack(m->packed + j * n, tile_for(columns)->columns, m->b + j, n, false, n, columns);
    }
    run_tiles(m, true);
}

/* 6. and 7. The library's product: depth cut so that a panel's piece stays in the second-level
 * cache; on one thread, then on all. */
static void step_library(void *context)
{
    const Matrices *m = context;
    const size_t n = m->n;
    tensor_gemm(GEMM_NN, n, n, n, 1.0f, m->a, n, m->b, n, 0.0f, NULL, m->c, n);
}

typedef struct LadderStep {
    const char *name;
    void (*body)(void *context);
    bool all_threads;
} LadderStep;

static const LadderStep steps[] = {
    {"three loops, i j k", step_naive, false},   {"loop order i k j", step_order, false},
    {"blocks in the cache", step_blocks, false}, {"register tile", step_tile, false},
    {"packed panels", step_packed, false},       {"depth in blocks", step_library, false},
    {"all threads", step_library, true},
};

/* Whether a step's C is that of the step before, up to rounding. */
static bool same_product(const Matrices *m, const float *last)
{
    for (size_t i = 0; i < m->n * m->n; i++)
        if (!(fabsf(m->c[i] - last[i]) <= 1e-5f * (float)m->n))
            return false;
    return true;
}

static bool climb(const Command *self, Matrices *m, int threads, int64_t reps)
{
    const size_t entries = m->n * m->n, shape[] = {m->n, m->n, m->n};
    const double flop = 2.0 * (double)m->n * (double)entries;
    float *last = mem_alloc(entries, sizeof *last);
    double before = 0.0;
    bool same = true;
    for (size_t i = 0; same && i < sizeof steps / sizeof steps[0]; i++) {
        threads_set(steps[i].all_threads ? threads : 1);
        const BenchTimes times = bench_time(reps, steps[i].body, m);
        same = i == 0 || same_product(m, last);
        memcpy(last, m->c, entries * sizeof *last);
        JsonOut row = bench_row(self->name, shape, 3);
        jsonout_string(&row, "step", steps[i].name);
        jsonout_number(&row, "factor", i == 0 ? 1.0 : before / times.median);
        bench_row_end(&row, times, flop);
        before = times.median;
    }
    mem_free(last);
    return same;
}

static int run_ladder(const Command *self, int argc, char **argv)
{
    int64_t n = 1024;
    BenchOptions bench = {.reps = 3};
    const Option options[] = {
        {"--size", OPTION_COUNT, &n, "N", 1, 4096, false,
         "rows and columns of the matrices (1024)"},
    };
    int status;
    if (!bench_options(&bench, self, options, 1, argc, argv, &status))
        return status;
    const int threads = threads_get();
    Matrices m = {.n = (size_t)n};
    /* A tile reads the right operand over its full width: past the end of the last row of B. */
    float *a = bench_floats(1, m.n * m.n), *b = bench_floats(2, m.n * m.n + TILE_MAX_COLUMNS);
    m.a = a;
    m.b = b;
    m.c = mem_alloc(m.n * m.n, sizeof *m.c);
    m.packed = mem_alloc(m.n * tile_padded(m.n), sizeof *m.packed);
    const bool same = climb(self, &m, threads, bench.reps);
    mem_free(a);
    mem_free(b);
    mem_free(m.c);
    mem_free(m.packed);
    if (same)
        return 0;
    Error err;
    error_set(&err, "the last step shown has another product than the one before");
    return command_fail(self, &err, 1);
}

const Command bench_ladder = {.name = "ladder",
                              .summary = "Runs one product in the steps that tensor/README.md "
                                         "explains, from three loops to the tile,\n"
                                         "and prints the gain of each over the one before.",
                              .example = "bench ladder --size 1024",
                              .run = run_ladder};
