/* Reading pickles of state dicts: the values that torch.save writes, as a tree.
 *
 * A pickle is a program for a stack machine that may call any function of Python.  Nothing is
 * called here: the opcodes of protocols 2 to 5 that make numbers, texts and containers are known,
 * and of the classes only a short list, each of which becomes one of the values of pickle_value.h.
 * All other objects are kept as opaque values, which know their class's name and no more. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_READ_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_READ_H

#include <stddef.h>

#include "nn/formats/torch/pickle_value.h"
#include "tensor/base/error.h"

typedef struct Pickle Pickle;
/* `where` is how sentences call the pickle.  The values do not point into `bytes`.  A tree is at
 * most PICKLE_MAX_DEPTH deep, without cycles. */
Pickle *pickle_read(const unsigned char *bytes, size_t size, const char *where, Error *err);
/* The same of a pickle that others may follow: *used bytes.  Storages have a sixth part, None, as
 * before PyTorch 1.6. */
Pickle *pickle_read_first(const unsigned char *bytes, size_t size, size_t *used, const char *where,
                          Error *err);
const PickleValue *pickle_root(const Pickle *p); /* never opaque */
/* The opaque values by their place and class, for a sentence: `args (argparse.Namespace),
 * hyper.device (torch.device)`; the first few, and how many more.  "" if there are none. */
const char *pickle_foreign(const Pickle *p);
void pickle_free(Pickle *p); /* NULL is allowed */

#endif
