/* Bayes over a list of patterns.  All in double and in logarithms: at small t the weights of 36
 * dimensions span far more than the range of a double. */
#include "experiments/data/law/exact_denoiser.h"

#include <math.h>

#include "diffusion/process/transition.h"
#include "diffusion/process/transition_cache.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static const float NEVER = -1e30f;
enum { TIMES = 8 }; /* whose matrices are kept: batches may mix a few times */

typedef struct ExactTable {
    const FiniteLaw *law;
    const Process *process;
    TransitionCache *transitions; /* 0 -> t */
    double time;                  /* of log_q; negative at first */
    double *log_q;                /* (law states, process states) = log q(x_t | x_0), -inf for 0 */
    double *weight;               /* (patterns) */
    size_t *misses;               /* (patterns): dimensions with q = 0 */
} ExactTable;

static void set_time(ExactTable *table, double t)
{
    size_t S = table->process->states;

    if (t == table->time)
        return;
    table->time = t;
    for (size_t a = 0; a < table->law->states; a++) {
        const double *q = diffusion_transition_cache_row(table->transitions, 0.0, t, a);
        for (size_t x = 0; x < S; x++)
            table->log_q[a * S + x] = q[x] > 0.0 ? log(q[x]) : -HUGE_VAL;
    }
}

/* weight = posterior of the patterns given x, up to a factor; only those with the fewest misses. */
static void weigh(ExactTable *table, const uint16_t *x)
{
    const FiniteLaw *law = table->law;
    size_t fewest = law->dims + 1;
    double top = -HUGE_VAL;

    for (size_t k = 0; k < law->count; k++) {
        const uint16_t *pattern = law->patterns + k * law->dims;
        double sum = log(law->probability[k]);
        size_t misses = 0;
        for (size_t d = 0; d < law->dims; d++) {
            double log_q = table->log_q[pattern[d] * table->process->states + x[d]];
            if (log_q > -HUGE_VAL)
                sum += log_q;
            else
                misses++;
        }
        table->weight[k] = sum;
        table->misses[k] = misses;
        if (misses < fewest) {
            fewest = misses;
            top = sum;
        } else if (misses == fewest && sum > top) {
            top = sum;
        }
    }
    for (size_t k = 0; k < law->count; k++)
        table->weight[k] = table->misses[k] == fewest ? exp(table->weight[k] - top) : 0.0;
}

/* out (D, S) = log marginals under table->weight; sums is scratch (D, S). */
static void marginals(const ExactTable *table, double *sums, float *out)
{
    const FiniteLaw *law = table->law;
    size_t S = law->states;
    double total = 0.0;

    for (size_t i = 0; i < law->dims * S; i++)
        sums[i] = 0.0;
    for (size_t k = 0; k < law->count; k++) {
        const uint16_t *pattern = law->patterns + k * law->dims;
        double w = table->weight[k];
        total += w;
        if (w > 0.0)
            for (size_t d = 0; d < law->dims; d++)
                sums[d * S + pattern[d]] += w;
    }
    for (size_t i = 0; i < law->dims * S; i++)
        out[i] = sums[i] > 0.0 ? (float)log(sums[i] / total) : NEVER;
}

static Var *exact_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    ExactTable *table = d->self;
    const FiniteLaw *law = table->law;
    size_t shape[3] = {in->x->batch, law->dims, law->states}, row = law->dims * law->states;

    TENSOR_CHECK(in->x->dims == law->dims, "states (%zu, %zu), patterns (%zu, %zu)", in->x->batch,
                 in->x->dims, law->count, law->dims);
    Tensor value = tensor_make(g->arena, 3, shape);
    double *sums = mem_alloc(row, sizeof *sums);
    for (size_t b = 0; b < in->x->batch; b++) {
        const uint16_t *x = states_row(in->x, b);
        for (size_t i = 0; i < law->dims; i++)
            TENSOR_CHECK(x[i] < table->process->states, "state %u at entry %zu, S = %zu",
                         (unsigned)x[i], i, table->process->states);
        set_time(table, in->t[b]);
        weigh(table, x);
        marginals(table, sums, value.data + b * row);
    }
    mem_free(sums);
    return ag_constant(g, value);
}

Denoiser *exact_denoiser_create(const FiniteLaw *law, const Process *p)
{
    TENSOR_CHECK(p->states == law->states + (p->mask >= 0), "process with %zu states, law with %zu",
                 p->states, law->states);
    ExactTable *table = mem_zeroed(1, sizeof *table);
    table->law = law;
    table->process = p;
    table->transitions = diffusion_transition_cache_create(p, TRANSITION_ACCURATE, TIMES);
    table->time = -1.0;
    table->log_q = mem_alloc(law->states * p->states, sizeof *table->log_q);
    table->weight = mem_alloc(law->count, sizeof *table->weight);
    table->misses = mem_alloc(law->count, sizeof *table->misses);

    Denoiser *d = mem_zeroed(1, sizeof *d);
    d->head.class = &diffusion_softmax;
    d->head.dims = law->dims;
    d->head.states = law->states;
    d->head.channels = 1;
    d->head.mask = p->mask;
    d->forward = exact_forward;
    d->self = table;
    return d;
}

void exact_denoiser_destroy(Denoiser *d)
{
    if (d == NULL)
        return;
    ExactTable *table = d->self;
    diffusion_transition_cache_destroy(table->transitions);
    mem_free(table->log_q);
    mem_free(table->weight);
    mem_free(table->misses);
    mem_free(table);
    mem_free(d);
}
