/* States: x in {0..S-1} as uint16, B samples of D dimensions, row-major (B, D).
 * Pictures are in (H, W, C) order; readers and writers of other orders convert. */
#ifndef DI4C_TENSOR_STATES_H
#define DI4C_TENSOR_STATES_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/base/arena.h"
#include "tensor/tensor.h"

typedef struct States {
    uint16_t *x;
    size_t batch, dims;
} States;

States states_make(Arena *arena, size_t batch, size_t dims); /* uninitialised */
States states_alloc(size_t batch, size_t dims);              /* by mem_alloc; states_free frees */
void states_free(States *s);
uint16_t *states_row(const States *s, size_t b);
States states_rows(const States *s, size_t first, size_t count); /* view of rows */
/* Rows repeated: out row b*n + i = row b of s.  From the arena. */
States states_repeat(Arena *arena, const States *s, size_t n);

/* c(x) = 2 x / top - 1 for each entry, (B, D); with top = S-1 in [-1, 1].  [D3PM] arXiv 2107.03006,
 * A.8. */
void states_centre(float *out, const States *s, double top);
/* One-hot: out (B, D, S), 1 at x and 0 elsewhere; x >= S is a programming error. */
void states_one_hot(float *out, const States *s, size_t S);

#endif
