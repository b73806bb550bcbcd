/* The values of a pickle, as a tree: numbers, texts, containers, and tensors without their bytes.
 */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_VALUE_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum PickleType {
    PICKLE_NONE,
    PICKLE_BOOL,    /* integer: 0 or 1 */
    PICKLE_INTEGER, /* integer */
    PICKLE_NUMBER,  /* number; also numpy's scalars of any type, and integers over 64 bits */
    PICKLE_TEXT,    /* text, ended by a 0 that `count` does not count; also Python's bytes */
    PICKLE_TUPLE,   /* items: count values */
    PICKLE_LIST,
    PICKLE_DICT,   /* items: key, value, key, value ...; count pairs.  Also OrderedDict */
    PICKLE_TENSOR, /* tensor */
    PICKLE_OPAQUE, /* anything else, of which nothing is read; text: its class, as MODULE.NAME */
    /* The rest appears while reading, never in a finished tree. */
    PICKLE_CLASS,   /* integer: index in the list of classes */
    PICKLE_STORAGE, /* tensor, without shape */
    PICKLE_DTYPE,   /* numpy's; text */
    PICKLE_MARK
} PickleType;

/* As in .safetensors files; and levels of a tree, of which a state dict in a checkpoint needs four:
 * trees are walked by recursion. */
enum { PICKLE_MAX_RANK = 8, PICKLE_MAX_DEPTH = 32 };

typedef struct PickleTensor {
    const char *dtype; /* "F32", "F64", "F16", "BF16", "I64", ... as in .safetensors files */
    size_t item;       /* bytes of an entry */
    const char *key;   /* of the storage: entry "data/KEY" of the archive */
    size_t storage;    /* entries in the storage */
    size_t offset;     /* first entry of the tensor */
    int rank;
    size_t shape[PICKLE_MAX_RANK], stride[PICKLE_MAX_RANK]; /* in entries */
    size_t count; /* product of the shape; every entry lies within the storage */
} PickleTensor;

typedef struct PickleValue PickleValue;
struct PickleValue {
    PickleType type;
    int64_t integer;
    double number;
    const char *text;
    size_t count, capacity;
    PickleValue **items;
    PickleTensor *tensor;
};

/* The value of a key that is a text; NULL if there is none or v is no dict (v may be NULL). */
const PickleValue *pickle_get(const PickleValue *v, const char *key);
/* How many items v has: of a dict the keys and the values, 0 of what is no container. */
size_t pickle_item_count(const PickleValue *v);
/* Number of a bool, integer or number. */
bool pickle_number(const PickleValue *v, double *number);
/* What a sentence says was found: the class of an opaque object, or else its type. */
const char *pickle_found(const PickleValue *v);

#endif
