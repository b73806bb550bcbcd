/* Philox 4x32-10 as a family of named streams.
 *
 * Block number `position` of a stream is Philox(counter = (position, stream), key).  The name of a
 * child is Philox(counter = (tag, stream), key ^ CHILD): 128 new bits.  The changed key keeps the
 * names apart from the draws of the parent. */
#include "tensor/base/rng.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/constants.h"

#define ROOT_KEY    UINT64_C(0x243F6A8885A308D3) /* digits of pi */
#define ROOT_STREAM UINT64_C(0x13198A2E03707344)
#define CHILD       UINT64_C(0xA4093822299F31D0)

enum { LANES = 16 }; /* blocks that rng_fill_u32 computes side by side */

void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * c0;
        uint64_t q = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)q;
        c3 = (uint32_t)p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The block of the 128-bit counter (low, high) under a 64-bit key. */
static void block_of(uint32_t out[4], uint64_t low, uint64_t high, uint64_t key)
{
    uint32_t counter[4] = {(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high,
                           (uint32_t)(high >> 32)};
    uint32_t words[2] = {(uint32_t)key, (uint32_t)(key >> 32)};

    rng_philox(out, counter, words);
}

static Rng named(uint64_t tag, uint64_t stream, uint64_t key)
{
    Rng r = {0, 0, 0, {0, 0, 0, 0}, 0};
    uint32_t name[4];

    block_of(name, tag, stream, key);
    r.key = name[0] | (uint64_t)name[1] << 32;
    r.stream = name[2] | (uint64_t)name[3] << 32;
    return r;
}

Rng rng_root(uint64_t seed)
{
    return named(seed, ROOT_STREAM, ROOT_KEY);
}

Rng rng_child(Rng r, uint64_t tag)
{
    return named(tag, r.stream, r.key ^ CHILD);
}

uint32_t rng_u32(Rng *r)
{
    if (r->left == 0) {
        block_of(r->block, r->position, r->stream, r->key);
        r->position++;
        r->left = 4;
    }
    return r->block[4 - r->left--];
}

uint64_t rng_u64(Rng *r)
{
    uint64_t low = rng_u32(r);

    return low | (uint64_t)rng_u32(r) << 32;
}

/* The next LANES blocks.  Words live in 64-bit lanes, which makes a whole product one vector
 * multiplication; the cuts to 32 bits tell the compiler that the upper halves are zero. */
static void next_blocks(uint32_t out[4 * LANES], Rng *r)
{
    uint64_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    uint32_t k0 = (uint32_t)r->key, k1 = (uint32_t)(r->key >> 32);

    for (size_t i = 0; i < LANES; i++) {
        c0[i] = (uint32_t)(r->position + i);
        c1[i] = (r->position + i) >> 32;
        c2[i] = (uint32_t)r->stream;
        c3[i] = r->stream >> 32;
    }
    for (int round = 0; round < 10; round++) { /* as in rng_philox */
#pragma omp simd
        for (size_t i = 0; i < LANES; i++) {
            uint64_t p = (uint64_t)0xD2511F53u * (uint32_t)c0[i];
            uint64_t q = (uint64_t)0xCD9E8D57u * (uint32_t)c2[i];
            c0[i] = (q >> 32) ^ c1[i] ^ k0;
            c2[i] = (p >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)q;
            c3[i] = (uint32_t)p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (size_t i = 0; i < LANES; i++) {
        out[4 * i] = (uint32_t)c0[i];
        out[4 * i + 1] = (uint32_t)c1[i];
        out[4 * i + 2] = (uint32_t)c2[i];
        out[4 * i + 3] = (uint32_t)c3[i];
    }
    r->position += LANES;
}

void rng_fill_u32(Rng *r, uint32_t *out, size_t n)
{
    for (; n > 0 && r->left > 0; n--)
        *out++ = rng_u32(r);
    for (; n >= 4 * LANES; n -= 4 * LANES, out += 4 * LANES)
        next_blocks(out, r);
    for (; n > 0; n--)
        *out++ = rng_u32(r);
}

double rng_uniform(Rng *r)
{
    return (double)(rng_u64(r) >> 11) * (1.0 / 9007199254740992.0);
}

float rng_uniform24(Rng *r)
{
    return (float)(rng_u32(r) >> 8) * (1.0f / 16777216.0f);
}

size_t rng_below(Rng *r, size_t n)
{
    TENSOR_CHECK(n >= 1, "a number below %zu", n);
    /* The last 2^64 mod n values would make small results more likely: draw again. */
    uint64_t excess = (UINT64_MAX % n + 1) % n;
    uint64_t v;
    do
        v = rng_u64(r);
    while (v > UINT64_MAX - excess);
    return (size_t)(v % n);
}

/* The start is Abramowitz and Stegun's 26.2.23, good to 4.5e-4; each step of Halley's method on
 * P(z) - p triples the digits.  The upper half is the mirror image, so that tails keep their
 * digits. */
double rng_normal_quantile(double u)
{
    static const double root_half = 0.70710678118654752440, root_2pi = 2.50662827463100050242;
    double p = u < 0.5 ? u : 1.0 - u;

    TENSOR_CHECK(u >= 0.0 && u < 1.0, "the quantile of %g, from 0 to 1", u);
    p = p > 0.0 ? p : ldexp(1.0, -54);
    double w = sqrt(-2.0 * log(p));
    double z = (2.515517 + w * (0.802853 + w * 0.010328)) /
                   (1.0 + w * (1.432788 + w * (0.189269 + w * 0.001308))) -
               w;
    for (int i = 0; i < 2; i++) {
        double miss = (0.5 * erfc(-z * root_half) - p) * root_2pi * exp(0.5 * z * z);
        z -= miss / (1.0 + 0.5 * z * miss);
    }
    return u < 0.5 ? z : -z;
}

double rng_normal(Rng *r)
{
    double u = 1.0 - rng_uniform(r); /* in (0,1]: the logarithm is finite */
    double v = rng_uniform(r);

    return sqrt(-2.0 * log(u)) * cos(2.0 * PI * v);
}

size_t rng_categorical(Rng *r, const double *p, size_t n)
{
    double total = 0.0, sum = 0.0;
    size_t last = n;

    for (size_t i = 0; i < n; i++) {
        TENSOR_CHECK(p[i] >= 0.0, "p[%zu] = %g of %zu", i, p[i], n);
        total += p[i];
        if (p[i] > 0.0)
            last = i;
    }
    TENSOR_CHECK(last < n && total < HUGE_VAL, "%zu weights with sum %g", n, total);
    double target = rng_uniform(r) * total;
    for (size_t i = 0; i < last; i++) {
        sum += p[i]; /* p[i] = 0 leaves sum <= target, so i is not taken */
        if (sum > target)
            return i;
    }
    return last;
}

size_t rng_categorical_logits(Rng *r, const float *logits, size_t n)
{
    double top = -HUGE_VAL, total = 0.0, sum = 0.0;
    size_t last = n;

    for (size_t i = 0; i < n; i++)
        if (logits[i] > top)
            top = logits[i];
    TENSOR_CHECK(top > -HUGE_VAL && top < HUGE_VAL, "largest of %zu logits is %g", n, top);
    for (size_t i = 0; i < n; i++) {
        double weight = exp(logits[i] - top);
        TENSOR_CHECK(weight >= 0.0, "logit %zu of %zu is not a number", i, n);
        total += weight;
        if (weight > 0.0)
            last = i;
    }
    double target = rng_uniform(r) * total;
    for (size_t i = 0; i < last; i++) {
        sum += exp(logits[i] - top);
        if (sum > target)
            return i;
    }
    return last;
}

/* log(k!) by Stirling's series; absolute error below 1e-10 from k = 10 on. */
static double log_factorial(double k)
{
    static const double small[10] = {1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362880};

    if (k < 10)
        return log(small[(int)k]);
    double i = 1.0 / k, i2 = i * i;
    return (k + 0.5) * log(k) - k + 0.5 * log(2.0 * PI) +
           i * (1.0 / 12 - i2 * (1.0 / 360 - i2 / 1260));
}

/* Hoermann's transformed rejection PTRS (Insurance: Mathematics and Economics 12, 1993), for means
 * of at least 10. */
static uint64_t poisson_large(Rng *r, double mean)
{
    double b = 0.931 + 2.53 * sqrt(mean);
    double a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    double v_r = 0.9277 - 3.6224 / (b - 2);

    for (;;) {
        double u = rng_uniform(r) - 0.5;
        double v = 1.0 - rng_uniform(r);
        double us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= v_r)
            return (uint64_t)k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <=
            k * log(mean) - mean - log_factorial(k))
            return (uint64_t)k;
    }
}

uint64_t rng_poisson(Rng *r, double mean)
{
    TENSOR_CHECK(mean >= 0.0 && mean <= 1e12, "Poisson mean %g, from 0 to 1e12", mean);
    if (mean >= 10)
        return poisson_large(r, mean);
    /* Arrivals of a unit-rate process before time `mean`: products of uniforms. */
    double limit = exp(-mean), product = 1.0 - rng_uniform(r);
    uint64_t k = 0;
    while (product > limit) {
        product *= 1.0 - rng_uniform(r);
        k++;
    }
    return k;
}

void rng_permutation(Rng *r, uint32_t *order, size_t n)
{
    TENSOR_CHECK(n <= UINT32_MAX, "permutation of %zu", n);
    for (size_t i = 0; i < n; i++) { /* Fisher and Yates, from the inside out */
        size_t j = rng_below(r, i + 1);
        if (j < i)
            order[i] = order[j];
        order[j] = (uint32_t)i;
    }
}
