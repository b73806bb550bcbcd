/* Joining the shards of `sample --shard` to what one run would have written. */
#ifndef DI4C_EXPERIMENTS_SAMPLING_MERGE_SAMPLES_H
#define DI4C_EXPERIMENTS_SAMPLING_MERGE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

/* Whether the name is one of samples: .npy or .txt. */
bool merge_are_samples(const char *path);
/* Joins the files, in any order, to out, which has their suffix; *total: samples.  Only one file is
 * in memory at a time.  False and a sentence, and out untouched, if a file or its note is not as
 * sample wrote it, the files are of different runs, or they are not all samples, each once. */
bool merge_samples(const char *out, const char *const *paths, size_t count, size_t *total,
                   Error *err);

#endif
