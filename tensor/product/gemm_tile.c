/* Register tiles: see gemm_tile.h.
 *
 * The accumulators are a small array with constant bounds which the compiler must keep in
 * registers; so each tile below is an inlined body with constant sizes.  A vector type wider than
 * the registers, more accumulators than registers, or a loop the compiler does not vectorise costs
 * a factor of 20 without any warning: measure after every change. */
#include "tensor/product/gemm_tile.h"

#include <float.h>
#include <string.h>

#include "tensor/base/check.h"

/* tcc and pcc call themselves GNU C, and lack this. */
#if defined(__GNUC__) && !defined(__TINYC__) && !defined(__PCC__)
#define TILE_INLINE static inline __attribute__((always_inline))
#else
#define TILE_INLINE static inline
#endif
#if defined(__GNUC__) && !defined(__TINYC__) && !defined(__PCC__) && !defined(DI4C_PLAIN_C)
#define TILE_PREFETCH(address)      __builtin_prefetch((address), 1)
#define TILE_PREFETCH_READ(address) __builtin_prefetch(address)
/* Elsewhere a float beside a vector is a wider number, and does not compile. */
#if FLT_EVAL_METHOD == 0
#define TILE_VECTORS
#endif
#else
#define TILE_PREFETCH(address)      ((void)(address))
#define TILE_PREFETCH_READ(address) ((void)(address))
#endif

/* ---- sums ------------------------------------------------------------------------------------ */

#if defined(TILE_VECTORS)

enum { TILE_MAX_VECTORS = TILE_MAX_COLUMNS / TILE_LANES };
typedef float Vector __attribute__((vector_size(TILE_LANES * sizeof(float))));
typedef float LooseVector
    __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* sum[r] = start[r] + row r of the double sum over segments and depth.  (A condition in place of
 * the start makes gcc keep the accumulators in memory before the loop: 200 cycles a tile.) */
TILE_INLINE void tile_sum(const size_t rows, const size_t width, const TileProduct *product,
                          const float *const *left, const float *const *start, float *const *sum)
{
    const size_t vectors = width / TILE_LANES;
    const size_t depth = product->depth, step = product->left_step, stride = product->right_stride;
    Vector acc[TILE_MAX_ROWS][TILE_MAX_VECTORS];
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            acc[r][v] = *(const LooseVector *)(start[r] + v * TILE_LANES);
    for (size_t s = 0; s < product->segments; s++) {
        const float *a[TILE_MAX_ROWS];
        for (size_t r = 0; r < rows; r++)
            a[r] = left[r] + product->offset[s];
        const float *b = product->right[s];
        for (size_t k = 0, at = 0; k < depth; k++, at += step, b += stride) {
            Vector line[TILE_MAX_VECTORS];
            for (size_t v = 0; v < vectors; v++)
                line[v] = *(const LooseVector *)(b + v * TILE_LANES);
            for (size_t r = 0; r < rows; r++)
                for (size_t v = 0; v < vectors; v++)
                    acc[r][v] += a[r][at] * line[v];
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            *(LooseVector *)(sum[r] + v * TILE_LANES) = acc[r][v];
}

#else

TILE_INLINE void tile_sum(const size_t rows, const size_t width, const TileProduct *product,
                          const float *const *left, const float *const *start, float *const *sum)
{
    const size_t depth = product->depth, step = product->left_step, stride = product->right_stride;
    float acc[TILE_MAX_ROWS][TILE_MAX_COLUMNS];
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            acc[r][j] = start[r][j];
    for (size_t s = 0; s < product->segments; s++) {
        const float *a[TILE_MAX_ROWS];
        for (size_t r = 0; r < rows; r++)
            a[r] = left[r] + product->offset[s];
        const float *b = product->right[s];
        for (size_t k = 0, at = 0; k < depth; k++, at += step, b += stride)
            for (size_t r = 0; r < rows; r++) {
                const float factor = a[r][at];
/* clang 14 would unroll this loop first and leave it scalar: a seventh to a fifth of the speed. */
#pragma omp simd
#if defined(__clang__)
#pragma clang loop unroll(disable)
#endif
                for (size_t j = 0; j < width; j++)
                    acc[r][j] += factor * b[j];
            }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            sum[r][j] = acc[r][j];
}

#endif

/* ---- from the sums to C ---------------------------------------------------------------------- */

/* c = alpha sum + beta c + bias; `added`: beta c is in the sum already. */
static void store_row(float *restrict c, const float *restrict sum, const TileProduct *product,
                      bool added, size_t columns)
{
    const float alpha = product->alpha, beta = added ? 0.0f : product->beta;
    const float *restrict bias = product->bias;
    if (beta == 0.0f && bias == NULL) {
#pragma omp simd
        for (size_t j = 0; j < columns; j++)
            c[j] = alpha * sum[j];
    } else if (beta == 0.0f) {
#pragma omp simd
        for (size_t j = 0; j < columns; j++)
            c[j] = alpha * sum[j] + bias[j];
    } else if (bias == NULL) {
#pragma omp simd
        for (size_t j = 0; j < columns; j++)
            c[j] = alpha * sum[j] + beta * c[j];
    } else {
#pragma omp simd
        for (size_t j = 0; j < columns; j++)
            c[j] = alpha * sum[j] + beta * c[j] + bias[j];
    }
}

TILE_INLINE void tile_run(const size_t height, const size_t width, const TileProduct *product,
                          const float *const *left, float *const *c, size_t rows, size_t columns)
{
    const bool add = product->alpha == 1.0f && product->beta == 1.0f; /* the sums start from C */
    /* One call of tile_sum for both cases: with two, clang 14 keeps the accumulators in memory. */
    const bool direct = rows == height && columns == width && product->bias == NULL &&
                        (add || (product->alpha == 1.0f && product->beta == 0.0f));
    static const float zeros[TILE_MAX_COLUMNS];
    float buffer[TILE_MAX_ROWS * TILE_MAX_COLUMNS], *sum[TILE_MAX_ROWS];
    const float *start[TILE_MAX_ROWS];
    for (size_t r = 0; r < height; r++) {
        sum[r] = direct ? c[r] : buffer + r * width;
        start[r] = add ? sum[r] : zeros;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j += 16)
            TILE_PREFETCH(c[r] + (j < columns ? j : 0));
    if (add && !direct) {
        memset(buffer, 0, sizeof buffer);
        for (size_t r = 0; r < rows; r++)
            memcpy(sum[r], c[r], columns * sizeof *buffer);
    }
    tile_sum(height, width, product, left, start, sum);
    if (direct)
        return;
    for (size_t r = 0; r < rows; r++) {
        if (columns == width)
            store_row(c[r], sum[r], product, add, width);
        else
            store_row(c[r], sum[r], product, add, columns);
    }
}

/* The tiles of tile_isa.h, as functions of constant sizes. */
static void tile_wide(const TileProduct *product, const float *const *left, float *const *c,
                      size_t rows, size_t columns)
{
    tile_run(TILE_ROWS_0, TILE_COLUMNS_0, product, left, c, rows, columns);
}

static void tile_middle(const TileProduct *product, const float *const *left, float *const *c,
                        size_t rows, size_t columns)
{
    tile_run(TILE_ROWS_1, TILE_COLUMNS_1, product, left, c, rows, columns);
}

static void tile_narrow(const TileProduct *product, const float *const *left, float *const *c,
                        size_t rows, size_t columns)
{
    tile_run(TILE_ROWS_2, TILE_COLUMNS_2, product, left, c, rows, columns);
}

static void tile_narrowest(const TileProduct *product, const float *const *left, float *const *c,
                           size_t rows, size_t columns)
{
    tile_run(TILE_ROWS_3, TILE_COLUMNS_3, product, left, c, rows, columns);
}

static const Tile tiles[] = {{TILE_ROWS_0, TILE_COLUMNS_0, tile_wide},
                             {TILE_ROWS_1, TILE_COLUMNS_1, tile_middle},
                             {TILE_ROWS_2, TILE_COLUMNS_2, tile_narrow},
                             {TILE_ROWS_3, TILE_COLUMNS_3, tile_narrowest}};

/* ---- choosing and feeding tiles -------------------------------------------------------------- */

const Tile *tile_for(size_t columns)
{
    const Tile *best = &tiles[0];
    for (size_t i = 1; i < sizeof tiles / sizeof tiles[0]; i++)
        if (tiles[i].columns >= columns)
            best = &tiles[i];
    return best;
}

size_t tile_panels(size_t columns)
{
    return (columns + TILE_MAX_COLUMNS - 1) / TILE_MAX_COLUMNS;
}

size_t tile_padded(size_t columns)
{
    const size_t rest = columns % TILE_MAX_COLUMNS;
    return columns - rest + (rest == 0 ? 0 : tile_for(rest)->columns);
}

void tile_column(const Tile *tile, const TileProduct *product, const float *const *left,
                 float *const *c, size_t count, size_t columns)
{
    size_t r = 0;
    for (; r + tile->rows <= count; r += tile->rows)
        tile->run(product, left + r, c + r, tile->rows, columns);
    if (r == count)
        return;
    const float *last[TILE_MAX_ROWS];
    for (size_t i = 0; i < tile->rows; i++)
        last[i] = left[r + i < count ? r + i : count - 1];
    tile->run(product, last, c + r, count - r, columns);
}

#if defined(TILE_VECTORS) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define TILE_SHUFFLE
#endif
#endif

#if defined(TILE_SHUFFLE)

typedef float Four __attribute__((vector_size(16)));
typedef float LooseFour __attribute__((vector_size(16), aligned(sizeof(float)), may_alias));

static inline void transpose_4x4(float *out, size_t out_stride, const float *in, size_t in_stride)
{
    const Four a = *(const LooseFour *)in, b = *(const LooseFour *)(in + in_stride);
    const Four c = *(const LooseFour *)(in + 2 * in_stride);
    const Four d = *(const LooseFour *)(in + 3 * in_stride);
    const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(LooseFour *)out = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(LooseFour *)(out + out_stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(LooseFour *)(out + 2 * out_stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(LooseFour *)(out + 3 * out_stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

#else

static inline void transpose_4x4(float *out, size_t out_stride, const float *in, size_t in_stride)
{
    for (size_t j = 0; j < 4; j++)
        for (size_t i = 0; i < 4; i++)
            out[j * out_stride + i] = in[i * in_stride + j];
}

#endif

void tile_transpose(float *out, size_t out_stride, const float *in, size_t in_stride, size_t rows,
                    size_t columns)
{
    enum { BLOCK = 16 }; /* a cache line of the input's rows, used whole before it is lost */
    if (rows < 4 || columns < 4) {
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                out[j * out_stride + i] = in[i * in_stride + j];
        return;
    }
    /* The last square in each direction may overlap the one before it. */
    for (size_t j0 = 0; j0 < columns; j0 += BLOCK)
        for (size_t i0 = 0; i0 < rows; i0 += 4) {
            const size_t i = i0 + 4 <= rows ? i0 : rows - 4;
            for (size_t j1 = j0; j1 < columns && j1 < j0 + BLOCK; j1 += 4) {
                const size_t j = j1 + 4 <= columns ? j1 : columns - 4;
                transpose_4x4(out + j * out_stride + i, out_stride, in + i * in_stride + j,
                              in_stride);
            }
        }
}

void tile_copy_rows(float *out, size_t out_stride, const float *in, size_t in_stride, size_t rows,
                    size_t columns)
{
    /* Rows are short and far apart: a call and a wait for each would cost more than the copy. */
    enum { STEP = 24, AHEAD = 16 };
    for (size_t r = 0; r < rows; r++) {
        const float *from = in + r * in_stride;
        float *to = out + r * out_stride;
        size_t j = 0;
        for (; j + STEP <= columns; j += STEP) {
            if (r + AHEAD < rows)
                TILE_PREFETCH_READ(from + AHEAD * in_stride + j);
            memcpy(to + j, from + j, STEP * sizeof *to);
        }
        if (j < columns)
            memcpy(to + j, from + j, (columns - j) * sizeof *to);
    }
}

void tile_pack(float *out, size_t width, const float *b, size_t ldb, bool transposed, size_t depth,
               size_t columns)
{
    TENSOR_CHECK(columns <= width, "%zu columns do not fit a panel of %zu", columns, width);
    if (transposed)
        tile_transpose(out, width, b, ldb, columns, depth);
    else
        for (size_t k = 0; k < depth; k++)
            memcpy(out + k * width, b + k * ldb, columns * sizeof *out);
    if (columns < width)
        for (size_t k = 0; k < depth; k++)
            memset(out + k * width + columns, 0, (width - columns) * sizeof *out);
}
