/* Picking and spreading rows.  Places are told apart, so every row has one writer. */
#include "tensor/places.h"

#include <string.h>

#include "tensor/system/threads.h"

Places places_make(Arena *arena, const bool *wanted, size_t batch, size_t positions, size_t front)
{
    size_t *first = arena_alloc(arena, batch + 1, sizeof *first), count = 0;
    for (size_t i = 0; i < batch * positions; i++)
        count += wanted[i];
    size_t *at = arena_alloc(arena, count, sizeof *at);
    const size_t length = front + positions;
    size_t n = 0;
    for (size_t b = 0; b < batch; b++) {
        first[b] = n;
        for (size_t i = 0; i < positions; i++)
            if (wanted[b * positions + i])
                at[n++] = b * length + front + i;
    }
    first[batch] = n;
    return (Places){.batch = batch, .positions = length, .first = first, .at = at};
}

size_t places_count(const Places *p)
{
    return p->first[p->batch];
}

size_t places_of_sample(const Places *p, size_t b)
{
    return p->first[b + 1] - p->first[b];
}

static void put_row(float *to, const float *from, bool add, size_t c)
{
    if (!add) {
        memcpy(to, from, c * sizeof *to);
        return;
    }
    for (size_t j = 0; j < c; j++)
        to[j] += from[j];
}

void tensor_pick(float *y, const float *x, bool add, const Places *p, size_t c)
{
    const size_t n = places_count(p);
    if (c == 0)
        return;
#pragma omp parallel for default(none) shared(y, x, add, p, c, n) schedule(static)                 \
    num_threads(threads_team(n *c))
    for (size_t i = 0; i < n; i++)
        put_row(y + i * c, x + p->at[i] * c, add, c);
}

void tensor_spread(float *x, const float *y, bool add, const Places *p, size_t c)
{
    const size_t sample = p->positions * c;
    if (sample == 0)
        return;
#pragma omp parallel for default(none) shared(y, x, add, p, c, sample) schedule(static)            \
    num_threads(threads_team(p->batch *sample))
    for (size_t b = 0; b < p->batch; b++) {
        if (!add)
            memset(x + b * sample, 0, sample * sizeof *x);
        for (size_t i = p->first[b]; i < p->first[b + 1]; i++)
            put_row(x + p->at[i] * c, y + i * c, add, c);
    }
}
