/* What this machine's processors could do at most. */
#ifndef DI4C_EXPERIMENTS_BENCH_PEAK_H
#define DI4C_EXPERIMENTS_BENCH_PEAK_H

#include <stdint.h>

/* GFLOPS of float32 multiply-adds in registers on all threads, two operations each: the fastest of
 * `reps` (>= 1) calls of some milliseconds. */
double bench_peak(int64_t reps);

#endif
