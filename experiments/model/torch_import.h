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
    Model *model; /* names and shapes are the file's; memory for weights is not allocated */
} TorchImport;

/* Whether the file is to be read as PyTorch's: a zip archive, or a name that ends in .pt or .pth.
 */
bool torch_import_recognises(const char *path);
/* A line on stderr that names what the file holds beside what can be read, if it does. */
void torch_import_note(const TorchFile *file);
/* Of an open file, which must live as long.  settings (may be NULL): KEY=VALUE for what names and
 * shapes do not tell; unset, the paper's CIFAR-10.  On false everything is released. */
bool torch_import_of(TorchImport *t, TorchFile *file, const TextList *settings, Error *err);
void torch_import_close(TorchImport *t);
/* Fills the network of the file's model, allocating it if it is not yet: with averages
 * (ema_shadow_params) if asked for and present, else raw. */
bool torch_import_weights(const TorchModel *file, Network *net, WeightChoice which, Error *err);
/* Their nn_weights_hash, without a network's memory. */
bool torch_import_hash(const TorchModel *file, const Network *net, WeightChoice which, char out[65],
                       Error *err);

#endif
