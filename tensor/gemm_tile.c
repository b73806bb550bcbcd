/* Register tiles: see gemm_tile.h.
 *
 * The accumulators are a small array with constant bounds which the compiler must keep in
 * registers; so each tile below is an inlined body with constant sizes.  A vector type wider than
 * the registers, more accumulators than registers, or a loop the compiler does not vectorise costs
 * a factor of 20 without any warning: measure after every change. */
#include "tensor/gemm_tile.h"

#include <string.h>

#include "tensor/check.h"

#if defined(__GNUC__) && !defined(__TINYC__)
#define TILE_INLINE static inline __attribute__((always_inline))
#define TILE_PREFETCH(address) __builtin_prefetch((address), 1)
#if !defined(DI4C_PLAIN_C)
#define TILE_VECTORS
#endif
#else
#define TILE_INLINE static inline
#define TILE_PREFETCH(address) ((void)(address))
#endif

/* ---- sums ------------------------------------------------------------------------------------ */

#if defined(TILE_VECTORS)

enum { TILE_MAX_VECTORS = TILE_MAX_COLUMNS / TILE_LANES };
typedef float Vector __attribute__((vector_size(TILE_LANES * sizeof(float))));
typedef float LooseVector
    __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* sum (rows, width) = the double sum over segments and depth. */
TILE_INLINE void tile_sum(const size_t rows, const size_t width, const TileProduct *product,
                          const float *const *left, float *sum)
{
    const size_t vectors = width / TILE_LANES;
    const size_t depth = product->depth, stride = product->right_stride;
    Vector acc[TILE_MAX_ROWS][TILE_MAX_VECTORS];
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            acc[r][v] = (Vector){0};
    for (size_t s = 0; s < product->segments; s++) {
        const float *a[TILE_MAX_ROWS];
        for (size_t r = 0; r < rows; r++)
            a[r] = left[r] + product->offset[s];
        const float *b = product->right[s];
        for (size_t k = 0; k < depth; k++, b += stride) {
            Vector line[TILE_MAX_VECTORS];
            for (size_t v = 0; v < vectors; v++)
                line[v] = *(const LooseVector *)(b + v * TILE_LANES);
            for (size_t r = 0; r < rows; r++)
                for (size_t v = 0; v < vectors; v++)
                    acc[r][v] += a[r][k] * line[v];
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            *(LooseVector *)(sum + r * width + v * TILE_LANES) = acc[r][v];
}

#else

TILE_INLINE void tile_sum(const size_t rows, const size_t width, const TileProduct *product,
                          const float *const *left, float *sum)
{
    const size_t depth = product->depth, stride = product->right_stride;
    float acc[TILE_MAX_ROWS][TILE_MAX_COLUMNS];
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            acc[r][j] = 0.0f;
    for (size_t s = 0; s < product->segments; s++) {
        const float *a[TILE_MAX_ROWS];
        for (size_t r = 0; r < rows; r++)
            a[r] = left[r] + product->offset[s];
        const float *b = product->right[s];
        for (size_t k = 0; k < depth; k++, b += stride)
            for (size_t r = 0; r < rows; r++) {
                const float factor = a[r][k];
#pragma omp simd
                for (size_t j = 0; j < width; j++)
                    acc[r][j] += factor * b[j];
            }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            sum[r * width + j] = acc[r][j];
}

#endif

/* ---- from the sums to C ---------------------------------------------------------------------- */

static void store_row(float *restrict c, const float *restrict sum, const TileProduct *product,
                      size_t columns)
{
    const float alpha = product->alpha, beta = product->beta;
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
    float sum[TILE_MAX_ROWS * TILE_MAX_COLUMNS];
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j += 16)
            TILE_PREFETCH(c[r] + j);
    tile_sum(height, width, product, left, sum);
    for (size_t r = 0; r < rows; r++) {
        if (columns == width)
            store_row(c[r], sum + r * width, product, width);
        else
            store_row(c[r], sum + r * width, product, columns);
    }
}

#if defined(__AVX512F__)

static void tile_6x64(const TileProduct *product, const float *const *left, float *const *c,
                      size_t rows, size_t columns)
{
    tile_run(6, 64, product, left, c, rows, columns);
}

static void tile_8x32(const TileProduct *product, const float *const *left, float *const *c,
                      size_t rows, size_t columns)
{
    tile_run(8, 32, product, left, c, rows, columns);
}

static void tile_8x16(const TileProduct *product, const float *const *left, float *const *c,
                      size_t rows, size_t columns)
{
    tile_run(8, 16, product, left, c, rows, columns);
}

static const Tile tiles[] = {{6, 64, tile_6x64}, {8, 32, tile_8x32}, {8, 16, tile_8x16}};

#elif defined(__AVX__)

static void tile_6x16(const TileProduct *product, const float *const *left, float *const *c,
                      size_t rows, size_t columns)
{
    tile_run(6, 16, product, left, c, rows, columns);
}

static void tile_6x8(const TileProduct *product, const float *const *left, float *const *c,
                     size_t rows, size_t columns)
{
    tile_run(6, 8, product, left, c, rows, columns);
}

static const Tile tiles[] = {{6, 16, tile_6x16}, {6, 8, tile_6x8}};

#else

static void tile_6x8(const TileProduct *product, const float *const *left, float *const *c,
                     size_t rows, size_t columns)
{
    tile_run(6, 8, product, left, c, rows, columns);
}

static void tile_6x4(const TileProduct *product, const float *const *left, float *const *c,
                     size_t rows, size_t columns)
{
    tile_run(6, 4, product, left, c, rows, columns);
}

static const Tile tiles[] = {{6, 8, tile_6x8}, {6, 4, tile_6x4}};

#endif

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

void tile_transpose(float *out, size_t out_stride, const float *in, size_t in_stride, size_t rows,
                    size_t columns)
{
    enum { BLOCK = 16 };
    for (size_t i0 = 0; i0 < rows; i0 += BLOCK)
        for (size_t j0 = 0; j0 < columns; j0 += BLOCK) {
            const size_t i1 = rows - i0 < BLOCK ? rows : i0 + BLOCK;
            const size_t j1 = columns - j0 < BLOCK ? columns : j0 + BLOCK;
            for (size_t j = j0; j < j1; j++)
                for (size_t i = i0; i < i1; i++)
                    out[j * out_stride + i] = in[i * in_stride + j];
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
