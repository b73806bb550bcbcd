/* Symmetric eigenproblems in three steps (Golub and Van Loan, Matrix Computations, ch. 8):
 *
 * 1. Householder reflections make A tridiagonal: T = Q^T A Q (tridiagonal.h).
 * 2. Z = Q^T is multiplied out.
 * 3. Implicit QL steps make T diagonal.  Each is a chain of plane rotations of neighbouring rows;
 *    the same rotations applied to the rows of Z end with Z = V^T.
 *
 * The rotations of many steps are kept and then applied together, to a band of Z's columns after
 * the other, which stays in the cache meanwhile; threads take bands. */
#include "tensor/eigen/eigen.h"

#include <float.h>
#include <math.h>

#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/eigen/tridiagonal.h"
#include "tensor/system/cut.h"

enum {
    MOST_STEPS = 60, /* QL steps for one eigenvalue; two are usual */
    KEPT_STEPS = 32, /* whose rotations are applied together */
    BAND = 32        /* columns */
};

typedef struct Rotation {
    double c, s;
} Rotation;

/* One QL step with Wilkinson's shift on the block l..m of T; rotation[i] acts on rows i, i + 1.
 * Returns the first row that is rotated: l, or a later one where the chain broke off. */
static size_t ql_step(size_t l, size_t m, double *d, double *e, Rotation *rotation)
{
    double g = (d[l + 1] - d[l]) / (2.0 * e[l]), r = hypot(g, 1.0);
    double s = 1.0, c = 1.0, p = 0.0;

    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    for (size_t i = m; i-- > l;) {
        double f = s * e[i], b = c * e[i];
        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0.0) { /* the block has split at i + 1 */
            d[i + 1] -= p;
            e[m] = 0.0;
            return i + 1;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2.0 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotation[i].c = c;
        rotation[i].s = s;
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0.0;
    return l;
}

/* QL steps that are not applied to Z yet. */
typedef struct Steps {
    size_t n;
    double *z;                                 /* NULL: no vectors are wanted */
    Rotation *rotation;                        /* (KEPT_STEPS, n) */
    size_t first[KEPT_STEPS], end[KEPT_STEPS]; /* step k has rotations end - 1, ..., first */
    size_t count;
} Steps;

static void rotate_band(size_t band, void *context)
{
    const Steps *g = context;
    const size_t n = g->n, j0 = band * BAND, columns = cut_min(BAND, n - j0);
    for (size_t k = 0; k < g->count; k++)
        for (size_t i = g->end[k]; i-- > g->first[k];) {
            double *upper = g->z + i * n + j0, *lower = upper + n;
            const double c = g->rotation[k * n + i].c, s = g->rotation[k * n + i].s;
#pragma omp simd
            for (size_t j = 0; j < columns; j++) {
                double x = upper[j], y = lower[j];
                lower[j] = s * x + c * y;
                upper[j] = c * x - s * y;
            }
        }
}

static void rotate_all(Steps *g)
{
    if (g->z != NULL)
        cut_run(cut_blocks(g->n, BAND), rotate_band, g, g->n * g->n < CUT_SERIAL_COPY);
    g->count = 0;
}

/* Step 3.  An off-diagonal entry counts as zero below DBL_EPSILON times the norm of T. */
static bool diagonalise(size_t n, double *d, double *e, Steps *steps)
{
    double norm = 0.0;

    for (size_t i = 0; i < n; i++)
        norm = larger_of(norm, fabs(d[i]) + (i + 1 < n ? fabs(e[i]) : 0.0));
    for (size_t l = 0; l < n; l++)
        for (int step = 0;; step++) {
            size_t m = l;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * norm)
                m++;
            if (m == l)
                break;
            if (step == MOST_STEPS)
                return false;
            const size_t k = steps->count++;
            steps->first[k] = ql_step(l, m, d, e, steps->rotation + k * n);
            steps->end[k] = m;
            if (steps->count == KEPT_STEPS)
                rotate_all(steps);
        }
    rotate_all(steps);
    return true;
}

/* order (n): of the ascending values. */
static void sort_values(size_t n, const double *d, size_t *order)
{
    for (size_t i = 0; i < n; i++) { /* insertion: QL leaves the values nearly sorted */
        size_t k = i;
        for (; k > 0 && d[order[k - 1]] > d[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

/* The lower triangle is copied onto the upper one and divided by the largest size of an entry, the
 * result: no square over- or underflows then.  NaN or infinity if an entry is not finite. */
static double prepare_eigen(size_t n, double *a)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double size = fabs(a[i * n + j]);
            largest = size <= largest ? largest : size; /* NaN is taken over */
            if (!isfinite(largest))
                return largest;
        }
    for (size_t i = 0; i < n && largest > 0.0; i++)
        for (size_t j = 0; j <= i; j++) {
            a[i * n + j] /= largest;
            a[j * n + i] = a[i * n + j];
        }
    return largest;
}

/* Values in ascending order; a <- columns of eigenvectors if they are wanted, else destroyed. */
static bool solve(size_t n, double *a, double *values, bool vectors)
{
    if (n == 0)
        return true;
    double scale = prepare_eigen(n, a);
    if (!isfinite(scale))
        return false;
    double *d = mem_zeroed(3 * n, sizeof *d), *e = d + n, *beta = d + 2 * n;
    Steps steps = {.n = n};
    size_t *order = mem_alloc(n, sizeof *order);
    tensor_tridiagonalise(n, a, d, e, beta);
    if (vectors) {
        steps.z = mem_alloc(n, n * sizeof *steps.z);
        tensor_reflections(n, steps.z, a, beta);
    }
    steps.rotation = mem_alloc(KEPT_STEPS * n, sizeof *steps.rotation);
    bool converged = diagonalise(n, d, e, &steps);
    sort_values(n, d, order);
    for (size_t k = 0; k < n; k++)
        values[k] = d[order[k]] * scale;
    for (size_t i = 0; vectors && i < n; i++)
        for (size_t k = 0; k < n; k++)
            a[i * n + k] = steps.z[order[k] * n + i];
    mem_free(steps.rotation);
    mem_free(steps.z);
    mem_free(order);
    mem_free(d);
    return converged;
}

bool tensor_eigen_symmetric(size_t n, double *a, double *values)
{
    return solve(n, a, values, true);
}

bool tensor_eigen_values(size_t n, double *a, double *values)
{
    return solve(n, a, values, false);
}
