/* Measuring models: samples at several numbers of network calls, the metrics that fit the data, and
 * the same rows as text, JSON and report.  Used by `eval` and `demo`. */
#ifndef DI4C_EXPERIMENTS_METRICS_EVALUATION_H
#define DI4C_EXPERIMENTS_METRICS_EVALUATION_H

#include <stdbool.h>
#include <stdio.h>

#include "diffusion/elbo.h"
#include "diffusion/sampler/sampler.h"
#include "diffusion/step_bound.h"
#include "experiments/data/glyphs.h"
#include "experiments/metrics/classifier.h"
#include "experiments/metrics/frechet.h"
#include "experiments/report/report.h"
#include "nn/formats/json_writer.h"
#include "tensor/states.h"

typedef struct EvalRow {
    const char *model; /* "exact", "teacher", "student", "hybrid" */
    size_t steps;      /* of the time grid; own times: network calls, rounded */
    double calls;      /* network calls for a sample */
    double valid, tv;  /* with a law */
    double fcd;        /* with a classifier */
    double seconds;    /* for all samples; not written to files that are compared */
    Picture picture;   /* grid of the first samples */
} EvalRow;

typedef struct EvalBound { /* diffusion/elbo.h */
    const char *model, *split;
    size_t pictures;
    double t_min, eps;
    Elbo elbo;
} EvalBound;

typedef struct EvalStepBound { /* diffusion/step_bound.h */
    const char *model, *split;
    size_t pictures, steps, lambdas; /* lambdas: K, or 0 where none are averaged over */
    StepBound bound;
} EvalStepBound;

enum { EVAL_ROWS_MAX = 256, EVAL_BOUNDS_MAX = 4, EVAL_PICTURES = 64 };

typedef struct Evaluation {
    size_t count; /* samples of a row */
    GridStyle style;
    const FiniteLaw *law;       /* NULL: no valid and tv */
    double tv_floor;            /* tv of as many exact samples */
    Classifier *classifier;     /* NULL: no fcd; not owned */
    Moments reference;          /* of the training pictures */
    double fcd_floor, accuracy; /* of as many test pictures; of the classifier on the test split */
    char classifier_hash[65];
    const char *reference_name;
    size_t reference_count, floor_count;
    EvalRow rows[EVAL_ROWS_MAX];
    size_t row_count;
    EvalBound bounds[EVAL_BOUNDS_MAX];
    size_t bound_count;
    EvalStepBound step_bounds[EVAL_ROWS_MAX];
    size_t step_bound_count;
} Evaluation;

void evaluation_use_law(Evaluation *e, const FiniteLaw *law, uint64_t seed);
/* Moments need 2 pictures of each split (a sentence otherwise): to be asked before work is done. */
bool evaluation_check_counts(const Dataset *train, const Dataset *test, Error *err);
/* test may be NULL: no floor and no accuracy are given.  The pictures of both must have the
 * classifier's sizes (checked). */
bool evaluation_use_classifier(Evaluation *e, Classifier *c, const Dataset *train,
                               const Dataset *test, Error *err);
/* Draws e->count samples by the request and appends a row. */
bool evaluation_add(Evaluation *e, const char *model, const SampleRequest *request, Error *err);
/* Computes and appends the evidence lower bound on x0; split: the data's name in the output. */
bool evaluation_add_bound(Evaluation *e, const char *model, const ElboRequest *request,
                          const States *x0, const char *split, Error *err);
/* The same for the sampler of request->steps steps. */
bool evaluation_add_step_bound(Evaluation *e, const char *model, const StepBoundRequest *request,
                               const States *x0, const char *split, Error *err);
void evaluation_free(Evaluation *e);

const EvalRow *evaluation_find(const Evaluation *e, const char *model, size_t steps); /* or NULL */
void evaluation_print(const Evaluation *e, FILE *out); /* the table */
/* Members "samples", floors, classifier, "elbo" and "rows" of the open JSON object. */
void evaluation_json(const Evaluation *e, JsonOut *j);
/* Table, chart against steps, and sample grids. */
void evaluation_report(const Evaluation *e, Report *r);

#endif
