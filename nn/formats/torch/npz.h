/* NumPy's .npz files: zip archives of arrays, NAME.npy for each. */
#ifndef DI4C_NN_FORMATS_TORCH_NPZ_H
#define DI4C_NN_FORMATS_TORCH_NPZ_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/npy.h"
#include "nn/formats/torch/zip_read.h"
#include "tensor/base/error.h"

/* The array of that name in an archive by zip_read_any (npy_free); NULL and a sentence naming file
 * and array otherwise. */
NpyArray *npz_array(const ZipFile *z, const char *name, Error *err);

typedef struct NpzItem {
    const char *name;
    int rank;
    const size_t *shape;
    const double *data;
} NpzItem;

/* Writes arrays of doubles, stored.  The file appears whole or not at all. */
bool npz_write(const char *path, const NpzItem *items, size_t count, Error *err);

#endif
