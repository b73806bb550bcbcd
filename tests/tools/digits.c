#include "tests/tools/digits.h"

void digits_of(size_t number, uint16_t *x, size_t D, size_t S)
{
    for (size_t d = 0; d < D; d++, number /= S)
        x[d] = (uint16_t)(number % S);
}

size_t digits_number(const uint16_t *x, size_t D, size_t S)
{
    size_t number = 0;

    for (size_t d = D; d-- > 0;)
        number = number * S + x[d];
    return number;
}
