/* Whole rows, known dimensions, and loops over batches.
 *
 * Batches are cut by sample; each sample's dimensions are drawn in order from its own stream, one
 * uniform for each dimension that is not known. */
#include "diffusion/head/batch.h"

#include <math.h>

#include "diffusion/head/law.h"
#include "tensor/base/check.h"
#include "tensor/base/order.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

static void point_mass(float *logp, size_t S, size_t at)
{
    TENSOR_CHECK(at < S, "known state %zu of %zu", at, S);
    for (size_t j = 0; j < S; j++)
        logp[j] = -HUGE_VALF;
    logp[at] = 0.0f;
}

enum { BLOCK = 256, DRAW_BLOCK = 32 }; /* states at a time */

/* x[i] = first + i; returns how many, at most BLOCK. */
static size_t list_states(uint16_t *x, size_t first, size_t S)
{
    size_t count = S - first < BLOCK ? S - first : BLOCK;

    for (size_t i = 0; i < count; i++)
        x[i] = (uint16_t)(first + i);
    return count;
}

void diffusion_head_row(const Head *head, const float *out, const uint16_t *x, size_t d,
                        float *logp)
{
    uint16_t list[BLOCK];

    TENSOR_CHECK(d < head->dims, "dimension %zu of %zu", d, head->dims);
    if (diffusion_head_known(head, x, d)) {
        point_mass(logp, head->states, x[d]);
        return;
    }
    HeadLaw law = diffusion_head_law(head, out, d, logp);
    for (size_t first = 0; first < head->states; first += BLOCK) {
        size_t count = list_states(list, first, head->states);
        diffusion_law_log_at(&law, list, count, logp + first);
    }
}

void diffusion_head_row_gradient(const Head *head, const float *out, const uint16_t *x, size_t d,
                                 const float *dlogp, float *dout)
{
    uint16_t list[BLOCK];

    TENSOR_CHECK(d < head->dims, "dimension %zu of %zu", d, head->dims);
    if (diffusion_head_known(head, x, d))
        return;
    float *p = threads_scratch(SCRATCH_HEAD, 2 * head->states * sizeof *p);
    float *dlevel = p + head->states; /* at most S numbers */
    HeadLaw law = diffusion_head_law(head, out, d, p);
    diffusion_law_pull(&law, NULL, NULL, dlevel);
    for (size_t first = 0; first < head->states; first += BLOCK) {
        size_t count = list_states(list, first, head->states);
        diffusion_law_pull_at(&law, dlevel, list, dlogp + first, count, dout);
    }
}

/* ---- batches ---- */

typedef struct Batch {
    const Head *head;
    const float *out;
    size_t outputs;
    const States *x, *x0;
    const Rng *streams;
    uint16_t *result; /* (B, D) */
    double *total;    /* (B) */
} Batch;

static Batch batch_of(const Head *head, const float *out, const States *x, const States *x0)
{
    Batch batch = {head, out, diffusion_head_outputs(head), x, x0, NULL, NULL, NULL};

    TENSOR_CHECK(x0->dims == head->dims, "x_0 (%zu, %zu), head of %zu dimensions", x0->batch,
                 x0->dims, head->dims);
    TENSOR_CHECK(head->mask < 0 || x != NULL, "a head with mask %d needs the noised states",
                 head->mask);
    TENSOR_CHECK(x == NULL || (x->batch == x0->batch && x->dims == x0->dims),
                 "x (%zu, %zu), x_0 (%zu, %zu)", x->batch, x->dims, x0->batch, x0->dims);
    return batch;
}

static const uint16_t *noised(const Batch *batch, size_t b)
{
    return batch->x != NULL ? states_row(batch->x, b) : NULL;
}

/* Index with probability p, by blocks: their sums find the block.  Never one of probability 0. */
static size_t draw_row(Rng *rng, const float *p, size_t S)
{
    double total = 0.0, sum = 0.0, part[(UINT16_MAX + 1) / DRAW_BLOCK];
    size_t blocks = cut_blocks(S, DRAW_BLOCK), last = S;

    for (size_t k = 0; k < blocks; k++) {
        size_t end = (k + 1) * DRAW_BLOCK < S ? (k + 1) * DRAW_BLOCK : S;
        double block = 0.0;
#pragma omp simd SUM_ORDER reduction(+ : block)
        for (size_t j = k * DRAW_BLOCK; j < end; j++)
            block += (double)p[j];
        part[k] = block;
        total += block;
    }
    double target = rng_uniform(rng) * total;
    size_t k = 0;
    while (k + 1 < blocks && sum + part[k] <= target)
        sum += part[k++];
    for (size_t j = k * DRAW_BLOCK; j < S; j++) {
        if (!(p[j] > 0.0f))
            continue;
        sum += (double)p[j];
        last = j;
        if (sum > target)
            break;
    }
    for (size_t j = k * DRAW_BLOCK; last == S && j > 0; j--)
        last = p[j - 1] > 0.0f ? j - 1 : S;
    TENSOR_CHECK(last < S, "no state of %zu has a probability", S);
    return last;
}

static void draw_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    size_t S = head->states, D = head->dims;
    float *p = threads_scratch(SCRATCH_HEAD, S * sizeof *p);
    const uint16_t *x = noised(batch, b);
    Rng rng = batch->streams[b];

    for (size_t d = 0; d < D; d++) {
        uint16_t *to = &batch->result[b * D + d];
        if (diffusion_head_known(head, x, d)) {
            *to = x[d];
            continue;
        }
        diffusion_head_law(head, batch->out + b * batch->outputs, d, p);
        *to = (uint16_t)draw_row(&rng, p, S);
    }
}

/* Whether the probabilities of all dimensions are too few for more than one thread. */
static bool small(const Head *head, const States *x0)
{
    return x0->batch * head->dims * head->states < CUT_SERIAL_DRAWS;
}

void diffusion_head_draw(const Head *head, const float *out, const States *x, const Rng *streams,
                         States *x0)
{
    Batch batch = batch_of(head, out, x, x0);

    batch.streams = streams;
    batch.result = x0->x;
    cut_run(x0->batch, draw_sample, &batch, small(head, x0));
}

static void argmax_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    size_t S = head->states, D = head->dims;
    float *p = threads_scratch(SCRATCH_HEAD, S * sizeof *p);
    const uint16_t *x = noised(batch, b);

    for (size_t d = 0; d < D; d++) {
        size_t best = 0;
        if (diffusion_head_known(head, x, d))
            best = x[d];
        else
            diffusion_head_law(head, batch->out + b * batch->outputs, d, p);
        for (size_t j = 1; j < S && !diffusion_head_known(head, x, d); j++)
            if (p[j] > p[best])
                best = j;
        batch->result[b * D + d] = (uint16_t)best;
    }
}

void diffusion_head_argmax(const Head *head, const float *out, const States *x, States *x0)
{
    Batch batch = batch_of(head, out, x, x0);

    batch.result = x0->x;
    cut_run(x0->batch, argmax_sample, &batch, small(head, x0));
}

static void log_prob_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    float *p = threads_scratch(SCRATCH_HEAD, head->states * sizeof *p), logp;
    const uint16_t *x = noised(batch, b), *x0 = states_row(batch->x0, b);
    double total = 0.0;

    for (size_t d = 0; d < head->dims; d++) {
        TENSOR_CHECK(x0[d] < head->states, "state %u of %zu", (unsigned)x0[d], head->states);
        if (diffusion_head_known(head, x, d)) {
            total += x0[d] == x[d] ? 0.0 : -HUGE_VAL;
            continue;
        }
        HeadLaw law = diffusion_head_law(head, batch->out + b * batch->outputs, d, p);
        diffusion_law_log_at(&law, x0 + d, 1, &logp);
        total += (double)logp;
    }
    batch->total[b] = total;
}

void diffusion_head_log_prob(const Head *head, const float *out, const States *x, const States *x0,
                             double *total)
{
    Batch batch = batch_of(head, out, x, x0);

    batch.total = total;
    cut_run(x0->batch, log_prob_sample, &batch, small(head, x0));
}
