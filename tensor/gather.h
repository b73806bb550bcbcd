/* Rows of a table picked by number, and the gradient that goes back to them. */
#ifndef DI4C_TENSOR_GATHER_H
#define DI4C_TENSOR_GATHER_H

#include <stddef.h>
#include <stdint.h>

/* y (n, c): row i is row index[i] of table (., c); index[i] within the table is up to the caller.
 */
void tensor_gather_rows(float *y, const float *table, const uint16_t *index, size_t n, size_t c);
/* dtable (states, c): row s += sum of the rows i of dy (n, c) with index[i] = s, in the order of i;
 * index[i] < states.  Rows of the table that no index names are not touched. */
void tensor_gather_rows_backward(float *dtable, const float *dy, const uint16_t *index, size_t n,
                                 size_t states, size_t c);

#endif
