/* How operations read a shape: (rows..., C) or (B, positions..., C). */
#ifndef DI4C_AUTOGRAD_AXES_H
#define DI4C_AUTOGRAD_AXES_H

#include <stddef.h>

#include "tensor/tensor.h"

/* Product of the axes first..end-1. */
static inline size_t axes_product(const Tensor *t, int first, int end)
{
    size_t n = 1;
    for (int i = first; i < end; i++)
        n *= t->shape[i];
    return n;
}

/* C: length of the last axis; 1 at rank 0. */
static inline size_t axes_last(const Tensor *t)
{
    return t->rank > 0 ? t->shape[t->rank - 1] : 1;
}

/* Product of all axes but the last. */
static inline size_t axes_rows(const Tensor *t)
{
    return axes_product(t, 0, t->rank - 1);
}

/* Product of all axes but the first and the last. */
static inline size_t axes_positions(const Tensor *t)
{
    return axes_product(t, 1, t->rank - 1);
}

#endif
