/* Pictures and sequences of a data set as states: batches for training, rows in file order. */
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
 * (seed, step, index), and never mirrored: that would be another law.  A text gives windows that
 * begin anywhere in it, each place as likely, keyed by (seed, step, index), never mirrored; if it
 * is in rows, its rows in the order of pictures.  out (batch, D); labels (batch) or NULL.  One
 * caller at a time per Dataset: the permutation is cached in it. */
void dataset_batch(const Dataset *d, uint64_t seed, uint64_t step, size_t batch, bool flip,
                   States *out, uint16_t *labels);
/* Pictures first .. first+out->batch-1 in file order (of a law: its patterns; of a text: windows
 * side by side). */
void dataset_rows(const Dataset *d, size_t first, States *out, uint16_t *labels);
/* The other way: x as the pictures or sequences first .. first+x->batch-1.  Pictures keep the
 * lowest byte of each state. */
void dataset_put(Dataset *d, size_t first, const States *x);

#endif
