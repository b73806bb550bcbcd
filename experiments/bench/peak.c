/* A loop that multiplies and adds in registers only. */
#include "experiments/bench/peak.h"

#include <stddef.h>

#include "experiments/bench/bench.h"
#include "tensor/base/memory.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/threads.h"

enum {
    /* Numbers that stay in registers: enough vectors to hide the latency of a multiply-add (4
     * cycles, two a cycle), few enough to fit beside the factors. */
    CHAIN = 8 * TILE_LANES,
    ROUNDS = 1 << 20
};

static volatile float seed = 0.5f; /* read at run time: nothing can be computed beforehand */

static void multiply_add(size_t piece, void *context)
{
    float sum[CHAIN], *out = context;
    const float factor = seed, term = 1.0f - seed;
    for (size_t i = 0; i < CHAIN; i++)
        sum[i] = (float)i;
    for (size_t n = 0; n < ROUNDS; n++)
#pragma omp simd
        for (size_t i = 0; i < CHAIN; i++)
            sum[i] = sum[i] * factor + term;
    out[piece] = 0.0f;
    for (size_t i = 0; i < CHAIN; i++)
        out[piece] += sum[i];
}

static void run_pieces(void *context)
{
    threads_for((size_t)threads_get(), multiply_add, context);
}

double bench_peak(int64_t reps)
{
    const size_t pieces = (size_t)threads_get();
    float *out = mem_zeroed(pieces, sizeof *out);
    const BenchTimes times = bench_time(reps, run_pieces, out);
    mem_free(out);
    return 2.0 * (double)CHAIN * (double)ROUNDS * (double)pieces * 1e-9 / times.minimum;
}
