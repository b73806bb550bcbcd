#include "tests/tools/surest.h"

#include <check.h>
#include <math.h>

#include "tests/tools/digits.h"

enum { MOST = 8 };

void surest_keep(double *next, double weight, uint16_t *x, const uint16_t *y, const double *p,
                 size_t D, size_t S, size_t keep, double temperature)
{
    double w[MOST] = {0.0}, total = 0.0, top = 0.0;

    ck_assert_uint_le(D, MOST);
    if (keep == 0) {
        next[digits_number(x, D, S)] += weight;
        return;
    }
    for (size_t d = 0; d < D; d++)
        if (x[d] == S - 1) {
            w[d] = temperature > 0.0 ? pow(p[d], 1.0 / temperature) : p[d];
            total += w[d];
            top = w[d] > top ? w[d] : top;
        }
    for (size_t d = 0; d < D; d++) {
        double share = temperature > 0.0 ? w[d] / total : (double)(w[d] == top);
        if (x[d] != S - 1 || share == 0.0)
            continue;
        x[d] = y[d];
        surest_keep(next, weight * share, x, y, p, D, S, keep - 1, temperature);
        x[d] = (uint16_t)(S - 1);
    }
}
