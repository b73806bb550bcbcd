/* The machine that a pickle is a program for: a stack of values and a memo of values by number,
 * both of pointers into one arena.  Functions that return bool or NULL have set the sentence when
 * they fail. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_MACHINE_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_MACHINE_H

#include <stdbool.h>

#include "nn/formats/torch/pickle_value.h"
#include "tensor/base/arena.h"
#include "tensor/base/error.h"

typedef struct PickleMachine {
    const unsigned char *bytes;
    size_t size, at, start; /* start: of the present opcode */
    const char *where;
    bool first; /* others may follow: pickle_read_first */
    Arena *arena;
    PickleValue **stack, **memo;
    size_t count, capacity, memo_count;
    size_t memo_used; /* entries of the memo that are not NULL */
    size_t encoded;   /* characters that reduce_encode has copied */
    Error *err;
} PickleMachine;

/* False, with the sentence: where, the opcode's place, what. */
bool pickle_wrong(PickleMachine *m, const char *what);
PickleValue *pickle_make(PickleMachine *m, PickleType type);
bool pickle_push(PickleMachine *m, PickleValue *v);
bool pickle_push_integer(PickleMachine *m, PickleType type, int64_t integer);
/* An object that is not read; the class's name, which must live in the arena. */
bool pickle_push_opaque(PickleMachine *m, const char *class_name);
/* The value `depth` below the top, which may not be a mark. */
PickleValue *pickle_top(PickleMachine *m, size_t depth);

#endif
