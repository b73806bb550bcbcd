/* Symmetric eigenproblems in three steps (Golub and Van Loan, Matrix Computations, ch. 8):
 *
 * 1. Householder reflections H_k = I - beta_k v_k v_k^T, chosen one row after the other, make A
 *    tridiagonal: T = Q^T A Q with Q = H_0 H_1 ... H_{n-3}.
 * 2. Z = Q^T is multiplied out.
 * 3. Implicit QL steps make T diagonal.  Each is a chain of plane rotations of neighbouring rows;
 *    the same rotations applied to the rows of Z end with Z = V^T.
 *
 * Everything runs along rows, which are contiguous, and dot products are in LANES interleaved sums,
 * so that the loops become vector code.  One thread: n = 1024 takes about half a second, and the
 * thousands of short loops would not pay for as many parallel regions. */
#include "tensor/eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"

enum {
    LANES = 16,
    MOST_STEPS = 60 /* QL steps for one eigenvalue; two are usual */
};

static const double NO_TAIL = DBL_MIN / DBL_EPSILON; /* a sum of squares: entries below 1e-146 */

static double dot(const double *x, const double *y, size_t n)
{
    double lane[LANES] = {0.0}, sum = 0.0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
#pragma omp simd
        for (size_t j = 0; j < LANES; j++)
            lane[j] += x[i + j] * y[i + j];
    }
    for (size_t j = 0; i + j < n; j++)
        lane[j] += x[i + j] * y[i + j];
    for (size_t j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

/* Turns x (n) into v with (I - beta v v^T) x = alpha e_0; returns beta, 0 if x is alpha e_0
 * already.  The sign of alpha avoids cancellation in v_0.  Beside entries of size 1 a tail below
 * NO_TAIL is nothing, and would make beta overflow. */
static double reflection(double *x, size_t n, double *alpha)
{
    double tail = dot(x + 1, x + 1, n - 1), norm = sqrt(x[0] * x[0] + tail);

    *alpha = x[0];
    if (tail < NO_TAIL)
        return 0.0;
    *alpha = x[0] > 0.0 ? -norm : norm;
    x[0] -= *alpha;
    return 2.0 / (x[0] * x[0] + tail);
}

/* B <- H B H with H = I - beta v v^T for the m x m block B (row stride n):
 * B - v w^T - w v^T, p = beta B v, w = p - (beta/2)(p.v) v. */
static void reflect_both_sides(double *b, size_t m, size_t n, const double *v, double beta,
                               double *w)
{
    for (size_t i = 0; i < m; i++)
        w[i] = beta * dot(b + i * n, v, m);
    double half = 0.5 * beta * dot(w, v, m);
    for (size_t i = 0; i < m; i++)
        w[i] -= half * v[i];
    for (size_t i = 0; i < m; i++) {
        double *row = b + i * n, vi = v[i], wi = w[i];
#pragma omp simd
        for (size_t j = 0; j < m; j++)
            row[j] -= vi * w[j] + wi * v[j];
    }
}

/* Step 1.  T's diagonal goes to d (n), its off-diagonal to e (n - 1), beta_k to beta (n); v_k stays
 * in row k of a, right of the diagonal. */
static void tridiagonalise(size_t n, double *a, double *d, double *e, double *beta, double *w)
{
    for (size_t k = 0; k + 1 < n; k++) {
        double *v = a + k * n + k + 1;
        size_t m = n - k - 1;
        beta[k] = reflection(v, m, &e[k]);
        if (beta[k] != 0.0)
            reflect_both_sides(a + (k + 1) * n + k + 1, m, n, v, beta[k], w);
    }
    for (size_t k = 0; k < n; k++)
        d[k] = a[k * n + k];
}

/* Step 2: z (n, n) <- H_{n-2} ... H_1 H_0.  From the last factor on, so that only the lower right
 * block differs from the identity and is touched. */
static void multiply_reflections(size_t n, double *z, const double *a, const double *beta)
{
    memset(z, 0, n * n * sizeof *z);
    for (size_t i = 0; i < n; i++)
        z[i * n + i] = 1.0;
    for (size_t k = n - 1; k-- > 0;) {
        const double *v = a + k * n + k + 1;
        size_t m = n - k - 1;
        double b = beta[k];
        if (b == 0.0)
            continue;
        for (size_t i = k + 1; i < n; i++) {
            double *row = z + i * n + k + 1, s = b * dot(row, v, m);
#pragma omp simd
            for (size_t j = 0; j < m; j++)
                row[j] -= s * v[j];
        }
    }
}

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

/* Applies rotations m - 1, m - 2, ..., first to the rows of z (n columns). */
static void rotate_rows(double *z, size_t n, size_t first, size_t m, const Rotation *rotation)
{
    for (size_t i = m; i-- > first;) {
        double *upper = z + i * n, *lower = upper + n;
        double c = rotation[i].c, s = rotation[i].s;
#pragma omp simd
        for (size_t j = 0; j < n; j++) {
            double x = upper[j], y = lower[j];
            lower[j] = s * x + c * y;
            upper[j] = c * x - s * y;
        }
    }
}

/* Step 3.  An off-diagonal entry counts as zero below DBL_EPSILON times the norm of T. */
static bool diagonalise(size_t n, double *d, double *e, double *z, Rotation *rotation)
{
    double norm = 0.0;

    for (size_t i = 0; i < n; i++)
        norm = fmax(norm, fabs(d[i]) + (i + 1 < n ? fabs(e[i]) : 0.0));
    for (size_t l = 0; l < n; l++)
        for (int step = 0;; step++) {
            size_t m = l;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * norm)
                m++;
            if (m == l)
                break;
            if (step == MOST_STEPS)
                return false;
            size_t first = ql_step(l, m, d, e, rotation);
            rotate_rows(z, n, first, m, rotation);
        }
    return true;
}

/* Values in ascending order into values; a (n, n) <- columns of eigenvectors from the rows of z. */
static void sort_out(size_t n, double *a, double *values, const double *d, const double *z,
                     size_t *order)
{
    for (size_t i = 0; i < n; i++) { /* insertion: QL leaves the values nearly sorted */
        size_t k = i;
        for (; k > 0 && d[order[k - 1]] > d[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    for (size_t k = 0; k < n; k++)
        values[k] = d[order[k]];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            a[i * n + k] = z[order[k] * n + i];
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

bool tensor_eigen_symmetric(size_t n, double *a, double *values)
{
    if (n == 0)
        return true;
    double scale = prepare_eigen(n, a);
    if (!isfinite(scale))
        return false;
    double *work = mem_zeroed(4 * n, sizeof *work);
    double *d = work, *e = work + n, *beta = work + 2 * n, *w = work + 3 * n;
    double *z = mem_alloc(n, n * sizeof *z);
    Rotation *rotation = mem_alloc(n, sizeof *rotation);
    size_t *order = mem_alloc(n, sizeof *order);

    tridiagonalise(n, a, d, e, beta, w);
    multiply_reflections(n, z, a, beta);
    bool converged = diagonalise(n, d, e, z, rotation);
    sort_out(n, a, values, d, z, order);
    for (size_t k = 0; k < n; k++)
        values[k] *= scale;
    mem_free(order);
    mem_free(rotation);
    mem_free(z);
    mem_free(work);
    return converged;
}
