/* Leaps: how one dimension moves with its rates held for a time h, and the law of that. */
#include <math.h>
#include <string.h>

#include "diffusion/sampler/methods/leap.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

SamplerJumps sampler_jumps(const Process *p, int setting)
{
    if (setting != JUMPS_AUTO)
        return (SamplerJumps)setting;
    return p->class->ordinal ? JUMPS_ORDINAL : JUMPS_CATEGORICAL;
}

/* The v that the earlier rates are asked for in place of v; false if there is none. */
static bool counterpart(const Leap *leap, size_t S, size_t v, size_t *of)
{
    if (leap->jumps != JUMPS_ORDINAL) {
        *of = v;
        return v != leap->before;
    }
    if (leap->before + v < leap->x || leap->before + v - leap->x >= S)
        return false;
    *of = leap->before + v - leap->x;
    return true;
}

/* lambda (S), in the first half of room; returns its sum. */
static double write_rates(const Leap *leap)
{
    size_t S = diffusion_reverse_states(leap->rates), of;
    double *rates = leap->room, *other = leap->room + S, total = 0.0;

    diffusion_reverse_rates(leap->rates, leap->x, leap->p0, rates);
    if (leap->forward) {
        diffusion_forward_rates(leap->rates, leap->x, other);
        for (size_t v = 0; v < S; v++)
            rates[v] += other[v];
    }
    if (leap->earlier != NULL) {
        diffusion_reverse_rates(leap->earlier, leap->before, leap->before_p0, other);
        for (size_t v = 0; v < S; v++) {
            double e = counterpart(leap, S, v, &of) ? other[of] : 0.0;
            double rate = leap->a1 * rates[v] - leap->a2 * e;
            rates[v] = rate > 0.0 ? rate : 0.0;
        }
    }
    for (size_t v = 0; v < S; v++)
        total += rates[v];
    return total;
}

static size_t clamped(double x, size_t S)
{
    return x <= 0.0 ? 0 : x >= (double)(S - 1) ? S - 1 : (size_t)x;
}

/* ---- draws ---- */

/* The sum of the distances of all jumps.  Kinds that are rare are drawn together, first how many
 * and then which; each of the others has a Poisson number of its own. */
static double many_jumps(const Leap *leap, Rng *rng)
{
    size_t S = diffusion_reverse_states(leap->rates);
    double *rare = leap->room + S, together = 0.0, sum = 0.0, x = (double)leap->x;

    for (size_t v = 0; v < S; v++) {
        double mean = leap->h * leap->room[v];
        rare[v] = mean < 0.5 ? mean : 0.0;
        together += rare[v];
        if (mean >= 0.5)
            sum += ((double)v - x) * (double)rng_poisson(rng, mean);
    }
    for (uint64_t k = rng_poisson(rng, together); k > 0; k--)
        sum += (double)rng_categorical(rng, rare, S) - x;
    return sum;
}

/* With the rates written out. */
static size_t leap_by_rates(const Leap *leap, Rng *rng)
{
    size_t S = diffusion_reverse_states(leap->rates);
    double total = write_rates(leap);

    if (leap->jumps != JUMPS_ORDINAL) {
        uint64_t jumps = rng_poisson(rng, leap->h * total);
        bool taken = jumps == 1 || (jumps > 1 && leap->jumps == JUMPS_FIRST);
        return taken ? rng_categorical(rng, leap->room, S) : leap->x;
    }
    return clamped((double)leap->x + many_jumps(leap, rng), S);
}

/* A jump with probability in proportion to a1 R^ (or R^ + R); S if thinning rejects it. */
static size_t propose(const Leap *leap, double reverse, double forward, Rng *rng)
{
    size_t S = diffusion_reverse_states(leap->rates), of;

    if (forward > 0.0 && rng_uniform(rng) * (reverse + forward) < forward)
        return diffusion_forward_draw(leap->rates, leap->x, rng);
    size_t v = diffusion_reverse_draw(leap->rates, leap->x, leap->p0, rng);
    if (leap->earlier == NULL || !counterpart(leap, S, v, &of))
        return v;
    double rate = leap->a1 * diffusion_reverse_rate(leap->rates, leap->x, leap->p0, v);
    double less =
        leap->a2 * diffusion_reverse_rate(leap->earlier, leap->before, leap->before_p0, of);
    return rng_uniform(rng) * rate < rate - less ? v : S;
}

size_t sampler_leap(const Leap *leap, Rng *rng)
{
    size_t S = diffusion_reverse_states(leap->rates), first = leap->x, taken = 0;
    double reverse = diffusion_reverse_total(leap->rates, leap->x, leap->p0);
    double forward = leap->forward ? diffusion_forward_total(leap->rates, leap->x) : 0.0;
    double scale = leap->earlier != NULL ? leap->a1 : 1.0, sum = (double)leap->x;
    double mean = leap->h * (scale * reverse + forward);

    /* Which way is faster: a proposal walks over S states, the rates written out take up to S sums
     * of S terms, but as vector loops.  Their law is the same. */
    if (mean > 2.0 + (double)S / 16.0)
        return leap_by_rates(leap, rng);
    uint64_t jumps = rng_poisson(rng, mean);
    if (leap->jumps == JUMPS_CATEGORICAL && leap->earlier == NULL && jumps > 1)
        return leap->x;
    for (uint64_t k = 0; k < jumps && (taken == 0 || leap->jumps != JUMPS_FIRST); k++) {
        size_t v = propose(leap, reverse, forward, rng);
        if (v == S)
            continue;
        first = taken++ == 0 ? v : first;
        sum += (double)v - (double)leap->x;
    }
    if (leap->jumps == JUMPS_ORDINAL)
        return clamped(sum, S);
    return taken == 1 ? first : leap->x;
}

/* ---- laws ---- */

/* A law on 0, 1, 2, ..., cut. */
typedef struct Tail {
    double *p;
    size_t n;
} Tail;

static void normalise(Tail *law)
{
    double sum = 0.0;

    for (size_t i = 0; i < law->n; i++)
        sum += law->p[i];
    for (size_t i = 0; i < law->n; i++)
        law->p[i] /= sum;
}

/* law = law * law, cut. */
static void convolve(Tail *law)
{
    double *out = mem_zeroed(law->n, sizeof *out);

    for (size_t i = 0; i < law->n; i++)
        for (size_t j = 0; j + i < law->n; j++)
            out[i + j] += law->p[i] * law->p[j];
    mem_free(law->p);
    law->p = out;
    normalise(law);
}

/* The law of sum_k k Poisson(rate[k]), k = 1..size.  Panjer: i P(i) = sum_k k rate[k] P(i-k), for
 * the rates divided by 2^m so that P(0) is no underflow, then m convolutions.  P(0) = e^-500 is
 * 7e-218; small rates have 90 powers of ten left before their products with it underflow.  By
 * Bernstein's inequality P(sum >= mean + y) <= exp(-y^2 / (2 (variance + size y/3))), here 1e-16.
 */
static Tail sum_of_jumps(const double *rate, size_t size)
{
    double total = 0.0, mean = 0.0, variance = 0.0, share = 1.0;
    const double depth = 36.8; /* -log 1e-16 */
    size_t m = 0;
    Tail law;

    for (size_t k = 1; k <= size; k++) {
        total += rate[k];
        mean += (double)k * rate[k];
        variance += (double)k * (double)k * rate[k];
    }
    double step = depth * (double)size / 3.0;
    double top = mean + step + sqrt(step * step + 2.0 * depth * variance);
    TENSOR_CHECK(top < 1e8, "the law of a sum of jumps up to %g", top);
    for (; total * share > 500.0; m++)
        share *= 0.5;
    law.n = total > 0.0 ? (size_t)top + 2 : 1;
    law.p = mem_alloc(law.n, sizeof *law.p);
    law.p[0] = exp(-total * share);
    for (size_t i = 1; i < law.n; i++) {
        double sum = 0.0;
        for (size_t k = 1; k <= size && k <= i; k++)
            sum += (double)k * rate[k] * share * law.p[i - k];
        law.p[i] = sum / (double)i;
    }
    normalise(&law);
    for (; m > 0; m--)
        convolve(&law);
    return law;
}

/* row = law of x + up - down, clamped. */
static void clamp_law(Tail up, Tail down, size_t x, size_t S, double *row)
{
    double *below = mem_alloc(up.n + 1, sizeof *below), *above = mem_alloc(up.n + 1, sizeof *above);

    below[0] = above[up.n] = 0.0; /* below[i] = P(up < i), above[i] = P(up >= i) */
    for (size_t i = 0; i < up.n; i++)
        below[i + 1] = below[i] + up.p[i];
    for (size_t i = up.n; i > 0; i--)
        above[i - 1] = above[i] + up.p[i - 1];
    memset(row, 0, S * sizeof *row);
    for (size_t b = 0; b < down.n; b++) {
        size_t floor = b >= x ? b - x + 1 : 0, roof = S - 1 + b - x; /* up < floor, up >= roof */
        row[0] += down.p[b] * below[floor < up.n ? floor : up.n];
        row[S - 1] += down.p[b] * above[roof < up.n ? roof : up.n];
        for (size_t y = 1; y + 1 < S; y++)
            if (y + b >= x && y + b - x < up.n)
                row[y] += down.p[b] * up.p[y + b - x];
    }
    mem_free(below);
    mem_free(above);
}

static void ordinal_law(const double *rates, double h, size_t x, size_t S, double *row)
{
    double *by_size = mem_zeroed(S, sizeof *by_size);

    for (size_t v = x + 1; v < S; v++)
        by_size[v - x] = h * rates[v];
    Tail up = sum_of_jumps(by_size, S - 1 - x);
    for (size_t v = 0; v < x; v++)
        by_size[x - v] = h * rates[v];
    Tail down = sum_of_jumps(by_size, x);
    clamp_law(up, down, x, S, row);
    mem_free(up.p);
    mem_free(down.p);
    mem_free(by_size);
}

void sampler_leap_law(const Leap *leap, double *row)
{
    size_t S = diffusion_reverse_states(leap->rates);
    double total = write_rates(leap), mean = leap->h * total, jump = mean * exp(-mean);

    if (leap->jumps == JUMPS_ORDINAL) {
        ordinal_law(leap->room, leap->h, leap->x, S, row);
        return;
    }
    if (leap->jumps == JUMPS_FIRST)
        jump = -expm1(-mean);
    for (size_t v = 0; v < S; v++)
        row[v] = total > 0.0 ? jump * leap->room[v] / total : 0.0;
    row[leap->x] = 1.0 - jump;
}
