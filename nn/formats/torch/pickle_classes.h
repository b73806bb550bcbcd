/* The opcodes that "call" classes of Python, of which only those of state dicts are known.  Any
 * other class, its objects and what belongs to them become opaque values, of which nothing but the
 * class's name is kept.  False, with the sentence, if they fail. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_CLASSES_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_CLASSES_H

#include "nn/formats/torch/pickle_machine.h"

/* GLOBAL: two lines, module and name. */
bool pickle_read_class(PickleMachine *m);
/* STACK_GLOBAL: the same as two texts on the stack. */
bool pickle_class_of_texts(PickleMachine *m);
/* BINPERSID: the id ("storage", class, key, device, number of entries). */
bool pickle_read_storage(PickleMachine *m);
/* REDUCE: a class and the tuple of its arguments become the value of the call. */
bool pickle_reduce(PickleMachine *m);
/* NEWOBJ, and with a dict of keywords NEWOBJ_EX: the same as REDUCE. */
bool pickle_new(PickleMachine *m, bool keywords);
/* BUILD: attributes, which are checked and dropped. */
bool pickle_build(PickleMachine *m);

#endif
