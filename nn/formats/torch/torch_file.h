/* PyTorch's .pt files: a zip archive with a pickle (X/data.pkl) and the bytes of each storage
 * (X/data/KEY).  Reading gives the pickle's tree, whose tensors' bytes are there and in bounds. */
#ifndef DI4C_NN_FORMATS_TORCH_TORCH_FILE_H
#define DI4C_NN_FORMATS_TORCH_TORCH_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/safetensors.h"
#include "nn/formats/torch/pickle_read.h"
#include "nn/formats/torch/pickle_write.h"
#include "nn/formats/torch/zip_read.h"
#include "tensor/base/error.h"

typedef struct TorchFile {
    char *path;
    ZipFile *zip;
    Pickle *pickle;
    const PickleValue *root;
    char *folder; /* X, with a slash at the end */
} TorchFile;

/* NULL and a sentence if the file is no such archive, or older than they are (PyTorch 1.5), or
 * anything in it is wrong.  No tensor has more entries than its storage. */
TorchFile *torch_read(const char *path, Error *err);
/* Older files too (torch_legacy.h), but for the tar archives of the first versions. */
TorchFile *torch_read_any(const char *path, Error *err);
void torch_free(TorchFile *f); /* NULL is allowed */
/* The tensor's entries in row-major order, as float32 (F32, F64, F16, BF16; I64 too: a number that
 * float32 holds exactly).  name: how sentences call it.  out: t->count floats. */
bool torch_floats(const TorchFile *f, const PickleTensor *t, const char *name, float *out,
                  Error *err);
/* Number of a bool, integer, number, or tensor of one entry. */
bool torch_number(const TorchFile *f, const PickleValue *v, double *number);

/* Writer: put the tree through the pickle writer and tensors through torch_put_floats, then write.
 * The floats must live until then. */
typedef struct TorchWriter TorchWriter;
TorchWriter *torch_writer(void);
PickleWriter *torch_pickle(TorchWriter *w); /* started */
void torch_put_floats(TorchWriter *w, int rank, const size_t *shape, const float *data);
/* Ends the pickle and writes the file. */
bool torch_write(TorchWriter *w, const char *path, Error *err);
void torch_writer_free(TorchWriter *w);

#endif
