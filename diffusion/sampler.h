/* Sampling with N network calls by the posterior sampler: every call moves t_n -> t_{n-1} by a draw
 * of p_{s|t}^d(x_s) = sum_a q(x_s|x_t,a) p^d(a|x_t); the last one draws x_0 itself.
 *
 * Grid uniform: t_n = n/N, n = N..1.  Grid authors: linspace(1, t_min, N), N >= 2: N-1 moves and,
 * at t_min, the argmax.  A mixture draws a fresh lambda per sample and call.  Hybrid: the last K
 * calls use the teacher.
 *
 * Drawing x_0 ~ p^d(.|x_t) and then x_s ~ q(.|x_t, x_0) is an exact draw of p_{s|t}^d.  A sample
 * depends on the seed and on its own number, not on batch, first, count or the threads. */
#ifndef DI4C_DIFFUSION_SAMPLER_H
#define DI4C_DIFFUSION_SAMPLER_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/posterior.h"

typedef enum TimeGrid { GRID_UNIFORM, GRID_AUTHORS } TimeGrid;

typedef struct SampleRequest {
    const Denoiser *model;
    const Denoiser *teacher; /* for hybrid sampling, or NULL */
    size_t teacher_steps;    /* K: the last K calls */
    const Process *process;
    size_t steps;            /* N */
    TimeGrid grid;
    double t_min;            /* authors' grid: 0.01 */
    double eps;              /* posterior's eps: 0 exact, 1e-9 as the published code */
    bool stratified_lambda;  /* in each call, the lambdas of 64 samples (numbers 64 k .. 64 k + 63)
                                cut [0,1) evenly, each coordinate in its own random order */
    size_t first;            /* number of the first sample: streams are keyed by sample number */
    size_t batch;            /* samples per network call */
    uint64_t seed;
    void (*progress)(size_t done_calls, size_t all_calls, void *context); /* or NULL */
    void *progress_context;
} SampleRequest;

/* Fills out (count, D) with samples first..first+count-1.  Runs all samples through one call before
 * the next, so each posterior step is set up once; memory beside out is that of one batch.  False
 * with a sentence if the combination makes no sense (N = 0, authors' grid with N < 2, K > N, heads
 * that do not fit the process), the model's numbers are not finite, or a signal came; out is then
 * undefined. */
bool diff_sample(const SampleRequest *request, States *out, Error *err);
/* The times t_N > ... > t_1 (N of them); checked N >= 1. */
void diff_time_grid(TimeGrid grid, size_t steps, double t_min, double *times);

#endif
