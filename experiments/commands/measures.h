/* Measures of a model while it is trained: every so many steps, samples of its averaged weights at
 * some numbers of steps, by the metrics that fit the data, a line each time in a log of their own.
 * They draw from streams of their own: the model is the same without. */
#ifndef DI4C_EXPERIMENTS_COMMANDS_MEASURES_H
#define DI4C_EXPERIMENTS_COMMANDS_MEASURES_H

#include "experiments/cli/options.h"
#include "experiments/data/dataset.h"
#include "experiments/model/model.h"
#include "experiments/training/training.h"

typedef struct MeasureOptions {
    int64_t every, count; /* training steps, 0: never; samples */
    CountList steps;
} MeasureOptions;

typedef struct Measures Measures;

/* Appends --measure, --measure-steps and --measure-count. */
void measures_options(MeasureOptions *o, OptionTable *table);
/* The log's name for a model's; by mem_alloc. */
char *measures_log(const char *model);
/* Prepares the metrics, which may take a minute, and opens the log; resume: its rows up to `step`
 * stay.  model and data are kept, not owned.  NULL and a sentence. */
Measures *measures_create(const MeasureOptions *o, const Model *model, const Dataset *data,
                          const char *log, bool resume, uint64_t step, bool quiet, Error *err);
void measures_destroy(Measures *m); /* NULL is allowed */
TrainingObserver measures_observer(Measures *m);

#endif
