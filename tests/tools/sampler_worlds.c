#include "tests/tools/sampler_worlds.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/process/transition.h"
#include "tensor/base/memory.h"
#include "tests/tools/digits.h"
#include "tests/tools/statistics.h"

/* ---- denoisers and processes ---- */

static float formula(const Formula *f, const uint16_t *x, size_t dims, double t, bool low, size_t d,
                     size_t j)
{
    double a = f->shift + 1.7 * (double)d + 2.3 * (double)j + 3.1 * t + (low ? 0.0 : 2.0);
    for (size_t k = 0; k < dims; k++)
        a += (0.9 + 0.4 * (double)((k + d) % 3)) * x[k];
    return (float)(2.0 * sin(a));
}

/* Batches of two dimensions that share their time have few inputs: table (low, x, d, j). */
static void fill_small(const Formula *f, float *table, double t, size_t S)
{
    uint16_t x[WORLD_D];

    for (size_t i = 0; i < 2 * WORLD_ALL * WORLD_D * S; i++) {
        world_digits(x, i / (WORLD_D * S) % WORLD_ALL, WORLD_S);
        table[i] =
            formula(f, x, WORLD_D, t, i / (WORLD_ALL * WORLD_D * S) == 1, i / S % WORLD_D, i % S);
    }
}

static Var *formula_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Formula *f = d->self;
    size_t S = d->head.states, dims = d->head.dims, batch = in->x->batch, row = dims * S;
    Tensor out = tensor_make1(g->arena, batch * row);
    float table[2 * WORLD_ALL * WORLD_D * WORLD_S];
    bool small = dims == WORLD_D && S <= WORLD_S && in->t[0] == in->t[batch - 1];

    for (size_t b = 0; b < batch; b++) {
        const uint16_t *x = states_row(in->x, b);
        bool low = d->lambda_dims == 0 || in->lambda[b * d->lambda_dims] < 0.5;
        if (small && b == 0)
            fill_small(f, table, in->t[b], S);
        for (size_t i = 0; i < row && !small; i++)
            out.data[b * row + i] = formula(f, x, dims, in->t[b], low, i / S, i % S);
        if (small)
            memcpy(out.data + b * row,
                   table + ((low ? WORLD_ALL : 0) + x[0] + WORLD_S * (size_t)x[1]) * row,
                   row * sizeof *table);
    }
    if (f->lambdas != NULL)
        for (size_t i = 0; i < batch * d->lambda_dims; i++)
            *f->lambdas++ = in->lambda[i];
    f->calls++;
    return ag_constant(g, out);
}

Denoiser formula_denoiser(Formula *f, const Process *p, size_t dims, size_t lambda_dims)
{
    size_t states = p->states - (p->mask >= 0 ? 1 : 0);
    Head head = {&diffusion_softmax, dims, states, 1, false, p->mask};
    Denoiser d = {.head = head, .lambda_dims = lambda_dims, .forward = formula_forward, .self = f};
    return d;
}

Process *world_process(size_t kase, size_t states)
{
    static const char *const kinds[5] = {"absorbing", "uniform", "birthdeath", "gaussian",
                                         "matrix"};
    double rates[WORLD_ALL] = {0.0};
    ProcessConfig c = diffusion_process_defaults(kinds[kase], states);
    Error err = {""};

    c.eps = 0.0;
    diffusion_process_set(&c, "rate_const", 0.5);
    diffusion_process_set(&c, "sigma_max", 3.0);
    diffusion_process_set(&c, "time_base", 0.02);
    for (size_t i = 0; i < states && kase == 4; i++) /* round and round, a little back */
        for (size_t j = 0; j < states; j++)
            rates[i * states + j] = j == (i + 1) % states ? 2.0
                                    : j == i              ? -2.0 - 0.3 * ((double)states - 2.0)
                                                          : 0.3;
    c.rates = kase == 4 ? rates : NULL;
    c.any_start = true; /* rates mild enough to be summed up by hand */
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

/* ---- laws by enumeration ---- */

void world_law_of_x0(double *p0, size_t n, double shift)
{
    double sum = 0.0;

    for (size_t a = 0; a < n; a++)
        sum += p0[a] = exp(2.0 * sin(shift + 2.3 * (double)a));
    for (size_t a = 0; a < n; a++)
        p0[a] /= sum;
}

double world_reverse_rate(const Process *p, double t, size_t x, const double *p0, size_t v)
{
    Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_ACCURATE);
    const size_t known = p->states - (p->mask >= 0 ? 1 : 0);
    double sum = 0.0;

    for (size_t a = 0; a < known; a++) {
        const double from = diffusion_transition_at(tr, a, x);
        if (from > 0.0)
            sum += p0[a] * diffusion_transition_at(tr, a, v) / from;
    }
    diffusion_transition_destroy(tr);
    return v == x ? 0.0 : diffusion_process_rate(p, t) * diffusion_process_jump(p, v, x) * sum;
}

void world_digits(uint16_t x[WORLD_D], size_t n, size_t S)
{
    digits_of(n, x, WORLD_D, S);
}

void world_masked_rows(const Denoiser *m, uint16_t *x, size_t D, double t, double (*p)[2])
{
    Graph *g = ag_graph_create();
    States one = {x, 1, D};
    NetworkInput in = {&one, &t, NULL, NULL, NULL, NULL};
    const Var *out = m->forward(m, g, &in);

    for (size_t d = 0; d < D; d++) {
        float logp[2];
        diffusion_head_row(&m->head, out->value.data, x, d, logp);
        p[d][0] = exp((double)logp[0]);
        p[d][1] = exp((double)logp[1]);
    }
    ag_graph_destroy(g);
}

void world_rows(const Denoiser *m, size_t n, size_t S, double t, double lambda,
                double p[WORLD_D][WORLD_S])
{
    uint16_t x[WORLD_D];
    double lambdas[2] = {lambda, lambda};
    Graph *g = ag_graph_create();

    world_digits(x, n, S);
    States one = {x, 1, WORLD_D};
    NetworkInput in = {&one, &t, lambdas, NULL, NULL, NULL};
    const Var *out = m->forward(m, g, &in);
    for (size_t d = 0; d < WORLD_D; d++) {
        float logp[WORLD_S];
        double sum = 0.0;
        diffusion_head_row(&m->head, out->value.data, x, d, logp);
        for (size_t a = 0; a < WORLD_S; a++)
            p[d][a] = a < m->head.states ? exp((double)logp[a]) : 0.0;
        for (size_t a = 0; a < WORLD_S; a++)
            sum += p[d][a];
        for (size_t a = 0; a < WORLD_S; a++)
            p[d][a] /= sum;
    }
    ag_graph_destroy(g);
}

static double lambda_of(size_t low)
{
    return low ? 0.25 : 0.75;
}

/* out[y] += weight P(y | now at x with lambda; the call before at `before` with before_lambda). */
static void spread(double *out, double weight, const SamplerStep *step, size_t call,
                   const Denoiser *m, size_t x, double lambda, size_t before, double before_lambda)
{
    const SamplerPlan *plan = step->plan;
    const SamplerCall *now = &plan->calls[call];
    size_t S = plan->process->states;
    double p0[WORLD_D][WORLD_S], before_p0[WORLD_D][WORLD_S], row[WORLD_D][WORLD_S];
    uint16_t is[WORLD_D], was[WORLD_D], y[WORLD_D];

    world_rows(m, x, S, now->t, lambda, p0);
    if (now->part == PART_SECOND)
        world_rows(m, before, S, now[-1].t, before_lambda, before_p0);
    world_digits(is, x, S);
    world_digits(was, before, S);
    for (size_t d = 0; d < WORLD_D; d++)
        diffusion_sampler_row(step, call, is[d], p0[d], was[d], before_p0[d], row[d]);
    for (size_t k = 0; k < S * S; k++) {
        world_digits(y, k, S);
        out[k] += weight * row[0][y[0]] * row[1][y[1]];
    }
}

/* next = law after a two-stage step from law. */
static void push_two(double *next, const double *law, const SamplerStep *step, size_t call,
                     const Denoiser *m)
{
    size_t n = step->plan->process->states * step->plan->process->states;

    for (size_t x = 0; x < n; x++)
        for (size_t low = 0; low < 2 && law[x] > 0.0; low++) {
            double middle[WORLD_ALL] = {0.0};
            spread(middle, 0.5 * law[x], step, call, m, x, lambda_of(low), 0, 0.0);
            for (size_t y = 0; y < n; y++)
                for (size_t other = 0; other < 2 && middle[y] > 0.0; other++)
                    spread(next, 0.5 * middle[y], step, call + 1, m, y, lambda_of(other), x,
                           lambda_of(low));
        }
}

static void push(double *law, const SamplerStep *step, const SampleRequest *r)
{
    const SamplerPlan *plan = step->plan;
    size_t n = r->process->states * r->process->states;

    for (size_t k = plan->first[step->number]; k < plan->first[step->number + 1]; k++) {
        const Denoiser *m = plan->calls[k].teacher ? r->teacher : r->model;
        double next[WORLD_ALL] = {0.0};
        if (plan->sampler->two_stages && plan->calls[k].part == PART_MOVE)
            push_two(next, law, step, k++, m);
        else
            for (size_t x = 0; x < n; x++)
                for (size_t low = 0; low < 2 && law[x] > 0.0; low++)
                    spread(next, 0.5 * law[x], step, k, m, x, lambda_of(low), 0, 0.0);
        memcpy(law, next, sizeof next);
    }
}

static void prior_law(double *law, const Process *p)
{
    size_t S = p->states;

    memset(law, 0, WORLD_ALL * sizeof *law);
    for (size_t n = 0; n < S * S; n++)
        law[n] = p->prior[n % S] * p->prior[n / S];
}

static void check_sum(const double *law, double tolerance)
{
    double sum = 0.0;

    for (size_t n = 0; n < WORLD_ALL; n++)
        sum += law[n];
    ck_assert_msg(fabs(sum - 1.0) <= tolerance, "a law with sum 1 + %g", sum - 1.0);
}

void world_law(double *law, const SampleRequest *r)
{
    Error err = {""};
    SamplerPlan *plan = diffusion_sampler_plan(r, &err);

    ck_assert_msg(plan != NULL, "%s", err.text);
    prior_law(law, r->process);
    for (size_t n = 0; n < plan->steps; n++) {
        SamplerStep *step = diffusion_sampler_open(plan, n);
        push(law, step, r);
        diffusion_sampler_close(step);
    }
    diffusion_sampler_plan_destroy(plan);
    check_sum(law, 1e-12);
}

double world_compare(const SampleRequest *r, const double *law, size_t samples)
{
    const size_t S = r->process->states, D = r->model->head.dims;
    size_t count[WORLD_MOST] = {0}, calls = 0, cells = 1;
    States out = states_alloc(samples, D);
    SampleRequest counted = *r;
    Error err = {""};

    for (size_t d = 0; d < D; d++)
        cells *= S;
    ck_assert_uint_le(cells, WORLD_MOST);
    counted.calls = &calls;
    ck_assert_msg(diffusion_sample(&counted, &out, &err), "%s", err.text);
    for (size_t i = 0; i < samples; i++)
        count[digits_number(states_row(&out, i), D, S)]++;
    ck_assert(statistics_fit(count, law, cells));
    states_free(&out);
    return (double)calls / (double)samples;
}

/* ---- continuous time ---- */

/* change[y] += flow into y; the reverse chain at time t, dlaw per unit of time towards 0. */
static void flow(double *change, const double *law, const SampleRequest *r, double t)
{
    size_t S = r->process->states, power[WORLD_D] = {1, S};
    ReverseRates *rates = diffusion_reverse_create(r->process, t);
    double p0[WORLD_D][WORLD_S], row[WORLD_S];
    uint16_t x[WORLD_D];

    memset(change, 0, WORLD_ALL * sizeof *change);
    for (size_t n = 0; n < S * S; n++)
        for (size_t low = 0; low < 2; low++) {
            world_rows(r->model, n, S, t, lambda_of(low), p0);
            world_digits(x, n, S);
            for (size_t d = 0; d < WORLD_D; d++) {
                diffusion_reverse_rates(rates, x[d], p0[d], row);
                for (size_t v = 0; v < S; v++) {
                    change[n + v * power[d] - x[d] * power[d]] += 0.5 * law[n] * row[v];
                    change[n] -= 0.5 * law[n] * row[v];
                }
            }
        }
    diffusion_reverse_destroy(rates);
}

static void add(double *out, const double *law, const double *change, double h)
{
    for (size_t n = 0; n < WORLD_ALL; n++)
        out[n] = law[n] + h * change[n];
}

void world_continuous_law(double *law, const SampleRequest *r, double t_min, size_t steps)
{
    size_t S = r->process->states;
    double k1[WORLD_ALL], k2[WORLD_ALL], k3[WORLD_ALL], k4[WORLD_ALL], at[WORLD_ALL];
    double out[WORLD_ALL] = {0.0}, p0[WORLD_D][WORLD_S];

    prior_law(law, r->process);
    for (size_t i = 0; i < steps; i++) {
        double t = pow(t_min, (double)i / (double)steps);
        double s = pow(t_min, (double)(i + 1) / (double)steps), h = t - s;
        flow(k1, law, r, t);
        add(at, law, k1, 0.5 * h);
        flow(k2, at, r, 0.5 * (t + s));
        add(at, law, k2, 0.5 * h);
        flow(k3, at, r, 0.5 * (t + s));
        add(at, law, k3, h);
        flow(k4, at, r, s);
        for (size_t n = 0; n < WORLD_ALL; n++)
            law[n] += h / 6.0 * (k1[n] + 2.0 * k2[n] + 2.0 * k3[n] + k4[n]);
    }
    for (size_t n = 0; n < S * S; n++)
        for (size_t low = 0; low < 2; low++) {
            world_rows(r->model, n, S, t_min, lambda_of(low), p0);
            for (size_t k = 0; k < S * S; k++)
                out[k] += 0.5 * law[n] * p0[0][k % S] * p0[1][k / S];
        }
    memcpy(law, out, sizeof out);
    check_sum(law, 1e-10);
}
