/* Arrays of NumPy as levels of pictures, whatever their entries are stored as. */
#ifndef DI4C_EXPERIMENTS_DATA_READERS_NPY_LEVELS_H
#define DI4C_EXPERIMENTS_DATA_READERS_NPY_LEVELS_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/npy.h"
#include "tensor/base/error.h"

/* Whether all entries are whole numbers from 0 to levels - 1 (levels: 2 to 65536).  Axis 0 counts
 * the pictures and is not 0.  Floats of which none is above 1 are refused, since they mean shares.
 * A sentence otherwise that names path, picture and entry, and the NumPy call that makes levels of
 * what was found. */
bool npy_are_levels(const NpyArray *a, size_t levels, const char *path, Error *err);

#endif
