/* Pictures of a data set as states: batches for training, rows in file order. */
#ifndef DI4C_EXPERIMENTS_DATA_BATCHES_H
#define DI4C_EXPERIMENTS_DATA_BATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/dataset.h"
#include "tensor/states.h"

/* Batch number `step` (from 0) of a training run: entries step*batch ... of the endless sequence
 * made of one seeded permutation per epoch.  flip: each picture is mirrored left to right with
 * probability 1/2, keyed by (seed, step, index).  A data set with a law is drawn from it, keyed by
 * (seed, step, index), and never mirrored: that would be another law.  out (batch, D); labels
 * (batch) or NULL.  One caller at a time per Dataset: the permutation is cached in it. */
void dataset_batch(const Dataset *d, uint64_t seed, uint64_t step, size_t batch, bool flip,
                   States *out, uint16_t *labels);
/* Pictures first .. first+out->batch-1 in file order (of a law: its patterns). */
void dataset_rows(const Dataset *d, size_t first, States *out, uint16_t *labels);

#endif
