/* A user's rate matrix: read from .csv or .npy, kept in model files as the same text. */
#ifndef DI4C_EXPERIMENTS_DATA_RATE_MATRIX_H
#define DI4C_EXPERIMENTS_DATA_RATE_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

typedef struct RateMatrix {
    size_t states; /* S >= 2 */
    double *rates; /* R (S, S), row by row */
} RateMatrix;

/* Reads a file: .npy with S x S numbers, or else text of S lines with S numbers each, separated by
 * commas or as csv_plain understands it.  NULL and a sentence with file and line if it is not
 * square or not numbers; what rates must obey is the process's to say (diffusion/process/matrix.c).
 */
RateMatrix *rate_matrix_read(const char *path, Error *err);
/* The same from text; `where` stands for the file's name in the sentence. */
RateMatrix *rate_matrix_parse(const char *text, const char *where, Error *err);
/* As text that reads back as the same numbers (mem_free). */
char *rate_matrix_text(const RateMatrix *m);
RateMatrix *rate_matrix_copy(const RateMatrix *m); /* NULL gives NULL */
void rate_matrix_free(RateMatrix *m);              /* NULL is allowed */
/* Both NULL, or the same size and numbers. */
bool rate_matrix_equal(const RateMatrix *a, const RateMatrix *b);

#endif
