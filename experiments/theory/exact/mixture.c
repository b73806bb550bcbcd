/* As both laws sum to 1, the distance is a sum over the states that the world has:
 *
 *   TV(p, q) = sum_{x: p(x) > 0} ( p(x) - q(x) )_+
 *
 * so all work is done on a list of those.  Descent is on logits of weights and rows, and (u)_+ is
 * rounded to ( u + sqrt(u^2 + e^2) ) / 2 with e falling to nothing; the gradient is
 *
 *   dL/dq(x) = -( 1 + u/sqrt(u^2 + e^2) ) / 2,   q(x) = sum_k c_k(x),  c_k = w_k prod_d r_k^d,
 *   dL/dlogit w_k      = G_k - w_k sum_j G_j,        G_k = sum_x dL/dq(x) c_k(x),
 *   dL/dlogit r_k^d(a) = H(a) - r_k^d(a) sum_b H(b), H(a) = sum_{x: x^d = a} dL/dq(x) c_k(x). */
#include "experiments/theory/exact/mixture.h"

#include <math.h>
#include <string.h>

#include "experiments/theory/exact/joint.h"
#include "tensor/base/check.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"

enum { EM_STEPS = 200, DESCENT_STEPS = 1000, FIT_STREAM = 0x417 };
static const double RATE_FIRST = 0.1, RATE_LAST = 1e-5;   /* of Adam */
static const double ROUND_FIRST = 0.3, ROUND_LAST = 1e-9; /* e, times the largest p(x) */

Mixture *mixture_create(size_t lambdas, size_t dims, size_t states)
{
    Mixture *m = mem_zeroed(1, sizeof *m);

    TENSOR_CHECK(lambdas >= 1, "%zu lambdas", lambdas);
    m->lambdas = lambdas;
    m->dims = dims;
    m->states = states;
    m->weight = mem_alloc(lambdas, sizeof *m->weight);
    m->rows = mem_alloc(lambdas * dims * states, sizeof *m->rows);
    for (size_t k = 0; k < lambdas; k++)
        m->weight[k] = 1.0 / (double)lambdas;
    for (size_t i = 0; i < lambdas * dims * states; i++)
        m->rows[i] = 1.0 / (double)states;
    return m;
}

void mixture_free(Mixture *m)
{
    if (m == NULL)
        return;
    mem_free(m->weight);
    mem_free(m->rows);
    mem_free(m);
}

void mixture_law(double *out, const Mixture *m)
{
    size_t size = joint_size(m->states, m->dims);
    double *product = mem_alloc(size, sizeof *product);

    memset(out, 0, size * sizeof *out);
    for (size_t k = 0; k < m->lambdas; k++) {
        joint_product(product, m->rows + k * m->dims * m->states, m->states, m->dims);
        for (size_t i = 0; i < size; i++)
            out[i] += m->weight[k] * product[i];
    }
    mem_free(product);
}

double mixture_tv(const Mixture *m, const World *w)
{
    double *law = mem_alloc(w->size, sizeof *law);

    mixture_law(law, m);
    double tv = joint_tv(law, w->p, w->size);
    mem_free(law);
    return tv;
}

/* ---- one start ---- */

/* The world's states, a mixture, and room for both methods. */
typedef struct Fit {
    const FiniteLaw *law;
    Mixture *m;
    size_t rows;    /* K D S */
    double *part;   /* (states of the law, K): c_k(x) */
    double *slope;  /* (states of the law): EM p/q, descent dL/dq */
    double *weight; /* (K): sums over states; gradient */
    double *sums;   /* (K, D, S): the same */
} Fit;

static Fit fit_create(const FiniteLaw *law, Mixture *m)
{
    Fit f = {.law = law, .m = m, .rows = m->lambdas * m->dims * m->states};

    f.part = mem_alloc(law->count * m->lambdas, sizeof *f.part);
    f.slope = mem_alloc(law->count, sizeof *f.slope);
    f.weight = mem_alloc(m->lambdas, sizeof *f.weight);
    f.sums = mem_alloc(f.rows, sizeof *f.sums);
    return f;
}

static void fit_free(Fit *f)
{
    mem_free(f->part);
    mem_free(f->slope);
    mem_free(f->weight);
    mem_free(f->sums);
}

/* c_k(x) of all states of the law; returns q(x) through total(f, x). */
static void compute_parts(Fit *f)
{
    const Mixture *m = f->m;

    for (size_t i = 0; i < f->law->count; i++) {
        const uint16_t *x = f->law->patterns + i * m->dims;
        for (size_t k = 0; k < m->lambdas; k++) {
            const double *row = m->rows + k * m->dims * m->states;
            double c = m->weight[k];
            for (size_t d = 0; d < m->dims; d++)
                c *= row[d * m->states + x[d]];
            f->part[i * m->lambdas + k] = c;
        }
    }
}

static double total(const Fit *f, size_t i)
{
    double q = 0.0;

    for (size_t k = 0; k < f->m->lambdas; k++)
        q += f->part[i * f->m->lambdas + k];
    return q;
}

/* weight[k] = sum_x slope(x) c_k(x), and the same in sums, by the value of each dimension. */
static void add_up(Fit *f)
{
    const Mixture *m = f->m;

    memset(f->weight, 0, m->lambdas * sizeof *f->weight);
    memset(f->sums, 0, f->rows * sizeof *f->sums);
    for (size_t i = 0; i < f->law->count; i++) {
        const uint16_t *x = f->law->patterns + i * m->dims;
        for (size_t k = 0; k < m->lambdas; k++) {
            double c = f->slope[i] * f->part[i * m->lambdas + k];
            double *sums = f->sums + k * m->dims * m->states;
            f->weight[k] += c;
            for (size_t d = 0; d < m->dims; d++)
                sums[d * m->states + x[d]] += c;
        }
    }
}

/* Expectation and maximisation: a component's share of each state, then its mean rows. */
static void em_step(Fit *f)
{
    Mixture *m = f->m;

    compute_parts(f);
    for (size_t i = 0; i < f->law->count; i++) {
        double q = total(f, i);
        f->slope[i] = q > 0.0 ? f->law->probability[i] / q : 0.0;
    }
    add_up(f);
    double all = 0.0;
    for (size_t k = 0; k < m->lambdas; k++)
        all += f->weight[k];
    for (size_t k = 0; k < m->lambdas; k++) {
        m->weight[k] = f->weight[k] / all;
        for (size_t i = 0; i < m->dims * m->states && f->weight[k] > 0.0; i++) {
            size_t place = k * m->dims * m->states + i;
            m->rows[place] = f->sums[place] / f->weight[k];
        }
    }
}

/* probabilities (n) of logits. */
static void softmax(double *p, const double *logit, size_t n)
{
    double top = logit[0], sum = 0.0;

    for (size_t i = 1; i < n; i++)
        top = logit[i] > top ? logit[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += p[i] = exp(logit[i] - top);
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

/* Gradient by logits in place of that by logarithms. */
static void through_softmax(double *gradient, const double *p, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += gradient[i];
    for (size_t i = 0; i < n; i++)
        gradient[i] -= p[i] * sum;
}

static void gradient(Fit *f, double rounding)
{
    const Mixture *m = f->m;

    compute_parts(f);
    for (size_t i = 0; i < f->law->count; i++) {
        double u = f->law->probability[i] - total(f, i);
        f->slope[i] = -0.5 * (1.0 + u / sqrt(u * u + rounding * rounding));
    }
    add_up(f);
    through_softmax(f->weight, m->weight, m->lambdas);
    for (size_t r = 0; r < m->lambdas * m->dims; r++)
        through_softmax(f->sums + r * m->states, m->rows + r * m->states, m->states);
}

/* Adam without correction of the first steps' bias in the mean: rates are small there anyway. */
static void adam(double *logit, const double *g, double *mean, double *square, size_t n,
                 double rate, size_t step)
{
    double first = 1.0 - pow(0.9, (double)step), second = 1.0 - pow(0.99, (double)step);

    for (size_t i = 0; i < n; i++) {
        mean[i] = 0.9 * mean[i] + 0.1 * g[i];
        square[i] = 0.99 * square[i] + 0.01 * g[i] * g[i];
        logit[i] -= rate * (mean[i] / first) / (sqrt(square[i] / second) + 1e-12);
    }
}

static double falling(double from, double to, size_t step)
{
    return from * pow(to / from, (double)step / (double)DESCENT_STEPS);
}

/* Logits of a point that is a little inside, so that no probability is stuck at 0. */
static void inner_logits(double *logit, const double *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        logit[i] = log(0.99 * p[i] + 0.01 / (double)n);
}

static void descend(Fit *f)
{
    Mixture *m = f->m;
    size_t K = m->lambdas, S = m->states;
    double *logit = mem_alloc(K + f->rows, sizeof *logit), largest = 0.0;
    double *moments = mem_zeroed(2 * (K + f->rows), sizeof *moments);
    double *square = moments + K + f->rows;

    for (size_t i = 0; i < f->law->count; i++)
        largest = larger_of(largest, f->law->probability[i]);
    inner_logits(logit, m->weight, K);
    for (size_t r = 0; r < K * m->dims; r++)
        inner_logits(logit + K + r * S, m->rows + r * S, S);
    for (size_t step = 1; step <= DESCENT_STEPS; step++) {
        double rate = falling(RATE_FIRST, RATE_LAST, step);
        softmax(m->weight, logit, K);
        for (size_t r = 0; r < K * m->dims; r++)
            softmax(m->rows + r * S, logit + K + r * S, S);
        gradient(f, largest * falling(ROUND_FIRST, ROUND_LAST, step));
        adam(logit, f->weight, moments, square, K, rate, step);
        adam(logit + K, f->sums, moments + K, square + K, f->rows, rate, step);
    }
    mem_free(logit);
    mem_free(moments);
}

/* ---- starts ---- */

typedef struct Starts {
    const World *world;
    const FiniteLaw *law;
    const Mixture *smaller;
    size_t lambdas;
    uint64_t seed;
    Mixture **best; /* of each start */
    double *tv;
} Starts;

/* Rows drawn at random; every other start has each of its components near a state of the world. */
static void draw_start(const Starts *s, size_t start, Mixture *m)
{
    Rng rng = rng_child(rng_child(rng_root(s->seed), FIT_STREAM + s->lambdas), start);
    const FiniteLaw *law = s->law;
    uint32_t *order = mem_alloc(law->count, sizeof *order);
    bool near_states = start % 2 == 0;

    rng_permutation(&rng, order, law->count);
    for (size_t k = 0; k < m->lambdas; k++) {
        const uint16_t *x = law->patterns + order[k % law->count] * m->dims;
        m->weight[k] = near_states ? law->probability[order[k % law->count]] : 1.0;
        for (size_t d = 0; d < m->dims; d++)
            for (size_t a = 0; a < m->states; a++)
                m->rows[(k * m->dims + d) * m->states + a] =
                    0.05 - log(1.0 - rng_uniform(&rng)) + (near_states && a == x[d] ? 20.0 : 0.0);
    }
    mem_free(order);
}

/* The smaller mixture with each component cut in equal parts, which differ a little. */
static void split_start(const Starts *s, Mixture *m)
{
    Rng rng = rng_child(rng_root(s->seed), FIT_STREAM);
    size_t row = m->dims * m->states, from = s->smaller->lambdas;

    for (size_t k = 0; k < m->lambdas; k++) {
        size_t parts = m->lambdas / from + (k % from < m->lambdas % from);
        m->weight[k] = s->smaller->weight[k % from] / (double)parts;
        for (size_t i = 0; i < row; i++)
            m->rows[k * row + i] =
                s->smaller->rows[k % from * row + i] * (0.8 + 0.4 * rng_uniform(&rng));
    }
}

static void normalise(double *p, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += p[i];
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void copy(Mixture *to, const Mixture *from)
{
    memcpy(to->weight, from->weight, from->lambdas * sizeof *to->weight);
    memcpy(to->rows, from->rows, from->lambdas * from->dims * from->states * sizeof *to->rows);
}

static void keep_better(const Starts *s, size_t start, const Mixture *m)
{
    double tv = mixture_tv(m, s->world);

    if (tv < s->tv[start]) {
        s->tv[start] = tv;
        copy(s->best[start], m);
    }
}

static void run_start(size_t start, void *context)
{
    const Starts *s = context;
    Mixture *m = mixture_create(s->lambdas, s->world->dims, s->world->states);
    Fit f = fit_create(s->law, m);

    if (start == 0 && s->smaller != NULL)
        split_start(s, m);
    else
        draw_start(s, start, m);
    normalise(m->weight, m->lambdas);
    for (size_t r = 0; r < m->lambdas * m->dims; r++)
        normalise(m->rows + r * m->states, m->states);
    if (start % 4 < 3) { /* every fourth goes to the descent as it is */
        for (size_t i = 0; i < EM_STEPS; i++)
            em_step(&f);
        keep_better(s, start, m);
    }
    descend(&f);
    keep_better(s, start, m);
    fit_free(&f);
    mixture_free(m);
}

/* The smaller mixture itself, with more lambdas of weight 0. */
static void pad(Mixture *to, const Mixture *from)
{
    for (size_t k = 0; k < to->lambdas; k++)
        to->weight[k] = 0.0;
    copy(to, from);
}

Mixture *mixture_fit(const World *w, size_t lambdas, const Mixture *smaller, size_t starts,
                     uint64_t seed)
{
    FiniteLaw *law = world_finite_law(w);
    Mixture *best = mixture_create(lambdas, w->dims, w->states);
    double tv = HUGE_VAL;
    Starts s = {w, law, smaller, lambdas, seed, NULL, NULL};

    TENSOR_CHECK(starts >= 1 && (smaller == NULL || smaller->lambdas <= lambdas),
                 "%zu starts for %zu lambdas", starts, lambdas);
    s.best = mem_alloc(starts, sizeof *s.best);
    s.tv = mem_alloc(starts, sizeof *s.tv);
    for (size_t i = 0; i < starts; i++) {
        s.best[i] = mixture_create(lambdas, w->dims, w->states);
        s.tv[i] = HUGE_VAL;
    }
    threads_for(starts, run_start, &s);
    if (smaller != NULL) {
        pad(best, smaller);
        tv = mixture_tv(best, w);
    }
    for (size_t i = 0; i < starts; i++) {
        if (s.tv[i] < tv) {
            tv = s.tv[i];
            copy(best, s.best[i]);
        }
        mixture_free(s.best[i]);
    }
    mem_free(s.best);
    mem_free(s.tv);
    law_destroy(law);
    return best;
}
