/* Data for tools/masked_world.h: all of its texts, some more often than others, and sums over them
 * and all their masks. */
#ifndef DI4C_TESTS_TOOLS_MASKED_TEXTS_H
#define DI4C_TESTS_TOOLS_MASKED_TEXTS_H

#include "tensor/states.h"
#include "tests/tools/masked_world.h"

enum { MASKED_SUBSETS = 16 }; /* of the dimensions: bit d for d */

/* `times` data sets together in random order, since samplers of times and lambdas count pictures;
 * states_free. */
States masked_data(size_t times, uint64_t seed);
size_t masked_copies(size_t i); /* of text i in one of them: 1, 2 or 5 */

/* x0 = text i, x the same with the subset masked; returns x's number. */
size_t masked_noised(size_t i, size_t subset, uint16_t x0[MASKED_D], uint16_t x[MASKED_D]);
/* Probability of this subset where each dimension is masked with probability `lost`. */
double masked_chance(size_t subset, double lost);
/* -sum over the dimensions in `of` of log p^d(x0^d | text i with the subset masked), nats. */
double masked_entropy(const MaskedTable *table, size_t i, size_t subset, size_t of);
/* Mean over the data and the masks of the entropy of what is masked, and of its square. */
double masked_mean_entropy(const MaskedTable *table, double lost, double *square);

#endif
