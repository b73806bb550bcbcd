/* Steps from n = N down to 1; in each, batches of pictures go through the network together, a
 * picture K times in a row if its mixture has no recognition network. */
#include "diffusion/step_bound.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/posterior.h"
#include "diffusion/process/marginal.h"
#include "diffusion/process/transition.h"
#include "diffusion/step_kl.h"
#include "nn/encoder.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/reduce.h"
#include "tensor/system/cut.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"

enum { PURPOSE = 0x57E9 }; /* of the random streams below */
enum { STREAM_NOISE, STREAM_ENCODER, STREAM_LAMBDA, STREAM_STEP };

typedef struct Work {
    const StepBoundRequest *request;
    const States *x0;
    const Encoder *encoder; /* that is used, or NULL */
    LambdaScope scope;
    bool lambdas;          /* the sampler gives the model lambdas */
    bool drawn;            /* x_s is drawn: the divergence of a mixture has no closed form */
    size_t K, S, pictures; /* rows of a picture; states; pictures of a batch */
    Graph *graph;
    PosteriorStep *step; /* NULL: the last step */
    double unmasked;     /* absorbing: chance that the step reveals a masked dimension */
    size_t n, first, count;
    States xt, rows, xs;        /* of the batch: (pictures, D), (pictures K, D), (pictures, D) */
    double *t, *lambda;         /* (pictures K), (pictures K, L) */
    float *numbers;             /* (pictures K, outputs) */
    double *terms;              /* (pictures K): each row's divergence or log ratio */
    double *prior, *kl, *total; /* nats of each picture (B) */
} Work;

static Rng stream_of(const Work *w, uint64_t purpose, size_t picture, size_t step)
{
    Rng rng = rng_child(rng_child(rng_root(w->request->seed), PURPOSE), purpose);

    return rng_child(rng_child(rng, picture), step);
}

/* ---- one row ---- */

static bool masked(const Work *w, uint16_t x)
{
    return (int)x == w->request->process->mask;
}

/* KL( q(x_s|x_t,x_0) || p(.|x_t) ) of one dimension, or, drawn, log of their ratio at x_s; room
 * (3 S).  The last step: -log p(x_0). */
static double term(const Work *w, const float *logp, uint16_t xt, uint16_t x0, const uint16_t *xs,
                   double *room)
{
    size_t S = w->S;
    double *p = room, *model = room + S, *truth = room + 2 * S;

    if (w->step == NULL)
        return -(double)logp[x0];
    if (w->request->process->mask >= 0) /* nothing to say of what stays masked */
        return xs == NULL       ? -w->unmasked * (double)logp[x0]
               : masked(w, *xs) ? 0.0
                                : -(double)logp[x0];
    for (size_t a = 0; a < S; a++)
        p[a] = exp((double)logp[a]);
    if (xs == NULL)
        return diffusion_step_divergence(w->step, xt, x0, p, NULL, model);
    diffusion_posterior_mix(w->step, xt, p, S, model);
    diffusion_posterior(w->step, xt, x0, truth);
    return log(truth[*xs] / model[*xs]);
}

static void row_terms(size_t row, void *context)
{
    const Work *w = context;
    const Head *head = &w->request->model->head;
    size_t b = row / w->K;
    const uint16_t *xt = states_row(&w->xt, b), *x0 = states_row(w->x0, w->first + b);
    const uint16_t *xs = w->drawn ? states_row(&w->xs, b) : NULL;
    float *logp = threads_scratch(SCRATCH_LOSS, w->S * sizeof *logp);
    double *room = threads_scratch(SCRATCH_SAMPLER, 3 * w->S * sizeof *room), sum = 0.0;

    for (size_t d = 0; d < head->dims; d++) {
        if (diffusion_head_known(head, xt, d))
            continue;
        diffusion_head_row(head, w->numbers + row * diffusion_head_outputs(head), xt, d, logp);
        sum += term(w, logp, xt[d], x0[d], xs != NULL ? xs + d : NULL, room);
    }
    w->terms[row] = sum;
}

/* ---- draws of a batch ---- */

static void noise_picture(size_t b, void *context)
{
    const Work *w = context;
    size_t picture = w->first + b, D = w->x0->dims;
    double t = (double)w->n / (double)w->request->steps;
    Rng noise = stream_of(w, STREAM_NOISE, picture, w->n);
    Rng step = stream_of(w, STREAM_STEP, picture, w->n);
    States xt = states_rows(&w->xt, b, 1), x0 = states_rows(w->x0, picture, 1);

    diffusion_draw_marginal(w->request->process, &xt, &x0, &t, &noise);
    for (size_t d = 0; d < D && w->step != NULL; d++)
        w->xs.x[b * D + d] = (uint16_t)diffusion_posterior_draw(w->step, xt.x[d], x0.x[d], &step);
}

/* Lambdas of the rows from the law, a picture's K under one stream. */
static void draw_prior_lambdas(Work *w)
{
    const Denoiser *m = w->request->model;

    for (size_t b = 0; b < w->count; b++) {
        Rng rng = stream_of(w, STREAM_LAMBDA, w->first + b, w->n);
        for (size_t k = 0; k < w->K; k++)
            diffusion_draw_one_lambda(m, &rng, w->lambda + (b * w->K + k) * m->lambda_dims);
    }
}

/* KL( q || law ) of one picture: in closed form, or, for a mixture law, by the ratio at the drawn
 * lambda, whose mean it is.  room (L). */
static double divergence(const Work *w, const float *stats, const float *lambda, double *room)
{
    const Denoiser *m = w->request->model;

    if (m->lambda_law != LAMBDA_MIXTURE)
        return nn_encoder_kl(w->encoder, stats, 0.0, NULL);
    for (size_t i = 0; i < m->lambda_dims; i++)
        room[i] = (double)lambda[i];
    return nn_encoder_log_density(w->encoder, stats, room) -
           nn_lambda_prior_log_density(m->net->prior, room);
}

/* Lambdas of the batch from the recognition network; its divergence is added once a sample, or in
 * each step.  False: not finite. */
static bool draw_encoded_lambdas(Work *w)
{
    size_t L = w->request->model->lambda_dims;
    bool once = w->scope == LAMBDA_SAMPLE;
    States xt = states_rows(&w->xt, 0, w->count), x0 = states_rows(w->x0, w->first, w->count);

    ag_set_recording(w->graph, false);
    Var *stats = nn_encode(w->encoder, w->graph, &x0, &xt, w->t);
    double *u = arena_alloc(w->graph->arena, w->count * L, sizeof *u);
    for (size_t b = 0; b < w->count; b++) {
        Rng rng = stream_of(w, STREAM_ENCODER, w->first + b, once ? 0 : w->n);
        for (size_t i = 0; i < L; i++)
            u[b * L + i] = rng_uniform(&rng);
    }
    const float *lambda = nn_encoder_draw(w->encoder, stats, u)->value.data;
    for (size_t b = 0; b < w->count && (!once || w->n == w->request->steps); b++)
        w->kl[w->first + b] +=
            divergence(w, stats->value.data + b * 2 * L, lambda + b * L, w->lambda + b * L);
    bool finite = tensor_all_finite(lambda, w->count * L);
    for (size_t i = 0; i < w->count * L; i++)
        w->lambda[i] = (double)lambda[i];
    ag_graph_reset(w->graph);
    return finite;
}

/* ---- one batch ---- */

static bool run_network(Work *w, Error *err)
{
    const Denoiser *m = w->request->model;
    size_t rows = w->count * w->K, D = w->x0->dims;
    States x = states_rows(&w->rows, 0, rows);
    NetworkInput in = {.x = &x, .t = w->t, .lambda = m->lambda_dims > 0 ? w->lambda : NULL};
    bool finite = true;

    if (platform_signal() != 0)
        return error_set(err, "bound: stopped by signal %d", platform_signal());
    for (size_t r = 0; r < rows; r++) {
        memcpy(states_row(&x, r), states_row(&w->xt, r / w->K), D * sizeof *x.x);
        w->t[r] = (double)w->n / (double)w->request->steps;
    }
    if (!w->lambdas)
        memset(w->lambda, 0, rows * m->lambda_dims * sizeof *w->lambda);
    else if (w->encoder != NULL)
        finite = draw_encoded_lambdas(w);
    else
        draw_prior_lambdas(w);
    finite = finite && diffusion_denoise(m, w->graph, &in, w->request->batch, w->numbers) &&
             tensor_all_finite(w->numbers, rows * diffusion_head_outputs(&m->head));
    return finite ||
           error_set(err, "bound: the model gave a number that is not finite at t = %g", w->t[0]);
}

/* -log (1/K) sum_k e^{-terms[k]}. */
static double log_mean(const double *terms, size_t K)
{
    double least = terms[0], sum = 0.0;

    for (size_t k = 1; k < K; k++)
        least = terms[k] < least ? terms[k] : least;
    if (least == HUGE_VAL)
        return least;
    for (size_t k = 0; k < K; k++)
        sum += exp(least - terms[k]);
    return least - log(sum / (double)K);
}

static bool run_batch(Work *w, Error *err)
{
    threads_for(w->count, noise_picture, w);
    if (!run_network(w, err))
        return false;
    threads_for(w->count * w->K, row_terms, w);
    for (size_t b = 0; b < w->count; b++)
        w->total[w->first + b] += log_mean(w->terms + b * w->K, w->K);
    return true;
}

static bool run_step(Work *w, size_t n, Error *err)
{
    const StepBoundRequest *r = w->request;
    double t = (double)n / (double)r->steps, s = (double)(n - 1) / (double)r->steps, keep, leave;
    double before = 0.0;
    bool ok = true;

    w->n = n;
    w->step = n > 1 ? diffusion_posterior_create(r->process, s, t, 0.0) : NULL;
    if (n > 1 && r->process->mask >= 0) {
        diffusion_process_keep(r->process, 0.0, s, &keep, &before);
        diffusion_process_keep(r->process, 0.0, t, &keep, &leave);
        w->unmasked = (leave - before) / leave;
    }
    for (w->first = 0; ok && w->first < w->x0->batch; w->first += w->pictures) {
        w->count = cut_min(w->pictures, w->x0->batch - w->first);
        ok = run_batch(w, err);
    }
    diffusion_posterior_destroy(w->step);
    w->step = NULL;
    return ok;
}

/* KL( q_1(.|x_0^d) || prior ), summed over each picture's dimensions. */
static void run_prior(Work *w)
{
    const Process *p = w->request->process;
    double *kl = mem_zeroed(p->states, sizeof *kl), *row = mem_alloc(p->states, sizeof *row);
    Transition *tr = diffusion_transition_create(p, 0.0, 1.0, TRANSITION_ACCURATE);

    for (size_t a = 0; a < w->S; a++) {
        diffusion_transition_row(tr, a, row);
        for (size_t v = 0; v < p->states; v++)
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

static bool check_step_bound(const Work *w, Error *err)
{
    const StepBoundRequest *r = w->request;
    const Head *head = &r->model->head;

    TENSOR_CHECK(w->x0->batch >= 1 && w->x0->dims == head->dims, "data (%zu, %zu), model of %zu",
                 w->x0->batch, w->x0->dims, head->dims);
    TENSOR_CHECK(r->steps >= 1 && r->lambdas >= 1 && r->batch >= 1,
                 "%zu steps, %zu lambdas, batches of %zu", r->steps, r->lambdas, r->batch);
    if (!w->lambdas || w->encoder != NULL || w->scope == LAMBDA_STEP)
        return true;
    return error_set(err,
                     "bound: one lambda for the whole sample, but the model has no recognition "
                     "network for x_0: expected a model trained with lambda_scope=sample and "
                     "its encoder, or --lambda step");
}

static Work start(const StepBoundRequest *r, const States *x0)
{
    const Denoiser *m = r->model;
    size_t B = x0->batch, D = x0->dims;
    Work w = {.request = r,
              .x0 = x0,
              .K = 1,
              .S = m->head.states,
              .scope = r->lambda_scope != LAMBDA_SCOPE_DEFAULT ? r->lambda_scope : m->lambda_scope};

    w.scope = w.scope == LAMBDA_SCOPE_DEFAULT ? LAMBDA_STEP : w.scope;
    const Encoder *e = m->net != NULL ? m->net->encoder : NULL;
    if (e != NULL && (e->input == ENCODER_CLEAN) == (w.scope == LAMBDA_SAMPLE))
        w.encoder = e;
    w.lambdas = diffusion_uses_lambda(m, r->steps);
    w.drawn = w.lambdas && w.encoder == NULL;
    if (w.drawn)
        w.K = r->lambdas;
    w.pictures = r->batch / w.K > 0 ? r->batch / w.K : 1;
    w.graph = ag_graph_create();
    w.xt = states_alloc(w.pictures, D);
    w.xs = states_alloc(w.pictures, D);
    w.rows = states_alloc(w.pictures * w.K, D);
    w.t = mem_alloc(w.pictures * w.K, sizeof *w.t);
    w.lambda = mem_alloc(w.pictures * w.K * m->lambda_dims, sizeof *w.lambda);
    w.numbers = mem_alloc(w.pictures * w.K * diffusion_head_outputs(&m->head), sizeof *w.numbers);
    w.terms = mem_alloc(w.pictures * w.K, sizeof *w.terms);
    w.prior = mem_zeroed(B, sizeof *w.prior);
    w.kl = mem_zeroed(B, sizeof *w.kl);
    w.total = mem_zeroed(B, sizeof *w.total);
    return w;
}

static void finish(Work *w)
{
    ag_graph_destroy(w->graph);
    states_free(&w->xt);
    states_free(&w->xs);
    states_free(&w->rows);
    mem_free(w->t);
    mem_free(w->lambda);
    mem_free(w->numbers);
    mem_free(w->terms);
    mem_free(w->prior);
    mem_free(w->kl);
    mem_free(w->total);
}

static StepBound summary(const Work *w)
{
    const double n = (double)w->x0->batch, unit = (double)w->x0->dims * LN2;
    StepBound s = {.lambdas = w->drawn ? w->K : 0};
    double squares = 0.0;

    for (size_t b = 0; b < w->x0->batch; b++) {
        s.prior += w->prior[b] / unit / n;
        s.lambda += w->kl[b] / unit / n;
        s.steps += w->total[b] / unit / n;
    }
    s.total = s.prior + s.lambda + s.steps;
    for (size_t b = 0; b < w->x0->batch; b++) {
        const double off = (w->prior[b] + w->kl[b] + w->total[b]) / unit - s.total;
        squares += off * off;
    }
    s.error = n > 1.0 ? sqrt(squares / (n - 1.0) / n) : (double)NAN;
    return s;
}

bool diffusion_step_bound(const StepBoundRequest *request, const States *x0, StepBound *out,
                          Error *err)
{
    Work w = start(request, x0);
    bool ok = check_step_bound(&w, err);

    if (ok)
        run_prior(&w);
    for (size_t n = request->steps; ok && n >= 1; n--)
        ok = run_step(&w, n, err);
    if (ok)
        *out = summary(&w);
    finish(&w);
    return ok;
}
