/* Pickles of state dicts: the values that torch.save writes, as a tree.
 *
 * A pickle is a program for a stack machine that may call any function of Python.  Nothing is
 * called here: only the opcodes of protocol 2 that make numbers, texts and containers are known,
 * and of the classes only a short list, each of which becomes one of the values below.  All else is
 * refused by name. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

typedef enum PickleType {
    PICKLE_NONE,
    PICKLE_BOOL,    /* integer: 0 or 1 */
    PICKLE_INTEGER, /* integer */
    PICKLE_NUMBER,  /* number; also numpy's scalars of any type */
    PICKLE_TEXT,    /* text, ended by a 0 that `count` does not count; also Python's bytes */
    PICKLE_TUPLE,   /* items: count values */
    PICKLE_LIST,
    PICKLE_DICT,   /* items: key, value, key, value ...; count pairs.  Also OrderedDict */
    PICKLE_TENSOR, /* tensor */
    /* The rest appears while reading, never in a finished tree. */
    PICKLE_CLASS,   /* integer: index in the list of classes */
    PICKLE_STORAGE, /* tensor, without shape */
    PICKLE_DTYPE,   /* numpy's; text */
    PICKLE_MARK
} PickleType;

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

typedef struct Pickle Pickle;
/* `where` is how sentences call the pickle.  The values do not point into `bytes`.  A tree is at
 * most PICKLE_MAX_DEPTH deep, without cycles. */
Pickle *pickle_read(const unsigned char *bytes, size_t size, const char *where, Error *err);
const PickleValue *pickle_root(const Pickle *p);
void pickle_free(Pickle *p); /* NULL is allowed */

/* The value of a key that is a text; NULL if there is none or v is no dict (v may be NULL). */
const PickleValue *pickle_get(const PickleValue *v, const char *key);
/* Number of a bool, integer or number. */
bool pickle_number(const PickleValue *v, double *number);
const char *pickle_type_name(PickleType type);

/* Writer of protocol 2: values one after the other; containers are opened and closed. */
typedef struct PickleWriter {
    unsigned char *bytes;
    size_t count, capacity;
} PickleWriter;
void pickle_start(PickleWriter *w); /* w: zeros, or used before */
void pickle_stop(PickleWriter *w);
void pickle_writer_free(PickleWriter *w);

void pickle_put_none(PickleWriter *w);
void pickle_put_bool(PickleWriter *w, bool value);
void pickle_put_integer(PickleWriter *w, int64_t value);
void pickle_put_number(PickleWriter *w, double value);
void pickle_put_text(PickleWriter *w, const char *text);
void pickle_open_dict(PickleWriter *w, bool ordered); /* ordered: an OrderedDict */
void pickle_close_dict(PickleWriter *w);              /* in it: key, value, key, value ... */
void pickle_open_list(PickleWriter *w);
void pickle_close_list(PickleWriter *w);
void pickle_open_tuple(PickleWriter *w);
void pickle_close_tuple(PickleWriter *w);
/* A contiguous float32 tensor that is all of the storage of that key. */
void pickle_put_floats(PickleWriter *w, const char *key, int rank, const size_t *shape);

#endif
