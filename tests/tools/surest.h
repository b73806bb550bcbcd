/* The choice that the confidence sampler makes, by enumeration. */
#ifndef DI4C_TESTS_TOOLS_SUREST_H
#define DI4C_TESTS_TOOLS_SUREST_H

#include <stddef.h>
#include <stdint.h>

/* Keeps `keep` of the masked dimensions of x (D states of S, the last the mask) with the drawn
 * values y, one by one: next[digits_number of x] += weight times the probability of each choice.
 * Log p + temperature times Gumbel noise, sorted, is a draw without replacement with weights
 * p^(1/temperature) (Plackett and Luce); p[d]: that of y[d].  temperature 0: the largest p.  x is
 * left as it was; D at most 8. */
void surest_keep(double *next, double weight, uint16_t *x, const uint16_t *y, const double *p,
                 size_t D, size_t S, size_t keep, double temperature);

#endif
