/* One world's part of the experiment `limit`, with a training of any length. */
#ifndef DI4C_EXPERIMENTS_THEORY_LIMIT_H
#define DI4C_EXPERIMENTS_THEORY_LIMIT_H

#include "experiments/theory/findings.h"

/* world: as world_open.  Adds rows, tables and charts; false and a sentence also for a world of
 * more than 1024 states, or if more than log N nats are carried. */
bool theory_limit_world(const char *world, size_t steps, uint64_t seed, Findings *f, Error *err);

#endif
