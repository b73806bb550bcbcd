/* States of small spaces as numbers: x (D), each of S values, is number sum_d x[d] S^d. */
#ifndef DI4C_TESTS_TOOLS_DIGITS_H
#define DI4C_TESTS_TOOLS_DIGITS_H

#include <stddef.h>
#include <stdint.h>

void digits_of(size_t number, uint16_t *x, size_t D, size_t S);
size_t digits_number(const uint16_t *x, size_t D, size_t S);

#endif
