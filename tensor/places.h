/* Places: some of the positions of a batch of sequences, for work that is needed there alone.
 * Picking takes their rows together, (B, L, C) -> (N, C); spreading puts them back among zeros, and
 * each is the other's transpose. */
#ifndef DI4C_TENSOR_PLACES_H
#define DI4C_TENSOR_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/arena.h"

/* N places of B samples of L positions, sample by sample, in each upwards. */
typedef struct Places {
    size_t batch, positions; /* B, L */
    const size_t *first;     /* (B + 1): sample b's are numbers first[b] to first[b + 1] - 1 */
    const size_t *at;        /* (N): b L + the position in the sample */
} Places;

/* Those that `wanted` (batch, positions) is true at; in each sample `front` positions that are not
 * among them come before: L = front + positions.  From the arena. */
Places places_make(Arena *arena, const bool *wanted, size_t batch, size_t positions, size_t front);
size_t places_count(const Places *p); /* N */
/* Number of sample b's places. */
size_t places_of_sample(const Places *p, size_t b);

/* y (N, c) = or, if add, += the rows of x (B, L, c) at the places. */
void tensor_pick(float *y, const float *x, bool add, const Places *p, size_t c);
/* x (B, L, c) = or, if add, += the rows of y (N, c) at the places, 0 at all others. */
void tensor_spread(float *x, const float *y, bool add, const Places *p, size_t c);

#endif
