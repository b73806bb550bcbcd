/* NumPy's .npy files: a magic, a header that is a Python dictionary, raw data.
 * Strict: whole numbers of 8 to 64 bits, floats of 16 to 64, bools; a file exactly as long as its
 * header says.  Either order of axes (C, Fortran) and of bytes is read; what else NumPy can save is
 * refused with the call that makes numbers of it. */
#ifndef DI4C_NN_FORMATS_NPY_H
#define DI4C_NN_FORMATS_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/buffer.h"
#include "tensor/base/error.h"

enum { NPY_MAX_RANK = 8 };

typedef enum NpyType {
    NPY_F4,
    NPY_F8,
    NPY_I4,
    NPY_I8,
    NPY_U1,
    NPY_U2,
    NPY_F2,
    NPY_I1,
    NPY_I2,
    NPY_U4,
    NPY_U8,
    NPY_BOOL
} NpyType;

typedef struct NpyArray {
    NpyType type;
    int rank; /* 0: one number */
    size_t shape[NPY_MAX_RANK];
    size_t count;
    const unsigned char *bytes; /* little-endian entries in C order, in the buffer or in `plain` */
    unsigned char *buffer;      /* the whole file, as it is */
    size_t size;                /* of the file */
    unsigned char *plain;       /* entries put in order; NULL: the file has them so */
} NpyArray;

/* Reads versions 1, 2 and 3 of the format; NULL and a sentence naming the file otherwise. */
NpyArray *npy_read(const char *path, Error *err);
/* The same from bytes in memory, which become the array's, or are freed (mem_free); path: how
 * sentences call them. */
NpyArray *npy_of_bytes(unsigned char *bytes, size_t size, const char *path, Error *err);
void npy_free(NpyArray *a);              /* NULL is allowed */
const char *npy_type_name(NpyType type); /* "float32" */
bool npy_is_float(NpyType type);
/* Entry i as a double; exact but for 64-bit integers beyond 2^53. */
double npy_number(const NpyArray *a, size_t i);

/* Appends what stands before the entries: for arrays that are written piece by piece, whose entries
 * follow as little-endian bytes. */
void npy_header(Buffer *out, NpyType type, int rank, const size_t *shape);

/* Writes float (NPY_F4), uint8_t (NPY_U1) or uint16_t (NPY_U2) entries at data; the other types are
 * a programming error.  The file appears whole or not at all. */
bool npy_write(const char *path, NpyType type, int rank, const size_t *shape, const void *data,
               Error *err);
/* Appends what a file of doubles (NPY_F8) would hold. */
void npy_put_doubles(Buffer *out, int rank, const size_t *shape, const double *data);

#endif
