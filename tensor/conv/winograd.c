/* Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): forward and data
 * gradient.
 *
 * The output is cut into squares of 4x4 pixels.  With g the 3x3 weights and d the 6x6 input pixels
 * around a square, for each pair of channels,
 *
 *   y = A^T [ (G g G^T) * (B^T d B) ] A,   * entry by entry,
 *
 * so 36 multiplications replace 144, and the sum over input channels becomes 36 matrix products
 * M[e] (squares, cout) = V[e] (squares, cin) U[e] (cin, cout).  The data gradient is the same with
 * flipped, transposed weights.
 *
 * Transforms are sums and small multiples of whole rows of channels.  Their constants (up to 8)
 * cost accuracy: errors reach 2e-5 of the largest value, where direct sums have 1e-6.  A NaN or an
 * infinity spreads to the squares it touches.
 *
 * U is four times as large as the weights.  With many squares it is made once and read by every
 * block of squares, whose V and M stay in the cache of their task.  With few squares and many
 * channels, writing and reading U would take longer than the products: there V is made first, and a
 * task takes a panel of output channels, for which it makes U piece by piece in its cache.  Between
 * the two, tasks are groups of squares that make their own V and their own U: reading what another
 * core has just written is slower than making U twice. */
#include "tensor/conv/winograd.h"

#include "tensor/conv/winograd_square.h"
#include "tensor/conv/winograd_squares.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    SKEW = 16,               /* entries that keep the 36 matrices off the same cache lines */
    BLOCK_ENTRIES = 1 << 19, /* of V and M in one task of a block */
    BLOCK_SQUARES = 96,
    TASKS = 8,               /* aimed at */
    U_CHANNELS = 64,         /* input channels of a piece of U */
    PANEL_WEIGHTS = 1 << 15, /* cin x cout from which panels pay, */
    PANEL_SQUARES = 256,     /* and squares up to which they do */
    PANEL_BLOCK = 128,       /* squares in a task of a panel */
    GROUP_SQUARES = 66,      /* with more, each thread has its own V */
    CHUNK_ENTRIES = 1 << 22, /* of V in a chunk of squares */
    TASK_SQUARES = 8         /* per task of the input's transform */
};

typedef struct Filter {
    Squares squares;
    size_t cin, cout; /* of this pass: the data gradient's cin are the convolution's cout */
    bool gradient;
    const float *x, *bias;
    const float *w;        /* (9, cin, cout), or for the gradient (9, cout, cin) to be flipped */
    const float *residual; /* y = alpha (residual + sum + bias); NULL: y = sum + bias */
    float alpha;
    float *y;
    bool add;            /* y += sum */
    float *u;            /* panels of (36, cin, width) */
    float *v;            /* of a chunk of squares */
    size_t piece;        /* channels that lie together in V: pieces of (36, squares, piece) */
    size_t block;        /* squares per task */
    size_t first, count; /* squares of the chunk */
    size_t panels;
} Filter;

/* ---- the four steps -------------------------------------------------------------------------- */

/* 36 matrices: row r of matrix e lies at data + e * point + r * row. */
typedef struct Matrices {
    float *data;
    size_t point, row;
} Matrices;

/* U for input channels c0.. and the panel of output channels j..: rows of u are input channels.
 * taps (9, depth, width) is scratch for weights that do not lie as the tile wants them. */
static void transform_weights(const Filter *g, const Matrices *u, float *taps, size_t c0,
                              size_t depth, size_t j)
{
    const size_t columns = cut_min(g->cout - j, TILE_MAX_COLUMNS);
    const size_t width = tile_for(columns)->columns;
    const float *in = g->w + c0 * g->cout + j;
    size_t tap = g->cin * g->cout, row = g->cout;
    if (g->gradient || columns < width) {
        for (size_t t = 0; t < 9; t++) {
            const float *w = g->gradient ? g->w + ((8 - t) * g->cout + j) * g->cin + c0
                                         : g->w + (t * g->cin + c0) * g->cout + j;
            tile_pack(taps + t * depth * width, width, w, g->gradient ? g->cin : g->cout,
                      g->gradient, depth, columns);
        }
        in = taps;
        tap = depth * width;
        row = width;
    }
    for (size_t c = 0; c < depth; c++)
        wino_square(wino_weight_line, 3, WINO_SIDE, u->data + c * u->row, WINO_SIDE * u->point,
                    u->point, in + c * row, 3 * tap, tap, width);
}

/* Where V lies for the input channels c.. of a piece, for `rows` squares from v on. */
static Matrices piece_of(const Filter *g, float *v, size_t rows, size_t c)
{
    Matrices m = {.row = cut_min(g->cin - c, g->piece)};
    m.data = v + c / g->piece * WINO_POINTS * (rows * g->piece + SKEW);
    m.point = rows * m.row + SKEW;
    return m;
}

static size_t v_entries(const Filter *g, size_t rows)
{
    return cut_blocks(g->cin, g->piece) * WINO_POINTS * (rows * g->piece + SKEW);
}

/* V of square t, as row r of `rows`; copy: one window. */
static void transform_square(const Filter *g, float *v, size_t rows, size_t r, float *copy,
                             size_t t)
{
    const SquarePlace p = wino_place(&g->squares, t);
    size_t row;
    const float *in = wino_window(&g->squares, &p, g->x, g->cin, 1, WINO_SIDE, copy, &row);
    for (size_t c = 0; c < g->cin; c += g->piece) {
        const Matrices m = piece_of(g, v, rows, c);
        wino_square(wino_input_line, WINO_SIDE, WINO_SIDE, m.data + r * m.row, WINO_SIDE * m.point,
                    m.point, in + c, row, g->cin, m.row);
    }
}

/* M[e] = or += V[e] U[e] for one panel, all 36; left and out hold count pointers. */
static void multiply(const Matrices *m, const Matrices *v, const Matrices *u, size_t depth,
                     bool add, const float **left, float **out, size_t count, size_t columns)
{
    const Tile *tile = tile_for(columns);
    for (size_t t = 0; t < count; t++)
        left[t] = v->data + t * v->row;
    for (size_t e = 0; e < WINO_POINTS; e++) {
        const size_t offset = e * v->point;
        const float *right = u->data + e * u->point;
        const TileProduct product = {.segments = 1,
                                     .depth = depth,
                                     .left_step = 1,
                                     .offset = &offset,
                                     .right = &right,
                                     .right_stride = u->row,
                                     .alpha = 1.0f,
                                     .beta = add ? 1.0f : 0.0f};
        for (size_t t = 0; t < count; t++)
            out[t] = m->data + e * m->point + t * m->row;
        tile_column(tile, &product, left, out, count, columns);
    }
}

/* Channels of one pixel; `at` is its place in y and residual, n of them. */
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

/* n channels from channel j on of square t of y, from its 36 entries of M. */
static void write_square(const Filter *g, size_t t, size_t j, size_t n, const float *m,
                         size_t m_point)
{
    const SquarePlace p = wino_place(&g->squares, t);
    const size_t row = g->squares.width * g->cout;
    const size_t start = ((p.b * g->squares.height + p.i) * g->squares.width + p.j) * g->cout + j;
    float out[WINO_OUT * WINO_OUT * WINO_STRIP];
    for (size_t c = 0; c < n; c += WINO_STRIP) {
        const size_t strip = cut_min(n - c, WINO_STRIP);
        const float *bias = g->bias == NULL ? NULL : g->bias + j + c;
        wino_square(wino_output_line, WINO_SIDE, WINO_OUT, out, WINO_OUT * WINO_STRIP, WINO_STRIP,
                    m + c, WINO_SIDE * m_point, m_point, strip);
        for (size_t i = 0; i < p.rows; i++)
            for (size_t k = 0; k < p.columns; k++)
                write_pixel(g, start + i * row + k * g->cout + c,
                            out + (i * WINO_OUT + k) * WINO_STRIP, bias, strip);
    }
}

/* ---- many squares: U once, blocks of squares ------------------------------------------------ */

/* U of the panel j.., from channel c on: panels (36, cin, width) lie one after the other. */
static Matrices whole_u(const Filter *g, size_t c, size_t j)
{
    const size_t width = tile_for(cut_min(g->cout - j, TILE_MAX_COLUMNS))->columns;
    return (Matrices){g->u + j * WINO_POINTS * g->cin + c * width, g->cin * width, width};
}

static void weights_task(size_t task, void *context)
{
    const Filter *g = context;
    const size_t pieces = cut_blocks(g->cin, U_CHANNELS);
    const size_t c0 = task % pieces * U_CHANNELS, j = task / pieces * TILE_MAX_COLUMNS;
    const Matrices u = whole_u(g, c0, j);
    float *taps =
        threads_scratch(SCRATCH_GEMM_LEFT, 9 * U_CHANNELS * TILE_MAX_COLUMNS * sizeof *taps);
    transform_weights(g, &u, taps, c0, cut_min(g->cin - c0, U_CHANNELS), j);
}

static void block_task(size_t task, void *context)
{
    const Filter *g = context;
    const size_t t0 = task * g->block, count = cut_min(g->block, g->squares.count - t0);
    const size_t m_point = g->block * g->cout + SKEW;
    const size_t entries =
        cut_blocks(v_entries(g, g->block) + WINO_POINTS * (m_point + g->cin), 16) * 16;
    char *scratch = threads_scratch(SCRATCH_GEMM_LEFT,
                                    entries * sizeof(float) + 2 * g->block * sizeof(float *));
    float *v = (float *)(void *)scratch, *m = v + v_entries(g, g->block);
    float *copy = m + WINO_POINTS * m_point;
    const float **left = (const float **)(void *)(scratch + entries * sizeof(float));
    float **out = (float **)(void *)(left + g->block);

    for (size_t t = 0; t < count; t++)
        transform_square(g, v, g->block, t, copy, t0 + t);
    const Matrices from = piece_of(g, v, g->block, 0);
    for (size_t j = 0; j < g->cout; j += TILE_MAX_COLUMNS) {
        const Matrices u = whole_u(g, 0, j), to = {m + j, m_point, g->cout};
        multiply(&to, &from, &u, g->cin, false, left, out, count,
                 cut_min(g->cout - j, TILE_MAX_COLUMNS));
    }
    for (size_t t = 0; t < count; t++)
        write_square(g, t0 + t, 0, g->cout, m + t * g->cout, m_point);
}

static void run_blocks(Filter *g)
{
    const size_t entries = WINO_POINTS * g->cin * tile_padded(g->cout);
    g->u = threads_scratch(SCRATCH_CONV, entries * sizeof *g->u);
    g->piece = g->cin;
    cut_run(tile_panels(g->cout) * cut_blocks(g->cin, U_CHANNELS), weights_task, g,
            entries < CUT_SERIAL_COPY);
    const size_t rows = tile_for(g->cout)->rows;
    const size_t fit = BLOCK_ENTRIES / (WINO_POINTS * (g->cin + g->cout)) + 1;
    const size_t wanted = cut_min(cut_blocks(fit, TILE_ROW_STEP) * TILE_ROW_STEP,
                                  cut_min(cut_blocks(g->squares.count, TASKS), BLOCK_SQUARES));
    g->block = cut_even(g->squares.count, rows, cut_blocks(wanted, rows) * rows);
    threads_for(cut_blocks(g->squares.count, g->block), block_task, g);
}

/* ---- few squares: V once, panels of output channels ----------------------------------------- */

static void input_task(size_t task, void *context)
{
    const Filter *g = context;
    const size_t end = cut_min(g->count, (task + 1) * TASK_SQUARES);
    float *copy = threads_scratch(SCRATCH_GEMM_LEFT, WINO_POINTS * g->cin * sizeof *copy);
    for (size_t t = task * TASK_SQUARES; t < end; t++)
        transform_square(g, g->v, g->count, t, copy, g->first + t);
}

/* y's panel of channels j.. for `count` squares from `square` on, whose V are rows t0.. of `rows`.
 * Here the 36 numbers of a channel of U or square of M lie together: what one transform writes or
 * reads spans few pages. */
static void panel(const Filter *g, float *whole_v, size_t rows, size_t t0, size_t count,
                  size_t square, size_t j)
{
    const size_t columns = cut_min(g->cout - j, TILE_MAX_COLUMNS);
    const size_t width = tile_for(columns)->columns, row = WINO_POINTS * width + SKEW;
    const size_t entries = cut_blocks((U_CHANNELS + count) * row + 9 * U_CHANNELS * width, 16);
    char *scratch = threads_scratch(SCRATCH_GEMM_LEFT,
                                    entries * 16 * sizeof(float) + 2 * count * sizeof(float *));
    const Matrices u = {(float *)(void *)scratch, width, row};
    const Matrices m = {u.data + U_CHANNELS * row, width, row};
    float *taps = m.data + count * row;
    const float **left = (const float **)(void *)(scratch + entries * 16 * sizeof(float));
    float **out = (float **)(void *)(left + count);

    for (size_t c = 0; c < g->cin; c += g->piece) {
        Matrices v = piece_of(g, whole_v, rows, c);
        v.data += t0 * v.row;
        transform_weights(g, &u, taps, c, v.row, j);
        multiply(&m, &v, &u, v.row, c > 0, left, out, count, columns);
    }
    for (size_t t = 0; t < count; t++)
        write_square(g, square + t, j, columns, m.data + t * row, width);
}

static void panel_task(size_t task, void *context)
{
    const Filter *g = context;
    const size_t t0 = task / g->panels * g->block;
    panel(g, g->v, g->count, t0, cut_min(g->block, g->count - t0), g->first + t0,
          task % g->panels * TILE_MAX_COLUMNS);
}

static void run_panels(Filter *g)
{
    const size_t most = cut_blocks(CHUNK_ENTRIES, WINO_POINTS * g->cin);
    const size_t chunk = cut_blocks(g->squares.count, cut_blocks(g->squares.count, most));
    g->panels = tile_panels(g->cout);
    g->piece = U_CHANNELS;
    g->v = threads_scratch(SCRATCH_CONV, v_entries(g, chunk) * sizeof *g->v);
    for (g->first = 0; g->first < g->squares.count; g->first += chunk) {
        g->count = cut_min(chunk, g->squares.count - g->first);
        const size_t groups = cut_blocks(g->count, PANEL_BLOCK);
        g->block = cut_blocks(cut_blocks(g->count, groups), TILE_ROW_STEP) * TILE_ROW_STEP;
        threads_for(cut_blocks(g->count, TASK_SQUARES), input_task, g);
        threads_for(g->panels * cut_blocks(g->count, g->block), panel_task, g);
    }
}

/* ---- some squares: groups of them, each with its own V and U -------------------------------- */

static void group_task(size_t task, void *context)
{
    const Filter *g = context;
    const size_t t0 = task * g->block, count = cut_min(g->block, g->squares.count - t0);
    float *v = threads_scratch(SCRATCH_CONV, v_entries(g, g->block) * sizeof *v);
    float *copy = threads_scratch(SCRATCH_GEMM_LEFT, WINO_POINTS * g->cin * sizeof *copy);
    for (size_t t = 0; t < count; t++)
        transform_square(g, v, g->block, t, copy, t0 + t);
    for (size_t j = 0; j < g->cout; j += TILE_MAX_COLUMNS)
        panel(g, v, g->block, 0, count, t0, j);
}

static void run_groups(Filter *g, size_t group)
{
    g->piece = U_CHANNELS;
    g->block = group;
    threads_for(cut_blocks(g->squares.count, g->block), group_task, g);
}

/* ---- public ---------------------------------------------------------------------------------- */

/* A pixel's sums are the same terms in the same order in all three, so the choice may look at the
 * number of threads. */
static void run_filter(Filter *g)
{
    const size_t rows = tile_for(g->cout)->rows;
    const size_t group = cut_even(g->squares.count, rows, GROUP_SQUARES / rows * rows);
    const size_t groups = cut_blocks(g->squares.count, group);
    if (g->cin * g->cout < PANEL_WEIGHTS || g->squares.count > PANEL_SQUARES)
        run_blocks(g);
    else if (g->squares.count <= GROUP_SQUARES || groups < (size_t)threads_get())
        run_panels(g);
    else
        run_groups(g, group);
}

void conv_winograd_forward(float *y, const float *x, const float *w, const float *bias,
                           const float *residual, float alpha, const ConvShape *s)
{
    Filter g = {.squares = wino_squares(s), .cin = s->cin, .cout = s->cout, .x = x, .w = w};
    g.bias = bias;
    g.residual = residual;
    g.alpha = alpha;
    g.y = y;
    run_filter(&g);
}

void conv_winograd_data_gradient(float *dx, const float *dy, const float *w, bool add,
                                 const ConvShape *s)
{
    Filter g = {.squares = wino_squares(s), .cin = s->cout, .cout = s->cin, .x = dy, .w = w};
    g.gradient = true;
    g.add = add;
    g.y = dx;
    run_filter(&g);
}
