/* Adam with global-norm clipping, decoupled weight decay, warm-up, learning-rate decay, and
 * exponential moving averages. */
#ifndef DI4C_NN_OPTIMIZER_H
#define DI4C_NN_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "nn/param.h"

typedef enum LrDecay { LR_CONSTANT, LR_LINEAR, LR_COSINE } LrDecay;

typedef struct OptimizerConfig {
    double lr, beta1, beta2, eps; /* Adam: 2e-4, 0.9, 0.999, 1e-8 in the papers */
    double clip;                  /* largest gradient norm; 0: no clipping */
    uint64_t warmup;              /* rate = lr min(n/warmup, 1), n counted from 0: the first is 0 */
    LrDecay decay;                /* to 0 at step `total`, after warm-up's factor */
    uint64_t total;
    double weight_decay; /* of parameters of rank 2 and more, not of vectors; 0: none */
    double ema_decay;    /* decay_n = min(ema_decay, (1+n)/(10+n)), n counted from 1 */
} OptimizerConfig;

OptimizerConfig nn_optimizer_defaults(void);

typedef struct Optimizer {
    OptimizerConfig config;
    const ParamSet *params; /* not owned */
    float *m, *v, *ema;     /* params->total entries each, memory layout */
    uint64_t steps;         /* finished steps: Adam's time, n of warm-up and average */
} Optimizer;

/* Moments 0, averages = the parameters' present values. */
Optimizer *nn_optimizer_create(const OptimizerConfig *config, const ParamSet *params);
void nn_optimizer_destroy(Optimizer *o);
/* Learning rate of the next step. */
double nn_optimizer_rate(const Optimizer *o);
/* One step n = steps + 1 from g = params->grads, which is only read: with g' = g min(1, clip/|g|),
 *   m = beta1 m + (1-beta1) g';  v = beta2 v + (1-beta2) g'^2
 *   w -= rate weight_decay w  (AdamW, arXiv 1711.05101; the rate is that of this step)
 *   w -= rate (m/(1-beta1^n)) / (sqrt(v/(1-beta2^n)) + eps);  ema += (1-decay_n)(w - ema)
 * all but the decay in one pass ([Adam] arXiv 1412.6980).  Returns |g| before clipping, over all
 * parameters; if it is not finite nothing is changed. */
double nn_optimizer_step(Optimizer *o);

#endif
