/* Reverse rates.  With y_a = p(a)/q[a][x], or 0 where q[a][x] is impossible, and R_t off the
 * diagonal:
 *
 *   R^_t[x][v] = R_t[v][x] sum_a y_a q[a][v]
 *   total      = sum_a p(a) table[x][a],   table[x][a] = sum_{v != x} q[a][v] R_t[v][x] / q[a][x]
 *
 * table is a property of the time alone.  A jump is drawn as a with probability p(a) table[x][a] /
 * total, then v with probability q[a][v] R_t[v][x], normalised.
 *
 * Where q = keep I + leave 1 end^T, R_t[v][x] is the same number for all v != x, `into[x]`, and
 * sum_{v != x} q[a][v] = 1 - q[a][x] = (a = x ? 0 : keep) + leave (1 - end[x]). */
#include "diffusion/reverse.h"

#include <float.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/base/order.h"
#include "tensor/product/gemm.h"
#include "tensor/system/threads.h"

struct ReverseRates {
    const Process *process;
    size_t S, known; /* known: states that p0 speaks of */
    double beta;
    bool closed;
    double keep, leave, *into; /* closed form; into (S) */
    double *q;                 /* dense: q[a][v] = P[0->t], and the others; all (S, S) */
    double *column;            /* [v][a] = q[a][v] */
    double *rate;              /* [x][v] = R_t[v][x], 0 for v = x */
    double *table;             /* [x][a] */
};

/* rate and table; table is filled by way of [a][x] = sum_v q[a][v] R_t[v][x]. */
static void fill_dense(ReverseRates *r)
{
    const double *base = r->process->base;
    size_t S = r->S;
    double *flow = r->column; /* until column is filled */

    for (size_t v = 0; v < S; v++)
        for (size_t x = 0; x < S; x++)
            r->table[v * S + x] = v == x ? 0.0 : r->beta * base[v * S + x];
    tensor_dgemm(GEMM_NN, S, S, S, r->q, r->table, flow);
    for (size_t v = 0; v < S; v++)
        for (size_t x = 0; x < S; x++)
            r->rate[x * S + v] = r->table[v * S + x];
    for (size_t a = 0; a < S; a++)
        for (size_t x = 0; x < S; x++) {
            double q = r->q[a * S + x];
            r->table[x * S + a] = q > IMPOSSIBLE ? flow[a * S + x] / q : 0.0;
        }
    for (size_t a = 0; a < S; a++)
        for (size_t v = 0; v < S; v++)
            r->column[v * S + a] = r->q[a * S + v];
}

ReverseRates *diffusion_reverse_create(const Process *p, double t)
{
    ReverseRates *r = mem_zeroed(1, sizeof *r);
    size_t S = p->states;

    TENSOR_CHECK(t > 0.0 && t <= 1.0, "t = %g", t);
    double at = diffusion_process_rate(p, t) <= DBL_MAX ? t : 1.0 - 1e-9;
    r->process = p;
    r->S = S;
    r->known = S - (p->mask >= 0 ? 1 : 0);
    r->beta = diffusion_process_rate(p, at);
    Transition *tr = diffusion_transition_create(p, 0.0, at, TRANSITION_ACCURATE);
    r->closed = diffusion_transition_closed(tr, &r->keep, &r->leave);
    if (r->closed) {
        r->into = mem_alloc(S, sizeof *r->into);
        for (size_t x = 0; x < S; x++)
            r->into[x] = r->beta * diffusion_process_jump(p, x == 0 ? 1 : 0, x);
    } else {
        double *room = r->q = mem_alloc(4 * S * S, sizeof *room);
        r->column = room + S * S;
        r->rate = room + 2 * S * S;
        r->table = room + 3 * S * S;
        memcpy(r->q, diffusion_transition_dense(tr), S * S * sizeof *r->q);
        fill_dense(r);
    }
    diffusion_transition_destroy(tr);
    return r;
}

void diffusion_reverse_destroy(ReverseRates *r)
{
    if (r == NULL)
        return;
    mem_free(r->into);
    mem_free(r->q);
    mem_free(r);
}

size_t diffusion_reverse_states(const ReverseRates *r)
{
    return r->S;
}

double diffusion_reverse_beta(const ReverseRates *r)
{
    return r->beta;
}

static double entry(const ReverseRates *r, size_t a, size_t v)
{
    if (!r->closed)
        return r->q[a * r->S + v];
    return (a == v ? r->keep : 0.0) + r->leave * r->process->end[v];
}

/* Probability of q[a] outside x; closed forms. */
static double outside(const ReverseRates *r, size_t x, size_t a)
{
    return (a == x ? 0.0 : r->keep) + r->leave * (1.0 - r->process->end[x]);
}

double diffusion_reverse_table(const ReverseRates *r, size_t x, size_t a)
{
    TENSOR_CHECK(x < r->S && a < r->known, "x = %zu, a = %zu of %zu states", x, a, r->S);
    if (!r->closed)
        return r->table[x * r->S + a];
    double q = entry(r, a, x);
    return r->into[x] > 0.0 && q > IMPOSSIBLE ? r->into[x] * outside(r, x, a) / q : 0.0;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;

#pragma omp simd SUM_ORDER reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Mass of p0 outside x. */
static double rest_of(const ReverseRates *r, size_t x, const double *p0)
{
    double sum = 0.0;

    for (size_t a = 0; a < r->known; a++)
        sum += a == x ? 0.0 : p0[a];
    return sum;
}

double diffusion_reverse_total(const ReverseRates *r, size_t x, const double *p0)
{
    TENSOR_CHECK(x < r->S, "state %zu of %zu", x, r->S);
    if (!r->closed)
        return dot(p0, r->table + x * r->S, r->S);
    if (r->into[x] == 0.0)
        return 0.0;
    double other = diffusion_reverse_table(r, x, x == 0 ? 1 : 0), rest = rest_of(r, x, p0);
    return rest * other + (x < r->known ? p0[x] * diffusion_reverse_table(r, x, x) : 0.0);
}

/* y (known); returns its sum. */
static double divide(const ReverseRates *r, size_t x, const double *p0, double *y)
{
    double sum = 0.0;

    for (size_t a = 0; a < r->known; a++) {
        double q = r->closed ? entry(r, a, x) : r->column[x * r->S + a];
        y[a] = q > IMPOSSIBLE ? p0[a] / q : 0.0;
        sum += y[a];
    }
    return sum;
}

double diffusion_reverse_rate(const ReverseRates *r, size_t x, const double *p0, size_t v)
{
    const double *end = r->process->end;
    size_t S = r->S;

    TENSOR_CHECK(x < S && v < S, "x = %zu, v = %zu of %zu states", x, v, S);
    double into = r->closed ? r->into[x] : r->rate[x * S + v];
    if (v == x || into == 0.0)
        return 0.0;
    double *y = threads_scratch(SCRATCH_PROCESS, S * sizeof *y), sum = divide(r, x, p0, y);
    if (!r->closed)
        return into * dot(y, r->column + v * S, S);
    return into * ((v < r->known ? r->keep * y[v] : 0.0) + r->leave * end[v] * sum);
}

void diffusion_reverse_rates(const ReverseRates *r, size_t x, const double *p0, double *rates)
{
    const double *end = r->process->end;
    size_t S = r->S;

    TENSOR_CHECK(x < S, "state %zu of %zu", x, S);
    memset(rates, 0, S * sizeof *rates);
    if (r->closed && r->into[x] == 0.0)
        return;
    double *y = threads_scratch(SCRATCH_PROCESS, S * sizeof *y), sum = divide(r, x, p0, y);
    for (size_t v = 0; v < S; v++) {
        if (v == x)
            continue;
        if (r->closed)
            rates[v] =
                r->into[x] * ((v < r->known ? r->keep * y[v] : 0.0) + r->leave * end[v] * sum);
        else if (r->rate[x * S + v] > 0.0)
            rates[v] = r->rate[x * S + v] * dot(y, r->column + v * S, S);
    }
}

size_t diffusion_reverse_draw(const ReverseRates *r, size_t x, const double *p0, Rng *rng)
{
    size_t S = r->S;
    double *w = threads_scratch(SCRATCH_PROCESS, S * sizeof *w);

    TENSOR_CHECK(x < S, "state %zu of %zu", x, S);
    for (size_t a = 0; a < r->known; a++)
        w[a] = p0[a] * (r->closed ? diffusion_reverse_table(r, x, a) : r->table[x * S + a]);
    size_t from = rng_categorical(rng, w, r->known);
    for (size_t v = 0; v < S; v++)
        w[v] = v == x ? 0.0 : entry(r, from, v) * (r->closed ? 1.0 : r->rate[x * S + v]);
    return rng_categorical(rng, w, S);
}

/* ---- forward ---- */

void diffusion_forward_rates(const ReverseRates *r, size_t x, double *forward)
{
    TENSOR_CHECK(x < r->S, "state %zu of %zu", x, r->S);
    for (size_t v = 0; v < r->S; v++)
        forward[v] = v == x ? 0.0 : r->beta * diffusion_process_jump(r->process, x, v);
}

double diffusion_forward_total(const ReverseRates *r, size_t x)
{
    TENSOR_CHECK(x < r->S, "state %zu of %zu", x, r->S);
    return r->beta * r->process->exits[x];
}

size_t diffusion_forward_draw(const ReverseRates *r, size_t x, Rng *rng)
{
    double *w = threads_scratch(SCRATCH_PROCESS, r->S * sizeof *w);

    diffusion_forward_rates(r, x, w);
    return rng_categorical(rng, w, r->S);
}
