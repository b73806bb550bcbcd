/* Files in the idx format: big-endian sizes, then unsigned bytes. */
#ifndef DI4C_EXPERIMENTS_DATA_READERS_IDX_H
#define DI4C_EXPERIMENTS_DATA_READERS_IDX_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "tensor/base/error.h"

/* Both are strict: magic number, axes of 1 to 4096 (the first of any length), a file exactly as
 * long as its header says. */
/* Fills d's pictures and their sizes from an uncompressed idx3 file of 256 levels. */
bool idx_pictures(Dataset *d, const char *path, Error *err);
/* Fills the labels 0 to 9 of d's pictures from an idx1 file of as many entries.  Where there is no
 * such file, or labels are out of range, d has none and knows why (dataset_without_labels). */
bool idx_labels(Dataset *d, const char *path, Error *err);

#endif
