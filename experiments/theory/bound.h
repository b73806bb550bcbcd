/* One world's part of the experiment `bound`, with a training of any length. */
#ifndef DI4C_EXPERIMENTS_THEORY_BOUND_H
#define DI4C_EXPERIMENTS_THEORY_BOUND_H

#include "experiments/theory/findings.h"

/* world: as world_open.  Adds rows, table and charts; false and a sentence also if the bound is
 * broken. */
bool theory_bound_world(const char *world, size_t steps, uint64_t seed, Findings *f, Error *err);

#endif
