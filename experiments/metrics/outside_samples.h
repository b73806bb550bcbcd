/* Pictures that came from elsewhere, in an array such as numpy.save writes. */
#ifndef DI4C_EXPERIMENTS_METRICS_OUTSIDE_SAMPLES_H
#define DI4C_EXPERIMENTS_METRICS_OUTSIDE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"
#include "tensor/states.h"

typedef struct OutsideSamples {
    size_t height, width, channels;
    States x; /* states_free */
} OutsideSamples;

/* An array of (pictures, height, width) or (..., channels), of 1 or 3 channels and whole numbers
 * from 0 to states - 1.  False and a sentence otherwise, with the numpy call that mends it where
 * there is one. */
bool outside_samples_read(OutsideSamples *s, const char *path, size_t states, Error *err);

#endif
