/* Draws of x_t given x_0.  Closed forms need no matrix.  For dense processes samples are put in
 * groups of equal t; a group computes the rows of the states that occur in it, cumulates them, and
 * each dimension is one uniform number and a binary search. */
#include <stdlib.h>
#include <string.h>

#include "diffusion/process/marginal.h"
#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

typedef struct Sample {
    double t;
    size_t number;
} Sample;

typedef struct Marginal {
    const Process *p;
    States *xt;
    const States *x0;
    const double *t;
    const Rng *streams;
    Sample *samples; /* sorted by t */
    size_t *groups;  /* first sample of each group, and the number of samples */
} Marginal;

/* One group: row_of[x0] is the place of its row among `rows`. */
typedef struct Group {
    const Marginal *marginal;
    const Sample *samples;
    const uint16_t *row_of;
    const double *rows;
} Group;

static int by_time(const void *left, const void *right)
{
    const Sample *a = left, *b = right;

    if (a->t != b->t)
        return a->t < b->t ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void draw_closed(size_t b, void *context)
{
    const Marginal *m = context;
    Rng rng = m->streams[b];
    Transition *tr = diffusion_transition_create(m->p, 0.0, m->t[b], TRANSITION_SPECTRAL);
    const uint16_t *x0 = states_row(m->x0, b);
    uint16_t *xt = states_row(m->xt, b);

    for (size_t d = 0; d < m->xt->dims; d++)
        xt[d] = (uint16_t)diffusion_transition_draw(tr, x0[d], &rng);
    diffusion_transition_destroy(tr);
}

/* First index whose cumulated probability exceeds u times the total.  An index of probability 0
 * repeats its left neighbour's sum and is never the first; should u*total round to the total, the
 * first index that reaches the total is the last possible one. */
static size_t search(const double *sums, size_t S, double u)
{
    double total = sums[S - 1], target = u * total;
    size_t low = 0, high = S - 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sums[middle] > target || sums[middle] == total)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void draw_sample(size_t i, void *context)
{
    const Group *group = context;
    const Marginal *m = group->marginal;
    size_t b = group->samples[i].number, S = m->p->states;
    Rng rng = m->streams[b];
    const uint16_t *x0 = states_row(m->x0, b);
    uint16_t *xt = states_row(m->xt, b);

    for (size_t d = 0; d < m->xt->dims; d++)
        xt[d] = (uint16_t)search(group->rows + group->row_of[x0[d]] * S, S, rng_uniform(&rng));
}

/* Numbers the states that occur in the group; their list goes to `from`. */
static size_t list_states(const Marginal *m, const Sample *samples, size_t count, uint16_t *row_of,
                          uint16_t *from)
{
    size_t S = m->p->states, rows = 0;

    memset(row_of, 0, S * sizeof *row_of);
    for (size_t i = 0; i < count; i++) {
        const uint16_t *x0 = states_row(m->x0, samples[i].number);
        for (size_t d = 0; d < m->x0->dims; d++) {
            TENSOR_CHECK(x0[d] < S, "state %u of %zu", (unsigned)x0[d], S);
            row_of[x0[d]] = 1;
        }
    }
    for (size_t x = 0; x < S; x++)
        if (row_of[x] != 0) {
            row_of[x] = (uint16_t)rows;
            from[rows++] = (uint16_t)x;
        }
    return rows;
}

static void draw_group(size_t g, void *context)
{
    const Marginal *m = context;
    const Sample *samples = m->samples + m->groups[g];
    size_t count = m->groups[g + 1] - m->groups[g], S = m->p->states;
    uint16_t *row_of = mem_alloc(2 * S, sizeof *row_of), *from = row_of + S;
    size_t rows = list_states(m, samples, count, row_of, from);
    double *memory = threads_scratch(SCRATCH_PROCESS, 2 * rows * S * sizeof *memory);
    double *sums = memory + rows * S;
    Group group = {m, samples, row_of, sums};

    diffusion_transition_rows(m->p, 0.0, samples[0].t, from, rows, memory, sums);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 1; j < S; j++)
            sums[i * S + j] += sums[i * S + j - 1];
    threads_for(count, draw_sample, &group);
    mem_free(row_of);
}

void diffusion_draw_marginal(const Process *p, States *xt, const States *x0, const double *t,
                             const Rng *streams)
{
    size_t batch = x0->batch, groups = 0;
    Marginal m = {p, xt, x0, t, streams, NULL, NULL};

    TENSOR_CHECK(xt->batch == batch && xt->dims == x0->dims && (xt->x != x0->x || batch == 0),
                 "xt (%zu, %zu), x0 (%zu, %zu), not in place", xt->batch, xt->dims, batch,
                 x0->dims);
    if (batch == 0 || x0->dims == 0)
        return;
    if (p->class->closed) {
        cut_run(batch, draw_closed, &m, batch * x0->dims < CUT_SERIAL_DRAWS);
        return;
    }
    m.samples = mem_alloc(batch, sizeof *m.samples);
    m.groups = mem_alloc(batch + 1, sizeof *m.groups);
    for (size_t b = 0; b < batch; b++) {
        Sample sample = {t[b], b};
        m.samples[b] = sample;
    }
    qsort(m.samples, batch, sizeof *m.samples, by_time);
    for (size_t b = 0; b < batch; b++)
        if (b == 0 || m.samples[b].t > m.samples[b - 1].t)
            m.groups[groups++] = b;
    m.groups[groups] = batch;
    threads_for(groups, draw_group, &m);
    mem_free(m.samples);
    mem_free(m.groups);
}
