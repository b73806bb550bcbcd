/* What a sampler is.  Samplers of grid times fill plan and move, and open and row where they have
 * them; those with times of their own fill run.  A file defines one of these, and samplers.c lists
 * it. */
#ifndef DI4C_DIFFUSION_SAMPLER_SAMPLER_CLASS_H
#define DI4C_DIFFUSION_SAMPLER_SAMPLER_CLASS_H

#include "diffusion/posterior.h"
#include "diffusion/reverse.h"
#include "diffusion/sampler/request.h"

typedef struct SamplerBatch SamplerBatch; /* sampler/batch.h */
typedef struct SamplerPlan SamplerPlan;   /* sampler/plan.h */
typedef struct SamplerStep SamplerStep;

typedef enum SamplerPart {
    PART_MOVE,    /* the sampler's move t -> s */
    PART_SECOND,  /* theta-trapezoidal: the second leap, with rates of this call and the last */
    PART_CORRECT, /* a corrector leap: the time stays */
    PART_DRAW,    /* the last call: x_0 ~ p(.|x_t) */
    PART_ARGMAX   /* the last call: the most probable x_0 of each dimension */
} SamplerPart;

/* One network call and what is done with it.  The call is made with the current state at time t. */
typedef struct SamplerCall {
    SamplerPart part;
    double t; /* what the network is told */
    double s; /* time of the state afterwards */
    double h; /* length of the leap; 0 for draws */
    bool teacher;
    size_t step; /* 0 .. N-1 */
} SamplerCall;

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
    /* The step's matrices; NULL: it needs none. */
    void (*open)(SamplerStep *step, const SamplerCall *calls, size_t count);
    void (*move)(SamplerBatch *b); /* x as now says; PART_DRAW and PART_ARGMAX do not come here */
    /* The law of one dimension, see diffusion_sampler_row; NULL: not a product. */
    void (*row)(const SamplerStep *step, const SamplerCall *now, size_t x, const double *p0,
                size_t before, const double *before_p0, double *row);
};

#endif
