/* Softmax head: the network's numbers are the logits, (D, S) for each sample. */
#include <math.h>
#include <stdlib.h>

#include "diffusion/head/law.h"
#include "diffusion/head/sharpen.h"
#include "tensor/base/order.h"
#include "tensor/fast_exp.h"
#include "tensor/system/threads.h"

enum { LANES = 16 };

static size_t outputs(const Head *head)
{
    return head->dims * head->states;
}

static const float *numbers(const HeadLaw *law)
{
    return law->out + law->d * law->head->states;
}

static void open_softmax(HeadLaw *law)
{
    (void)law;
}

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

static double masses(HeadLaw *law, float *mass)
{
    const float *logit = numbers(law);
    size_t S = law->head->states;
    float top = largest(logit, S), shift = top > -HUGE_VALF ? top : 0.0f;
    double total = 0.0;

    law->shift = shift;
#pragma omp simd SUM_ORDER reduction(+ : total)
    for (size_t a = 0; a < S; a++) {
        float m = fast_exp(logit[a] - shift);
        mass[a] = m;
        total += (double)m;
    }
    return total;
}

static void logits_at(const HeadLaw *law, const uint16_t *x, size_t count, float *logit)
{
    for (size_t k = 0; k < count; k++)
        logit[k] = numbers(law)[x[k]];
}

/* dlogit(a)/dlogit(c) = [a = c], so dlevel is p itself. */
static void pull_softmax(const HeadLaw *law, const float *g, float *dout, float *dlevel)
{
    const float *logit = numbers(law);
    float shift = law->shift, scale = law->scale;
    size_t S = law->head->states;
    double sum = 0.0;

    for (size_t a = 0; a < S && dlevel != NULL; a++)
        dlevel[a] = scale * fast_exp(logit[a] - shift);
    if (g == NULL)
        return;
    float *row = dout + law->d * S;
#pragma omp simd SUM_ORDER reduction(+ : sum)
    for (size_t a = 0; a < S; a++)
        sum += (double)(scale * fast_exp(logit[a] - shift) * g[a]);
    float total = (float)sum;
#pragma omp simd
    for (size_t a = 0; a < S; a++)
        row[a] += scale * fast_exp(logit[a] - shift) * (g[a] - total);
}

static void pull_at(const HeadLaw *law, const float *dlevel, const uint16_t *x, const float *w,
                    size_t count, float *dout)
{
    float *row = dout + law->d * law->head->states;
    double sum = 0.0;

    for (size_t k = 0; k < count; k++) {
        row[x[k]] += w[k];
        sum += (double)w[k];
    }
    float total = (float)sum;
#pragma omp simd
    for (size_t a = 0; a < law->head->states; a++)
        row[a] -= total * dlevel[a];
}

/* ---- sharper ---- */

typedef struct Weight {
    float mass;
    uint16_t state;
} Weight;

/* Falling masses; of equals, the lower state. */
static int compare_weights(const void *a, const void *b)
{
    const Weight *p = a, *q = b;

    if (p->mass != q->mass)
        return p->mass > q->mass ? -1 : 1;
    return (p->state > q->state) - (p->state < q->state);
}

/* Keeps the fewest states that have top_p together.  Those below (1 - top_p)/S are never among
 * them, since all of those have less than 1 - top_p: they need not be sorted. */
static void keep_nucleus(float *logit, size_t S, double top_p)
{
    Weight *list = threads_scratch(SCRATCH_HEAD, S * sizeof *list);
    double total = 0.0, sum = 0.0;
    size_t count = 0, kept = 0;

    for (size_t a = 0; a < S; a++)
        total += (double)fast_exp(logit[a]);
    for (size_t a = 0; a < S; a++) {
        const float mass = fast_exp(logit[a]);
        if ((double)mass * (double)S * (1.0 + 1e-6) >= (1.0 - top_p) * total)
            list[count++] = (Weight){mass, (uint16_t)a};
    }
    qsort(list, count, sizeof *list, compare_weights);
    while (kept < count && (kept == 0 || sum < top_p * total))
        sum += (double)list[kept++].mass;
    const Weight last = list[kept - 1];
    for (size_t a = 0; a < S; a++) {
        const Weight w = {fast_exp(logit[a]), (uint16_t)a};
        if (compare_weights(&w, &last) > 0)
            logit[a] = -HUGE_VALF;
    }
}

static void sharpen_softmax(const Head *head, const Sharpening *s, float *logit)
{
    const size_t S = head->states;
    const double temperature = s->temperature > 0.0 ? s->temperature : 1.0;
    const float top = largest(logit, S);

    for (size_t a = 0; a < S; a++)
        logit[a] = (float)((double)(logit[a] - top) / temperature);
    if (s->top_p > 0.0 && s->top_p < 1.0)
        keep_nucleus(logit, S, s->top_p);
}

const HeadClass diffusion_softmax = {.name = "softmax",
                                     .outputs = outputs,
                                     .open = open_softmax,
                                     .masses = masses,
                                     .logits_at = logits_at,
                                     .pull = pull_softmax,
                                     .pull_at = pull_at,
                                     .sharpen = sharpen_softmax};
