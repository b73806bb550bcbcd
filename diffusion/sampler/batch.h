/* What all samplers do with a batch: a number of samples that go through the network together.  Its
 * random numbers come from streams (purpose, sample number, number of the network call). */
#ifndef DI4C_DIFFUSION_SAMPLER_BATCH_H
#define DI4C_DIFFUSION_SAMPLER_BATCH_H

#include "diffusion/sampler/plan.h"
#include "tensor/system/threads.h"

/* Purposes of streams; the numbers are part of what a seed means. */
enum {
    DRAW_PRIOR = 300, /* the state at the start */
    DRAW_LAMBDA,
    DRAW_X0,
    DRAW_XS,     /* posterior */
    DRAW_STRATA, /* order of stratified lambdas */
    DRAW_JUMPS,  /* where to: leaps, Euler, thinning, first-hitting, confidence */
    DRAW_TIMES,  /* when: samplers with own times */
    DRAW_ORDER   /* in which order a sample is unmasked: halton */
};

struct SamplerBatch {
    const SampleRequest *request;
    const SamplerSettings *settings;
    const Denoiser *model;   /* of this call */
    const SamplerStep *step; /* grid times: the matrices */
    const SamplerCall *now;  /* grid times: what to do with the network's numbers */
    Graph *graph;
    size_t call;             /* number of this call in its chain: keys the streams */
    size_t first, count;     /* samples of this batch, by their place among those asked for: */
    size_t all;              /* so many */
    size_t free;             /* dimensions that are not given: D, or fewer */
    const size_t *place;     /* own times: sample i is number first + place[i]; NULL: first + i */
    States x, x0;            /* states, and room for clean ones; (count, D) */
    double *t, *lambda;      /* (count), (count, lambda_dims) */
    float *numbers;          /* the head's, (count, outputs) */
    const Denoiser *kept_of; /* whose numbers of the call before are still there; NULL: nobody's */
    States kept;             /* the states that they belong to; see call.c */
    States before;           /* two_stages: x and numbers of the call before, kept by move */
    float *before_numbers;
    Rng *streams; /* (count) */
    size_t made;  /* network calls so far, each sample's counted */
};

/* Memory for at most `count` samples of the request at a time. */
void sampler_batch_init(SamplerBatch *b, const SampleRequest *r, const SamplerSettings *settings,
                        size_t count);
void sampler_batch_free(SamplerBatch *b);
/* Sample i of the batch, by its number among all that a seed has. */
size_t sampler_number(const SamplerBatch *b, size_t i);
/* The stream of sample i of the batch. */
Rng sampler_stream(const SamplerBatch *b, uint64_t purpose, size_t i);
/* The same in every call. */
Rng sampler_stream_of_sample(const SamplerBatch *b, uint64_t purpose, size_t i);
/* Those of all samples (count). */
const Rng *sampler_streams(SamplerBatch *b, uint64_t purpose);
/* How long the model of this call keeps a lambda. */
LambdaScope sampler_lambda_scope(const SamplerBatch *b);
/* lambda = those of this call, if the model is a mixture. */
void sampler_draw_lambda(SamplerBatch *b);
/* call.c: a network call for the states x at the times t: fills numbers, drawing lambdas if the
 * model is a mixture.  False and a sentence if a number is not finite or a signal came. */
bool sampler_network(SamplerBatch *b, Error *err);
/* Puts the given states into all samples of x. */
void sampler_give(const SamplerBatch *b, const States *x);
/* x0 = draws of x_0 (or, if argmax, the most probable) from the numbers. */
void sampler_clean(SamplerBatch *b, bool argmax);
/* p (head.states) = probabilities of dimension d of sample i, from numbers that the network gave
 * for x; in double, sum 1 to float32. */
void sampler_probabilities(const SamplerBatch *b, const float *numbers, const States *x, size_t i,
                           size_t d, double *p);

/* Own times: how much of the batch is done, 0..1. */
void sampler_progress(const SamplerBatch *b, double share);
/* body(b, i, x, rng) for each sample i of the batch: its states, and its stream of DRAW_JUMPS. */
typedef void SamplerBody(const SamplerBatch *b, size_t i, uint16_t *x, Rng *rng);
void sampler_each(SamplerBatch *b, SamplerBody *body);
/* Room for count times S doubles of the thread (SCRATCH_SAMPLER). */
double *sampler_room(const SamplerBatch *b, size_t count);

#endif
