/* Opening a data set by its spec, what --data says.
 *
 *   glyphs         built in, drawn from its exact law
 *   mnist:DIR      train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-* (uncompressed)
 *   idx:FILE       one idx3 file of pictures, no labels and no test split
 *   cifar10:DIR    data_batch_1.bin ... data_batch_5.bin as far as present, test_batch.bin
 */
#ifndef DI4C_EXPERIMENTS_DATA_DATASETS_H
#define DI4C_EXPERIMENTS_DATA_DATASETS_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "experiments/data/transform.h"
#include "tensor/base/error.h"

/* NULL and a sentence naming the file and the field if something is wrong. */
Dataset *dataset_open(const char *spec, bool test_split, const DatasetOptions *options, Error *err);
/* True if dataset_open(spec, true, ...) has something to open. */
bool dataset_has_test(const char *spec);

#endif
