/* Exact simulation of the learnt reverse chain from 1 to t_min by thinning, then a draw of x_0 from
 * p(.|x) at t_min.  That is the model whose likelihood the continuous-time ELBO bounds.
 *
 * Time is measured by B(0,t), in which the rates of the noise are those of R.  It is cut into
 * windows [s, t] with a bound bound[x] on the total reverse rate of a dimension in state x, for
 * every time of the window and whatever the network says:
 *
 *   sum_v R^[x][v]/beta <= max_a table[x][a],   table[x][a] = sum_{v != x} q[a][v] R[v][x]/q[a][x]
 *
 * (sampler/methods/rate_bound.c).  A sample in x at B takes an exponential step with rate L = sum_d
 * bound[x^d]; if that leaves the window, it starts again in the next one.  Otherwise the network is
 * called there, and with probability total rate / L a jump is made, drawn in proportion to its
 * rate. Calls that make no jump are part of the price.  A mixture draws its lambda anew for each
 * call, and so runs the chain with the average of its rates.
 *
 * All samples of a batch make their calls together, each at its own time; those that are done drop
 * out.  Absorbing noise: the total rate does not depend on the network, no call is wasted, and
 * t_min is 0: first-hitting. */
#include <math.h>
#include <string.h>

#include "diffusion/process/clock.h"
#include "diffusion/sampler/batch.h"
#include "diffusion/sampler/methods/first_hitting.h"
#include "diffusion/sampler/methods/rate_bound.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

typedef struct Chain {
    double clock;  /* B(0, t) of the sample */
    size_t window; /* number of windows: it has come to t_min */
    double bound;  /* L */
} Chain;

typedef struct Run {
    SamplerBatch *b;
    const RateBounds *bounds;
    States all;    /* of the batch; b->x holds those that still run, in this order: */
    size_t *live;  /* (count) */
    Chain *chains; /* (all) */
} Run;

static double rate_bound(const RateBounds *bounds, size_t window, const uint16_t *x, size_t dims)
{
    const double *bound = bounds->bound + window * bounds->states;
    double sum = 0.0;

    for (size_t d = 0; d < dims; d++)
        sum += bound[x[d]];
    return sum;
}

/* The next candidate of a sample, or the end. */
static void next_time(Run *run, size_t i)
{
    const RateBounds *w = run->bounds;
    Chain *c = &run->chains[run->live[i]];
    Rng rng = sampler_stream(run->b, DRAW_TIMES, i);

    for (; c->window < w->count; c->window++) {
        c->bound = rate_bound(w, c->window, states_row(&run->all, run->live[i]), run->all.dims);
        double step = c->bound > 0.0 ? -log(1.0 - rng_uniform(&rng)) / c->bound : HUGE_VAL;
        if (c->clock - step > w->clock[c->window + 1]) {
            c->clock -= step;
            run->b->t[i] = diffusion_process_time_at(run->b->request->process, c->clock);
            return;
        }
        c->clock = w->clock[c->window + 1];
    }
    run->b->t[i] = run->b->settings->t_min;
}

/* Totals of all dimensions in units of B; returns their sum. */
static double totals_of(const SamplerBatch *b, size_t i, const ReverseRates *r, const uint16_t *x,
                        double *p0, double *totals)
{
    double beta = diffusion_reverse_beta(r), sum = 0.0;

    for (size_t d = 0; d < b->x.dims; d++) {
        sampler_probabilities(b, b->numbers, &b->x, i, d, p0);
        totals[d] = beta > 0.0 ? diffusion_reverse_total(r, x[d], p0) / beta : 0.0;
        sum += totals[d];
    }
    return sum;
}

/* The last call of a sample: x_0 ~ p(.|x). */
static void draw_clean(const SamplerBatch *b, size_t i, double *p0, uint16_t *x)
{
    Rng rng = sampler_stream(b, DRAW_X0, i);

    for (size_t d = 0; d < b->x.dims; d++) {
        sampler_probabilities(b, b->numbers, &b->x, i, d, p0);
        x[d] = (uint16_t)rng_categorical(&rng, p0, b->model->head.states);
    }
}

static void decide(size_t i, void *context)
{
    const Run *run = context;
    const SamplerBatch *b = run->b;
    const Process *p = b->request->process;
    const Chain *c = &run->chains[run->live[i]];
    uint16_t *x = states_row(&run->all, run->live[i]);
    size_t S = p->states, D = b->x.dims;
    double *p0 = threads_scratch(SCRATCH_SAMPLER, (S + D) * sizeof *p0), *totals = p0 + S;
    Rng rng = sampler_stream(b, DRAW_JUMPS, i);

    if (c->window == run->bounds->count) {
        draw_clean(b, i, p0, x);
        return;
    }
    ReverseRates *r = diffusion_reverse_create(p, b->t[i]);
    double sum = totals_of(b, i, r, x, p0, totals);
    TENSOR_CHECK(sum <= c->bound * (1.0 + 1e-4), "total rate %g above its bound %g at t = %g", sum,
                 c->bound, b->t[i]);
    if (rng_uniform(&rng) * c->bound < sum) {
        size_t d = rng_categorical(&rng, totals, D);
        sampler_probabilities(b, b->numbers, &b->x, i, d, p0);
        x[d] = (uint16_t)diffusion_reverse_draw(r, x[d], p0, &rng);
    }
    diffusion_reverse_destroy(r);
}

/* Gathers the states of the samples that run. */
static void gather(Run *run)
{
    for (size_t i = 0; i < run->b->count; i++)
        memcpy(states_row(&run->b->x, i), states_row(&run->all, run->live[i]),
               run->all.dims * sizeof *run->all.x);
}

/* Drops the samples that made their last call. */
static void drop(Run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->b->count; i++)
        if (run->chains[run->live[i]].window < run->bounds->count)
            run->live[kept++] = run->live[i];
    run->b->count = kept;
}

static bool run_chains(Run *run, Error *err)
{
    SamplerBatch *b = run->b;

    for (b->call = 0; b->count > 0; b->call++) {
        b->x.batch = b->count;
        for (size_t i = 0; i < b->count; i++)
            next_time(run, i);
        gather(run);
        if (!sampler_network(b, err))
            return false;
        threads_for(b->count, decide, run);
        drop(run);
        sampler_progress(b, 1.0 - (double)b->count / (double)run->all.batch);
    }
    return true;
}

static bool run_exact(SamplerBatch *b, Error *err)
{
    const Process *p = b->request->process;

    if (p->mask >= 0)
        return sampler_first_hitting_run(b, err);
    RateBounds *bounds = sampler_bounds_create(p, b->settings->t_min, err);
    if (bounds == NULL)
        return false;
    Run run = {b, bounds, b->x, mem_alloc(b->count, sizeof *run.live),
               mem_zeroed(b->count, sizeof *run.chains)};
    States room = states_alloc(b->count, b->x.dims);
    for (size_t i = 0; i < b->count; i++) {
        run.live[i] = i;
        run.chains[i].clock = bounds->clock[0];
    }
    b->x = room;
    b->place = run.live;
    bool ok = run_chains(&run, err);
    b->place = NULL;
    b->x = run.all;
    states_free(&room);
    mem_free(run.live);
    mem_free(run.chains);
    sampler_bounds_destroy(bounds);
    return ok;
}

const SamplerClass diffusion_sampler_exact = {
    .name = "exact",
    .help = "simulates the learnt chain exactly, by thinning, down to t_min; then draws x_0",
    .needs = "any process; chooses its own number of network calls",
    .source = "thinning of Lewis and Shedler 1979; rates of arXiv 2205.14987",
    .settings = "t_min",
    .run = run_exact,
};
