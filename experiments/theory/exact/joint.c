/* Tables over S^D states.  The work is in walking one axis after the other: a table (S^D) is seen
 * as (before, S, after) for the axis at hand. */
#include "experiments/theory/exact/joint.h"

#include <math.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static size_t power(size_t base, size_t exponent)
{
    size_t p = 1;

    for (size_t i = 0; i < exponent; i++)
        p *= base;
    return p;
}

size_t joint_size(size_t states, size_t dims)
{
    size_t size = 1;

    TENSOR_CHECK(states >= 1 && dims >= 1 && dims <= JOINT_MAX_DIMS, "%zu states, %zu dimensions",
                 states, dims);
    for (size_t d = 0; d < dims; d++) {
        size *= states;
        TENSOR_CHECK(size <= JOINT_MAX_SIZE, "%zu^%zu states, at most %d can be enumerated", states,
                     dims, (int)JOINT_MAX_SIZE);
    }
    return size;
}

void joint_state(size_t place, size_t states, size_t dims, uint16_t *x)
{
    for (size_t d = dims; d-- > 0; place /= states)
        x[d] = (uint16_t)(place % states);
}

size_t joint_place(const uint16_t *x, size_t states, size_t dims)
{
    size_t place = 0;

    for (size_t d = 0; d < dims; d++)
        place = place * states + x[d];
    return place;
}

/* out (before, to, after) = in (before, from, after) times matrix (from, to) along the middle. */
static void along_axis(double *out, const double *in, size_t before, size_t from, size_t to,
                       size_t after, const double *matrix)
{
    memset(out, 0, before * to * after * sizeof *out);
    for (size_t b = 0; b < before; b++)
        for (size_t i = 0; i < from; i++)
            for (size_t j = 0; j < to; j++) {
                double m = matrix[i * to + j], *o = out + (b * to + j) * after;
                const double *v = in + (b * from + i) * after;
                for (size_t k = 0; m > 0.0 && k < after; k++)
                    o[k] += m * v[k];
            }
}

/* As joint_transform, but leaves axis `kept` as it is (dims: none). */
static void transform_but(double *out, const double *p, size_t states, size_t to, size_t dims,
                          size_t kept, const double *matrix)
{
    size_t room = joint_size(states > to ? states : to, dims), before = 1;
    double *now = mem_alloc(room, sizeof *now), *next = mem_alloc(room, sizeof *next);

    memcpy(now, p, power(states, dims) * sizeof *now);
    for (size_t d = 0; d < dims; d++) {
        if (d == kept) {
            before *= states;
            continue;
        }
        along_axis(next, now, before, states, to, power(states, dims - d - 1), matrix);
        before *= to;
        double *swap = now;
        now = next;
        next = swap;
    }
    memcpy(out, now, before * sizeof *out);
    mem_free(now);
    mem_free(next);
}

void joint_transform(double *out, const double *p, size_t states, size_t to, size_t dims,
                     const double *matrix)
{
    transform_but(out, p, states, to, dims, dims, matrix);
}

/* q (S, S') = P[0->t] from the data's states; entries are accurate one by one. */
static double *noise_matrix(size_t states, const Process *process, double t)
{
    size_t to = process->states;

    TENSOR_CHECK(to == states + (process->mask >= 0), "process with %zu states, data with %zu", to,
                 states);
    double *q = mem_alloc(states * to, sizeof *q);
    Transition *tr = diffusion_transition_create(process, 0.0, t, TRANSITION_ACCURATE);
    for (size_t a = 0; a < states; a++)
        diffusion_transition_row(tr, a, q + a * to);
    diffusion_transition_destroy(tr);
    return q;
}

void joint_noise(double *out, const double *p, size_t states, size_t dims, const Process *process,
                 double t)
{
    double *q = noise_matrix(states, process, t);

    joint_transform(out, p, states, process->states, dims, q);
    mem_free(q);
}

void joint_prior(double *out, const Process *process, size_t dims)
{
    double *marginal = mem_alloc(dims * process->states, sizeof *marginal);

    for (size_t d = 0; d < dims; d++)
        memcpy(marginal + d * process->states, process->prior, process->states * sizeof *marginal);
    joint_product(out, marginal, process->states, dims);
    mem_free(marginal);
}

/* ---- the exact product denoiser ---- */

typedef struct Denoise {
    const double *p, *q; /* (S^D), (S, S') */
    size_t states, to, dims;
    double *p0;
} Denoise;

/* p0[x][d][.] in proportion to sum over x_0 with x_0^d = a of p(x_0) prod_e q[x_0^e][x^e]: all axes
 * but d are noised, then axis d is read with its factor q[a][x^d]. */
static void fill_dimension(const Denoise *w, size_t d)
{
    size_t S = w->states, T = w->to, D = w->dims;
    size_t after = power(T, D - d - 1), size = power(T, D);
    double *partial = mem_alloc(power(T, d) * S * after, sizeof *partial);

    transform_but(partial, w->p, S, T, D, d, w->q);
    for (size_t x = 0; x < size; x++) {
        size_t b = x / after / T, value = x / after % T, k = x % after;
        double *row = w->p0 + (x * D + d) * S;
        for (size_t a = 0; a < S; a++)
            row[a] = partial[(b * S + a) * after + k] * w->q[a * T + value];
    }
    mem_free(partial);
}

/* An x that cannot occur: the x_0 with the fewest impossible dimensions, by enumeration. */
static void fill_impossible(const Denoise *w, size_t place)
{
    size_t S = w->states, D = w->dims, size = power(S, D), fewest = D + 1;
    uint16_t x[JOINT_MAX_DIMS], x0[JOINT_MAX_DIMS];
    double *rows = w->p0 + place * D * S;

    joint_state(place, w->to, D, x);
    for (size_t y = 0; y < size; y++) {
        double weight = w->p[y];
        size_t misses = 0;
        joint_state(y, S, D, x0);
        for (size_t d = 0; d < D; d++) {
            double q = w->q[x0[d] * w->to + x[d]];
            weight *= q > 0.0 ? q : 1.0;
            misses += !(q > 0.0);
        }
        if (!(weight > 0.0) || misses > fewest)
            continue;
        if (misses < fewest)
            memset(rows, 0, D * S * sizeof *rows);
        fewest = misses;
        for (size_t d = 0; d < D; d++)
            rows[d * S + x0[d]] += weight;
    }
}

static double total(const double *row, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += row[i];
    return sum;
}

void joint_denoise(double *p0, const double *p, size_t states, size_t dims, const Process *process,
                   double t)
{
    double *q = noise_matrix(states, process, t);
    Denoise w = {p, q, states, process->states, dims, p0};
    size_t size = joint_size(process->states, dims);

    for (size_t d = 0; d < dims; d++)
        fill_dimension(&w, d);
    for (size_t x = 0; x < size; x++) {
        double *rows = p0 + x * dims * states;
        if (!(total(rows, states) > 0.0))
            fill_impossible(&w, x);
        for (size_t d = 0; d < dims; d++) {
            double sum = total(rows + d * states, states);
            for (size_t a = 0; a < states; a++)
                rows[d * states + a] /= sum;
        }
    }
    mem_free(q);
}

/* ---- distances ---- */

double joint_tv(const double *p, const double *q, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += fabs(p[i] - q[i]);
    return sum / 2.0;
}

double joint_kl(const double *p, const double *q, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        if (p[i] > 0.0) {
            if (!(q[i] > 0.0))
                return HUGE_VAL;
            sum += p[i] * log(p[i] / q[i]);
        }
    return sum;
}

void joint_marginals(double *marginal, const double *p, size_t states, size_t dims)
{
    size_t size = joint_size(states, dims);
    uint16_t x[JOINT_MAX_DIMS];

    memset(marginal, 0, dims * states * sizeof *marginal);
    for (size_t i = 0; i < size; i++) {
        joint_state(i, states, dims, x);
        for (size_t d = 0; d < dims; d++)
            marginal[d * states + x[d]] += p[i];
    }
}

void joint_product(double *out, const double *marginal, size_t states, size_t dims)
{
    size_t size = joint_size(states, dims);

    for (size_t i = 0; i < size; i++) {
        uint16_t x[JOINT_MAX_DIMS];
        joint_state(i, states, dims, x);
        out[i] = 1.0;
        for (size_t d = 0; d < dims; d++)
            out[i] *= marginal[d * states + x[d]];
    }
}

double joint_total_correlation(const double *p, size_t states, size_t dims)
{
    size_t size = joint_size(states, dims);
    double *marginal = mem_alloc(dims * states, sizeof *marginal);
    double *product = mem_alloc(size, sizeof *product);

    joint_marginals(marginal, p, states, dims);
    joint_product(product, marginal, states, dims);
    double kl = joint_kl(p, product, size);
    mem_free(marginal);
    mem_free(product);
    return kl;
}
