/* What is asked of a sampler. */
#ifndef DI4C_DIFFUSION_SAMPLER_REQUEST_H
#define DI4C_DIFFUSION_SAMPLER_REQUEST_H

#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/head/sharpen.h"
#include "diffusion/process/process.h"
#include "diffusion/sampler/settings.h"

typedef struct SamplerClass SamplerClass;

/* Times t_N > ... > t_1 of the network calls; the state after the last step is at 0.
 *   uniform  t_n = n/N
 *   authors  linspace(1, t_min, N), N >= 2; at t_min the argmax
 *   process  equal steps in the process's own clock: the lost share 1 - keep(0, t) where P has the
 *            closed form keep I + (1 - keep) 1 end^T (for absorbing noise 1 - alpha), and otherwise
 *            sqrt(B(0, t)), the scale over which states have spread
 *   list     given, in (0, 1], strictly falling; x_{t_N} is drawn from the prior, so a t_N < 1 at
 *            which P[0->t_N] is not yet near it is refused, as diffusion_process_create does for 1
 */
typedef enum TimeGrid { GRID_UNIFORM, GRID_AUTHORS, GRID_PROCESS, GRID_LIST } TimeGrid;

typedef struct SampleRequest {
    const SamplerClass *sampler;     /* NULL: the model's */
    const SamplerSettings *settings; /* NULL: defaults */
    const Denoiser *model;
    const Denoiser *teacher; /* for hybrid sampling, or NULL */
    size_t teacher_steps;    /* K: the last K steps */
    const Process *process;
    size_t steps; /* N; ignored by samplers with own times */
    TimeGrid grid;
    const double *times;      /* GRID_LIST: N of them */
    bool stratified_lambda;   /* whenever lambdas are drawn, those of 64 samples (numbers 64 k ..
                                 64 k + 63) cut [0,1) evenly, each coordinate in its own random
                                 order */
    LambdaScope lambda_scope; /* LAMBDA_SCOPE_DEFAULT: the model's */
    Sharpening sharpening;    /* of every p(x_0 | x_t); zeros: none */
    const uint16_t *given;    /* or NULL; absorbing noise: (D) states that all samples have from the
                                 start, the mask where the sampler is free; not owned */
    size_t first;             /* number of the first sample: streams are keyed by sample number */
    size_t batch;             /* samples per network call */
    uint64_t seed;
    size_t *calls; /* or NULL: network calls, summed over the samples */
    /* Or NULL.  Grid times: network calls of batches.  Own times: hundredths of the samples. */
    void (*progress)(size_t done, size_t all, void *context);
    void *progress_context;
    /* Or NULL.  Grid times: the states of all samples at t_N before the first step, and after each
     * step at the time that it has come to. */
    void (*observe)(const States *x, double t, void *context);
    void *observe_context;
} SampleRequest;

#endif
