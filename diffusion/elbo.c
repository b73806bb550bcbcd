/* Pictures with the same slice of time go through the network together, so that a time's matrices
 * are made once.  Work is cut into (picture, block of dimensions); each piece has its own sum, and
 * these are added in order. */
#include "diffusion/elbo.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/process/marginal.h"
#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"

enum { BLOCK = 64 };                           /* dimensions of a piece */
enum { PURPOSE = 0xE1B0, NOISE = 1, END = 2 }; /* random streams */

typedef struct Bound {
    const ElboRequest *request;
    const States *x0;
    size_t S, blocks, slices; /* slices: no more than pictures */
    Graph *graph;
    double *q,
        *rate; /* (S, S) at the time at hand: P[0->t]; rate[x S + v] = R_t[v][x], diagonal 0 */
    States x, clean; /* one batch: noised and clean states */
    double *t;
    Rng *streams;
    float *numbers;                 /* the network's */
    double *pieces;                 /* (batch, blocks) */
    double *prior, *integral, *end; /* nats of each picture */
    double weight;                  /* of the integrand at hand */
} Bound;

/* ---- the two integrands ---- */

/* R^ - r + r log(r/R^) over all v, for one dimension; work (2 S). */
static double rate_term(const Bound *w, const float *logp, size_t x0, size_t x, double *work)
{
    const size_t S = w->S;
    const double eps = w->request->eps, *rate = w->rate + x * S, *mine = w->q + x0 * S;
    double *model = work, sum = 0.0;

    memset(model, 0, S * sizeof *model);
    for (size_t a = 0; a < S; a++) {
        const double p = exp((double)logp[a]), below = w->q[a * S + x] + eps, *row = w->q + a * S;
        const double y = p > 0.0 ? p / below : 0.0; /* infinite if below = 0 */
        if (!(y > 0.0))
            continue;
#pragma omp simd
        for (size_t v = 0; v < S; v++)
            model[v] += y * row[v];
    }
    for (size_t v = 0; v < S; v++) {
        if (!(rate[v] > 0.0))
            continue;
        const double r = mine[v] / (mine[x] + eps), m = model[v];
        sum += rate[v] * (r > 0.0 ? m - r + r * log(r / m) : m);
    }
    return sum;
}

/* -log p^d(x_0^d) of a masked dimension, 0 of a known one. */
static double mask_term(const Bound *w, const float *logp, size_t x0, size_t x)
{
    return (int)x == w->request->process->mask ? -(double)logp[x0] : 0.0;
}

static void piece(size_t i, void *context)
{
    const Bound *w = context;
    const Head *head = &w->request->model->head;
    const size_t b = i / w->blocks, first = i % w->blocks * BLOCK;
    const size_t last = cut_min(first + BLOCK, head->dims);
    const uint16_t *x = states_row(&w->x, b), *x0 = states_row(&w->clean, b);
    float *logp = threads_scratch(SCRATCH_LOSS, w->S * sizeof *logp);
    double *work = threads_scratch(SCRATCH_SAMPLER, w->S * sizeof *work), sum = 0.0;

    for (size_t d = first; d < last; d++) {
        diffusion_head_row(head, w->numbers + b * diffusion_head_outputs(head), x, d, logp);
        sum += w->request->process->mask >= 0 ? mask_term(w, logp, x0[d], x[d])
                                              : rate_term(w, logp, x0[d], x[d], work);
    }
    w->pieces[i] = sum;
}

/* ---- one batch at one time ---- */

static bool run_network(Bound *w, size_t count, Error *err)
{
    const States x = states_rows(&w->x, 0, count);
    const NetworkInput in = {.x = &x, .t = w->t};
    const size_t outputs = diffusion_head_outputs(&w->request->model->head);

    if (platform_signal() != 0)
        return error_set(err, "elbo: stopped by signal %d", platform_signal());
    w->graph->check_finite = true;
    w->graph->bad_op = NULL;
    if (!diffusion_denoise(w->request->model, w->graph, &in, w->request->batch, w->numbers))
        return error_set(err, "elbo: %s gave a number that is not finite", w->graph->bad_op);
    for (size_t i = 0; i < count * outputs; i++)
        if (!isfinite(w->numbers[i]))
            return error_set(err, "elbo: the model gave a number that is not finite");
    return true;
}

/* Fills streams, clean and x for `count` pictures first, first + stride, ... at time t; masks are
 * drawn with probability `masked` each. */
static void noise(Bound *w, size_t first, size_t stride, size_t count, int purpose, double t,
                  double masked)
{
    const Process *p = w->request->process;
    const Rng root = rng_child(rng_child(rng_root(w->request->seed), PURPOSE), (uint64_t)purpose);

    for (size_t b = 0; b < count; b++) {
        w->streams[b] = rng_child(root, first + b * stride);
        w->t[b] = t;
        memcpy(states_row(&w->clean, b), states_row(w->x0, first + b * stride),
               w->x0->dims * sizeof(uint16_t));
    }
    States x = states_rows(&w->x, 0, count), clean = states_rows(&w->clean, 0, count);
    if (p->mask < 0) {
        diffusion_draw_marginal(p, &x, &clean, w->t, w->streams);
        return;
    }
    for (size_t b = 0; b < count; b++)
        for (size_t d = 0; d < x.dims; d++)
            states_row(&x, b)[d] =
                rng_uniform(&w->streams[b]) < masked ? (uint16_t)p->mask : states_row(&clean, b)[d];
}

/* Adds the weighted integrand of the batch, picture first + b stride to its place. */
static bool add_integrand(Bound *w, size_t first, size_t stride, size_t count, Error *err)
{
    if (!run_network(w, count, err))
        return false;
    threads_for(count * w->blocks, piece, w);
    for (size_t b = 0; b < count; b++) {
        double sum = 0.0;
        for (size_t k = 0; k < w->blocks; k++)
            sum += w->pieces[b * w->blocks + k];
        w->integral[first + b * stride] += w->weight * sum;
    }
    return true;
}

static void set_matrices(Bound *w, double t)
{
    const Process *p = w->request->process;
    const size_t S = w->S;
    Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_ACCURATE);

    for (size_t a = 0; a < S; a++)
        diffusion_transition_row(tr, a, w->q + a * S);
    for (size_t x = 0; x < S; x++)
        for (size_t v = 0; v < S; v++)
            w->rate[x * S + v] =
                v == x ? 0.0 : diffusion_process_rate(p, t) * diffusion_process_jump(p, v, x);
    diffusion_transition_destroy(tr);
}

/* The latest t with alpha(t) >= alpha, or 1. */
static double time_of_survival(const Process *p, double alpha)
{
    double low = 0.0, high = 1.0;

    if (diffusion_process_survival(p, 0.0, 1.0) >= alpha)
        return 1.0;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2.0;
        *(diffusion_process_survival(p, 0.0, middle) >= alpha ? &low : &high) = middle;
    }
    return low;
}

/* The pictures slice, slice + slices, ... at a time in that slice of the integral. */
static bool run_slice(Bound *w, size_t slice, Error *err)
{
    const ElboRequest *r = w->request;
    const size_t B = w->x0->batch;
    Rng draw = rng_child(rng_child(rng_root(r->seed), PURPOSE), 0);
    draw = rng_child(draw, slice);
    const double u = ((double)slice + rng_uniform(&draw)) / (double)w->slices;
    double t = r->t_min + u * (1.0 - r->t_min), masked = 0.0;

    if (r->process->mask >= 0) {
        const double alpha = u * diffusion_process_survival(r->process, 0.0, r->t_min);
        t = time_of_survival(r->process, alpha);
        masked = 1.0 - alpha;
        w->weight = diffusion_process_survival(r->process, 0.0, r->t_min) / masked;
    } else {
        w->weight = 1.0 - r->t_min;
        set_matrices(w, t);
    }
    /* All slices weigh the same, also those with a picture less. */
    w->weight *= (double)B / (double)(w->slices * cut_blocks(B - slice, w->slices));
    for (size_t first = slice; first < B; first += r->batch * w->slices) {
        const size_t count = cut_min(r->batch, cut_blocks(B - first, w->slices));
        noise(w, first, w->slices, count, NOISE, t, masked);
        if (!add_integrand(w, first, w->slices, count, err))
            return false;
    }
    return true;
}

/* -log p(x_0 | x_{t_min}). */
static bool run_end(Bound *w, Error *err)
{
    const ElboRequest *r = w->request;
    const bool masks = r->process->mask >= 0;
    const double masked = masks ? 1.0 - diffusion_process_survival(r->process, 0.0, r->t_min) : 0.0;

    for (size_t first = 0; first < w->x0->batch; first += r->batch) {
        const size_t count = cut_min(r->batch, w->x0->batch - first);
        noise(w, first, 1, count, END, r->t_min, masked);
        if (!run_network(w, count, err))
            return false;
        const States x = states_rows(&w->x, 0, count), clean = states_rows(&w->clean, 0, count);
        diffusion_head_log_prob(&r->model->head, w->numbers, &x, &clean, w->end + first);
    }
    for (size_t b = 0; b < w->x0->batch; b++)
        w->end[b] = -w->end[b];
    return true;
}

/* KL( q_1(.|x_0^d) || prior ) for every state, then summed over each picture's dimensions. */
static void run_prior(Bound *w)
{
    const Process *p = w->request->process;
    double *kl = mem_zeroed(w->S, sizeof *kl), *row = mem_alloc(w->S, sizeof *row);
    Transition *tr =
        p->mask < 0 ? diffusion_transition_create(p, 0.0, 1.0, TRANSITION_ACCURATE) : NULL;

    for (size_t a = 0; tr != NULL && a < w->S; a++) {
        diffusion_transition_row(tr, a, row);
        for (size_t v = 0; v < w->S; v++)
            kl[a] += row[v] > 0.0 ? row[v] * log(row[v] / p->prior[v]) : 0.0;
    }
    for (size_t b = 0; b < w->x0->batch; b++)
        for (size_t d = 0; d < w->x0->dims; d++)
            w->prior[b] += kl[states_row(w->x0, b)[d]];
    diffusion_transition_destroy(tr);
    mem_free(kl);
    mem_free(row);
}

/* ---- all of it ---- */

static bool check_elbo(const ElboRequest *r, const States *x0, Error *err)
{
    const Head *head = &r->model->head;

    TENSOR_CHECK(x0->batch >= 1 && x0->dims == head->dims, "data (%zu, %zu), model of %zu",
                 x0->batch, x0->dims, head->dims);
    TENSOR_CHECK(head->states + (head->mask >= 0) == r->process->states,
                 "head of %zu states, process of %zu", head->states, r->process->states);
    if (r->model->lambda_dims > 0)
        return error_set(err, "elbo: the model is a mixture over lambda: expected a product model "
                              "(a teacher), whose bound this is");
    if (!(r->t_min > 0.0 && r->t_min < 1.0) || !(r->eps >= 0.0) || r->times < 1 || r->batch < 1)
        return error_set(err,
                         "elbo: t_min %g, eps %g, %zu times, batches of %zu: expected t_min in "
                         "(0, 1), eps >= 0, at least 1 time and 1 picture",
                         r->t_min, r->eps, r->times, r->batch);
    if (r->process->mask < 0 && !(diffusion_process_rate(r->process, 1.0) < HUGE_VAL))
        return error_set(err, "elbo: the rate is infinite at t = 1: expected a schedule with "
                              "alpha_eps > 0");
    return true;
}

static Bound start(const ElboRequest *r, const States *x0)
{
    const size_t B = x0->batch, D = x0->dims;
    Bound w = {.request = r, .x0 = x0, .S = r->process->states, .blocks = cut_blocks(D, BLOCK)};

    w.slices = cut_min(r->times, B);
    w.graph = ag_graph_create();
    w.q = mem_alloc(w.S * w.S, sizeof *w.q);
    w.rate = mem_alloc(w.S * w.S, sizeof *w.rate);
    w.x = states_alloc(r->batch, D);
    w.clean = states_alloc(r->batch, D);
    w.t = mem_alloc(r->batch, sizeof *w.t);
    w.streams = mem_alloc(r->batch, sizeof *w.streams);
    w.numbers = mem_alloc(r->batch * diffusion_head_outputs(&r->model->head), sizeof *w.numbers);
    w.pieces = mem_alloc(r->batch * w.blocks, sizeof *w.pieces);
    w.prior = mem_zeroed(B, sizeof *w.prior);
    w.integral = mem_zeroed(B, sizeof *w.integral);
    w.end = mem_zeroed(B, sizeof *w.end);
    return w;
}

static void finish(Bound *w)
{
    ag_graph_destroy(w->graph);
    mem_free(w->q);
    mem_free(w->rate);
    states_free(&w->x);
    states_free(&w->clean);
    mem_free(w->t);
    mem_free(w->streams);
    mem_free(w->numbers);
    mem_free(w->pieces);
    mem_free(w->prior);
    mem_free(w->integral);
    mem_free(w->end);
}

static Elbo summary(const Bound *w)
{
    const double n = (double)w->x0->batch, unit = (double)w->x0->dims * LN2;
    Elbo e = {0, 0, 0, 0, 0};
    double squares = 0.0;

    for (size_t b = 0; b < w->x0->batch; b++) {
        e.prior += w->prior[b] / unit / n;
        e.diffusion += w->integral[b] / unit / n;
        e.reconstruction += w->end[b] / unit / n;
    }
    e.total = e.prior + e.diffusion + e.reconstruction;
    for (size_t b = 0; b < w->x0->batch; b++) {
        const double off = (w->prior[b] + w->integral[b] + w->end[b]) / unit - e.total;
        squares += off * off;
    }
    e.error = n > 1.0 ? sqrt(squares / (n - 1.0) / n) : (double)NAN;
    return e;
}

bool diffusion_elbo(const ElboRequest *request, const States *x0, Elbo *out, Error *err)
{
    if (!check_elbo(request, x0, err))
        return false;
    Bound w = start(request, x0);
    bool ok = true;

    run_prior(&w);
    for (size_t slice = 0; ok && slice < w.slices; slice++)
        ok = run_slice(&w, slice, err);
    ok = ok && run_end(&w, err);
    if (ok)
        *out = summary(&w);
    finish(&w);
    return ok;
}
