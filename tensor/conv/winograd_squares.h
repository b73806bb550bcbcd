/* The 4x4 squares that Winograd's algorithm cuts pictures into, see conv/winograd.c. */
#ifndef DI4C_TENSOR_CONV_WINOGRAD_SQUARES_H
#define DI4C_TENSOR_CONV_WINOGRAD_SQUARES_H

#include <stddef.h>

#include "tensor/conv/conv_shape.h"

typedef struct Squares {
    size_t batch, height, width;
    size_t down, across; /* squares in one picture */
    size_t count;
} Squares;
Squares wino_squares(const ConvShape *s);

typedef struct SquarePlace {
    size_t b, i, j;       /* picture, first row and column of the square */
    size_t rows, columns; /* inside the picture */
} SquarePlace;
SquarePlace wino_place(const Squares *q, size_t t); /* of square t */

/* The side x side pixels of x (batch, height, width, channels) whose first one lies `before` rows
 * and columns before the square's: read in place where they are inside the picture, else copied
 * among zeros into copy (side, side, channels).  *row: entries from one row to the next. */
const float *wino_window(const Squares *q, const SquarePlace *p, const float *x, size_t channels,
                         size_t before, size_t side, float *copy, size_t *row);

#endif
