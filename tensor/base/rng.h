/* Random streams that are named, not advanced: Philox 4x32-10 (Salmon et al., SC 2011).
 *
 * A stream is a path: root(seed), then children by number (purpose, step, pass, picture, lambda).
 * Two different paths are independent streams; the same path gives the same numbers whatever the
 * thread count, the batch size or the point at which a run was resumed.
 *
 *     Rng r = rng_child(rng_child(rng_root(seed), purpose), step);
 */
#ifndef DI4C_TENSOR_BASE_RNG_H
#define DI4C_TENSOR_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct Rng {
    uint64_t key, stream; /* name of the stream: 128 bits */
    uint64_t position;    /* blocks of four 32-bit words used so far */
    uint32_t block[4];
    int left; /* words of block not used yet */
} Rng;

Rng rng_root(uint64_t seed);
/* The child number `tag` of the stream r; does not depend on how much of r was drawn. */
Rng rng_child(Rng r, uint64_t tag);

uint32_t rng_u32(Rng *r);
uint64_t rng_u64(Rng *r);
/* out[0..n-1] = the words of n calls of rng_u32, and r as after them; several blocks at once. */
void rng_fill_u32(Rng *r, uint32_t *out, size_t n);
double rng_uniform(Rng *r);         /* [0,1), multiples of 2^-53 */
float rng_uniform24(Rng *r);        /* [0,1), multiples of 2^-24, one word */
size_t rng_below(Rng *r, size_t n); /* uniform on 0..n-1, no bias; n >= 1 */
/* z with P(normal <= z) = u, to a few units in the last place; u = 0 is taken as 2^-54. */
double rng_normal_quantile(double u);
double rng_normal(Rng *r); /* mean 0, deviation 1 (Box-Muller, no state) */
/* Index with probability p[i]/sum(p); p >= 0, not all zero.  Rounding never selects p[i] = 0.
 * One uniform is used. */
size_t rng_categorical(Rng *r, const double *p, size_t n);
/* Index with probability proportional to exp(logits[i]); -inf means never. */
size_t rng_categorical_logits(Rng *r, const float *logits, size_t n);
uint64_t rng_poisson(Rng *r, double mean);               /* 0 <= mean <= 1e12 */
void rng_permutation(Rng *r, uint32_t *order, size_t n); /* uniform permutation of 0..n-1 */

/* The raw block function, for tests: out = Philox4x32-10(counter, key). */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

#endif
