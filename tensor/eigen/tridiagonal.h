/* A symmetric matrix to a tridiagonal one by reflections: the first two steps of eigen.h. */
#ifndef DI4C_TENSOR_EIGEN_TRIDIAGONAL_H
#define DI4C_TENSOR_EIGEN_TRIDIAGONAL_H

#include <stddef.h>

/* a (n, n) symmetric, both triangles, entries of size 1 at most: T = Q^T A Q with diagonal d (n)
 * and off-diagonal e (n - 1), Q = H_0 H_1 ... H_{n-2}, H_k = I - beta_k v_k v_k^T.  beta (n) gets
 * the factors; v_k stays in row k of a, right of the diagonal. */
void tensor_tridiagonalise(size_t n, double *a, double *d, double *e, double *beta);
/* z (n, n) = Q^T from what tensor_tridiagonalise left in a and beta. */
void tensor_reflections(size_t n, double *z, const double *a, const double *beta);

#endif
