/* P[s->t] = exp(B(s,t) R) for one pair of times.
 *
 * Closed forms hold two numbers, P = keep I + leave 1 end^T.  Dense matrices come from the
 * eigendecomposition (one product), or, where every entry must be right to its last digits, from
 * sums and products of numbers that are all >= 0:
 *
 *   exp(B R) = (e^-h sum_k h^k/k! Q^k)^(2^m),  Q = I + R/g >= 0,  h = g B / 2^m.
 *
 * Truncation: a path of d jumps is lost if more than TERMS - 1 of them fall into one of the 2^m
 * pieces.  With 2^m >= 4 max(gB, S) these are fewer than 2^m 4^-TERMS/TERMS! of all, also of the
 * d < S jumps that an entry far from the diagonal needs at least.  e^-h is left out: rows are
 * rescaled to sum 1, which also stops the doubling of rounding errors in squarings. */
#include <math.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/product/gemm.h"

enum { TERMS = 16, BLOCK = 4, MIN_RATIO = 4 };

struct Transition {
    const Process *process;
    double keep, leave; /* closed form */
    double *dense;      /* (S, S), or NULL */
    double *spare;      /* (S, S): the other factor or the result of a product */
};

static size_t square(const Process *p)
{
    return p->states * p->states;
}

static Transition *make(const Process *p)
{
    Transition *tr = mem_zeroed(1, sizeof *tr);

    tr->process = p;
    if (!p->class->closed) {
        tr->dense = mem_alloc(square(p), sizeof *tr->dense);
        tr->spare = mem_alloc(square(p), sizeof *tr->spare);
    }
    return tr;
}

Transition *diffusion_transition_create(const Process *p, double s, double t, TransitionAccuracy a)
{
    Transition *tr = make(p);

    diffusion_transition_set(tr, s, t, a);
    return tr;
}

void diffusion_transition_destroy(Transition *tr)
{
    if (tr == NULL)
        return;
    mem_free(tr->dense);
    mem_free(tr->spare);
    mem_free(tr);
}

static void swap(Transition *tr)
{
    double *old = tr->dense;

    tr->dense = tr->spare;
    tr->spare = old;
}

static void set_identity(Transition *tr)
{
    size_t S = tr->process->states;

    memset(tr->dense, 0, S * S * sizeof *tr->dense);
    for (size_t i = 0; i < S; i++)
        tr->dense[i * (S + 1)] = 1.0;
}

static void rescale_rows(double *rows, size_t count, size_t S)
{
    for (size_t i = 0; i < count; i++) {
        double *row = rows + i * S, sum = 0.0;
        for (size_t j = 0; j < S; j++)
            sum += row[j];
        for (size_t j = 0; j < S; j++)
            row[j] /= sum;
    }
}

/* dense = dense * right. */
static void multiply(Transition *tr, const double *right)
{
    size_t S = tr->process->states;

    tensor_dgemm(GEMM_NN, S, S, S, tr->dense, right, tr->spare);
    swap(tr);
}

/* out += c[0] I + c[1] Q + c[2] Q^2 + c[3] Q^3. */
static void add_block(const Process *p, double *out, const double *c)
{
    size_t n = square(p);
    const double *q = p->powers;

    for (size_t i = 0; i < n; i++)
        out[i] += c[1] * q[i] + c[2] * q[n + i] + c[3] * q[2 * n + i];
    for (size_t i = 0; i < p->states; i++)
        out[i * (p->states + 1)] += c[0];
}

/* Horner's rule in Q^4: three products for sixteen terms. */
static void set_accurate(Transition *tr, double integral)
{
    const Process *p = tr->process;
    double events = p->exit * integral, c[TERMS] = {1.0};
    double pieces = MIN_RATIO * (events > (double)p->states ? events : (double)p->states);
    int m = 0;

    while (ldexp(1.0, m) < pieces)
        m++;
    for (size_t k = 1; k < TERMS; k++)
        c[k] = c[k - 1] * ldexp(events, -m) / (double)k;
    memset(tr->dense, 0, square(p) * sizeof *tr->dense);
    for (size_t k = TERMS - BLOCK;; k -= BLOCK) {
        add_block(p, tr->dense, c + k);
        if (k == 0)
            break;
        multiply(tr, p->powers + 3 * square(p));
    }
    rescale_rows(tr->dense, p->states, p->states);
    for (; m > 0; m--) {
        multiply(tr, tr->dense);
        rescale_rows(tr->dense, p->states, p->states);
    }
}

/* Rows from[i] (NULL: i) of left diag(exp(B values)) right; work and out (count, S). */
static void spectral_rows(const Process *p, double integral, const uint16_t *from, size_t count,
                          double *work, double *out)
{
    size_t S = p->states;
    double *decay = out; /* one row, needed before out is written */

    if (count == 0)
        return;
    for (size_t k = 0; k < S; k++)
        decay[k] = exp(integral * p->values[k]);
    for (size_t i = 0; i < count; i++) {
        const double *left = p->left + (from != NULL ? from[i] : i) * S;
        for (size_t k = 0; k < S; k++)
            work[i * S + k] = left[k] * decay[k];
    }
    tensor_dgemm(GEMM_NN, count, S, S, work, p->right, out);
    for (size_t i = 0; i < count * S; i++)
        out[i] = out[i] > 0.0 ? out[i] : 0.0; /* rounding below zero */
}

void diffusion_transition_rows(const Process *p, double s, double t, const uint16_t *from,
                               size_t count, double *work, double *out)
{
    size_t S = p->states;
    double integral = diffusion_process_integral(p, s, t);

    TENSOR_CHECK(!p->class->closed, "process %s has a closed form", p->class->name);
    for (size_t i = 0; i < count; i++)
        TENSOR_CHECK(from[i] < S, "state %u of %zu", (unsigned)from[i], S);
    if (p->spectral && integral > 0.0) {
        spectral_rows(p, integral, from, count, work, out);
        return;
    }
    Transition *tr = diffusion_transition_create(p, s, t, TRANSITION_ACCURATE);
    for (size_t i = 0; i < count; i++)
        diffusion_transition_row(tr, from[i], out + i * S);
    diffusion_transition_destroy(tr);
}

void diffusion_transition_set(Transition *tr, double s, double t, TransitionAccuracy a)
{
    const Process *p = tr->process;

    TENSOR_CHECK(0.0 <= s && s <= t && t <= 1.0, "s = %g, t = %g", s, t);
    if (tr->dense == NULL) {
        diffusion_process_keep(p, s, t, &tr->keep, &tr->leave);
        return;
    }
    double integral = diffusion_process_integral(p, s, t);
    if (integral == 0.0)
        set_identity(tr);
    else if (a == TRANSITION_SPECTRAL && p->spectral)
        spectral_rows(p, integral, NULL, p->states, tr->spare, tr->dense);
    else
        set_accurate(tr, integral);
}

void diffusion_transition_compose(Transition *out, const Transition *first,
                                  const Transition *second)
{
    const Process *p = out->process;
    size_t S = p->states;

    TENSOR_CHECK(p == first->process && p == second->process, "%zu, %zu and %zu states", S,
                 first->process->states, second->process->states);
    TENSOR_CHECK(out != first && out != second, "a product of %zu states in place", S);
    out->keep = first->keep * second->keep;
    out->leave = first->leave + first->keep * second->leave;
    if (out->dense == NULL)
        return;
    tensor_dgemm(GEMM_NN, S, S, S, first->dense, second->dense, out->dense);
    rescale_rows(out->dense, S, S);
}

size_t diffusion_transition_states(const Transition *tr)
{
    return tr->process->states;
}

double diffusion_transition_at(const Transition *tr, size_t i, size_t j)
{
    const Process *p = tr->process;

    TENSOR_CHECK(i < p->states && j < p->states, "entry (%zu, %zu) of %zu states", i, j, p->states);
    if (tr->dense != NULL)
        return tr->dense[i * p->states + j];
    return (i == j ? tr->keep : 0.0) + tr->leave * p->end[j];
}

void diffusion_transition_row(const Transition *tr, size_t i, double *row)
{
    const Process *p = tr->process;
    size_t S = p->states;

    TENSOR_CHECK(i < S, "row %zu of %zu states", i, S);
    if (tr->dense != NULL) {
        memcpy(row, tr->dense + i * S, S * sizeof *row);
        return;
    }
    for (size_t j = 0; j < S; j++)
        row[j] = tr->leave * p->end[j];
    row[i] += tr->keep;
}

void diffusion_transition_column(const Transition *tr, size_t j, double *column)
{
    const Process *p = tr->process;
    size_t S = p->states;

    TENSOR_CHECK(j < S, "column %zu of %zu states", j, S);
    for (size_t i = 0; i < S; i++)
        column[i] = tr->dense != NULL ? tr->dense[i * S + j] : tr->leave * p->end[j];
    if (tr->dense == NULL)
        column[j] += tr->keep;
}

const double *diffusion_transition_dense(const Transition *tr)
{
    return tr->dense;
}

bool diffusion_transition_closed(const Transition *tr, double *keep, double *leave)
{
    if (tr->dense != NULL)
        return false;
    *keep = tr->keep;
    *leave = tr->leave;
    return true;
}

size_t diffusion_transition_draw(const Transition *tr, size_t i, Rng *rng)
{
    const Process *p = tr->process;

    TENSOR_CHECK(i < p->states, "state %zu of %zu", i, p->states);
    if (tr->dense != NULL)
        return rng_categorical(rng, tr->dense + i * p->states, p->states);
    if (rng_uniform(rng) >= tr->leave)
        return i;
    return p->mask >= 0 ? (size_t)p->mask : rng_categorical(rng, p->end, p->states);
}

void diffusion_transition_flow(const Transition *tr, double *out)
{
    const Process *p = tr->process;
    size_t S = p->states;

    if (tr->dense != NULL) {
        tensor_dgemm(GEMM_NN, S, S, S, tr->dense, p->base, out);
        return;
    }
    for (size_t i = 0; i < S * S; i++) /* end is stationary: end^T R = 0 */
        out[i] = tr->keep * diffusion_process_jump(p, i / S, i % S);
}
