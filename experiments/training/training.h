/* The training loop that teacher and student share: batches, gradient, optimiser, log, progress,
 * checkpoints, signals, resuming. */
#ifndef DI4C_EXPERIMENTS_TRAINING_TRAINING_H
#define DI4C_EXPERIMENTS_TRAINING_TRAINING_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "experiments/model/model.h"
#include "nn/checkpoint.h"

/* Somebody who looks at the model after every so many steps. */
typedef struct TrainingObserver {
    uint64_t every; /* steps; 0: never */
    /* The model holds its averaged weights meanwhile.  False and a sentence end the training. */
    bool (*look)(void *context, uint64_t step, Error *err);
    void *context;
} TrainingObserver;

typedef struct TrainingJob {
    Model *model;            /* with gradients; a student already has its starting weights */
    const Denoiser *teacher; /* of a student; NULL for a teacher */
    const Dataset *data;
    const char *out;                    /* model file */
    const char *log;                    /* CSV file, or NULL */
    const SafetensorsFile *resume_from; /* `out` as it was, or NULL for a new run */
    bool keep_log;                      /* go on with an existing log; else it is replaced */
    bool check_finite;                  /* look at the result of every operation */
    bool quiet;
    double save_seconds;       /* time between checkpoints; 0: after every step */
    TrainingObserver observer; /* also looks at the step that a run goes on from */
} TrainingJob;

typedef enum TrainingEnd {
    TRAINING_DONE,
    TRAINING_INTERRUPTED, /* a signal came; the checkpoint is written */
    TRAINING_FAILED       /* err says why; the last good checkpoint is untouched */
} TrainingEnd;

/* What a configuration asks of the optimiser. */
OptimizerConfig training_optimizer(const Config *c);
/* Trains until model->step = config.steps and writes job->out.  Afterwards the model holds the
 * averaged weights.  The file depends on configuration, data and seed only: not on interruptions,
 * threads or time. */
TrainingEnd training_run(const TrainingJob *job, Error *err);

#endif
