/* Arrays of states and their two float forms: centred values and one-hot rows. */
#include "tensor/states.h"

#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static size_t entries(size_t batch, size_t dims)
{
    size_t count;

    TENSOR_CHECK(mem_product(batch, dims, &count), "%zu x %zu states overflow", batch, dims);
    return count;
}

States states_make(Arena *arena, size_t batch, size_t dims)
{
    States s = {NULL, batch, dims};

    s.x = arena_alloc(arena, entries(batch, dims), sizeof *s.x);
    return s;
}

States states_alloc(size_t batch, size_t dims)
{
    States s = {NULL, batch, dims};

    s.x = mem_alloc(entries(batch, dims), sizeof *s.x);
    return s;
}

void states_free(States *s)
{
    mem_free(s->x);
    s->x = NULL;
    s->batch = s->dims = 0;
}

uint16_t *states_row(const States *s, size_t b)
{
    TENSOR_CHECK(b < s->batch, "row %zu of %zu", b, s->batch);
    return s->x + b * s->dims;
}

States states_rows(const States *s, size_t first, size_t count)
{
    TENSOR_CHECK(first <= s->batch && count <= s->batch - first, "%zu rows from %zu on, of %zu",
                 count, first, s->batch);
    States view = {s->x + first * s->dims, count, s->dims};
    return view;
}

States states_repeat(Arena *arena, const States *s, size_t n)
{
    States out = states_make(arena, entries(s->batch, n), s->dims);

    for (size_t b = 0; b < s->batch; b++)
        for (size_t i = 0; i < n; i++)
            memcpy(out.x + (b * n + i) * s->dims, s->x + b * s->dims, s->dims * sizeof *s->x);
    return out;
}

void states_centre(float *out, const States *s, double top)
{
    size_t n = s->batch * s->dims;

    TENSOR_CHECK(top > 0.0, "top = %g of %zu states, above 0", top, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(2.0 * s->x[i] / top - 1.0);
}

void states_one_hot(float *out, const States *s, size_t S)
{
    size_t n = s->batch * s->dims;

    memset(out, 0, n * S * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        TENSOR_CHECK(s->x[i] < S, "state %u at entry %zu, S = %zu", (unsigned)s->x[i], i, S);
        out[i * S + s->x[i]] = 1.0f;
    }
}
