/* Gathering rows, and adding them back.
 *
 * Backward: the rows of dy are listed by state (a counting sort, which keeps their order).  A task
 * is a strip of columns; it adds up the rows of each state in double and then adds the sum to the
 * table, so every entry is written by one task, and its terms have one order. */
#include "tensor/gather.h"

#include <string.h>

#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { STRIP = 32 };

void tensor_gather_rows(float *y, const float *table, const uint16_t *index, size_t n, size_t c)
{
    if (c == 0)
        return;
#pragma omp parallel for default(none) shared(y, table, index, n, c) schedule(static)              \
    num_threads(threads_team(n *c))
    for (size_t i = 0; i < n; i++)
        memcpy(y + i * c, table + index[i] * c, c * sizeof *y);
}

typedef struct Scatter {
    float *dtable;
    const float *dy;
    const size_t *end;   /* [states]: behind the last of the state's rows in order */
    const size_t *order; /* [n]: rows of dy, by state */
    size_t states, c;
} Scatter;

static void scatter_task(size_t strip, void *context)
{
    const Scatter *g = context;
    const size_t first = strip * STRIP, width = cut_min(STRIP, g->c - first);
    double sum[STRIP];
    for (size_t s = 0, i = 0; s < g->states; s++) {
        if (i == g->end[s])
            continue;
        memset(sum, 0, sizeof sum);
        for (; i < g->end[s]; i++) {
            const float *row = g->dy + g->order[i] * g->c + first;
#pragma omp simd
            for (size_t j = 0; j < width; j++)
                sum[j] += (double)row[j];
        }
        float *out = g->dtable + s * g->c + first;
        for (size_t j = 0; j < width; j++)
            out[j] += (float)sum[j];
    }
}

/* order: the numbers 0..n-1 by state, in each state upwards; end[s]: number of those with a state
 * up to s. */
static void sort_by_state(size_t *end, size_t *order, const uint16_t *index, size_t n,
                          size_t states)
{
    memset(end, 0, states * sizeof *end);
    for (size_t i = 0; i < n; i++)
        end[index[i]]++;
    for (size_t s = 0, before = 0; s < states; s++) {
        const size_t count = end[s];
        end[s] = before;
        before += count;
    }
    for (size_t i = 0; i < n; i++)
        order[end[index[i]]++] = i;
}

void tensor_gather_rows_backward(float *dtable, const float *dy, const uint16_t *index, size_t n,
                                 size_t states, size_t c)
{
    if (n == 0 || c == 0)
        return;
    size_t *end = threads_scratch(SCRATCH_REDUCE, (states + n) * sizeof *end);
    size_t *order = end + states;
    sort_by_state(end, order, index, n, states);
    Scatter g = {.dtable = dtable, .dy = dy, .end = end, .order = order, .states = states, .c = c};
    cut_run(cut_blocks(c, STRIP), scatter_task, &g, n * c < CUT_SERIAL_COPY);
}
