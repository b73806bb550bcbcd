/* What one process measured of its shard of the samples, as a file; and all shards' files together
 * as the evaluation that one run would have made, bit for bit. */
#ifndef DI4C_EXPERIMENTS_METRICS_STATISTICS_H
#define DI4C_EXPERIMENTS_METRICS_STATISTICS_H

#include "experiments/cli/run_facts.h"
#include "experiments/metrics/evaluation.h"

/* Whether all chosen metrics can be measured in shards (wrong usage). */
bool statistics_check(const Evaluation *e, Error *err);
/* The rows of e, whose setting.shard says which samples they are of.  facts: what the run was made
 * of, the same in all shards. */
bool statistics_write(const Evaluation *e, const RunFacts *facts, const char *path, Error *err);

typedef struct Statistics {
    Evaluation
        *evaluation; /* as one run has it, but for pictures of samples; the seconds are added */
    RunFacts facts;  /* of the run */
    char **models;   /* of the rows' names */
} Statistics;
/* Reads the files, in any order, one after the other.  NULL and a sentence if one is no such file,
 * they are of different runs, or they have not all samples, each once. */
Statistics *statistics_merge(const char *const *paths, size_t count, Error *err);
void statistics_free(Statistics *s); /* NULL is allowed */

#endif
