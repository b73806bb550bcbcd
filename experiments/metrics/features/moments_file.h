/* Mean and covariance of features in NumPy's .npz: arrays `mu` (F) and `sigma` (F, F), as
 * pytorch-fid and others write them. */
#ifndef DI4C_EXPERIMENTS_METRICS_FEATURES_MOMENTS_FILE_H
#define DI4C_EXPERIMENTS_METRICS_FEATURES_MOMENTS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/metrics/features/frechet.h"
#include "tensor/base/error.h"

/* m->count is 0: the file does not say it (moments_free).  False and a sentence if there is no such
 * array of so many features, a number is not finite, or sigma is not symmetric or has a variance
 * below 0.  That it has no other negative direction frechet_root sees. */
bool moments_file_read(Moments *m, const char *path, size_t features, Error *err);
bool moments_file_write(const Moments *m, const char *path, Error *err);

#endif
