/* Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308).
 *
 * The output is cut into squares of 4x4 pixels.  With g the 3x3 weights and d the 6x6 input pixels
 * around a square, for each pair of channels,
 *
 *   y = A^T [ (G g G^T) * (B^T d B) ] A,   * entry by entry,
 *
 * so 36 multiplications replace 144, and the sum over input channels becomes 36 matrix products
 * (squares x cin) (cin x cout).  The data gradient is the same with flipped, transposed weights.
 * The weight gradient runs the chain backwards: dU = sum over squares of (B^T d B) (A dy A^T),
 * dg = G^T dU G.
 *
 * Transforms are sums and small multiples of whole rows of channels.  Their constants (up to 8)
 * cost accuracy: errors reach 2e-5 of the largest value, where direct sums have 1e-6.  A NaN or an
 * infinity spreads to the squares it touches. */
#include "tensor/conv_winograd.h"

#include <string.h>

#include "tensor/cut.h"
#include "tensor/gemm_tile.h"
#include "tensor/threads.h"
#include "tensor/winograd_square.h"

enum {
    SKEW = 16,               /* entries that keep the 36 matrices off the same cache lines */
    BLOCK_ENTRIES = 1 << 19, /* entries of V and M in one task of the forward pass */
    CHUNK_ENTRIES = 1 << 20, /* and in one chunk of the weight gradient */
    SMALL_WEIGHTS = 1 << 18, /* entries of dU up to which each block has its own */
    PART_ENTRIES = 1 << 18,  /* entries of V and M held by a block */
    BLOCKS = 8,
    TASKS = 8,        /* aimed at */
    TASK_SQUARES = 16 /* per task of a transform */
};

/* ---- geometry -------------------------------------------------------------------------------- */

typedef struct Squares {
    size_t batch, height, width;
    size_t down, across; /* squares in one picture */
    size_t count;
} Squares;

static Squares squares_of(const ConvShape *s)
{
    Squares q = {.batch = s->batch, .height = s->height, .width = s->width};
    q.down = cut_blocks(s->height, WINO_OUT);
    q.across = cut_blocks(s->width, WINO_OUT);
    q.count = q.batch * q.down * q.across;
    return q;
}

typedef struct Place {
    size_t b, i, j;       /* picture, first row and column of the square */
    size_t rows, columns; /* inside the picture */
} Place;

static Place place_of(const Squares *q, size_t t)
{
    Place p;
    p.b = t / (q->down * q->across);
    p.i = t / q->across % q->down * WINO_OUT;
    p.j = t % q->across * WINO_OUT;
    p.rows = cut_min(q->height - p.i, WINO_OUT);
    p.columns = cut_min(q->width - p.j, WINO_OUT);
    return p;
}

/* The side x side pixels whose first one lies `before` rows and columns before the square's: read
 * in place where they are inside the picture, else copied among zeros. */
static const float *window(const Squares *q, const Place *p, const float *x, size_t channels,
                           size_t before, size_t side, float *copy, size_t *row)
{
    const float *picture = x + p->b * q->height * q->width * channels;
    if (p->i >= before && p->j >= before && p->i - before + side <= q->height &&
        p->j - before + side <= q->width) {
        *row = q->width * channels;
        return picture + ((p->i - before) * q->width + p->j - before) * channels;
    }
    *row = side * channels;
    const size_t skip = p->j < before ? before - p->j : 0; /* columns left of the picture */
    const size_t first = p->j + skip - before, inner = cut_min(q->width - first, side - skip);
    for (size_t r = 0; r < side; r++, copy += side * channels) {
        const size_t i = p->i + r; /* + before */
        if (i < before || i - before >= q->height) {
            memset(copy, 0, side * channels * sizeof *copy);
            continue;
        }
        memset(copy, 0, skip * channels * sizeof *copy);
        memcpy(copy + skip * channels, picture + ((i - before) * q->width + first) * channels,
               inner * channels * sizeof *copy);
        memset(copy + (skip + inner) * channels, 0,
               (side - skip - inner) * channels * sizeof *copy);
    }
    return copy - side * side * channels;
}

/* ---- weights: U (36) panels of (cin, columns) -------------------------------------------------
 */

typedef struct Weights {
    const float *w; /* (9, cin, cout) */
    size_t cin, cout;
    bool flipped; /* tap 8 - t in place of tap t */
    float *u;     /* (36, cin * padded cout) */
} Weights;

static void weights_task(size_t c, void *context)
{
    const Weights *g = context;
    const size_t padded = tile_padded(g->cout), point = g->cin * padded;
    float row[9 * TILE_MAX_COLUMNS];
    for (size_t j = 0; j < g->cout; j += TILE_MAX_COLUMNS) {
        const size_t columns = cut_min(g->cout - j, TILE_MAX_COLUMNS);
        const size_t width = tile_for(columns)->columns;
        for (size_t t = 0; t < 9; t++)
            tile_pack(row + t * width, width,
                      g->w + ((g->flipped ? 8 - t : t) * g->cin + c) * g->cout + j, g->cout, false,
                      1, columns);
        wino_square(wino_weight_line, 3, WINO_SIDE, g->u + j * g->cin + c * width,
                    WINO_SIDE * point, point, row, 3 * width, width, width);
    }
}

/* ---- forward and data gradient ------------------------------------------------------------------
 */

typedef struct Filter {
    Squares squares;
    size_t cin, cout;
    const float *x, *u, *bias;
    const float *residual; /* y = alpha (residual + sum + bias); NULL: y = sum + bias */
    float alpha;
    float *y;
    bool add;     /* y += sum */
    size_t block; /* squares per task */
} Filter;

/* M[e] (count, cout) = V[e] (count, cin) U[e], for all 36. */
static void multiply(const Filter *g, float *m, size_t m_point, const float *v, size_t v_point,
                     const float **left, float **out, size_t count)
{
    const size_t u_point = g->cin * tile_padded(g->cout);
    for (size_t t = 0; t < count; t++)
        left[t] = v + t * g->cin;
    for (size_t e = 0; e < WINO_POINTS; e++)
        for (size_t j = 0; j < g->cout; j += TILE_MAX_COLUMNS) {
            const size_t columns = cut_min(g->cout - j, TILE_MAX_COLUMNS), offset = e * v_point;
            const Tile *tile = tile_for(columns);
            const float *right = g->u + e * u_point + j * g->cin;
            const TileProduct product = {.segments = 1,
                                         .left_step = 1,
                                         .depth = g->cin,
                                         .offset = &offset,
                                         .right = &right,
                                         .right_stride = tile->columns,
                                         .alpha = 1.0f};
            for (size_t t = 0; t < count; t++)
                out[t] = m + e * m_point + t * g->cout + j;
            tile_column(tile, &product, left, out, count, columns);
        }
}

/* Channels k..k+n-1 of one pixel; `at` is its place in y and residual. */
static inline void write_pixel(const Filter *g, size_t at, const float *restrict from,
                               const float *restrict bias, size_t n)
{
    float *restrict to = g->y + at;
    if (g->add) {
        for (size_t k = 0; k < n; k++)
            to[k] += from[k];
    } else if (g->residual != NULL) {
        const float *restrict residual = g->residual + at;
        if (bias != NULL)
            for (size_t k = 0; k < n; k++)
                to[k] = g->alpha * (residual[k] + (from[k] + bias[k]));
        else
            for (size_t k = 0; k < n; k++)
                to[k] = g->alpha * (residual[k] + from[k]);
    } else if (bias != NULL)
        for (size_t k = 0; k < n; k++)
            to[k] = from[k] + bias[k];
    else
        for (size_t k = 0; k < n; k++)
            to[k] = from[k];
}

/* Square t of y from its 36 entries of M. */
static void write_square(const Filter *g, size_t t, const float *m, size_t m_point)
{
    const Place p = place_of(&g->squares, t);
    const size_t n = g->cout, row = g->squares.width * n;
    const size_t start = ((p.b * g->squares.height + p.i) * g->squares.width + p.j) * n;
    float out[WINO_OUT * WINO_OUT * WINO_STRIP];
    for (size_t c = 0; c < n; c += WINO_STRIP) {
        const size_t strip = cut_min(n - c, WINO_STRIP);
        const float *bias = g->bias == NULL ? NULL : g->bias + c;
        wino_square(wino_output_line, WINO_SIDE, WINO_OUT, out, WINO_OUT * WINO_STRIP, WINO_STRIP,
                    m + c, WINO_SIDE * m_point, m_point, strip);
        for (size_t i = 0; i < p.rows; i++)
            for (size_t j = 0; j < p.columns; j++)
                write_pixel(g, start + i * row + j * n + c, out + (i * WINO_OUT + j) * WINO_STRIP,
                            bias, strip);
    }
}

static void filter_task(size_t task, void *context)
{
    const Filter *g = context;
    const size_t t0 = task * g->block, count = cut_min(g->block, g->squares.count - t0);
    const size_t v_point = g->block * g->cin + SKEW, m_point = g->block * g->cout + SKEW;
    const size_t entries = cut_blocks(WINO_POINTS * (v_point + m_point + g->cin), 16) * 16;
    char *scratch = threads_scratch(SCRATCH_GEMM_LEFT,
                                    entries * sizeof(float) + 2 * g->block * sizeof(float *));
    float *v = (float *)(void *)scratch, *m = v + WINO_POINTS * v_point,
          *copy = m + WINO_POINTS * m_point;
    const float **left = (const float **)(void *)(scratch + entries * sizeof(float));
    float **out = (float **)(void *)(left + g->block);

    for (size_t t = 0; t < count; t++) {
        const Place p = place_of(&g->squares, t0 + t);
        size_t row;
        const float *in = window(&g->squares, &p, g->x, g->cin, 1, WINO_SIDE, copy, &row);
        wino_square(wino_input_line, WINO_SIDE, WINO_SIDE, v + t * g->cin, WINO_SIDE * v_point,
                    v_point, in, row, g->cin, g->cin);
    }
    multiply(g, m, m_point, v, v_point, left, out, count);
    for (size_t t = 0; t < count; t++)
        write_square(g, t0 + t, m + t * g->cout, m_point);
}

static void run_filter(Filter *g, const float *w, bool flipped)
{
    float *u =
        threads_scratch(SCRATCH_CONV, WINO_POINTS * g->cin * tile_padded(g->cout) * sizeof *u);
    Weights weights = {.w = w, .cin = g->cin, .cout = g->cout, .flipped = flipped, .u = u};
    cut_run(g->cin, weights_task, &weights, WINO_POINTS * g->cin * g->cout < CUT_SERIAL_COPY);
    g->u = u;
    const size_t fit = BLOCK_ENTRIES / (WINO_POINTS * (g->cin + g->cout));
    const size_t wanted = cut_min(fit, cut_blocks(g->squares.count, TASKS));
    g->block = cut_min(cut_blocks(wanted + 1, TILE_ROW_STEP) * TILE_ROW_STEP, 96);
    threads_for(cut_blocks(g->squares.count, g->block), filter_task, g);
}

void conv_winograd_forward(float *y, const float *x, const float *w, const float *bias,
                           const float *residual, float alpha, const ConvShape *s)
{
    Filter g = {.squares = squares_of(s), .cin = s->cin, .cout = s->cout, .x = x, .bias = bias};
    g.residual = residual;
    g.alpha = alpha;
    g.y = y;
    run_filter(&g, w, false);
}

typedef struct Transposition {
    float *out;
    const float *w;
    size_t cin, cout;
} Transposition;

static void transpose_task(size_t tap, void *context)
{
    const Transposition *t = context;
    const size_t size = t->cin * t->cout;
    tile_transpose(t->out + tap * size, t->cin, t->w + tap * size, t->cout, t->cin, t->cout);
}

void conv_winograd_data_gradient(float *dx, const float *dy, const float *w, bool add,
                                 const ConvShape *s)
{
    Filter g = {.squares = squares_of(s), .cin = s->cout, .cout = s->cin, .x = dy, .add = add};
    float *transposed = threads_scratch(SCRATCH_GEMM_RIGHT, 9 * s->cin * s->cout * sizeof *w);
    Transposition t = {.out = transposed, .w = w, .cin = s->cin, .cout = s->cout};
    cut_run(9, transpose_task, &t, 9 * s->cin * s->cout < CUT_SERIAL_COPY);
    g.y = dx;
    run_filter(&g, transposed, true);
}

/* ---- weight gradient ---------------------------------------------------------------------------
 *
 * Few channels: the squares are cut into blocks, each with its own dU, so that a task keeps V and M
 * in its cache; the blocks' dU are added in order.  Many channels, where dU is large: all threads
 * transform a chunk of squares, then share the 36 products. */

typedef struct WeightGradient {
    Squares squares;
    size_t cin, cout, padded; /* padded: columns of M */
    const float *x, *dy;
    float *dw, *du; /* du (blocks, 36, cin, cout) */
    size_t step;    /* squares transformed at once */
    size_t v_point, m_point;
    size_t block, blocks; /* squares of a block */
    float *v, *m;         /* of a chunk */
    size_t first, count;  /* squares of the chunk */
} WeightGradient;

/* Squares first.. into V (36, step, cin) and M (36, step, padded); copy: one window. */
static void transform(const WeightGradient *g, float *v, float *m, float *copy, size_t first,
                      size_t count)
{
    for (size_t t = first; t < first + count; t++, v += g->cin, m += g->padded) {
        const Place p = place_of(&g->squares, t);
        size_t row;
        const float *in = window(&g->squares, &p, g->x, g->cin, 1, WINO_SIDE, copy, &row);
        wino_square(wino_input_line, WINO_SIDE, WINO_SIDE, v, WINO_SIDE * g->v_point, g->v_point,
                    in, row, g->cin, g->cin);
        in = window(&g->squares, &p, g->dy, g->cout, 0, WINO_OUT, copy, &row);
        wino_square(wino_gradient_line, WINO_OUT, WINO_SIDE, m, WINO_SIDE * g->m_point, g->m_point,
                    in, row, g->cout, g->cout);
    }
}

/* dU[e] = or += V[e]^T M[e]; turned (cin, count) is scratch. */
static void product(const WeightGradient *g, size_t e, float *du, const float *v, const float *m,
                    float *turned, size_t count, bool fresh)
{
    tile_transpose(turned, count, v + e * g->v_point, g->cin, count, g->cin);
    for (size_t j = 0; j < g->cout; j += TILE_MAX_COLUMNS) {
        const size_t columns = cut_min(g->cout - j, TILE_MAX_COLUMNS), offset = 0;
        const Tile *tile = tile_for(columns);
        const float *right = m + e * g->m_point + j;
        const TileProduct sum = {.segments = 1,
                                 .left_step = 1,
                                 .depth = count,
                                 .offset = &offset,
                                 .right = &right,
                                 .right_stride = g->padded,
                                 .alpha = 1.0f,
                                 .beta = fresh ? 0.0f : 1.0f};
        for (size_t c = 0; c < g->cin; c += tile->rows) {
            const float *left[TILE_MAX_ROWS];
            float *out[TILE_MAX_ROWS];
            const size_t rows = cut_min(tile->rows, g->cin - c);
            for (size_t r = 0; r < tile->rows; r++) {
                const size_t row = c + (r < rows ? r : 0);
                left[r] = turned + row * count;
                out[r] = du + (e * g->cin + row) * g->cout + j;
            }
            tile->run(&sum, left, out, rows, columns);
        }
    }
}

static size_t window_entries(const WeightGradient *g)
{
    return WINO_POINTS * (g->cin > g->cout ? g->cin : g->cout);
}

static void block_task(size_t block, void *context)
{
    const WeightGradient *g = context;
    const size_t first = block * g->block;
    const size_t end = cut_min(first + g->block, g->squares.count);
    float *v = threads_scratch(SCRATCH_GEMM_LEFT, (WINO_POINTS * (g->v_point + g->m_point) +
                                                   window_entries(g) + g->step * g->cin) *
                                                      sizeof *v);
    float *m = v + WINO_POINTS * g->v_point, *copy = m + WINO_POINTS * g->m_point;
    float *turned = copy + window_entries(g), *du = g->du + block * WINO_POINTS * g->cin * g->cout;
    if (g->padded > g->cout)
        memset(m, 0, WINO_POINTS * g->m_point * sizeof *m); /* the columns beyond cout */
    for (size_t t = first; t < end; t += g->step) {
        const size_t count = cut_min(g->step, end - t);
        transform(g, v, m, copy, t, count);
        for (size_t e = 0; e < WINO_POINTS; e++)
            product(g, e, du, v, m, turned, count, t == first);
    }
}

static void chunk_transform_task(size_t task, void *context)
{
    const WeightGradient *g = context;
    const size_t t = task * TASK_SQUARES, count = cut_min(g->count - t, TASK_SQUARES);
    float *copy = threads_scratch(SCRATCH_GEMM_LEFT, window_entries(g) * sizeof *copy);
    transform(g, g->v + t * g->cin, g->m + t * g->padded, copy, g->first + t, count);
}

static void chunk_product_task(size_t e, void *context)
{
    const WeightGradient *g = context;
    float *turned = threads_scratch(SCRATCH_GEMM_LEFT, g->cin * g->count * sizeof *turned);
    product(g, e, g->du, g->v, g->m, turned, g->count, g->first == 0);
}

/* dw += G^T dU G for one input channel, dU being the sum over blocks. */
static void back_task(size_t c, void *context)
{
    const WeightGradient *g = context;
    float sum[WINO_POINTS * WINO_STRIP], out[9 * WINO_STRIP];
    for (size_t j = 0; j < g->cout; j += WINO_STRIP) {
        const size_t strip = cut_min(g->cout - j, WINO_STRIP);
        memset(sum, 0, sizeof sum);
        for (size_t e = 0; e < g->blocks * WINO_POINTS; e++) {
            const float *du = g->du + (e * g->cin + c) * g->cout + j;
            for (size_t k = 0; k < strip; k++)
                sum[e % WINO_POINTS * WINO_STRIP + k] += du[k];
        }
        wino_square(wino_weight_back_line, WINO_SIDE, 3, out, 3 * WINO_STRIP, WINO_STRIP, sum,
                    WINO_SIDE * WINO_STRIP, WINO_STRIP, strip);
        for (size_t t = 0; t < 9; t++)
            for (size_t k = 0; k < strip; k++)
                g->dw[(t * g->cin + c) * g->cout + j + k] += out[t * WINO_STRIP + k];
    }
}

static void run_blocks(WeightGradient *g)
{
    g->du =
        threads_scratch(SCRATCH_CONV, g->blocks * WINO_POINTS * g->cin * g->cout * sizeof *g->du);
    threads_for(g->blocks, block_task, g);
}

static void run_chunks(WeightGradient *g)
{
    const size_t du = WINO_POINTS * g->cin * g->cout;
    g->du = threads_scratch(SCRATCH_CONV,
                            (du + WINO_POINTS * (g->v_point + g->m_point)) * sizeof *g->du);
    g->v = g->du + du;
    g->m = g->v + WINO_POINTS * g->v_point;
    if (g->padded > g->cout)
        memset(g->m, 0, WINO_POINTS * g->m_point * sizeof *g->m);
    for (g->first = 0; g->first < g->squares.count; g->first += g->step) {
        g->count = cut_min(g->step, g->squares.count - g->first);
        threads_for(cut_blocks(g->count, TASK_SQUARES), chunk_transform_task, g);
        threads_for(WINO_POINTS, chunk_product_task, g);
    }
}

void conv_winograd_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s)
{
    WeightGradient g = {.squares = squares_of(s), .cin = s->cin, .cout = s->cout, .x = x, .dy = dy};
    const bool small = WINO_POINTS * s->cin * s->cout <= SMALL_WEIGHTS;
    g.dw = dw;
    g.padded = tile_padded(s->cout);
    g.block = g.squares.count;
    if (small)
        g.block = cut_blocks(g.squares.count, cut_min(BLOCKS, cut_blocks(g.squares.count, 24)));
    g.blocks = cut_blocks(g.squares.count, g.block);
    const size_t fit = (small ? PART_ENTRIES : CHUNK_ENTRIES) / (WINO_POINTS * (s->cin + s->cout));
    g.step = cut_min(g.block, cut_blocks(fit + 1, TASK_SQUARES) * TASK_SQUARES);
    g.v_point = g.step * s->cin + SKEW;
    g.m_point = g.step * g.padded + SKEW;
    if (small)
        run_blocks(&g);
    else
        run_chunks(&g);
    cut_run(s->cin, back_task, &g, g.blocks * WINO_POINTS * s->cin * s->cout < CUT_SERIAL_COPY);
}
