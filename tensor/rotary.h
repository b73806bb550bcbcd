/* Rotary position embedding (arXiv 2104.09864). */
#ifndef DI4C_TENSOR_ROTARY_H
#define DI4C_TENSOR_ROTARY_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/places.h"

typedef struct RotaryShape {
    size_t batch, positions, heads,
        channels;         /* channels: of all heads; of one, h: an even number */
    size_t first;         /* leading positions that are not rotated */
    const Places *places; /* the rows of x and y are at these places alone, (N, C); NULL: at all */
} RotaryShape;

/* y = or, if add, += x (B, positions, C) with the channels i and i + h/2 of each head, i < h/2, at
 * position p >= first turned as a point of the plane by the angle (p - first) 10000^(-2i/h); by its
 * negative if back, which is the inverse and the transpose.  y may be x if not add. */
void tensor_rotary(float *y, const float *x, bool back, bool add, const RotaryShape *s);

#endif
