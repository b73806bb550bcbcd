/* Files by torch.save of PyTorch before 1.6: five pickles one after the other (a magic number, a
 * version, the machine's sizes, the values, the keys of storages), and then each storage as a
 * number of entries in 8 bytes and the entries.  The published weights of the Inception network are
 * older than the archives. */
#ifndef DI4C_NN_FORMATS_TORCH_TORCH_LEGACY_H
#define DI4C_NN_FORMATS_TORCH_TORCH_LEGACY_H

#include <stdbool.h>

#include "nn/formats/torch/pickle_read.h"
#include "nn/formats/torch/zip_read.h"
#include "tensor/base/error.h"

/* What names of entries begin with, here: the storage KEY is "legacy/data/KEY". */
#define TORCH_LEGACY_FOLDER "legacy/"

bool torch_legacy_recognises(const char *path); /* by how it begins */
/* The storages, as entries of an archive (zip_free), and the values' pickle.  NULL and a sentence
 * if anything in the file is wrong: storages must be those that the pickle names, each once and
 * with as many entries, and fill the file. */
ZipFile *torch_legacy_read(const char *path, Pickle **pickle, Error *err);

#endif
