#include "tests/tools/statistics.h"

#include <math.h>

static double limit(double freedom)
{
    double c = 2.0 / (9.0 * freedom), z = 4.753424; /* P(normal > z) = 1e-6 */

    return freedom * pow(1.0 - c + z * sqrt(c), 3.0);
}

bool statistics_fit(const size_t *count, const double *p, size_t n)
{
    double total = 0.0, sum = 0.0, rest_expected = 0.0, rest = 0.0;
    size_t cells = 0;

    for (size_t i = 0; i < n; i++)
        total += (double)count[i];
    for (size_t i = 0; i < n; i++) {
        double expected = total * p[i], difference = (double)count[i] - expected;
        if (p[i] <= 0.0 && count[i] > 0)
            return false;
        if (expected >= 10.0) {
            sum += difference * difference / expected;
            cells++;
        } else {
            rest_expected += expected;
            rest += (double)count[i];
        }
    }
    if (rest_expected >= 10.0) {
        sum += (rest - rest_expected) * (rest - rest_expected) / rest_expected;
        cells++;
    } else if (rest > 60.0) { /* a Poisson count of mean 10 */
        return false;
    }
    return cells < 2 || sum < limit((double)cells - 1.0);
}
