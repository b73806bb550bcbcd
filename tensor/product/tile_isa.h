/* The sizes of the register tiles, one row for each instruction set.
 *
 * A row gives the numbers in a vector register; four tiles, rows x columns, from wide to narrow
 * (fewer where two are the same); and the number of terms that a product sums before it comes back
 * to C.
 *
 * What makes a good wide tile: columns a multiple of the lanes; rows x columns / lanes sums, and
 * columns / lanes vectors of the right operand beside them, fit the registers with one or two to
 * spare; as many independent sums as multiply-adds are under way at a time (8 to 10).  Rows divide
 * TILE_ROW_STEP.  The depth is measured: its rows of the right operand are read for each tile down
 * the rows, from the first-level cache or, where a tile takes long enough, from the second.
 *
 * For another instruction set, add a row and look at `bench smoke`: a tile that does not fit costs
 * a factor of 20 and no warning. */
#ifndef DI4C_TENSOR_PRODUCT_TILE_ISA_H
#define DI4C_TENSOR_PRODUCT_TILE_ISA_H

#if defined(__AVX512F__) /* 32 registers of 16 */
enum { TILE_LANES = 16 };
enum { TILE_ROWS_0 = 6, TILE_ROWS_1 = 8, TILE_ROWS_2 = 8, TILE_ROWS_3 = 8 };
enum { TILE_COLUMNS_0 = 64, TILE_COLUMNS_1 = 48, TILE_COLUMNS_2 = 32, TILE_COLUMNS_3 = 16 };
enum { TILE_DEPTH = 1024 };
#elif defined(__AVX__)     /* 16 registers of 8 */
enum { TILE_LANES = 8 };
enum { TILE_ROWS_0 = 6, TILE_ROWS_1 = 8, TILE_ROWS_2 = 8, TILE_ROWS_3 = 8 };
enum { TILE_COLUMNS_0 = 16, TILE_COLUMNS_1 = 8, TILE_COLUMNS_2 = 8, TILE_COLUMNS_3 = 8 };
enum { TILE_DEPTH = 1024 };
#elif defined(__aarch64__) /* 32 registers of 4 */
enum { TILE_LANES = 4 };
enum { TILE_ROWS_0 = 6, TILE_ROWS_1 = 8, TILE_ROWS_2 = 8, TILE_ROWS_3 = 8 };
enum { TILE_COLUMNS_0 = 16, TILE_COLUMNS_1 = 8, TILE_COLUMNS_2 = 4, TILE_COLUMNS_3 = 4 };
enum { TILE_DEPTH = 512 };
#else                      /* 16 registers of 4: SSE2, and a guess for all others */
enum { TILE_LANES = 4 };
enum { TILE_ROWS_0 = 4, TILE_ROWS_1 = 6, TILE_ROWS_2 = 8, TILE_ROWS_3 = 8 };
enum { TILE_COLUMNS_0 = 12, TILE_COLUMNS_1 = 8, TILE_COLUMNS_2 = 4, TILE_COLUMNS_3 = 4 };
enum { TILE_DEPTH = 512 };
#endif

enum { TILE_MAX_ROWS = 8, TILE_MAX_COLUMNS = TILE_COLUMNS_0 };
/* A multiple of all tiles' rows: blocks cut at multiples of it leave no tile partly idle. */
enum { TILE_ROW_STEP = 24 };

#endif
