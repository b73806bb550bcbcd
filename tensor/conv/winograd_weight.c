/* Winograd's weight gradient: the chain of conv/winograd.c run backwards,
 *
 *   dg = G^T dU G,   dU = sum over squares of (B^T d B) * (A dy A^T).
 *
 * Few channels: the squares are cut into blocks, each with its own dU, so that a task keeps V and M
 * in its cache; the blocks' dU are added in order.  Many channels, where dU is large: all threads
 * transform a chunk of squares, then share the products.  If squares are few (PART_SQUARES), a task
 * takes some input channels by a panel of output channels and carries its part of dU back while it
 * is in the cache: written and read as a whole, dU would cost more time than the products. */
#include <string.h>

#include "tensor/conv/winograd.h"
#include "tensor/conv/winograd_square.h"
#include "tensor/conv/winograd_squares.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    SKEW = 16,               /* entries that keep rows and matrices off the same cache lines */
    CHUNK_ENTRIES = 5 << 19, /* of V and M in one chunk */
    SMALL_WEIGHTS = 1 << 18, /* entries of dU up to which each block has its own */
    PART_ENTRIES = 1 << 18,  /* entries of V and M held by a block */
    BLOCKS = 8,
    TASK_SQUARES = 16,  /* per task of a transform */
    PART_CHANNELS = 24, /* input channels of a part of dU */
    PART_SQUARES = 64   /* up to which such parts pay */
};

typedef struct WinogradGradient {
    Squares squares;
    size_t cin, cout;
    const float *x, *dy;
    float *dw, *du;                        /* du (blocks, 36, cin, cout) */
    size_t step;                           /* squares transformed at once */
    size_t v_row, v_point, m_row, m_point; /* from square to square, from matrix to matrix */
    size_t block, blocks;                  /* squares of a block */
    float *v, *m;                          /* of a chunk */
    size_t first, count;                   /* squares of the chunk */
} WinogradGradient;

/* Squares first.. into V (36, step, cin) and M (36, step, cout); copy: one window. */
static void transform(const WinogradGradient *g, float *v, float *m, float *copy, size_t first,
                      size_t count)
{
    for (size_t t = first; t < first + count; t++, v += g->v_row, m += g->m_row) {
        const SquarePlace p = wino_place(&g->squares, t);
        size_t row;
        const float *in = wino_window(&g->squares, &p, g->x, g->cin, 1, WINO_SIDE, copy, &row);
        wino_square(wino_input_line, WINO_SIDE, WINO_SIDE, v, WINO_SIDE * g->v_point, g->v_point,
                    in, row, g->cin, g->cin);
        in = wino_window(&g->squares, &p, g->dy, g->cout, 0, WINO_OUT, copy, &row);
        wino_square(wino_gradient_line, WINO_OUT, WINO_SIDE, m, WINO_SIDE * g->m_point, g->m_point,
                    in, row, g->cout, g->cout);
    }
}

/* dU or a part of it: matrix e, channel c of the part at data + e * point + c * row. */
typedef struct Sums {
    float *data;
    size_t point, row;
} Sums;

/* dU[e] = or += V[e]^T M[e], for `rows` input channels from v on and at most TILE_MAX_COLUMNS
 * output channels from m on; du begins there. */
static void product(const WinogradGradient *g, size_t e, const Sums *du, const float *v,
                    size_t rows, const float *m, size_t columns, size_t count, bool fresh)
{
    const size_t offset = 0;
    const Tile *tile = tile_for(columns);
    const float *right = m + e * g->m_point;
    const TileProduct sum = {.segments = 1,
                             .depth = count,
                             .left_step = g->v_row,
                             .offset = &offset,
                             .right = &right,
                             .right_stride = g->m_row,
                             .alpha = 1.0f,
                             .beta = fresh ? 0.0f : 1.0f};
    for (size_t c = 0; c < rows; c += tile->rows) {
        const float *left[TILE_MAX_ROWS];
        float *out[TILE_MAX_ROWS];
        const size_t some = cut_min(tile->rows, rows - c);
        for (size_t r = 0; r < tile->rows; r++) {
            const size_t row = c + (r < some ? r : 0);
            left[r] = v + e * g->v_point + row;
            out[r] = du->data + e * du->point + row * du->row;
        }
        tile->run(&sum, left, out, some, columns);
    }
}

/* All of matrix e. */
static void whole_product(const WinogradGradient *g, size_t e, float *du, const float *v,
                          const float *m, size_t count, bool fresh)
{
    for (size_t j = 0; j < g->cout; j += TILE_MAX_COLUMNS) {
        const Sums part = {du + j, g->cin * g->cout, g->cout};
        product(g, e, &part, v, g->cin, m + j, cut_min(g->cout - j, TILE_MAX_COLUMNS), count,
                fresh);
    }
}

/* dw += G^T dU G for input channel c and at most WINO_STRIP output channels j..; du points
 * at their entries of dU. */
static void carry_back(const WinogradGradient *g, const float *du, size_t point, size_t c, size_t j,
                       size_t strip)
{
    float out[9 * WINO_STRIP];
    wino_square(wino_weight_back_line, WINO_SIDE, 3, out, 3 * WINO_STRIP, WINO_STRIP, du,
                WINO_SIDE * point, point, strip);
    for (size_t t = 0; t < 9; t++) {
        float *restrict dw = g->dw + (t * g->cin + c) * g->cout + j;
        for (size_t k = 0; k < strip; k++)
            dw[k] += out[t * WINO_STRIP + k];
    }
}

static size_t window_entries(const WinogradGradient *g)
{
    return WINO_POINTS * (g->cin > g->cout ? g->cin : g->cout);
}

static void weight_block_task(size_t block, void *context)
{
    const WinogradGradient *g = context;
    const size_t first = block * g->block;
    const size_t end = cut_min(first + g->block, g->squares.count);
    float *v =
        threads_scratch(SCRATCH_GEMM_LEFT,
                        (WINO_POINTS * (g->v_point + g->m_point) + window_entries(g)) * sizeof *v);
    float *m = v + WINO_POINTS * g->v_point, *copy = m + WINO_POINTS * g->m_point;
    float *du = g->du + block * WINO_POINTS * g->cin * g->cout;
    if (tile_padded(g->cout) > g->cout)
        memset(m, 0, WINO_POINTS * g->m_point * sizeof *m); /* the columns beyond cout */
    for (size_t t = first; t < end; t += g->step) {
        const size_t count = cut_min(g->step, end - t);
        transform(g, v, m, copy, t, count);
        for (size_t e = 0; e < WINO_POINTS; e++)
            whole_product(g, e, du, v, m, count, t == first);
    }
}

static void chunk_transform_task(size_t task, void *context)
{
    const WinogradGradient *g = context;
    const size_t t = task * TASK_SQUARES, count = cut_min(g->count - t, TASK_SQUARES);
    float *copy = threads_scratch(SCRATCH_GEMM_LEFT, window_entries(g) * sizeof *copy);
    transform(g, g->v + t * g->v_row, g->m + t * g->m_row, copy, g->first + t, count);
}

static void chunk_product_task(size_t e, void *context)
{
    const WinogradGradient *g = context;
    whole_product(g, e, g->du, g->v, g->m, g->count, g->first == 0);
}

/* One input channel, dU being the sum over blocks. */
static void back_task(size_t c, void *context)
{
    const WinogradGradient *g = context;
    float sum[WINO_POINTS * WINO_STRIP];
    for (size_t j = 0; j < g->cout; j += WINO_STRIP) {
        const size_t strip = cut_min(g->cout - j, WINO_STRIP);
        memset(sum, 0, sizeof sum);
        for (size_t e = 0; e < g->blocks * WINO_POINTS; e++) {
            const float *du = g->du + (e * g->cin + c) * g->cout + j;
            for (size_t k = 0; k < strip; k++)
                sum[e % WINO_POINTS * WINO_STRIP + k] += du[k];
        }
        carry_back(g, sum, WINO_STRIP, c, j, strip);
    }
}

/* From a whole chunk's V and M to dw, for a group of input channels and a panel of output channels:
 * panels outermost, so that M's stay in the cache. */
static void part_task(size_t task, void *context)
{
    const WinogradGradient *g = context;
    const size_t groups = cut_blocks(g->cin, PART_CHANNELS);
    const size_t j = task / groups * TILE_MAX_COLUMNS, c0 = task % groups * PART_CHANNELS;
    const size_t rows = cut_min(PART_CHANNELS, g->cin - c0);
    const size_t columns = cut_min(g->cout - j, TILE_MAX_COLUMNS);
    Sums du = {.row = TILE_MAX_COLUMNS, .point = PART_CHANNELS * TILE_MAX_COLUMNS + SKEW};
    du.data = threads_scratch(SCRATCH_GEMM_LEFT, WINO_POINTS * du.point * sizeof *du.data);
    for (size_t e = 0; e < WINO_POINTS; e++)
        product(g, e, &du, g->v + c0, rows, g->m + j, columns, g->count, true);
    for (size_t c = 0; c < rows; c++)
        for (size_t k = 0; k < columns; k += WINO_STRIP)
            carry_back(g, du.data + c * du.row + k, du.point, c0 + c, j + k,
                       cut_min(columns - k, WINO_STRIP));
}

static void transform_chunk(WinogradGradient *g)
{
    g->count = cut_min(g->squares.count - g->first, g->step);
    threads_for(cut_blocks(g->count, TASK_SQUARES), chunk_transform_task, g);
}

/* ---- the ways to dw -------------------------------------------------------------------------- */

/* Scratch for `du` entries of dU, and for a chunk's V and M behind them. */
static void chunk_scratch(WinogradGradient *g, size_t du)
{
    g->du = threads_scratch(SCRATCH_CONV,
                            (du + WINO_POINTS * (g->v_point + g->m_point)) * sizeof *g->du);
    g->v = g->du + du;
    g->m = g->v + WINO_POINTS * g->v_point;
    if (tile_padded(g->cout) > g->cout)
        memset(g->m, 0, WINO_POINTS * g->m_point * sizeof *g->m);
}

static void run_parts(WinogradGradient *g)
{
    chunk_scratch(g, 0);
    transform_chunk(g);
    threads_for(tile_panels(g->cout) * cut_blocks(g->cin, PART_CHANNELS), part_task, g);
}

static void run_chunks(WinogradGradient *g)
{
    chunk_scratch(g, WINO_POINTS * g->cin * g->cout);
    for (; g->first < g->squares.count; g->first += g->step) {
        transform_chunk(g);
        threads_for(WINO_POINTS, chunk_product_task, g);
    }
    threads_for(g->cin, back_task, g);
}

static void run_weight_blocks(WinogradGradient *g)
{
    g->du =
        threads_scratch(SCRATCH_CONV, g->blocks * WINO_POINTS * g->cin * g->cout * sizeof *g->du);
    threads_for(g->blocks, weight_block_task, g);
    cut_run(g->cin, back_task, g, g->blocks * WINO_POINTS * g->cin * g->cout < CUT_SERIAL_COPY);
}

void conv_winograd_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s)
{
    WinogradGradient g = {
        .squares = wino_squares(s), .cin = s->cin, .cout = s->cout, .x = x, .dy = dy};
    const bool small = WINO_POINTS * s->cin * s->cout <= SMALL_WEIGHTS;
    g.dw = dw;
    g.v_row = s->cin + SKEW;
    g.m_row = tile_padded(s->cout) + SKEW;
    g.block = g.squares.count;
    if (small)
        g.block = cut_blocks(g.squares.count, cut_min(BLOCKS, cut_blocks(g.squares.count, 24)));
    g.blocks = cut_blocks(g.squares.count, g.block);
    const size_t fit = (small ? PART_ENTRIES : CHUNK_ENTRIES) / (WINO_POINTS * (s->cin + s->cout));
    g.step = cut_min(g.block, cut_blocks(fit + 1, TASK_SQUARES) * TASK_SQUARES);
    g.step = cut_blocks(g.block, cut_blocks(g.block, g.step)); /* chunks of one size */
    g.step = cut_min(g.block, cut_blocks(g.step, TASK_SQUARES) * TASK_SQUARES);
    g.v_point = g.step * g.v_row + SKEW;
    g.m_point = g.step * g.m_row + SKEW;
    if (small)
        run_weight_blocks(&g);
    else if (g.squares.count <= cut_min(g.step, PART_SQUARES))
        run_parts(&g);
    else
        run_chunks(&g);
}
