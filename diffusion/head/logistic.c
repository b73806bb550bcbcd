/* Truncated logistic head ([D3PM] A.8): the mass of S equal bins of [-1, 1] under a logistic law
 * with location mu and k = exp(2 - log_scale).
 *
 * With the bin's edges l < r in units of the law, l = (e_j - mu) k and r = (e_{j+1} - mu) k,
 *   logit = log s(r) + log(1 - s(l)/s(r) + 1e-6),       s the sigmoid.
 * The difference cancels in float32, but s(l)/s(r) = (1 + e^-r)/(1 + e^-l) and r - l = w k, so
 *   1 - s(l)/s(r) = s(-l) q,    q = 1 - exp(-w k),
 *   exp(logit) = q s(-l) s(r) + 1e-6 s(r):
 * positive products with one q for the whole row, and one exponential for each edge, which the two
 * bins beside it share.  `fix` takes the minimum with the mirror image (l, r) -> (-r, -l), and that
 * has the same first term: exp(logit) = q s(-l) s(r) + 1e-6 min(s(r), s(-l)), where s(-l) is the
 * smaller one exactly if l + r > 0: in the bins right of mu.
 *
 * Where mu is so far outside that every edge has s = exp(z) in float32, what is left is a geometric
 * law, p proportional to exp(-w k n), n the distance in bins from the end nearest to mu; it is
 * computed as such, since all s(r) may underflow. */
#include <math.h>

#include "diffusion/head/law.h"
#include "tensor/base/order.h"
#include "tensor/fast_exp.h"

static const float FLOOR = 1e-6f;    /* of the published model */
static const double STEEPEST = 60.0; /* |2 - log_scale| is cut here: exp(60) fits a float */
static const float FARTHEST = 1e9f;  /* and |mu| here, so that z fits */
static const float REMOTE = 20.0f;   /* 1 + exp(-20) = 1 in float32 */

enum { BLOCK = 256 }; /* bins at a time: edges stay on the stack */

/* Edges of a block of bins and one more: z = (e - mu) k, s(z), s(-z). */
typedef struct Edges {
    float z[BLOCK + 1], below[BLOCK + 1], above[BLOCK + 1];
} Edges;

static size_t outputs(const Head *head)
{
    return 2 * head->dims;
}

/* Where mu of dimension d stands; its log_scale stands C numbers later. */
static size_t place(const HeadLaw *law)
{
    size_t C = law->head->channels;

    return law->d / C * 2 * C + law->d % C;
}

static float width_of(const HeadLaw *law)
{
    return (float)(2.0 / (double)law->head->states);
}

static void open_logistic(HeadLaw *law)
{
    size_t at = place(law);
    double width = 2.0 / (double)law->head->states;
    double exponent = 2.0 - law->out[at + law->head->channels];
    float mu = law->out[at];

    law->cut = exponent > STEEPEST || exponent < -STEEPEST;
    if (law->cut)
        exponent = exponent > 0 ? STEEPEST : -STEEPEST;
    double k = exp(exponent), decay = expm1(-width * k);
    law->mu = mu > FARTHEST ? FARTHEST : mu < -FARTHEST ? -FARTHEST : mu;
    law->k = (float)k;
    law->q = (float)-decay;
    law->dq = (float)(-width * k * (1.0 + decay)); /* dq/dlog_scale */
    bool right = (1.0f - law->mu) * law->k < -REMOTE;
    bool left = law->head->fix && (-1.0f - law->mu) * law->k > REMOTE;
    law->remote = right || left;
    law->near = right ? (float)(law->head->states - 1) : 0.0f;
}

/* Above this value of l + r the mirror image holds. */
static float mirror_limit(const HeadLaw *law)
{
    return law->head->fix ? 0.0f : HUGE_VALF;
}

static void fill_edges(Edges *e, const HeadLaw *law, size_t first, size_t bins)
{
    float width = width_of(law), mu = law->mu, k = law->k;
    int base = (int)first, count = (int)bins + 1;

#pragma omp simd
    for (int i = 0; i < count; i++) {
        float z = (-1.0f + (float)(base + i) * width - mu) * k;
        float small = fast_exp(z > 0.0f ? -z : z);
        float large = 1.0f / (1.0f + small), rest = small * large;
        e->z[i] = z;
        e->below[i] = z > 0.0f ? large : rest;
        e->above[i] = z > 0.0f ? rest : large;
    }
}

static double block_masses(const HeadLaw *law, const Edges *e, int bins, float *mass)
{
    float q = law->q, limit = mirror_limit(law);
    double total = 0.0;

#pragma omp simd SUM_ORDER reduction(+ : total)
    for (int i = 0; i < bins; i++) {
        float lead = e->z[i] + e->z[i + 1] > limit ? e->above[i] : e->below[i + 1];
        float m = q * (e->above[i] * e->below[i + 1]) + FLOOR * lead;
        mass[i] = m;
        total += (double)m;
    }
    return total;
}

static double remote_masses(const HeadLaw *law, float *mass)
{
    float near = law->near, rate = width_of(law) * law->k;
    int S = (int)law->head->states;
    double total = 0.0;

#pragma omp simd SUM_ORDER reduction(+ : total)
    for (int i = 0; i < S; i++) {
        float n = (float)i - near, m = fast_exp((n > 0.0f ? -n : n) * rate);
        mass[i] = m;
        total += (double)m;
    }
    return total;
}

static double masses(HeadLaw *law, float *mass)
{
    size_t S = law->head->states;
    double total = 0.0;
    Edges e;

    if (law->remote)
        return remote_masses(law, mass);
    for (size_t first = 0; first < S; first += BLOCK) {
        size_t bins = S - first < BLOCK ? S - first : BLOCK;
        fill_edges(&e, law, first, bins);
        total += block_masses(law, &e, (int)bins, mass + first);
    }
    return total;
}

/* log s(r) = min(r, 0) - log(1 + exp(-|r|)): the logit as min(r, 0) plus one logarithm, which
 * never underflows. */
static void logits_at(const HeadLaw *law, const uint16_t *x, size_t count, float *logit)
{
    float width = width_of(law), mu = law->mu, k = law->k, q = law->q, near = law->near;
    float limit = mirror_limit(law);

    if (law->remote) {
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            float n = (float)(int)x[i] - near;
            logit[i] = (n > 0.0f ? -n : n) * (width * k);
        }
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float bin = (float)(int)x[i];
        float l = (-1.0f + bin * width - mu) * k, r = (-1.0f + (bin + 1.0f) * width - mu) * k;
        float small_l = fast_exp(l > 0.0f ? -l : l), small_r = fast_exp(r > 0.0f ? -r : r);
        float large_l = 1.0f / (1.0f + small_l), large_r = 1.0f / (1.0f + small_r);
        float above = l > 0.0f ? small_l * large_l : large_l;
        float below = r > 0.0f ? large_r : small_r * large_r;
        int mirror = l + r > limit;
        float edge = mirror ? -l : r, side = mirror ? below : above;
        float large = mirror ? large_l : large_r;
        logit[i] = (edge < 0.0f ? edge : 0.0f) + fast_log((FLOOR + side * q) * large);
    }
}

/* ---- gradients ---- */

/* Derivatives of a logit by its left edge, its right edge and q, with f = 1e-6 + s(-l) q:
 *   d/dr = s(-r),   d/dl = -q s(l) s(-l)/f,   d/dq = s(-l)/f,
 * and of the mirror image, f = 1e-6 + s(r) q:
 *   d/dl = -s(l),   d/dr = q s(r) s(-r)/f,    d/dq = s(r)/f.
 * dz/dmu = -k and dz/dlog_scale = -z at every edge.  Times exp(logit) there is no quotient left. */
typedef struct Slopes {
    double by_mu, by_scale; /* sums of weight times dlogit/dmu (over -k), dlogit/dlog_scale */
    double weight;
} Slopes;

/* Sums over a block with the weights exp(logit) and exp(logit) g (g NULL: left at 0). */
static void add_block(const HeadLaw *law, const Edges *e, int bins, const float *g, Slopes *mean,
                      Slopes *pulled)
{
    float q = law->q, dq = law->dq, limit = mirror_limit(law);
    float by_mu = 0.0f, by_scale = 0.0f, with_g = 0.0f, mu_g = 0.0f, scale_g = 0.0f;
    static const float zeros[BLOCK];

    g = g != NULL ? g : zeros;
#pragma omp simd SUM_ORDER reduction(+ : by_mu, by_scale, with_g, mu_g, scale_g)
    for (int i = 0; i < bins; i++) {
        int mirror = e->z[i] + e->z[i + 1] > limit;
        float both = e->above[i] * e->below[i + 1], most = q * both;
        float m = most + FLOOR * (mirror ? e->above[i] : e->below[i + 1]);
        float by_l = e->below[i] * (mirror ? m : most);
        float by_r = e->above[i + 1] * (mirror ? most : m);
        float slope_mu = by_r - by_l;
        float slope_scale = dq * both + by_l * e->z[i] - by_r * e->z[i + 1];
        by_mu += slope_mu;
        by_scale += slope_scale;
        with_g += m * g[i];
        mu_g += slope_mu * g[i];
        scale_g += slope_scale * g[i];
    }
    mean->by_mu += (double)by_mu;
    mean->by_scale += (double)by_scale;
    pulled->by_mu += (double)mu_g;
    pulled->by_scale += (double)scale_g;
    pulled->weight += (double)with_g;
}

static void add_remote(const HeadLaw *law, const float *g, Slopes *mean, Slopes *pulled)
{
    float near = law->near, rate = width_of(law) * law->k;
    int S = (int)law->head->states;
    double by_scale = 0.0, with_g = 0.0, scale_g = 0.0;

    for (int i = 0; i < S; i++) {
        float n = (float)i - near, drop = (n > 0.0f ? n : -n) * rate;
        double m = (double)fast_exp(-drop), slope = m * (double)drop;
        by_scale += slope;
        with_g += g != NULL ? m * (double)g[i] : 0.0;
        scale_g += g != NULL ? slope * (double)g[i] : 0.0;
    }
    mean->by_scale += by_scale;
    pulled->weight += with_g;
    pulled->by_scale += scale_g;
}

static void pull_logistic(const HeadLaw *law, const float *g, float *dout, float *dlevel)
{
    size_t S = law->head->states, at = place(law);
    Slopes mean = {0.0, 0.0, 0.0}, pulled = {0.0, 0.0, 0.0};
    double scale = (double)law->scale, k = (double)law->k;
    Edges e;

    if (law->remote)
        add_remote(law, g, &mean, &pulled);
    for (size_t first = 0; first < S && !law->remote; first += BLOCK) {
        size_t bins = S - first < BLOCK ? S - first : BLOCK;
        fill_edges(&e, law, first, bins);
        add_block(law, &e, (int)bins, g != NULL ? g + first : NULL, &mean, &pulled);
    }
    mean.by_mu *= scale;
    mean.by_scale *= scale;
    if (dlevel != NULL) {
        dlevel[0] = (float)(-k * mean.by_mu);
        dlevel[1] = (float)mean.by_scale;
    }
    if (g == NULL)
        return;
    dout[at] += (float)(-k * scale * (pulled.by_mu - pulled.weight * mean.by_mu));
    if (!law->cut)
        dout[at + law->head->channels] +=
            (float)(scale * (pulled.by_scale - pulled.weight * mean.by_scale));
}

static Slopes remote_at(const HeadLaw *law, const uint16_t *x, const float *w, size_t count)
{
    float near = law->near, rate = width_of(law) * law->k;
    Slopes sum = {0.0, 0.0, 0.0};

    for (size_t i = 0; i < count; i++) {
        float n = (float)(int)x[i] - near;
        sum.weight += (double)w[i];
        sum.by_scale += (double)(w[i] * (n > 0.0f ? n : -n) * rate);
    }
    return sum;
}

static Slopes slopes_at(const HeadLaw *law, const uint16_t *x, const float *w, size_t count)
{
    float width = width_of(law), mu = law->mu, k = law->k, q = law->q, dq = law->dq;
    float limit = mirror_limit(law);
    double by_mu = 0.0, by_scale = 0.0, weight = 0.0;

#pragma omp simd SUM_ORDER reduction(+ : by_mu, by_scale, weight)
    for (size_t i = 0; i < count; i++) {
        float bin = (float)(int)x[i];
        float l = (-1.0f + bin * width - mu) * k, r = (-1.0f + (bin + 1.0f) * width - mu) * k;
        float small_l = fast_exp(l > 0.0f ? -l : l), small_r = fast_exp(r > 0.0f ? -r : r);
        float large_l = 1.0f / (1.0f + small_l), large_r = 1.0f / (1.0f + small_r);
        float above_l = l > 0.0f ? small_l * large_l : large_l;
        float below_l = l > 0.0f ? large_l : small_l * large_l;
        float above_r = r > 0.0f ? small_r * large_r : large_r;
        float below_r = r > 0.0f ? large_r : small_r * large_r;
        int mirror = l + r > limit;
        float side = mirror ? below_r : above_l, share = side / (FLOOR + side * q);
        float by_l = below_l * (mirror ? 1.0f : q * share);
        float by_r = above_r * (mirror ? q * share : 1.0f);
        by_mu += (double)(w[i] * (by_r - by_l));
        by_scale += (double)(w[i] * (share * dq + by_l * l - by_r * r));
        weight += (double)w[i];
    }
    Slopes sum = {by_mu, by_scale, weight};
    return sum;
}

static void pull_at(const HeadLaw *law, const float *dlevel, const uint16_t *x, const float *w,
                    size_t count, float *dout)
{
    size_t at = place(law);
    Slopes sum = law->remote ? remote_at(law, x, w, count) : slopes_at(law, x, w, count);

    dout[at] += (float)(-(double)law->k * sum.by_mu - sum.weight * (double)dlevel[0]);
    if (!law->cut)
        dout[at + law->head->channels] += (float)(sum.by_scale - sum.weight * (double)dlevel[1]);
}

const HeadClass diffusion_logistic = {.name = "logistic",
                                      .ordinal = true,
                                      .outputs = outputs,
                                      .open = open_logistic,
                                      .masses = masses,
                                      .logits_at = logits_at,
                                      .pull = pull_logistic,
                                      .pull_at = pull_at};
