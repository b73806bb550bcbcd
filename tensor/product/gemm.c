/* Matrix products.
 *
 * The right operand is copied into panels as wide as a tile, once and for all threads; the left one
 * is read in place through row pointers, or through a transposed copy of the block of rows at hand.
 * Loops, outermost first: chunks of columns and of depth that bound the copy; tasks (blocks of rows
 * by groups of panels), which threads share; blocks of depth, so that a panel's piece stays in the
 * second-level cache; panels; tiles down the rows. */
#include "tensor/product/gemm.h"

#include <stdint.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    CHUNK_COLUMNS = 2048, /* columns and depth copied at once: bounds the scratch memory */
    CHUNK_DEPTH = 2048,
    BLOCK_ROWS = 144,
    TASKS = 16,           /* aimed at */
    TRANSPOSED_TASKS = 6, /* the same for few panels where tasks copy their rows of A */
    FEW_PANELS = 4,
    DIRECT_ROWS = 24, /* with so few rows the right operand is not worth copying */
    /* Entries from the first to the last of a left operand that is read across its rows where it
     * lies: it stays in the second-level cache, and its pages are few. */
    DIRECT_LEFT = 1 << 17
};

typedef struct Gemm {
    size_t m, n, k;
    bool left_transposed, right_transposed;
    bool left_copied; /* columns of A, block by block */
    const float *a, *b;
    size_t lda, ldb;
    float alpha, beta;
    const float *bias;
    float *c;
    size_t ldc;
    /* the cut, from the sizes alone */
    float *packed; /* NULL: the right operand is read in place */
    size_t padded; /* columns of the panels */
    size_t block_depth, depth_blocks;
    size_t block_rows, row_blocks;
    size_t block_panels, panel_blocks;
} Gemm;

/* Panel p's piece for the block of depth that starts at k0: blocks lie one after the other. */
static float *packed_panel(const Gemm *g, size_t k0, size_t depth, size_t p)
{
    return g->packed + k0 * g->padded + depth * (p * TILE_MAX_COLUMNS);
}

static void pack_task(size_t i, void *context)
{
    const Gemm *g = context;
    const size_t panels = tile_panels(g->n);
    const size_t p = i % panels, k0 = i / panels * g->block_depth;
    const size_t depth = cut_min(g->block_depth, g->k - k0);
    const size_t j = p * TILE_MAX_COLUMNS, columns = cut_min(g->n - j, TILE_MAX_COLUMNS);
    const float *b = g->b + (g->right_transposed ? j * g->ldb + k0 : k0 * g->ldb + j);
    tile_pack(packed_panel(g, k0, depth, p), tile_for(columns)->columns, b, g->ldb,
              g->right_transposed, depth, columns);
}

/* Row pointers of the left operand for rows i0.. and depth k0..: into A; or into a copy (depth,
 * block_rows) that lies together. */
static void left_rows(const Gemm *g, const float **left, float *copy, size_t i0, size_t rows,
                      size_t k0, size_t depth)
{
    const float *a = g->a + (g->left_transposed ? k0 * g->lda + i0 : i0 * g->lda + k0);
    if (g->left_copied)
        tile_copy_rows(copy, g->block_rows, a, g->lda, depth, rows);
    for (size_t r = 0; r < rows; r++)
        left[r] = g->left_copied ? copy + r : a + r * (g->left_transposed ? 1 : g->lda);
}

static void product_task(size_t i, void *context)
{
    const Gemm *g = context;
    const size_t i0 = i / g->panel_blocks * g->block_rows;
    const size_t rows = cut_min(g->block_rows, g->m - i0);
    const size_t p0 = i % g->panel_blocks * g->block_panels;
    const size_t p1 = cut_min(p0 + g->block_panels, tile_panels(g->n));
    const float *left[BLOCK_ROWS];
    float *c[BLOCK_ROWS];
    const size_t step = g->left_copied ? g->block_rows : g->left_transposed ? g->lda : 1;
    float *copy = NULL;
    if (g->left_copied)
        copy = threads_scratch(SCRATCH_GEMM_LEFT, g->block_rows * g->block_depth * sizeof *copy);
    for (size_t k0 = 0; k0 < g->k; k0 += g->block_depth) {
        const size_t depth = cut_min(g->block_depth, g->k - k0), offset = 0;
        const bool first = k0 == 0, last = k0 + depth == g->k;
        left_rows(g, left, copy, i0, rows, k0, depth);
        for (size_t p = p0; p < p1; p++) {
            const size_t j = p * TILE_MAX_COLUMNS, columns = cut_min(g->n - j, TILE_MAX_COLUMNS);
            const Tile *tile = tile_for(columns);
            const float *right =
                g->packed == NULL ? g->b + k0 * g->ldb + j : packed_panel(g, k0, depth, p);
            const TileProduct product = {.segments = 1,
                                         .left_step = step,
                                         .depth = depth,
                                         .offset = &offset,
                                         .right = &right,
                                         .right_stride = g->packed == NULL ? g->ldb : tile->columns,
                                         .alpha = g->alpha,
                                         .beta = first ? g->beta : 1.0f,
                                         .bias = last && g->bias != NULL ? g->bias + j : NULL};
            for (size_t r = 0; r < rows; r++)
                c[r] = g->c + (i0 + r) * g->ldc + j;
            tile_column(tile, &product, left, c, rows, columns);
        }
    }
}

/* Cuts the work and runs it; n and k are at most one chunk. */
static void run_chunk(Gemm *g)
{
    const size_t panels = tile_panels(g->n);
    g->padded = tile_padded(g->n);
    g->depth_blocks = cut_blocks(g->k, TILE_DEPTH);
    g->block_depth = cut_blocks(g->k, g->depth_blocks);
    g->depth_blocks = cut_blocks(g->k, g->block_depth);
    g->left_copied = g->left_transposed && g->k * g->lda > DIRECT_LEFT;
    /* Where a task may copy its rows of A, cutting its panels too would copy them again.  With few
     * panels there are few tasks, so their sizes matter. */
    const bool few = panels <= FEW_PANELS, rows_only = g->left_transposed && few;
    const size_t wanted = rows_only ? TRANSPOSED_TASKS : TASKS;
    g->block_rows =
        cut_min(BLOCK_ROWS, cut_blocks(cut_blocks(g->m, wanted), TILE_ROW_STEP) * TILE_ROW_STEP);
    if (few)
        g->block_rows = cut_even(g->m, tile_for(g->n)->rows, g->block_rows);
    g->row_blocks = cut_blocks(g->m, g->block_rows);
    g->panel_blocks = cut_min(panels, cut_blocks(wanted, g->row_blocks));
    g->block_panels = cut_blocks(panels, g->panel_blocks);
    g->panel_blocks = cut_blocks(panels, g->block_panels);
    g->packed = NULL;
    const bool in_place = !g->right_transposed && g->padded == g->n &&
                          (g->m <= DIRECT_ROWS || g->ldb <= TILE_MAX_COLUMNS);
    const bool serial = (double)g->m * (double)g->n * (double)g->k < CUT_SERIAL_WORK;
    if (!in_place) {
        g->packed = threads_scratch(SCRATCH_GEMM_RIGHT, g->k * g->padded * sizeof *g->packed);
        cut_run(g->depth_blocks * panels, pack_task, g, serial || g->k * g->n < CUT_SERIAL_COPY);
    }
    cut_run(g->row_blocks * g->panel_blocks, product_task, g, serial);
}

/* k = 0: C = beta C + bias. */
static void scale_only(const Gemm *g)
{
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            float *c = g->c + i * g->ldc + j;
            *c = (g->beta == 0.0f ? 0.0f : g->beta * *c) + (g->bias == NULL ? 0.0f : g->bias[j]);
        }
}

/* The last of `count` matrices that lie `distance` apart ends within the numbers that a size_t can
 * count bytes of. */
static bool fits(size_t count, size_t distance, size_t rows, size_t columns, size_t stride)
{
    const size_t most = SIZE_MAX / sizeof(float);
    size_t start, last;
    if (count == 0 || rows == 0 || columns == 0)
        return true;
    return mem_product(count - 1, distance, &start) && mem_product(rows - 1, stride, &last) &&
           columns <= most && last <= most - columns && start <= most - columns - last;
}

/* Offsets are computed without further checks: sizes that overflow must not get past this. */
static void check_sizes(GemmForm form, size_t m, size_t n, size_t k)
{
    size_t entries;
    TENSOR_CHECK(form >= GEMM_NN && form <= GEMM_TT, "no form %d of a product", (int)form);
    TENSOR_CHECK(mem_product(m, n, &entries) && mem_product(m, k, &entries) &&
                     mem_product(k, n, &entries),
                 "(%zu, %zu) times (%zu, %zu): too large for this machine", m, k, k, n);
}

static void check_extents(GemmForm form, size_t count, const size_t size[3], const size_t stride[3],
                          const size_t distance[3])
{
    const bool ta = form == GEMM_TN || form == GEMM_TT, tb = form == GEMM_NT || form == GEMM_TT;
    const size_t m = size[0], n = size[1], k = size[2];
    TENSOR_CHECK(fits(count, distance[0], ta ? k : m, ta ? m : k, stride[0]) &&
                     fits(count, distance[1], tb ? n : k, tb ? k : n, stride[1]) &&
                     fits(count, distance[2], m, n, stride[2]),
                 "%zu products (%zu, %zu) times (%zu, %zu) with rows %zu, %zu and %zu apart: too "
                 "large for this machine",
                 count, m, k, k, n, stride[0], stride[1], stride[2]);
}

static void check_strides(GemmForm form, size_t m, size_t n, size_t k, size_t lda, size_t ldb,
                          size_t ldc)
{
    const bool ta = form == GEMM_TN || form == GEMM_TT, tb = form == GEMM_NT || form == GEMM_TT;
    TENSOR_CHECK(m <= 1 || k == 0 || lda >= (ta ? m : k) || (ta && k <= 1),
                 "row stride %zu of A is too small for op(A) (%zu, %zu)", lda, m, k);
    TENSOR_CHECK(k == 0 || n == 0 || ldb >= (tb ? k : n) || (tb ? n : k) <= 1,
                 "row stride %zu of B is too small for op(B) (%zu, %zu)", ldb, k, n);
    TENSOR_CHECK(m <= 1 || ldc >= n, "row stride %zu of C is too small for (%zu, %zu)", ldc, m, n);
    const size_t size[3] = {m, n, k}, stride[3] = {lda, ldb, ldc}, alone[3] = {0, 0, 0};
    check_sizes(form, m, n, k);
    check_extents(form, 1, size, stride, alone);
}

void tensor_gemm(GemmForm form, size_t m, size_t n, size_t k, float alpha, const float *a,
                 size_t lda, const float *b, size_t ldb, float beta, const float *bias, float *c,
                 size_t ldc)
{
    check_strides(form, m, n, k, lda, ldb, ldc);
    Gemm whole = {.m = m, .n = n, .k = k, .a = a, .lda = lda, .b = b, .ldb = ldb, .alpha = alpha};
    whole.left_transposed = form == GEMM_TN || form == GEMM_TT;
    whole.right_transposed = form == GEMM_NT || form == GEMM_TT;
    whole.beta = beta;
    whole.bias = bias;
    whole.c = c;
    whole.ldc = ldc;
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        scale_only(&whole);
        return;
    }
    for (size_t j = 0; j < n; j += CHUNK_COLUMNS)
        for (size_t p = 0; p < k; p += CHUNK_DEPTH) {
            Gemm part = whole;
            part.n = cut_min(n - j, CHUNK_COLUMNS);
            part.k = cut_min(k - p, CHUNK_DEPTH);
            part.a += part.left_transposed ? p * lda : p;
            part.b += part.right_transposed ? j * ldb + p : p * ldb + j;
            part.c += j;
            part.beta = p == 0 ? beta : 1.0f;
            part.bias = p + part.k == k && bias != NULL ? bias + j : NULL;
            run_chunk(&part);
        }
}

/* ---- many small products --------------------------------------------------------------------- */

typedef struct GemmBatch {
    GemmForm form;
    size_t count, group; /* products per task */
    size_t m, n, k, lda, ldb, ldc, stride_a, stride_b, stride_c;
    float alpha, beta;
    const float *a, *b;
    float *c;
} GemmBatch;

static void batch_task(size_t i, void *context)
{
    const GemmBatch *g = context;
    const size_t end = cut_min(g->count, (i + 1) * g->group);
    for (size_t t = i * g->group; t < end; t++)
        tensor_gemm(g->form, g->m, g->n, g->k, g->alpha, g->a + t * g->stride_a, g->lda,
                    g->b + t * g->stride_b, g->ldb, g->beta, NULL, g->c + t * g->stride_c, g->ldc);
}

void tensor_gemm_batch(GemmForm form, size_t count, size_t m, size_t n, size_t k, float alpha,
                       const float *a, size_t lda, size_t stride_a, const float *b, size_t ldb,
                       size_t stride_b, float beta, float *c, size_t ldc, size_t stride_c)
{
    if (count == 0)
        return;
    const size_t size[3] = {m, n, k}, stride[3] = {lda, ldb, ldc};
    const size_t distance[3] = {stride_a, stride_b, stride_c};
    check_extents(form, count, size, stride, distance);
    const double work = (double)m * (double)n * (double)k;
    GemmBatch g = {.form = form, .count = count, .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb};
    g.ldc = ldc;
    g.stride_a = stride_a;
    g.stride_b = stride_b;
    g.stride_c = stride_c;
    g.alpha = alpha;
    g.beta = beta;
    g.a = a;
    g.b = b;
    g.c = c;
    /* Few products, each large enough for all threads, run one after the other. */
    const bool one_by_one =
        work * (double)count < CUT_SERIAL_WORK || (count < 8 && work > CUT_SERIAL_WORK);
    g.group = 1;
    while (work * (double)g.group < CUT_SERIAL_WORK / 4.0 && g.group < count)
        g.group *= 2;
    cut_run(cut_blocks(count, g.group), batch_task, &g, one_by_one);
}

/* ---- reference ------------------------------------------------------------------------------- */

void tensor_gemm_reference(GemmForm form, size_t m, size_t n, size_t k, float alpha, const float *a,
                           size_t lda, const float *b, size_t ldb, float beta, const float *bias,
                           float *c, size_t ldc)
{
    const bool ta = form == GEMM_TN || form == GEMM_TT, tb = form == GEMM_NT || form == GEMM_TT;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (size_t p = 0; p < k; p++) {
                const double x = ta ? a[p * lda + i] : a[i * lda + p];
                const double y = tb ? b[j * ldb + p] : b[p * ldb + j];
                sum += x * y;
            }
            sum *= (double)alpha;
            if (beta != 0.0f)
                sum += (double)beta * (double)c[i * ldc + j];
            c[i * ldc + j] = (float)(sum + (bias == NULL ? 0.0 : (double)bias[j]));
        }
}
