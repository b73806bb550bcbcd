/* The opcodes that "call" classes of Python, of which only those of state dicts are known.  False,
 * with the sentence, if they fail. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_CLASSES_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_CLASSES_H

#include "nn/formats/torch/pickle_machine.h"

/* GLOBAL: two lines, module and name; a class of the list, or refused by name. */
bool pickle_read_class(PickleMachine *m);
/* BINPERSID: the id ("storage", class, key, device, number of entries). */
bool pickle_read_storage(PickleMachine *m);
/* REDUCE: a class and the tuple of its arguments become the value of the call. */
bool pickle_reduce(PickleMachine *m);
/* BUILD: attributes, which are checked and dropped. */
bool pickle_build(PickleMachine *m);

#endif
