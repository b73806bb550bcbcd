/* Symmetric eigenproblems in double.  Results have the same bits for every number of threads. */
#ifndef DI4C_TENSOR_EIGEN_EIGEN_H
#define DI4C_TENSOR_EIGEN_EIGEN_H

#include <stdbool.h>
#include <stddef.h>

/* A (n, n) symmetric = V diag(values) V^T: a is overwritten by V (column k belongs to values[k]),
 * values (n) ascend.  Only the lower triangle of a is read.  Householder tridiagonalisation, then
 * implicit QL (Golub and Van Loan, ch. 8).  False if one of the entries read is NaN or infinite, or
 * if QL does not converge (never seen); a and values mean nothing then. */
bool tensor_eigen_symmetric(size_t n, double *a, double *values);
/* The same values, bit by bit, without their vectors; a is destroyed. */
bool tensor_eigen_values(size_t n, double *a, double *values);

#endif
