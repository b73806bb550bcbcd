/* What a sampler is.  Samplers of grid times fill plan, open, move and row; those with times of
 * their own fill run.  Adding a sampler adds a file that defines one of these and a line in
 * sampler.c's table.
 *
 * A batch is a number of samples that go through the network together.  Its random numbers come
 * from streams (purpose, sample number, number of the network call). */
#ifndef DI4C_DIFFUSION_SAMPLER_KINDS_H
#define DI4C_DIFFUSION_SAMPLER_KINDS_H

#include "diffusion/reverse.h"
#include "diffusion/sampler/sampler.h"
#include "tensor/base/rng.h"
#include "tensor/base/threads.h"
#include "tensor/states.h"

/* Purposes of streams; the numbers are part of what a seed means. */
enum {
    DRAW_PRIOR = 300, /* the state at the start */
    DRAW_LAMBDA,
    DRAW_X0,
    DRAW_XS,     /* posterior */
    DRAW_STRATA, /* order of stratified lambdas */
    DRAW_JUMPS,  /* where to: leaps, Euler, thinning, first-hitting, confidence */
    DRAW_TIMES   /* when: samplers with own times */
};

typedef struct SamplerBatch {
    const SampleRequest *request;
    const SamplerSettings *settings;
    const Denoiser *model;   /* of this call */
    const SamplerStep *step; /* grid times: the matrices */
    const SamplerCall *now;  /* grid times: what to do with the network's numbers */
    Graph *graph;
    size_t call;         /* number of this call in its chain: keys the streams */
    size_t first, count; /* samples of this batch, by their place among those asked for: */
    size_t all;          /* so many */
    const size_t *place; /* own times: sample i is number first + place[i]; NULL: first + i */
    States x, x0;        /* states, and room for clean ones; (count, D) */
    double *t, *lambda;  /* (count), (count, lambda_dims) */
    float *numbers;      /* the head's, (count, outputs) */
    States before;       /* two_stages: x and numbers of the call before, kept by move */
    float *before_numbers;
    Rng *streams; /* (count) */
    size_t made;  /* network calls so far, each sample's counted */
} SamplerBatch;

/* A step's matrices: those that its sampler needs, others NULL. */
struct SamplerStep {
    const SamplerPlan *plan;
    size_t number;
    PosteriorStep *posterior;
    ReverseRates *rates, *second; /* at the first call's time; at the later ones' */
};

struct SamplerClass {
    const char *name, *help, *needs, *source; /* one line each */
    const char *settings; /* keys of sampler/settings.h that it reads, separated by blanks */
    bool masks_only;      /* absorbing noise only */
    bool two_stages;
    /* Own times: from the prior, which is drawn already, to data.  NULL: grid times. */
    bool (*run)(SamplerBatch *b, Error *err);
    /* The network calls of a step from t to s < t: part, t, s, h of each.  Returns their number;
     * calls NULL: only that. */
    size_t (*plan)(const SamplerSettings *settings, double t, double s, SamplerCall *calls);
    void (*open)(SamplerStep *step, const SamplerCall *calls, size_t count);
    void (*move)(SamplerBatch *b); /* x as now says; PART_DRAW and PART_ARGMAX do not come here */
    /* The law of one dimension, see diffusion_sampler_row; NULL: not a product. */
    void (*row)(const SamplerStep *step, const SamplerCall *now, size_t x, const double *p0,
                size_t before, const double *before_p0, double *row);
};

/* What first-hitting does; `exact` does the same for absorbing noise. */
bool sampler_first_hitting_run(SamplerBatch *b, Error *err);

extern const SamplerClass diffusion_sampler_posterior, diffusion_sampler_tau_leaping,
    diffusion_sampler_predictor_corrector, diffusion_sampler_theta_trapezoidal,
    diffusion_sampler_euler, diffusion_sampler_exact, diffusion_sampler_first_hitting,
    diffusion_sampler_confidence;

/* All of a request but its denoisers and times (sampler/plan.c); diffusion_sampler_plan checks the
 * times too. */
bool sampler_check_request(const SampleRequest *r, Error *err);

/* ---- what samplers share (sampler/batch.c) ---- */
/* Memory for at most `count` samples of the request at a time. */
void sampler_batch_init(SamplerBatch *b, const SampleRequest *r, const SamplerSettings *settings,
                        size_t count);
void sampler_batch_free(SamplerBatch *b);
/* The stream of sample i of the batch. */
Rng sampler_stream(const SamplerBatch *b, uint64_t purpose, size_t i);
/* Those of all samples (count). */
const Rng *sampler_streams(SamplerBatch *b, uint64_t purpose);
/* A network call for the states x at the times t: fills numbers, drawing lambdas if the model is a
 * mixture.  False and a sentence if a number is not finite or a signal came. */
bool sampler_network(SamplerBatch *b, Error *err);
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

/* ---- leaps (sampler/leap.c) ---- */
/* One leap of one dimension: Poisson(h lambda_v) jumps x -> v for each v, where lambda_v is
 * R^[x][v] of `rates` and p0, plus the forward rates R[x][v] if `forward`, or, if `earlier` is
 * given, ( a1 R^[x][v] - a2 E[v] )_+, E being the reverse rates of `earlier` at its own state and
 * p0: those of the same v, or, for ordinal states, of the same distance v - x. */
typedef struct Leap {
    const ReverseRates *rates;
    size_t x;
    const double *p0;
    bool forward;
    SamplerJumps jumps; /* not JUMPS_AUTO */
    const ReverseRates *earlier;
    size_t before;
    const double *before_p0;
    double a1, a2, h;
    double *room; /* 2 S numbers */
} Leap;

SamplerJumps sampler_jumps(const Process *p, int setting); /* what JUMPS_AUTO means */
/* The state after the leap: x plus the sum of the jumps' distances, clamped to 0..S-1, if ordinal;
 * else v after a single jump to v, and x after none; after several x (categorical) or the first's
 * v.  O(S) unless many jumps are expected: the total rate and single jumps are drawn without
 * writing the rates out. */
size_t sampler_leap(const Leap *leap, Rng *rng);
/* The law of that (S), in O(S) sums of S terms.  Ordinal: the law of a sum of jumps is found by
 * Panjer's recursion and cut where less than 1e-15 is left. */
void sampler_leap_law(const Leap *leap, double *row);

#endif
