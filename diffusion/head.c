/* Heads in general: normalisation in double, known dimensions, and loops over batches.
 *
 * Batches are cut by sample; each sample's dimensions are drawn in order from its own stream, one
 * uniform for each dimension that is not known. */
#include "diffusion/head.h"

#include <math.h>

#include "diffusion/head_kinds.h"
#include "tensor/check.h"
#include "tensor/threads.h"

static const HeadClass *class_of(const Head *head)
{
    TENSOR_CHECK(head->kind == HEAD_SOFTMAX || head->kind == HEAD_LOGISTIC, "head %d",
                 (int)head->kind);
    return head->kind == HEAD_SOFTMAX ? &diff_head_softmax : &diff_head_logistic;
}

size_t diff_head_outputs(const Head *head)
{
    return class_of(head)->outputs(head);
}

bool diff_head_known(const Head *head, const uint16_t *x, size_t d)
{
    if (head->mask < 0)
        return false;
    TENSOR_CHECK(x != NULL, "a head with mask %d needs the noised states", head->mask);
    return x[d] != head->mask;
}

static void point_mass(float *logp, size_t S, size_t at)
{
    TENSOR_CHECK(at < S, "known state %zu of %zu", at, S);
    for (size_t j = 0; j < S; j++)
        logp[j] = -HUGE_VALF;
    logp[at] = 0.0f;
}

enum { LANES = 16 };

/* Largest of S numbers; NaN is passed over.  Lanes, since a compiler may not reorder a maximum. */
static float largest(const float *x, size_t S)
{
    float lane[LANES], top = -HUGE_VALF;
    size_t whole = S - S % LANES;

    for (size_t i = 0; i < LANES; i++)
        lane[i] = -HUGE_VALF;
    for (size_t j = 0; j < whole; j += LANES) {
#pragma omp simd
        for (size_t i = 0; i < LANES; i++)
            lane[i] = x[j + i] > lane[i] ? x[j + i] : lane[i];
    }
    for (size_t j = whole; j < S; j++)
        lane[j - whole] = x[j] > lane[j - whole] ? x[j] : lane[j - whole];
    for (size_t i = 0; i < LANES; i++)
        top = lane[i] > top ? lane[i] : top;
    return top;
}

/* logp -= log sum exp(logp), the sum and the logarithm in double.  NaN anywhere makes all NaN.
 * tensor_log_softmax does the same, but opens a parallel region, which costs more than a row. */
static void normalise(float *logp, size_t S)
{
    float top = largest(logp, S), shift = top > -HUGE_VALF ? top : 0.0f;
    double total = 0.0;

#pragma omp simd reduction(+ : total)
    for (size_t j = 0; j < S; j++)
        total += (double)fast_exp(logp[j] - shift);
    TENSOR_CHECK(total != 0.0, "all %zu states have probability 0", S);
    double level = shift + log(total);
#pragma omp simd
    for (size_t j = 0; j < S; j++)
        logp[j] = (float)(logp[j] - level);
}

void diff_head_row(const Head *head, const float *out, const uint16_t *x, size_t d, float *logp)
{
    TENSOR_CHECK(d < head->dims, "dimension %zu of %zu", d, head->dims);
    if (diff_head_known(head, x, d)) {
        point_mass(logp, head->states, x[d]);
        return;
    }
    class_of(head)->logits(head, out, d, logp);
    normalise(logp, head->states);
}

void diff_head_row_gradient(const Head *head, const float *out, const uint16_t *x, size_t d,
                            const float *logp, const float *dlogp, float *dout)
{
    size_t S = head->states;
    double total = 0.0;

    TENSOR_CHECK(d < head->dims, "dimension %zu of %zu", d, head->dims);
    if (diff_head_known(head, x, d))
        return;
#pragma omp simd reduction(+ : total)
    for (size_t j = 0; j < S; j++)
        total += (double)dlogp[j];
    class_of(head)->gradient(head, out, d, logp, dlogp, (float)total, dout);
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
    Batch batch = {head, out, diff_head_outputs(head), x, x0, NULL, NULL, NULL};

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

/* Index with probability exp(logp); p is room for S floats.  Never one of probability 0. */
static size_t draw_row(Rng *rng, const float *logp, float *p, size_t S)
{
    double total = 0.0, sum = 0.0;
    size_t last = S;

#pragma omp simd reduction(+ : total)
    for (size_t j = 0; j < S; j++) {
        p[j] = fast_exp(logp[j]);
        total += (double)p[j];
    }
    double target = rng_uniform(rng) * total;
    for (size_t j = 0; j < S; j++) {
        if (!(p[j] > 0.0f))
            continue;
        sum += (double)p[j];
        last = j;
        if (sum > target)
            break;
    }
    TENSOR_CHECK(last < S, "no state of %zu has a probability", S);
    return last;
}

static void draw_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    size_t S = head->states, D = head->dims;
    float *logp = threads_scratch(SCRATCH_HEAD, 2 * S * sizeof *logp);
    const uint16_t *x = noised(batch, b);
    Rng rng = batch->streams[b];

    for (size_t d = 0; d < D; d++) {
        uint16_t *to = &batch->result[b * D + d];
        if (diff_head_known(head, x, d)) {
            *to = x[d];
            continue;
        }
        diff_head_row(head, batch->out + b * batch->outputs, x, d, logp);
        *to = (uint16_t)draw_row(&rng, logp, logp + S, S);
    }
}

void diff_head_draw(const Head *head, const float *out, const States *x, const Rng *streams,
                    States *x0)
{
    Batch batch = batch_of(head, out, x, x0);

    batch.streams = streams;
    batch.result = x0->x;
    threads_for(x0->batch, draw_sample, &batch);
}

static void argmax_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    size_t S = head->states, D = head->dims;
    float *logp = threads_scratch(SCRATCH_HEAD, S * sizeof *logp);
    const uint16_t *x = noised(batch, b);

    for (size_t d = 0; d < D; d++) {
        size_t best = 0;
        diff_head_row(head, batch->out + b * batch->outputs, x, d, logp);
        for (size_t j = 1; j < S; j++)
            if (logp[j] > logp[best])
                best = j;
        batch->result[b * D + d] = (uint16_t)best;
    }
}

void diff_head_argmax(const Head *head, const float *out, const States *x, States *x0)
{
    Batch batch = batch_of(head, out, x, x0);

    batch.result = x0->x;
    threads_for(x0->batch, argmax_sample, &batch);
}

static void log_prob_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    float *logp = threads_scratch(SCRATCH_HEAD, head->states * sizeof *logp);
    const uint16_t *x = noised(batch, b), *x0 = states_row(batch->x0, b);
    double total = 0.0;

    for (size_t d = 0; d < head->dims; d++) {
        TENSOR_CHECK(x0[d] < head->states, "state %u of %zu", (unsigned)x0[d], head->states);
        if (diff_head_known(head, x, d)) {
            total += x0[d] == x[d] ? 0.0 : -HUGE_VAL;
            continue;
        }
        diff_head_row(head, batch->out + b * batch->outputs, x, d, logp);
        total += (double)logp[x0[d]];
    }
    batch->total[b] = total;
}

void diff_head_log_prob(const Head *head, const float *out, const States *x, const States *x0,
                        double *total)
{
    Batch batch = batch_of(head, out, x, x0);

    batch.total = total;
    threads_for(x0->batch, log_prob_sample, &batch);
}
