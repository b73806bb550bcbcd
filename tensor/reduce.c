/* Sums with the same bits for every number of threads.
 *
 * An array is cut into at most PIECES pieces by its length alone; each piece is summed by one
 * thread in LANES interleaved partial sums, and lanes and pieces are added in order. */
#include "tensor/reduce.h"

#include <string.h>

#include "tensor/fast_exp.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { LANES = 16, PIECES = 256, PIECE = 4096 };

/* Entries per piece of an array of n: a multiple of PIECE. */
static size_t piece_length(size_t n)
{
    size_t blocks = cut_blocks(n, PIECE);

    return cut_blocks(blocks, PIECES) * PIECE;
}

static double add_lanes(const double *lane)
{
    double sum = 0.0;

    for (size_t j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

static double piece_sum(const float *x, size_t n)
{
    double lane[LANES] = {0.0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
#pragma omp simd
        for (size_t j = 0; j < LANES; j++)
            lane[j] += x[i + j];
    }
    for (size_t j = 0; i + j < n; j++)
        lane[j] += x[i + j];
    return add_lanes(lane);
}

static double piece_dot(const float *x, const float *y, size_t n)
{
    double lane[LANES] = {0.0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
#pragma omp simd
        for (size_t j = 0; j < LANES; j++)
            lane[j] += (double)x[i + j] * y[i + j];
    }
    for (size_t j = 0; i + j < n; j++)
        lane[j] += (double)x[i + j] * y[i + j];
    return add_lanes(lane);
}

double tensor_dot(const float *x, const float *y, size_t n)
{
    double partial[PIECES], sum = 0.0;
    size_t length = piece_length(n), pieces = length > 0 ? cut_blocks(n, length) : 0;

#pragma omp parallel for default(none) shared(x, y, n, length, pieces, partial)                    \
    num_threads(threads_team(n))
    for (size_t k = 0; k < pieces; k++) {
        size_t count = cut_min(length, n - k * length);
        partial[k] = y != NULL ? piece_dot(x + k * length, y + k * length, count)
                               : piece_sum(x + k * length, count);
    }
    for (size_t k = 0; k < pieces; k++)
        sum += partial[k];
    return sum;
}

double tensor_sum(const float *x, size_t n)
{
    return tensor_dot(x, NULL, n);
}

double tensor_sum_squares(const float *x, size_t n)
{
    return tensor_dot(x, x, n);
}

/* Without the sign, the bits of floats are ordered like the floats, and every NaN lies above
 * infinity: one integer maximum finds the largest size and any NaN. */
static uint32_t max_abs_bits(const float *x, size_t n)
{
    uint32_t top = 0;

#pragma omp parallel for simd default(none) shared(x, n) reduction(max                             \
                                                                   : top)                          \
    num_threads(threads_team(n))
    for (size_t i = 0; i < n; i++) {
        FloatBits u;
        u.value = x[i];
        uint32_t size = u.bits & 0x7fffffffu;
        top = size > top ? size : top;
    }
    return top;
}

float tensor_max_abs(const float *x, size_t n)
{
    FloatBits u;

    u.bits = max_abs_bits(x, n);
    return u.value;
}

bool tensor_all_finite(const float *x, size_t n)
{
    return max_abs_bits(x, n) < 0x7f800000u;
}

/* Sums over the rows of (batch, rows, c).  The work is a grid of samples, row blocks and column
 * strips; a partial sum of c doubles is kept per sample and row block. */
typedef struct RowGrid {
    size_t batch, rows, c;
    size_t blocks, block_rows; /* row blocks of one sample */
    size_t strips;             /* column strips of STRIP entries */
    size_t pieces;             /* batch * blocks * strips */
} RowGrid;

enum { STRIP = 512, GRID = 64 /* pieces wanted */, LEAST = 16384 /* entries in a piece */ };

/* Row blocks are wanted only where samples and strips alone give too few pieces. */
static RowGrid row_grid(size_t batch, size_t rows, size_t c)
{
    RowGrid g = {batch, rows, c, 1, rows, cut_blocks(c, STRIP), 0};
    size_t others = batch * g.strips;
    size_t blocks = others > 0 ? cut_min(GRID / others, rows * cut_min(c, STRIP) / LEAST) : 1;

    if (blocks > 1) {
        g.block_rows = cut_blocks(rows, blocks);
        g.blocks = cut_blocks(rows, g.block_rows);
    }
    g.pieces = others * g.blocks;
    return g;
}

static void sum_piece(double *partial, const float *x, const RowGrid *g, size_t piece)
{
    size_t strip = piece % g->strips, k = piece / g->strips; /* k: sample and row block */
    size_t first = k % g->blocks * g->block_rows, sample = k / g->blocks;
    size_t count = cut_min(g->block_rows, g->rows - first);
    size_t start = strip * STRIP, width = cut_min(STRIP, g->c - start);
    double *sum = partial + k * g->c + start;
    const float *row = x + (sample * g->rows + first) * g->c + start;

    memset(sum, 0, width * sizeof *sum);
    for (; count >= 2; count -= 2, row += 2 * g->c) {
        const float *next = row + g->c;
#pragma omp simd
        for (size_t j = 0; j < width; j++)
            sum[j] += (double)row[j] + next[j];
    }
    if (count == 1)
#pragma omp simd
        for (size_t j = 0; j < width; j++)
            sum[j] += row[j];
}

/* The same of x y. */
static void dot_piece(double *partial, const float *x, const float *y, const RowGrid *g,
                      size_t piece)
{
    size_t strip = piece % g->strips, k = piece / g->strips;
    size_t first = k % g->blocks * g->block_rows, sample = k / g->blocks;
    size_t count = cut_min(g->block_rows, g->rows - first);
    size_t start = strip * STRIP, width = cut_min(STRIP, g->c - start);
    size_t at = (sample * g->rows + first) * g->c + start;
    double *sum = partial + k * g->c + start;

    memset(sum, 0, width * sizeof *sum);
    for (; count > 0; count--, at += g->c)
#pragma omp simd
        for (size_t j = 0; j < width; j++)
            sum[j] += (double)x[at + j] * y[at + j];
}

void tensor_dot_positions(float *out, const float *x, const float *y, size_t batch,
                          size_t positions, size_t c)
{
    if (batch == 0 || positions == 0 || c == 0)
        return;
    RowGrid g = row_grid(batch, positions, c);
    double *partial = threads_scratch(SCRATCH_REDUCE, batch * g.blocks * c * sizeof *partial);
#pragma omp parallel for default(none) shared(partial, x, y, g)                                    \
    num_threads(threads_team(g.batch *g.rows *g.c)) schedule(static)
    for (size_t piece = 0; piece < g.pieces; piece++)
        if (y != NULL)
            dot_piece(partial, x, y, &g, piece);
        else
            sum_piece(partial, x, &g, piece);
    for (size_t b = 0; b < batch; b++)
        for (size_t j = 0; j < c; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < g.blocks; k++)
                sum += partial[(b * g.blocks + k) * c + j];
            out[b * c + j] += (float)sum;
        }
}

void tensor_sum_positions(float *out, const float *x, size_t batch, size_t positions, size_t c)
{
    tensor_dot_positions(out, x, NULL, batch, positions, c);
}

void tensor_sum_rows(float *out, const float *x, size_t rows, size_t c)
{
    tensor_sum_positions(out, x, 1, rows, c);
}
