/* The experiments of `di4c theory`: each computes on small worlds what a theorem says. */
#ifndef DI4C_EXPERIMENTS_THEORY_THEORY_H
#define DI4C_EXPERIMENTS_THEORY_THEORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/theory/findings.h"
#include "tensor/base/error.h"

typedef struct TheoryOptions {
    const char *world; /* name or FILE.csv of the only world to look at; NULL: those of the
                          experiment's choice */
    uint64_t seed;
    bool quiet; /* no progress on stderr */
} TheoryOptions;

/* An experiment is one of these, which a file of this room defines, and a line of theory.c. */
typedef struct Experiment {
    const char *name, *summary; /* one line */
    /* Adds rows, plots and text.  False and a sentence if the world makes no sense, a file cannot
     * be written, a signal came, or what the theorem says does not hold. */
    bool (*run)(const TheoryOptions *options, Findings *f, Error *err);
} Experiment;

extern const Experiment *const theory_experiments[];
extern const size_t theory_experiment_count;

#endif
