/* The register tile: the one inner loop behind matrix products and convolutions.
 *
 * A tile computes a small block of an output matrix, `rows` x `columns` numbers held in registers:
 *
 *   C[r][j] = alpha * sum_{s, k} left[r][offset[s] + k left_step] right[s][k right_stride + j]
 *             + beta C[r][j] + bias[j]
 *
 * The left operand is given by one pointer per row, so that it can be read where it lies: rows of a
 * matrix (left_step 1), its columns (left_step = its row stride), pixels of a picture, or their
 * channels.  The sum runs over `segments` of `depth` terms each; a matrix product has one segment,
 * a convolution one per row of the kernel.
 *
 * With alpha = beta = 1 the sums start from C: a long sum that is cut into several products has the
 * same bits as one product.
 *
 * There are tiles of a few widths, so that matrices with few columns do not waste work.  Their
 * sizes follow the vector registers of the machine (tile_isa.h) and are the same in both forms of
 * the code: GNU vector types, or plain C with simd pragmas (-DDI4C_PLAIN_C). */
#ifndef DI4C_TENSOR_PRODUCT_GEMM_TILE_H
#define DI4C_TENSOR_PRODUCT_GEMM_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/product/tile_isa.h"

typedef struct TileProduct {
    size_t segments, depth, left_step;
    const size_t *offset;      /* [segments], added to every left pointer */
    const float *const *right; /* [segments] */
    size_t right_stride;
    float alpha, beta; /* beta = 0: C is not read */
    const float *bias; /* one number per column, or NULL */
} TileProduct;

/* left: as many valid pointers as the tile has rows, repeated ones where the matrix ends.  right is
 * read over the full width of the tile.  Only `rows` x `columns` numbers of c are touched. */
typedef void TileRun(const TileProduct *product, const float *const *left, float *const *c,
                     size_t rows, size_t columns);

typedef struct Tile {
    size_t rows, columns;
    TileRun *run;
} Tile;

/* A matrix of n columns is cut into panels: as many of TILE_MAX_COLUMNS as fit, then one that holds
 * the rest.  The tile for a panel when `columns` (>= 1) are left: */
const Tile *tile_for(size_t columns);
size_t tile_panels(size_t columns); /* number of panels */
size_t tile_padded(size_t columns); /* columns of all panels together */

/* Runs the tile down `count` rows. */
void tile_column(const Tile *tile, const TileProduct *product, const float *const *left,
                 float *const *c, size_t count, size_t columns);

/* out (depth, width), zero beyond `columns`, from op(B): entry (k, j) lies at b[k * ldb + j], or at
 * b[j * ldb + k] if transposed. */
void tile_pack(float *out, size_t width, const float *b, size_t ldb, bool transposed, size_t depth,
               size_t columns);
/* out[r * out_stride + j] = in[r * in_stride + j] for r < rows, j < columns. */
void tile_copy_rows(float *out, size_t out_stride, const float *in, size_t in_stride, size_t rows,
                    size_t columns);
/* out[j * out_stride + i] = in[i * in_stride + j] for i < rows, j < columns. */
void tile_transpose(float *out, size_t out_stride, const float *in, size_t in_stride, size_t rows,
                    size_t columns);

#endif
