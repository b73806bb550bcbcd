/* The readers of data sets: each fills a new Dataset but for dims; place: what stands after the
 * colon. */
#ifndef DI4C_EXPERIMENTS_DATA_READERS_H
#define DI4C_EXPERIMENTS_DATA_READERS_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "tensor/base/error.h"

bool glyphs_open(Dataset *d);
bool mnist_open(Dataset *d, const char *folder, bool test_split, Error *err);
bool mnist_has_test(const char *folder);
bool cifar10_open(Dataset *d, const char *folder, bool test_split, Error *err);
bool cifar10_has_test(const char *folder);

#endif
