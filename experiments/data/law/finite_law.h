/* A law on a finite list of patterns: drawing from it, and how far samples are from it. */
#ifndef DI4C_EXPERIMENTS_DATA_LAW_FINITE_LAW_H
#define DI4C_EXPERIMENTS_DATA_LAW_FINITE_LAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/rng.h"
#include "tensor/states.h"

typedef struct FiniteLaw {
    size_t count, dims, states; /* patterns; entries of one; values 0..states-1, no mask */
    uint16_t *patterns;         /* (count, dims), all distinct */
    double *probability;        /* (count), positive, sum 1 */
    uint16_t *label;            /* (count): kind of each pattern */
} FiniteLaw;

/* Room for count patterns, all zero; the caller fills it and calls law_normalise. */
FiniteLaw *law_create(size_t count, size_t dims, size_t states);
/* Divides the probabilities by their sum (checked positive). */
void law_normalise(FiniteLaw *law);
void law_destroy(FiniteLaw *law); /* NULL is allowed */

/* Number of the pattern equal to x (dims), or -1. */
int law_lookup(const FiniteLaw *law, const uint16_t *x);
size_t law_draw(const FiniteLaw *law, Rng *rng);

typedef struct LawFit {
    size_t samples;
    double valid;   /* share of the samples that are patterns of the law */
    double tv;      /* (sum over patterns |share - p| + share of invalid samples) / 2 */
    size_t covered; /* patterns seen at least once */
} LawFit;
LawFit law_fit(const FiniteLaw *law, const States *samples);
/* The same of samples that were looked up: seen (law->count) says how many are each pattern.  Looks
 * at the law's count and probabilities alone. */
LawFit law_fit_counts(const FiniteLaw *law, const size_t *seen, size_t samples);
/* The tv that as many exact samples have, averaged over `draws` seeded sets of them. */
double law_tv_floor(const FiniteLaw *law, size_t samples, size_t draws, uint64_t seed);

#endif
