/* Tensor: float32, contiguous, row-major, rank 0 to 4; a shape and a pointer, nothing else.
 * Pictures are channels-last: (B, H, W, C).  Views share data. */
#ifndef DI4C_TENSOR_TENSOR_H
#define DI4C_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/arena.h"

enum { TENSOR_MAX_RANK = 4, TENSOR_TEXT = 96 };

typedef struct Tensor {
    float *data;
    size_t shape[TENSOR_MAX_RANK]; /* entries at and after rank are 1 */
    int rank;
} Tensor;

/* Uninitialised data from the arena. */
Tensor tensor_make(Arena *arena, int rank, const size_t *shape);
Tensor tensor_make1(Arena *arena, size_t n);
Tensor tensor_make2(Arena *arena, size_t rows, size_t columns);
Tensor tensor_make4(Arena *arena, size_t b, size_t h, size_t w, size_t c);
/* A view of memory that somebody else owns. */
Tensor tensor_view(float *data, int rank, const size_t *shape);
/* The same data under another shape; the number of entries must agree (checked). */
Tensor tensor_reshape(Tensor t, int rank, const size_t *shape);
size_t tensor_size(const Tensor *t); /* number of entries */
bool tensor_same_shape(const Tensor *a, const Tensor *b);
/* "(2, 32, 32, 128)" into text, which is returned. */
const char *tensor_text(const Tensor *t, char text[TENSOR_TEXT]);

#endif
