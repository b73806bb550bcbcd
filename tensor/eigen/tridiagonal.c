/* Householder reflections (Golub and Van Loan, Matrix Computations, ch. 8.3).
 *
 * A small matrix is reflected from both sides after each v_k.  A large one would be read and
 * written from memory each time; there, as LAPACK's dlatrd does, PANEL reflections are collected
 * first,
 *
 *   A - V^T W - W^T V,   rows of V: v_k,   rows of W: w_k = p - (beta/2)(p.v) v,  p = beta A v,
 *
 * with a row of A brought up to date only when its turn comes, and then subtracted together.
 * A v is still a pass over A for each k; threads share its rows.
 *
 * Everything runs along rows, which are contiguous, and dot products are in LANES interleaved sums,
 * so that the loops become vector code.  Rows belong to one piece of work each. */
#include "tensor/eigen/tridiagonal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/cut.h"

enum {
    LANES = 16,
    PANEL = 32,
    PANELS_FROM = 512, /* n; smaller matrices lie in the second-level cache */
    ROWS_A_TASK = 64,
    TILE_HEIGHT = 4, /* of the block from which a panel is subtracted, in registers */
    TILE_WIDTH = 32,
    ROWS_TOGETHER = 16 /* of Q^T, while the reflections pass by */
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

/* ---- small matrices -------------------------------------------------------------------------- */

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

static void one_by_one(size_t n, double *a, double *e, double *beta)
{
    double *w = mem_alloc(n, sizeof *w);
    for (size_t k = 0; k + 1 < n; k++) {
        double *v = a + k * n + k + 1;
        size_t m = n - k - 1;
        beta[k] = reflection(v, m, &e[k]);
        if (beta[k] != 0.0)
            reflect_both_sides(a + (k + 1) * n + k + 1, m, n, v, beta[k], w);
    }
    mem_free(w);
}

/* ---- large matrices -------------------------------------------------------------------------- */

typedef struct Panels {
    size_t n;
    double *a;
    double *vw;    /* (2 PANEL, n): rows of V, then rows of W, by A's columns */
    double *right; /* W, then V, right of the panel: tiles of columns, each (2 count, TILE_WIDTH) */
    size_t count;  /* reflections of the panel */
    size_t from;   /* the block of A at hand: rows and columns from here on */
    const double *v;
    double *product; /* of A and v */
} Panels;

static void multiply_task(size_t task, void *context)
{
    const Panels *g = context;
    const size_t m = g->n - g->from, i0 = task * ROWS_A_TASK, i1 = cut_min(i0 + ROWS_A_TASK, m);
    for (size_t i = i0; i < i1; i++)
        g->product[i] = dot(g->a + (g->from + i) * g->n + g->from, g->v, m);
}

/* A tile of the block at hand, row i and column j of it first: minus left^T right. */
static void subtract_tile(const Panels *g, size_t i, size_t j, double (*left)[TILE_HEIGHT])
{
    const size_t m = g->n - g->from, rows = cut_min(TILE_HEIGHT, m - i);
    const size_t columns = cut_min(TILE_WIDTH, m - j);
    const double *right = g->right + j * 2 * g->count;
    double sum[TILE_HEIGHT][TILE_WIDTH];
    for (size_t r = 0; r < TILE_HEIGHT; r++)
        for (size_t c = 0; c < TILE_WIDTH; c++)
            sum[r][c] = 0.0;
    for (size_t t = 0; t < 2 * g->count; t++, right += TILE_WIDTH)
        for (size_t r = 0; r < TILE_HEIGHT; r++) {
            const double factor = left[t][r];
#pragma omp simd
            for (size_t c = 0; c < TILE_WIDTH; c++)
                sum[r][c] += factor * right[c];
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            g->a[(g->from + i + r) * g->n + g->from + j + c] -= sum[r][c];
}

static void subtract_task(size_t task, void *context)
{
    const Panels *g = context;
    const size_t m = g->n - g->from, i0 = task * ROWS_A_TASK, i1 = cut_min(i0 + ROWS_A_TASK, m);
    double left[2 * PANEL][TILE_HEIGHT];
    for (size_t i = i0; i < i1; i += TILE_HEIGHT) {
        for (size_t t = 0; t < 2 * g->count; t++) {
            const double *row = g->vw + (t < g->count ? t : PANEL + t - g->count) * g->n + g->from;
            for (size_t r = 0; r < TILE_HEIGHT; r++)
                left[t][r] = i + r < m ? row[i + r] : 0.0;
        }
        for (size_t j = 0; j < m; j += TILE_WIDTH)
            subtract_tile(g, i, j, left);
    }
}

/* Rows of the block at hand, shared out. */
static void by_rows(Panels *g, void (*body)(size_t i, void *context))
{
    const size_t m = g->n - g->from;
    cut_run(cut_blocks(m, ROWS_A_TASK), body, g, m * m < CUT_SERIAL_COPY);
}

/* x -= s y. */
static void subtract_scaled(double *x, double s, const double *y, size_t n)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        x[j] -= s * y[j];
}

/* Reflection k, the panel's t-th: its row of A up to date, v, and w beside it. */
static double reflect_row(Panels *g, size_t k, size_t t, double *e)
{
    const size_t n = g->n, m = n - k - 1;
    double *row = g->a + k * n, *v = g->vw + t * n, *w = g->vw + (PANEL + t) * n;
    for (size_t s = 0; s < t; s++) {
        const double *vs = g->vw + s * n, *ws = g->vw + (PANEL + s) * n;
        subtract_scaled(row + k, vs[k], ws + k, n - k);
        subtract_scaled(row + k, ws[k], vs + k, n - k);
    }
    const double beta = reflection(row + k + 1, m, e);
    memset(v, 0, n * sizeof *v);
    memset(w, 0, n * sizeof *w);
    if (beta == 0.0)
        return 0.0;
    memcpy(v + k + 1, row + k + 1, m * sizeof *v);
    v += k + 1;
    w += k + 1;
    g->from = k + 1;
    g->v = v;
    g->product = w;
    by_rows(g, multiply_task);
    for (size_t s = 0; s < t; s++) {
        const double *vs = g->vw + s * n + k + 1, *ws = g->vw + (PANEL + s) * n + k + 1;
        const double along_w = dot(ws, v, m), along_v = dot(vs, v, m);
        subtract_scaled(w, along_w, vs, m);
        subtract_scaled(w, along_v, ws, m);
    }
    for (size_t i = 0; i < m; i++)
        w[i] *= beta;
    subtract_scaled(w, 0.5 * beta * dot(w, v, m), v, m);
    return beta;
}

/* V^T W + W^T V from the block right of and below a panel that ends before row `end`. */
static void subtract_panel(Panels *g, size_t end, size_t count)
{
    const size_t m = g->n - end;
    double *to = g->right;
    for (size_t j = 0; j < m; j += TILE_WIDTH)
        for (size_t t = 0; t < 2 * count; t++, to += TILE_WIDTH) {
            const double *row = g->vw + (t < count ? PANEL + t : t - count) * g->n + end + j;
            for (size_t c = 0; c < TILE_WIDTH; c++)
                to[c] = j + c < m ? row[c] : 0.0;
        }
    g->from = end;
    g->count = count;
    by_rows(g, subtract_task);
}

static void by_panels(size_t n, double *a, double *e, double *beta)
{
    Panels g = {.n = n, .a = a};
    g.vw = mem_alloc(2 * PANEL, n * sizeof *g.vw);
    g.right = mem_alloc(2 * PANEL, (n + TILE_WIDTH) * sizeof *g.right);
    for (size_t k = 0; k + 1 < n; k += PANEL) {
        const size_t end = cut_min(k + PANEL, n - 1);
        for (size_t t = 0; k + t < end; t++)
            beta[k + t] = reflect_row(&g, k + t, t, &e[k + t]);
        subtract_panel(&g, end, end - k);
    }
    mem_free(g.right);
    mem_free(g.vw);
}

void tensor_tridiagonalise(size_t n, double *a, double *d, double *e, double *beta)
{
    (n < PANELS_FROM ? one_by_one : by_panels)(n, a, e, beta);
    for (size_t k = 0; k < n; k++)
        d[k] = a[k * n + k];
}

/* ---- Q^T ------------------------------------------------------------------------------------- */

typedef struct Reflections {
    size_t n;
    double *z;
    const double *a, *beta;
} Reflections;

/* Some rows of z <- H_{n-2} ... H_1 H_0.  From the last factor on, so that only the lower right
 * block differs from the identity and is touched. */
static void reflect_rows_task(size_t task, void *context)
{
    const Reflections *g = context;
    const size_t n = g->n, i0 = task * ROWS_TOGETHER, i1 = cut_min(i0 + ROWS_TOGETHER, n);
    for (size_t k = cut_min(i1 - 1, n - 1); k-- > 0;) {
        const double *v = g->a + k * n + k + 1;
        const size_t m = n - k - 1;
        const double b = g->beta[k];
        if (b == 0.0)
            continue;
        for (size_t i = k + 1 > i0 ? k + 1 : i0; i < i1; i++) {
            double *row = g->z + i * n + k + 1, s = b * dot(row, v, m);
#pragma omp simd
            for (size_t j = 0; j < m; j++)
                row[j] -= s * v[j];
        }
    }
}

void tensor_reflections(size_t n, double *z, const double *a, const double *beta)
{
    Reflections g = {n, z, a, beta};
    memset(z, 0, n * n * sizeof *z);
    for (size_t i = 0; i < n; i++)
        z[i * n + i] = 1.0;
    cut_run(cut_blocks(n, ROWS_TOGETHER), reflect_rows_task, &g, n * n < CUT_SERIAL_COPY);
}
