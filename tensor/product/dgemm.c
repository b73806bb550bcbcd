/* Matrix products in double: both operands are copied into panels (rows of A in fours, columns of
 * B as wide as the tile, padded with zeros), so one inner loop serves all four forms. */
#include "tensor/product/gemm.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    ROWS = 4,
#if defined(__AVX512F__)
    COLUMNS = 32,
#elif defined(__AVX__)
    COLUMNS = 8,
#else
    COLUMNS = 4,
#endif
    BLOCK_DEPTH = 256,
    BLOCK_TILES = 12 /* tiles down one task */
};

typedef struct Dgemm {
    size_t m, n, k;
    bool left_transposed, right_transposed;
    const double *a, *b;
    double *c;
    double *packed; /* panels of COLUMNS columns, each (k, COLUMNS) */
} Dgemm;

static void pack_task(size_t panel, void *context)
{
    const Dgemm *g = context;
    double *out = g->packed + panel * g->k * COLUMNS;
    const size_t j0 = panel * COLUMNS, columns = cut_min(g->n - j0, COLUMNS);
    for (size_t k = 0; k < g->k; k++)
        for (size_t j = 0; j < COLUMNS; j++)
            out[k * COLUMNS + j] = j >= columns          ? 0.0
                                   : g->right_transposed ? g->b[(j0 + j) * g->k + k]
                                                         : g->b[k * g->n + j0 + j];
}

/* copy (depth, ROWS): rows i0.. of op(A), zero below the last one. */
static void pack_left(const Dgemm *g, double *copy, size_t i0, size_t k0, size_t depth)
{
    const size_t rows = cut_min(g->m - i0, ROWS);
    for (size_t k = 0; k < depth; k++)
        for (size_t r = 0; r < ROWS; r++)
            copy[k * ROWS + r] = r >= rows            ? 0.0
                                 : g->left_transposed ? g->a[(k0 + k) * g->m + i0 + r]
                                                      : g->a[(i0 + r) * g->k + k0 + k];
}

/* c (rows, columns) of row stride ldc: = or += left (depth, ROWS)^T right (depth, COLUMNS). */
static void tile(double *c, size_t ldc, size_t rows, size_t columns, const double *left,
                 const double *right, size_t depth, bool first)
{
    double acc[ROWS][COLUMNS];
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < COLUMNS; j++)
            acc[r][j] = 0.0;
    for (size_t k = 0; k < depth; k++, left += ROWS, right += COLUMNS)
        for (size_t r = 0; r < ROWS; r++) {
            const double factor = left[r];
#pragma omp simd
            for (size_t j = 0; j < COLUMNS; j++)
                acc[r][j] += factor * right[j];
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++)
            c[r * ldc + j] = first ? acc[r][j] : c[r * ldc + j] + acc[r][j];
}

static void product_task(size_t i, void *context)
{
    const Dgemm *g = context;
    const size_t i0 = i * BLOCK_TILES * ROWS, rows = cut_min(g->m - i0, BLOCK_TILES * ROWS);
    double *copy =
        threads_scratch(SCRATCH_GEMM_LEFT, (size_t)BLOCK_TILES * ROWS * BLOCK_DEPTH * sizeof *copy);
    for (size_t k0 = 0; k0 < g->k; k0 += BLOCK_DEPTH) {
        const size_t depth = cut_min(g->k - k0, BLOCK_DEPTH);
        for (size_t r = 0; r < rows; r += ROWS)
            pack_left(g, copy + r * depth, i0 + r, k0, depth);
        for (size_t j = 0; j < g->n; j += COLUMNS)
            for (size_t r = 0; r < rows; r += ROWS)
                tile(g->c + (i0 + r) * g->n + j, g->n, cut_min(rows - r, ROWS),
                     cut_min(g->n - j, COLUMNS), copy + r * depth,
                     g->packed + j * g->k + k0 * COLUMNS, depth, k0 == 0);
    }
}

void tensor_dgemm(GemmForm form, size_t m, size_t n, size_t k, const double *a, const double *b,
                  double *c)
{
    if (k == 0)
        for (size_t i = 0; i < m * n; i++)
            c[i] = 0.0;
    if (m == 0 || n == 0 || k == 0)
        return;
    Dgemm g = {.m = m, .n = n, .k = k, .a = a, .b = b, .c = c};
    g.left_transposed = form == GEMM_TN || form == GEMM_TT;
    g.right_transposed = form == GEMM_NT || form == GEMM_TT;
    const size_t panels = cut_blocks(n, COLUMNS);
    const size_t tasks = cut_blocks(m, BLOCK_TILES * ROWS);
    g.packed = threads_scratch(SCRATCH_GEMM_RIGHT, panels * COLUMNS * k * sizeof *g.packed);
    const bool serial = (double)m * (double)n * (double)k < CUT_SERIAL_WORK;
    cut_run(panels, pack_task, &g, serial);
    cut_run(tasks, product_task, &g, serial);
}
