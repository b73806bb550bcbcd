#include "tests/tools/masked_texts.h"

#include <math.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

enum { COPIES = 8 };

size_t masked_copies(size_t i)
{
    return 1 + i * i % COPIES;
}

States masked_data(size_t times, uint64_t seed)
{
    size_t count = 0, b = 0;
    for (size_t i = 0; i < MASKED_TEXTS; i++) {
        count += times * masked_copies(i);
    }
    uint32_t *place = mem_alloc(count, sizeof *place);
    Rng rng = rng_root(seed);
    rng_permutation(&rng, place, count);
    States x = states_alloc(count, MASKED_D);
    for (size_t k = 0; k < times * MASKED_TEXTS; k++) {
        for (size_t c = 0; c < masked_copies(k % MASKED_TEXTS); c++) {
            masked_digits(states_row(&x, place[b++]), masked_text(k % MASKED_TEXTS));
        }
    }
    mem_free(place);
    return x;
}

size_t masked_noised(size_t i, size_t subset, uint16_t x0[MASKED_D], uint16_t x[MASKED_D])
{
    masked_digits(x0, masked_text(i));
    for (size_t d = 0; d < MASKED_D; d++) {
        x[d] = subset >> d & 1 ? MASKED_MASK : x0[d];
    }
    return masked_number(x);
}

double masked_chance(size_t subset, double lost)
{
    double chance = 1.0;
    for (size_t d = 0; d < MASKED_D; d++) {
        chance *= subset >> d & 1 ? lost : 1.0 - lost;
    }
    return chance;
}

double masked_entropy(const MaskedTable *table, size_t i, size_t subset, size_t of)
{
    uint16_t x0[MASKED_D], x[MASKED_D];
    const size_t n = masked_noised(i, subset, x0, x);
    double sum = 0.0;
    for (size_t d = 0; d < MASKED_D; d++) {
        sum -= of >> d & 1 ? log(table->p[n][d][x0[d]]) : 0.0;
    }
    return sum;
}

double masked_mean_entropy(const MaskedTable *table, double lost, double *square)
{
    double sum = 0.0, squares = 0.0, count = 0.0;
    for (size_t k = 0; k < (size_t)MASKED_TEXTS * MASKED_SUBSETS; k++) {
        const size_t i = k / MASKED_SUBSETS, subset = k % MASKED_SUBSETS;
        const double e = masked_entropy(table, i, subset, subset);
        const double weight = (double)masked_copies(i) * masked_chance(subset, lost);
        sum += weight * e;
        squares += weight * e * e;
        count += weight;
    }
    *square = squares / count;
    return sum / count;
}
