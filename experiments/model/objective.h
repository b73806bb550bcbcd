/* What a model is trained for: the losses of a step, and what they ask of the settings.
 *
 * An objective is one file, objective_NAME.c, and in objective.c its declaration and one line of
 * the table, from which the choices of the setting `objective` are made. */
#ifndef DI4C_EXPERIMENTS_MODEL_OBJECTIVE_H
#define DI4C_EXPERIMENTS_MODEL_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diffusion/teacher.h"
#include "diffusion/workspace.h"
#include "distill/distill_config.h"
#include "distill/variational.h"
#include "tensor/base/error.h"

struct Config; /* config.h, which knows this header */

enum { OBJECTIVE_TERMS_MAX = 6 };

/* One training step. */
typedef struct ObjectiveStep {
    const struct Config *config;
    const Denoiser *teacher; /* NULL: a teacher's own training */
    const Denoiser *model;   /* of a network with gradients */
    const Process *process;
    const States *x0;
    uint64_t number; /* from 0 */
    const Workspace *work;
} ObjectiveStep;

typedef struct Objective {
    const char *name;
    bool recognition;                       /* a recognition network is trained with the student */
    const char *terms[OBJECTIVE_TERMS_MAX]; /* what a log shows beside the loss; NULL ends them */
    /* How many of the terms a log of these settings has.  NULL: all. */
    size_t (*term_count)(const struct Config *c);
    /* Do the settings that it reads fit each other?  A sentence names the key. */
    bool (*check)(const struct Config *c, Error *err);
    /* Does a step depend on how many there will be?  NULL: none does. */
    bool (*needs_length)(const struct Config *c);
    /* Adds the gradient of the step's loss into the model's parameters and returns the loss; NaN as
     * in diffusion/workspace.h.  terms: their values. */
    double (*gradient)(const ObjectiveStep *s, double terms[OBJECTIVE_TERMS_MAX]);
} Objective;

extern const Objective objective_teacher;
/* Those of students, in the order of the choices of `objective`; the first are the paper's losses.
 */
extern const Objective *const objective_of_student[];
extern const size_t objective_student_count;

/* Names of the terms that a log of these settings has; returns how many. */
size_t objective_columns(const Objective *o, const struct Config *c,
                         const char *names[OBJECTIVE_TERMS_MAX]);
/* True if its training cannot be made longer than it was meant to be. */
bool objective_has_length(const Objective *o, const struct Config *c);

/* What a configuration asks of a step. */
TeacherConfig objective_teacher_config(const struct Config *c);
DistillConfig objective_published_config(const struct Config *c);
/* How often the law of lambda has been fitted when step `step` (from 0) begins: fit i of
 * prior_fits, from 1, comes before step i steps / (prior_fits + 1), rounded down. */
uint64_t objective_law_fits(const struct Config *c, uint64_t step);
/* In step `step` (from 0): the divergence's weight rises with the share of the steps made. */
VariationalConfig objective_variational_config(const struct Config *c, uint64_t step);

#endif
