/* The larger of two numbers, for maxima over loops.  In place of fmax, at whose reductions gcc 12
 * for ARM stops with an internal error, and which is a call where NaN matters; here a NaN in b is
 * passed over, one in a stays. */
#ifndef DI4C_TENSOR_BASE_LARGER_H
#define DI4C_TENSOR_BASE_LARGER_H

static inline double larger_of(double a, double b)
{
    return b > a ? b : a;
}

#endif
