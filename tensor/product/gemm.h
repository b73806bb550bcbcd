/* Matrix products, row-major float32: C = alpha op(A) op(B) + beta C.
 * One register tile (see gemm_tile.h) serves all four transpose forms; blocked and packed.
 *
 * Results have the same bits for every number of threads, and a row of C has the same bits whatever
 * the other rows and their number. */
#ifndef DI4C_TENSOR_PRODUCT_GEMM_H
#define DI4C_TENSOR_PRODUCT_GEMM_H

#include <stdbool.h>
#include <stddef.h>

typedef enum GemmForm {
    GEMM_NN,
    GEMM_NT,
    GEMM_TN,
    GEMM_TT
} GemmForm; /* op(A), op(B): T transposed */

/* C (m, n) with row stride ldc; op(A) (m, k); op(B) (k, n).  lda, ldb are the row strides of A and
 * B as stored: A is (m, k) for N and (k, m) for T.  beta = 0 overwrites C (NaN in it is not read).
 * bias: n numbers added to every row of C after the product, or NULL.  C must not overlap A, B.
 * Sizes of zero are allowed; k = 0 leaves beta C + bias.  Sizes whose products overflow stop the
 * program.  NaN and infinity go the way of IEEE 754: 0 in B does not hide NaN in A, nor does
 * alpha = 0. */
void tensor_gemm(GemmForm form, size_t m, size_t n, size_t k, float alpha, const float *a,
                 size_t lda, const float *b, size_t ldb, float beta, const float *bias, float *c,
                 size_t ldc);
/* `count` independent products whose operands lie stride_a, stride_b, stride_c entries apart. */
void tensor_gemm_batch(GemmForm form, size_t count, size_t m, size_t n, size_t k, float alpha,
                       const float *a, size_t lda, size_t stride_a, const float *b, size_t ldb,
                       size_t stride_b, float beta, float *c, size_t ldc, size_t stride_c);
/* The same by three loops in double: what the tests compare with. */
void tensor_gemm_reference(GemmForm form, size_t m, size_t n, size_t k, float alpha, const float *a,
                           size_t lda, const float *b, size_t ldb, float beta, const float *bias,
                           float *c, size_t ldc);

/* C (m, n) = op(A) op(B) in double, row-major without padding, vectorisable loops, threaded over
 * rows of C.  For transition matrices and the Frechet distance. */
void tensor_dgemm(GemmForm form, size_t m, size_t n, size_t k, const double *a, const double *b,
                  double *c);

#endif
