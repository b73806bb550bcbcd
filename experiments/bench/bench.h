/* What the commands of the measuring program share: options, timing, one JSON object a line.
 *
 * A command is a Command that a file of this room defines, and its name in bench/commands.c.  It
 * parses its options with bench_options, measures with bench_time, and prints a row:
 *
 *   JsonOut row = bench_row("gemm", shape, 3);
 *   jsonout_string(&row, "trans", "NN");
 *   bench_row_end(&row, times, flop);
 */
#ifndef DI4C_EXPERIMENTS_BENCH_BENCH_H
#define DI4C_EXPERIMENTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/cli/options.h"
#include "nn/formats/json_writer.h"

/* What every measurement has: --reps N beside --threads, --quiet and --help. */
typedef struct BenchOptions {
    CommonOptions common;
    int64_t reps; /* its value before parsing is the default */
} BenchOptions;

/* Parses argv against `own` (count of them, at most 16) and --reps; false: end with *status. */
bool bench_options(BenchOptions *options, const Command *command, const Option *own, size_t count,
                   int argc, char **argv, int *status);
/* The index of text among the `count` names; false and a sentence if it is none of them. */
bool bench_choice(const char *option, const char *text, const char *const *names, size_t count,
                  size_t *index, Error *err);

typedef struct BenchTimes {
    double minimum, median; /* seconds of one call */
} BenchTimes;
/* Calls body twice to warm up, then `reps` (>= 1) times under the clock. */
BenchTimes bench_time(int64_t reps, void (*body)(void *context), void *context);

/* Opens an object on stdout with name, shape (rank numbers) and threads. */
JsonOut bench_row(const char *name, const size_t *shape, size_t rank);
/* Adds seconds_min, seconds_median, gflops (flop / median; left out where flop is 0) and
 * peak_rss_mib of this process so far, and closes the object. */
void bench_row_end(JsonOut *row, BenchTimes times, double flop);

/* n numbers from [-1/2, 1/2), from mem_alloc; the same for the same seed. */
float *bench_floats(uint64_t seed, size_t n);

#endif
