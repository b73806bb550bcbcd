/* From one of PyTorch's .pt files to a Model: the configuration from the metadata that `di4c
 * convert` left in it, or else from names and shapes; then the weights. */
#ifndef DI4C_EXPERIMENTS_MODEL_TORCH_IMPORT_H
#define DI4C_EXPERIMENTS_MODEL_TORCH_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/cli/options.h"
#include "experiments/model/model.h"
#include "experiments/model/torch_model.h"
#include "nn/checkpoint.h"

typedef struct TorchImport {
    TorchModel *file;
    MetaEntry *meta; /* of `di4c convert`; the strings are the file's.  None in a foreign file */
    size_t meta_count;
    Model *model; /* names and shapes are the file's; weights only after torch_import_weights, which
                     allocates them */
} TorchImport;

/* Whether the file is to be read as PyTorch's: a zip archive, or a name that ends in .pt or .pth.
 */
bool torch_import_recognises(const char *path);
/* settings (may be NULL): KEY=VALUE for what names and shapes do not tell; unset, the paper's
 * CIFAR-10.  On false everything is released. */
bool torch_import_open(TorchImport *t, const char *path, const TextList *settings, Error *err);
/* The same for an open file, which must live as long. */
bool torch_import_of(TorchImport *t, TorchFile *file, const TextList *settings, Error *err);
void torch_import_close(TorchImport *t);
/* Allocates and fills the model's weights: averages (ema_shadow_params) if asked for and present,
 * else raw. */
bool torch_import_weights(TorchImport *t, WeightChoice which, Error *err);
/* All of it: what model_load does for such a file. */
Model *torch_import_model(const char *path, WeightChoice which, Error *err);

#endif
