/* Patterns are few (tens), so that looking one up is a walk over the list. */
#include "experiments/data/law/finite_law.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

#define FLOOR_STREAM UINT64_C(0xDA7A0001)

FiniteLaw *law_create(size_t count, size_t dims, size_t states)
{
    size_t size;

    TENSOR_CHECK(count >= 1 && count <= INT_MAX && mem_product(count, dims, &size),
                 "%zu patterns of %zu entries", count, dims);
    FiniteLaw *law = mem_zeroed(1, sizeof *law);
    law->count = count;
    law->dims = dims;
    law->states = states;
    law->patterns = mem_zeroed(size, sizeof *law->patterns);
    law->probability = mem_zeroed(count, sizeof *law->probability);
    law->label = mem_zeroed(count, sizeof *law->label);
    return law;
}

void law_normalise(FiniteLaw *law)
{
    double sum = 0.0;

    for (size_t k = 0; k < law->count; k++) {
        TENSOR_CHECK(law->probability[k] > 0.0, "weight %zu of %zu is %g", k, law->count,
                     law->probability[k]);
        sum += law->probability[k];
    }
    TENSOR_CHECK(sum < HUGE_VAL, "weights with sum %g", sum);
    for (size_t k = 0; k < law->count; k++)
        law->probability[k] /= sum;
}

void law_destroy(FiniteLaw *law)
{
    if (law == NULL)
        return;
    mem_free(law->patterns);
    mem_free(law->probability);
    mem_free(law->label);
    mem_free(law);
}

int law_lookup(const FiniteLaw *law, const uint16_t *x)
{
    size_t bytes = law->dims * sizeof *x;

    for (size_t k = 0; k < law->count; k++)
        if (memcmp(law->patterns + k * law->dims, x, bytes) == 0)
            return (int)k;
    return -1;
}

size_t law_draw(const FiniteLaw *law, Rng *rng)
{
    return rng_categorical(rng, law->probability, law->count);
}

LawFit law_fit_counts(const FiniteLaw *law, const size_t *seen, size_t samples)
{
    LawFit fit = {samples, 0.0, 0.0, 0};
    double total = samples > 0 ? (double)samples : 1.0, distance = 0.0;
    size_t valid = 0;

    for (size_t k = 0; k < law->count; k++) {
        distance += fabs((double)seen[k] / total - law->probability[k]);
        valid += seen[k];
        fit.covered += seen[k] > 0;
    }
    fit.valid = (double)valid / total;
    fit.tv = (distance + (double)(samples - valid) / total) / 2.0;
    return fit;
}

LawFit law_fit(const FiniteLaw *law, const States *samples)
{
    TENSOR_CHECK(samples->dims == law->dims, "samples (%zu, %zu), patterns (%zu, %zu)",
                 samples->batch, samples->dims, law->count, law->dims);
    size_t *seen = mem_zeroed(law->count, sizeof *seen);
    for (size_t b = 0; b < samples->batch; b++) {
        int k = law_lookup(law, states_row(samples, b));
        if (k >= 0)
            seen[k]++;
    }
    LawFit fit = law_fit_counts(law, seen, samples->batch);
    mem_free(seen);
    return fit;
}

double law_tv_floor(const FiniteLaw *law, size_t samples, size_t draws, uint64_t seed)
{
    TENSOR_CHECK(draws >= 1, "%zu draws", draws);
    Rng root = rng_child(rng_root(seed), FLOOR_STREAM);
    size_t *seen = mem_alloc(law->count, sizeof *seen);
    double sum = 0.0;

    for (size_t i = 0; i < draws; i++) {
        Rng rng = rng_child(root, i);
        memset(seen, 0, law->count * sizeof *seen);
        for (size_t b = 0; b < samples; b++)
            seen[law_draw(law, &rng)]++;
        sum += law_fit_counts(law, seen, samples).tv;
    }
    mem_free(seen);
    return sum / (double)draws;
}
