/* .safetensors files: an 8-byte little-endian header length, a JSON header, raw little-endian data.
 * The reader checks every offset against the file's size and refuses overlaps, gaps and unknown
 * types; the writer goes through a temporary file. */
#ifndef DI4C_NN_FORMATS_SAFETENSORS_H
#define DI4C_NN_FORMATS_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"
#include "tensor/tensor.h"

enum { SAFETENSORS_MAX_RANK = 8, SAFETENSORS_DTYPE = 16 };

typedef struct FileTensor {
    char *name;
    char dtype[SAFETENSORS_DTYPE]; /* "F32", "F64", "F16", "BF16", "I64", ... */
    int rank;
    size_t shape[SAFETENSORS_MAX_RANK];
    size_t count;               /* entries */
    const unsigned char *bytes; /* in the reader's buffer */
    size_t byte_count;
} FileTensor;

typedef struct MetaEntry {
    char *key, *value;
} MetaEntry;

typedef struct SafetensorsFile {
    char *path;
    FileTensor *tensors;
    size_t tensor_count;
    MetaEntry *meta;
    size_t meta_count;
    unsigned char *buffer; /* the whole file; owns all bytes */
    size_t size;           /* of the file */
} SafetensorsFile;

/* The whole file, its tensors in the order of their bytes (safetensors_free).  NULL and a sentence
 * naming file and tensor if anything in it is wrong. */
SafetensorsFile *safetensors_read(const char *path, Error *err);
void safetensors_free(SafetensorsFile *f); /* NULL is allowed */
const FileTensor *safetensors_find(const SafetensorsFile *f, const char *name); /* NULL if absent */
const char *safetensors_meta(const SafetensorsFile *f, const char *key);        /* NULL if absent */
/* All t->count entries as float32 (F32, F64, F16, BF16).  A sentence naming path and tensor if it
 * is of another type, or a finite F64 is beyond the range. */
bool safetensors_floats(const FileTensor *t, float *out, const char *path, Error *err);

/* SHA-256 of all keys and values but those of `except`, and of all names and bytes. */
void safetensors_file_hash(const SafetensorsFile *f, const char *except, char out[65]);

/* Writer: describe, then write.  data is float32, in file layout, and must live until write. */
typedef struct SafetensorsWriter SafetensorsWriter;
SafetensorsWriter *safetensors_writer(void);
void safetensors_add(SafetensorsWriter *w, const char *name, int rank, const size_t *shape,
                     const float *data);
void safetensors_add_meta(SafetensorsWriter *w, const char *key, const char *value);
/* Entries of another type, little-endian bytes that live until write: dtype "F64" or "U8"
 * (checked), which safetensors_use_half leaves as they are. */
void safetensors_add_bytes(SafetensorsWriter *w, const char *name, const char *dtype, int rank,
                           const size_t *shape, const unsigned char *bytes);
/* That of the file, if it were written now; all entries must be of safetensors_add_bytes. */
void safetensors_writer_hash(const SafetensorsWriter *w, char out[65]);
/* Numbers are written as F16, rounded to nearest, halfway to even.  safetensors_write then refuses
 * numbers that F16 does not reach, over 65504. */
void safetensors_use_half(SafetensorsWriter *w);
/* The file appears whole or not at all: false and a sentence. */
bool safetensors_write(SafetensorsWriter *w, const char *path, Error *err);
void safetensors_writer_free(SafetensorsWriter *w); /* NULL is allowed */

#endif
