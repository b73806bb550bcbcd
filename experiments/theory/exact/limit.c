/* Exact sums where N lambdas fall into two kinds, those that name x and those that do not; draws
 * where the latter differ among each other. */
#include "experiments/theory/exact/limit.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

enum { DRAW_STREAM = 0x11417, HEAD = 8, GRID = 50, TAIL = 32, GOLDEN_STEPS = 25 };
static const double SAME = 1e-12; /* relative difference of equal probabilities */

FiniteLaw *limit_equal(size_t dims, size_t states)
{
    TENSOR_CHECK(dims >= 1 && states >= 2 && states <= 65535, "%zu symbols of %zu values", dims,
                 states);
    FiniteLaw *law = law_create(states, dims, states);

    for (size_t k = 0; k < states; k++) {
        for (size_t d = 0; d < dims; d++)
            law->patterns[k * dims + d] = (uint16_t)k;
        law->probability[k] = 1.0;
    }
    law_normalise(law);
    return law;
}

double limit_entropy(const FiniteLaw *law)
{
    double sum = 0.0;

    for (size_t k = 0; k < law->count; k++)
        sum -= law->probability[k] * log(law->probability[k]);
    return sum;
}

/* ---- the ideal student ---- */

/* count (N + 1): the law of the number of N coins that fall, each with probability p. */
static void binomial(double *count, size_t N, double p)
{
    const double whole = lgamma((double)N + 1.0);

    for (size_t n = 0; n <= N; n++) {
        const double hits = (double)n, rest = (double)(N - n);
        if (p >= 1.0)
            count[n] = n == N ? 1.0 : 0.0;
        else
            count[n] = exp(whole - lgamma(hits + 1.0) - lgamma(rest + 1.0) + hits * log(p) +
                           rest * log1p(-p));
    }
}

/* The same for coins of different probabilities: coin i falls with the share of the i-th N-th of
 * [0, 1) that lies in [from, to). */
static void strata(double *count, size_t N, double from, double to)
{
    for (size_t n = 0; n <= N; n++)
        count[n] = n == 0 ? 1.0 : 0.0;
    for (size_t i = 0; i < N; i++) {
        const double low = fmax(from * (double)N, (double)i);
        const double high = fmin(to * (double)N, (double)i + 1.0);
        const double share = high > low ? high - low : 0.0;
        for (size_t n = i + 1; n > 0; n--)
            count[n] = count[n] * (1.0 - share) + count[n - 1] * share;
        count[0] *= 1.0 - share;
    }
}

double limit_ideal(const FiniteLaw *law, size_t lambdas, bool stratified)
{
    double *count = mem_alloc(lambdas + 1, sizeof *count), sum = 0.0, from = 0.0;

    TENSOR_CHECK(lambdas >= 1, "%zu lambdas", lambdas);
    for (size_t k = 0; k < law->count; k++) {
        const double p = law->probability[k];
        if (stratified)
            strata(count, lambdas, from, from + p);
        else
            binomial(count, lambdas, p);
        from += p;
        for (size_t n = 1; n <= lambdas; n++)
            sum += p * count[n] * log((double)lambdas / (double)n);
    }
    mem_free(count);
    return sum;
}

/* ---- any gain ---- */

/* marginal (D, S). */
static double *marginals(const FiniteLaw *law)
{
    double *m = mem_zeroed(law->dims * law->states, sizeof *m);

    for (size_t k = 0; k < law->count; k++)
        for (size_t d = 0; d < law->dims; d++)
            m[d * law->states + law->patterns[k * law->dims + d]] += law->probability[k];
    return m;
}

/* e^{J}: what the student says about pattern x when lambda names pattern j. */
static double chance(const FiniteLaw *law, const double *marginal, double gain, size_t j, size_t x)
{
    const uint16_t *named = law->patterns + j * law->dims, *is = law->patterns + x * law->dims;
    double p = 1.0;

    for (size_t d = 0; d < law->dims; d++)
        p *= (1.0 - gain) * marginal[d * law->states + is[d]] + (named[d] == is[d] ? gain : 0.0);
    return p;
}

/* x has chance `hit` under a lambda that names it, which has probability p, and `miss` else. */
typedef struct Pair {
    double p, hit, miss;
} Pair;

/* False if the others differ. */
static bool find_pair(const FiniteLaw *law, const double *marginal, double gain, size_t x,
                      Pair *pair)
{
    bool first = true;

    *pair = (Pair){law->probability[x], chance(law, marginal, gain, x, x), 0.0};
    for (size_t j = 0; j < law->count; j++) {
        if (j == x)
            continue;
        const double c = chance(law, marginal, gain, j, x);
        if (first)
            pair->miss = c;
        else if (fabs(c - pair->miss) > SAME * pair->hit)
            return false;
        first = false;
    }
    return true;
}

/* a log(a/b), 0 at a = 0. */
static double entropy_term(double a, double b)
{
    return a > 0.0 ? a * log(a / b) : 0.0;
}

/* Over the number of N lambdas that name x. */
static LimitValue pair_value(const Pair *pair, const double *count, size_t N)
{
    LimitValue value = {0.0, 0.0, 0.0};

    for (size_t n = 0; n <= N; n++) {
        const double hits = (double)n / (double)N, misses = (double)(N - n) / (double)N;
        const double mean = hits * pair->hit + misses * pair->miss;
        if (count[n] <= 0.0)
            continue;
        value.bound += count[n] * log(mean);
        if (mean > 0.0)
            value.carried +=
                count[n] *
                (hits * entropy_term(pair->hit, mean) + misses * entropy_term(pair->miss, mean)) /
                mean;
    }
    return value;
}

/* False if some x has no pair. */
static bool exact_value(const FiniteLaw *law, const double *marginal, double gain, size_t N,
                        LimitValue *value)
{
    double *count = mem_alloc(N + 1, sizeof *count);
    Pair last = {-1.0, 0.0, 0.0}, pair;
    LimitValue one = {0.0, 0.0, 0.0};
    bool ok = true;

    *value = one;
    for (size_t x = 0; ok && x < law->count; x++) {
        ok = find_pair(law, marginal, gain, x, &pair);
        if (!ok)
            break;
        /* In symmetric laws all patterns are alike. */
        if (fabs(pair.p - last.p) > 0.0)
            binomial(count, N, pair.p);
        if (x == 0 || fabs(pair.p - last.p) > 0.0 || fabs(pair.hit - last.hit) > 0.0 ||
            fabs(pair.miss - last.miss) > 0.0)
            one = pair_value(&pair, count, N);
        last = pair;
        value->bound += pair.p * one.bound;
        value->carried += pair.p * one.carried;
    }
    mem_free(count);
    return ok;
}

/* What sums at several gains share. */
typedef struct Sums {
    const FiniteLaw *law;
    double *marginal;
    size_t lambdas; /* N */
    uint64_t seed;
    uint32_t *drawn; /* (LIMIT_DRAWS, N + 1): x and what the N lambdas name; NULL until needed */
} Sums;

static Sums sums_of(const FiniteLaw *law, size_t lambdas, uint64_t seed)
{
    TENSOR_CHECK(lambdas >= 1, "%zu lambdas", lambdas);
    return (Sums){law, marginals(law), lambdas, seed, NULL};
}

static void sums_free(Sums *s)
{
    mem_free(s->marginal);
    mem_free(s->drawn);
}

static void draw_limit(Sums *s)
{
    const Rng root = rng_child(rng_child(rng_root(s->seed), DRAW_STREAM), s->lambdas);
    const size_t row = s->lambdas + 1;

    s->drawn = mem_alloc(LIMIT_DRAWS * row, sizeof *s->drawn);
    for (size_t r = 0; r < LIMIT_DRAWS; r++) {
        Rng rng = rng_child(root, r);
        for (size_t i = 0; i < row; i++)
            s->drawn[r * row + i] = (uint32_t)law_draw(s->law, &rng);
    }
}

static LimitValue drawn_value(Sums *s, double gain)
{
    const size_t N = s->lambdas;
    double *at = mem_alloc(N, sizeof *at), carried = 0.0, sum = 0.0, squares = 0.0;

    if (s->drawn == NULL)
        draw_limit(s);
    for (size_t r = 0; r < LIMIT_DRAWS; r++) {
        const uint32_t *drawn = s->drawn + r * (N + 1);
        double mean = 0.0, nats = 0.0;
        for (size_t i = 0; i < N; i++) {
            at[i] = chance(s->law, s->marginal, gain, drawn[i + 1], drawn[0]);
            mean += at[i] / (double)N;
        }
        for (size_t i = 0; i < N && mean > 0.0; i++)
            nats += entropy_term(at[i], mean) / (mean * (double)N);
        carried += nats;
        sum += log(mean);
        squares += log(mean) * log(mean);
    }
    mem_free(at);
    const double R = LIMIT_DRAWS, bound = sum / R;
    const double error = sqrt(fmax(squares / R - bound * bound, 0.0) / (R - 1.0));
    return (LimitValue){carried / R, bound, isfinite(bound) ? error : HUGE_VAL};
}

static LimitValue value_at(Sums *s, double gain)
{
    LimitValue value;

    if (!exact_value(s->law, s->marginal, gain, s->lambdas, &value))
        value = drawn_value(s, gain);
    return value;
}

LimitValue limit_value(const FiniteLaw *law, double gain, size_t lambdas, uint64_t seed)
{
    TENSOR_CHECK(gain >= 0.0 && gain <= 1.0, "gain %g", gain);
    Sums s = sums_of(law, lambdas, seed);
    const LimitValue value = value_at(&s, gain);
    sums_free(&s);
    return value;
}

/* Places to look at: 0, powers of ten up to 1/GRID, evenly from there, then ever nearer to 1. */
enum { PLACES = HEAD + GRID + TAIL };
static double grid_gain(size_t i)
{
    if (i <= HEAD)
        return i == 0 ? 0.0 : pow(10.0, -0.25 * (double)(HEAD - i)) / GRID;
    if (i < HEAD + GRID - 1)
        return (double)(i - HEAD + 1) / GRID;
    return 1.0 - pow(10.0, -1.75 - 0.25 * (double)(i - HEAD - GRID + 1));
}

double limit_best_gain(const FiniteLaw *law, size_t lambdas, uint64_t seed)
{
    const double golden = 0.5 * (sqrt(5.0) - 1.0);
    Sums s = sums_of(law, lambdas, seed);
    double best = -HUGE_VAL;
    size_t at = 0;

    for (size_t i = 0; i < PLACES; i++) {
        const double bound = value_at(&s, grid_gain(i)).bound;
        if (bound > best) {
            best = bound;
            at = i;
        }
    }
    double low = grid_gain(at > 0 ? at - 1 : 0);
    double high = grid_gain(at + 1 < PLACES ? at + 1 : at);
    for (size_t i = 0; i < GOLDEN_STEPS && at > 0; i++) {
        const double left = high - golden * (high - low), right = low + golden * (high - low);
        if (value_at(&s, left).bound < value_at(&s, right).bound)
            low = left;
        else
            high = right;
    }
    sums_free(&s);
    return at == 0 ? 0.0 : 0.5 * (low + high);
}

double limit_likelihood(const FiniteLaw *law, double gain, double *held)
{
    double *m = marginals(law), *at = mem_alloc(law->count, sizeof *at), sum = 0.0, nats = 0.0;

    for (size_t x = 0; x < law->count; x++) {
        double mean = 0.0;
        for (size_t j = 0; j < law->count; j++)
            mean += law->probability[j] * (at[j] = chance(law, m, gain, j, x));
        for (size_t j = 0; j < law->count; j++)
            nats += law->probability[x] * law->probability[j] * entropy_term(at[j], mean) / mean;
        sum += law->probability[x] * log(mean);
    }
    mem_free(m);
    mem_free(at);
    if (held != NULL)
        *held = nats;
    return sum;
}

/* ---- the saddle ---- */

/* chi(d, e); joint (S, S) is room. */
static double dependence(const FiniteLaw *law, const double *marginal, size_t d, size_t e,
                         double *joint)
{
    const size_t S = law->states;
    double chi = -1.0;

    for (size_t i = 0; i < S * S; i++)
        joint[i] = 0.0;
    for (size_t k = 0; k < law->count; k++) {
        const uint16_t *x = law->patterns + k * law->dims;
        joint[x[d] * S + x[e]] += law->probability[k];
    }
    for (size_t i = 0; i < S * S; i++)
        if (joint[i] > 0.0)
            chi += joint[i] * joint[i] / (marginal[d * S + i / S] * marginal[e * S + i % S]);
    return chi;
}

double limit_curvature(const FiniteLaw *law, size_t lambdas)
{
    TENSOR_CHECK(lambdas >= 1, "%zu lambdas", lambdas);
    double *m = marginals(law), *joint = mem_alloc(law->states * law->states, sizeof *joint);
    double all = 0.0, pairs = 0.0;

    for (size_t d = 0; d < law->dims; d++)
        for (size_t e = 0; e < law->dims; e++) {
            const double chi = dependence(law, m, d, e, joint);
            all += chi;
            pairs += d != e ? chi : 0.0;
        }
    mem_free(m);
    mem_free(joint);
    return pairs - all / (double)lambdas;
}
