/* Data sets of small pictures, and the order in which training sees them.
 *
 *   glyphs         built in, drawn from its exact law
 *   mnist:DIR      train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-* (uncompressed)
 *   idx:FILE       one idx3 file of pictures, no labels and no test split
 *   cifar10:DIR    data_batch_1.bin ... data_batch_5.bin as far as present, test_batch.bin
 */
#ifndef DI4C_EXPERIMENTS_DATA_DATASET_H
#define DI4C_EXPERIMENTS_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/finite_law.h"
#include "tensor/base/error.h"
#include "tensor/states.h"

typedef enum DataTransform {
    DATA_AS_IS,
    DATA_BINARY /* means of 2x2 pixels, 1 where mean/255 > threshold: half the size, S = 2 */
} DataTransform;

typedef struct DatasetOptions {
    DataTransform transform;
    double threshold; /* of DATA_BINARY, in (0, 1) */
} DatasetOptions;

typedef struct DatasetOrder DatasetOrder;

typedef struct Dataset {
    char *name; /* the spec it was opened with */
    size_t count, height, width, channels;
    size_t dims, states; /* D = height width channels; S without mask */
    size_t classes;      /* labels are 0..classes-1; 0: no labels */
    uint8_t *data;       /* (count, D), pictures in (H, W, C) order */
    uint8_t *labels;     /* (count), or NULL */
    FiniteLaw *law;      /* glyphs: data are the patterns, drawn with these probabilities */
    DatasetOrder *order; /* permutation of the epoch used last */
} Dataset;

DatasetOptions dataset_defaults(void);                              /* as is; threshold 0.4 */
bool dataset_transform(const char *name, DataTransform *transform); /* "none", "binary" */
/* NULL and a sentence naming the file and the field if something is wrong. */
Dataset *dataset_open(const char *spec, bool test_split, const DatasetOptions *options, Error *err);
/* `count` pictures of d's sizes, all zero, for the caller to fill; no labels, no law. */
Dataset *dataset_like(const Dataset *d, size_t count);
void dataset_close(Dataset *d); /* NULL is allowed */
/* True if dataset_open(spec, true, ...) has something to open. */
bool dataset_has_test(const char *spec);

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
