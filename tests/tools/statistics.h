/* The chi-square test that the tests of draws share. */
#ifndef DI4C_TESTS_TOOLS_STATISTICS_H
#define DI4C_TESTS_TOOLS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

/* Were these counts drawn with probabilities p (sum 1)?  Pearson's statistic; cells that expect
 * fewer than 10 are put together.  A right sampler fails with probability 1e-6 (Wilson and
 * Hilferty's approximation of the limit); a count where p = 0 always fails. */
bool statistics_fit(const size_t *count, const double *p, size_t n);

#endif
