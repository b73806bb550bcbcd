/* One step of the evidence bound.
 *
 *   draws -> [teacher at (x_t, t) -> x_u -> student at (x_u, u) -> its x_0]      (consistency only)
 *   rows of (target x_0, x_t, t, weight): encoder -> lambda -> student -> cross entropy -> backward
 *
 * The rows of the data come first, then those of the consistency term; the distillation term has
 * calls of its own. */
#include "distill/variational.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "autograd/operations.h"
#include "diffusion/head/batch.h"
#include "diffusion/posterior.h"
#include "diffusion/process/marginal.h"
#include "diffusion/step_kl.h"
#include "diffusion/teacher.h"
#include "distill/distill_term.h"
#include "nn/encoder.h"
#include "tensor/base/check.h"
#include "tensor/reduce.h"
#include "tensor/system/threads.h"

#define VARIATIONAL_PURPOSE UINT64_C(0x45766964) /* apart from the other uses of a seed */

/* Streams of a step: (seed, step, pass, row). */
typedef enum BoundPass {
    BOUND_PASS_TIMES,
    BOUND_PASS_XT,
    BOUND_PASS_NOISE, /* of the encoder's draw */
    BOUND_PASS_DROPOUT,
    BOUND_PASS_TEACHER_X0,
    BOUND_PASS_XU,
    BOUND_PASS_LAMBDA_U,
    BOUND_PASS_DROPOUT_U,
    BOUND_PASS_X0U,
    BOUND_PASS_TEACHER_LAMBDA,
    BOUND_PASS_TM,
    BOUND_PASS_XTM,
    BOUND_PASS_LAMBDA_TM,
    BOUND_PASS_TEACHER_LAMBDA_TM,
    BOUND_PASS_DROPOUT_TM
} BoundPass;

typedef struct VariationalStep {
    const VariationalConfig *config;
    const Denoiser *teacher, *student;
    const Process *p;
    size_t B, D, rows;      /* rows: B, or 2 B with the consistency term */
    double *t, *u, *weight; /* (rows), (B), (rows) */
    double *given;          /* (rows): 1, or 0: the row's step has no lambda */
    double *before;         /* (B): LAMBDA_SAMPLE: the time after the step */
    PosteriorStep **steps;  /* (B): of noise without a mask, LAMBDA_SAMPLE; NULL: the last step */
    States x0, xt;          /* (rows, D): targets; noised */
    Rng stream;
    const Workspace *work;
    const Rng *noise, *dropout; /* (rows): of the encoder's draw; of the student */
    size_t half;                /* where the rows that are run begin: 0, or B */
    VariationalReport report;
} VariationalStep;

static Rng *bound_streams(const VariationalStep *s, BoundPass pass, size_t count)
{
    Rng *streams = arena_alloc(s->work->arena, count, sizeof *streams);

    for (size_t b = 0; b < count; b++)
        streams[b] = rng_child(rng_child(s->stream, (uint64_t)pass), b);
    return streams;
}

/* ---- times and weights ---- */

/* What step n counts, times N: one n stands for all N.  With a mask w_n of the header. */
static double grid_step_weight(const Process *p, size_t N, size_t n)
{
    double keep, leave, leave_s = 0.0;

    if (p->mask < 0)
        return (double)N;
    if (n > 1)
        diffusion_process_keep(p, 0.0, (double)(n - 1) / (double)N, &keep, &leave_s);
    diffusion_process_keep(p, 0.0, (double)n / (double)N, &keep, &leave);
    return (double)N * (n > 1 ? (leave - leave_s) / leave : 1.0);
}

/* u in [0,1) chooses N, and where it lies within N's share, n: evenly spread u are even in both. */
static void draw_grid_time(VariationalStep *s, size_t b, double u)
{
    const VariationalConfig *c = s->config;
    size_t kinds = 1, N = 1, n = 1;

    for (size_t k = c->most_steps; k > 1; k /= 2)
        kinds++;
    if (u >= c->share_at_one) {
        double at = (u - c->share_at_one) / (1.0 - c->share_at_one) * (double)kinds;
        size_t kind = at < (double)kinds ? (size_t)at : kinds - 1;
        N = (size_t)1 << kind;
        n = 1 + (size_t)((at - (double)kind) * (double)N);
        n = n < N ? n : N;
    }
    s->t[b] = (double)n / (double)N;
    s->before[b] = (double)(n - 1) / (double)N;
    s->weight[b] = grid_step_weight(s->p, N, n);
    s->given[b] = diffusion_uses_lambda(s->student, N) ? 1.0 : 0.0;
}

static void draw_step_time(VariationalStep *s, size_t b, double u, double v)
{
    const VariationalConfig *c = s->config;
    double delta = c->delta_min * exp(log(c->delta_max / c->delta_min) * v);
    double first = c->t_min + (c->consistency_weight > 0.0 ? delta : 0.0);
    double at = u < c->share_at_one ? 1.0 : (u - c->share_at_one) / (1.0 - c->share_at_one);

    s->t[b] = first + (1.0 - first) * at;
    s->u[b] = s->t[b] - delta;
    s->weight[b] = 1.0;
}

static void draw_bound_times(VariationalStep *s)
{
    Rng *streams = bound_streams(s, BOUND_PASS_TIMES, s->B);

    for (size_t b = 0; b < s->B; b++) {
        double u = ((double)b + rng_uniform(&streams[b])) / (double)s->B;
        if (s->config->scope == LAMBDA_SAMPLE)
            draw_grid_time(s, b, u);
        else
            draw_step_time(s, b, u, rng_uniform(&streams[b]));
    }
}

/* ---- the consistency term's targets ---- */

typedef struct ConsistencyMove {
    const VariationalStep *s;
    States x0, xu; /* (B, D) */
    const Rng *streams;
} ConsistencyMove;

static void move_picture(size_t b, void *context)
{
    const ConsistencyMove *m = context;
    const VariationalStep *s = m->s;
    PosteriorStep *step = diffusion_posterior_create(s->p, s->u[b], s->t[b], s->config->eps);
    const uint16_t *xt = states_row(&s->xt, b), *x0 = states_row(&m->x0, b);
    uint16_t *xu = states_row(&m->xu, b);
    Rng rng = m->streams[b];

    for (size_t d = 0; d < s->D; d++)
        xu[d] = (uint16_t)diffusion_posterior_draw(step, xt[d], x0[d], &rng);
    diffusion_posterior_destroy(step);
}

/* (B, L) from the model's law, for tiny steps: zeros where it has lambdas for few steps alone, as a
 * teacher may; NULL for a product model. */
static double *draw_bound_lambdas(const VariationalStep *s, const Denoiser *d, BoundPass pass)
{
    double *lambda = arena_alloc(s->work->arena, s->B * d->lambda_dims, sizeof *lambda);

    diffusion_draw_lambda(d, lambda, s->B, bound_streams(s, pass, s->B));
    if (d->lambda_dims > 0 && !diffusion_uses_lambda(d, SIZE_MAX))
        memset(lambda, 0, s->B * d->lambda_dims * sizeof *lambda);
    return d->lambda_dims > 0 ? lambda : NULL;
}

/* x0 ~ p(. | x, t) by a denoiser with lambdas from the prior.  False: not finite. */
static bool draw_clean(VariationalStep *s, const Denoiser *d, const States *x, const double *t,
                       BoundPass lambda, const Rng *dropout, BoundPass draw, States *x0)
{
    size_t outputs = diffusion_head_outputs(&d->head);
    float *out = arena_alloc(s->work->arena, s->B * outputs, sizeof *out);
    NetworkInput in = {
        .x = x, .t = t, .lambda = draw_bound_lambdas(s, d, lambda), .dropout = dropout};

    if (!diffusion_run_finite(s->work, d, &in, out))
        return false;
    diffusion_head_draw(&d->head, out, x, bound_streams(s, draw, s->B), x0);
    return true;
}

/* Targets of the second half of the rows, from the x_t and t of the first. */
static bool draw_consistency(VariationalStep *s)
{
    ConsistencyMove m = {.s = s,
                         .x0 = states_make(s->work->arena, s->B, s->D),
                         .xu = states_make(s->work->arena, s->B, s->D),
                         .streams = bound_streams(s, BOUND_PASS_XU, s->B)};
    States xt = states_rows(&s->xt, 0, s->B), x0u = states_rows(&s->x0, s->B, s->B);

    if (!draw_clean(s, s->teacher, &xt, s->t, BOUND_PASS_TEACHER_LAMBDA, NULL,
                    BOUND_PASS_TEACHER_X0, &m.x0))
        return false;
    threads_for(s->B, move_picture, &m);
    if (!draw_clean(s, s->student, &m.xu, s->u, BOUND_PASS_LAMBDA_U,
                    bound_streams(s, BOUND_PASS_DROPOUT_U, s->B), BOUND_PASS_X0U, &x0u))
        return false;
    memcpy(s->xt.x + s->B * s->D, s->xt.x, s->B * s->D * sizeof *s->xt.x);
    for (size_t b = 0; b < s->B; b++) {
        s->t[s->B + b] = s->t[b];
        s->weight[s->B + b] = s->config->consistency_weight * s->weight[b];
    }
    return true;
}

/* ---- rows with gradient ---- */

/* KL(q || the fitted law) by one draw of q; the gradients go to both. */
static double kl_of_draw(const Network *net, const float *stats, const float *drawn, double weight,
                         float *dstats, float *ddrawn)
{
    const size_t L = net->encoder->lambda_dims;
    double *lambda = threads_scratch(SCRATCH_LAMBDA, L * sizeof *lambda);

    for (size_t i = 0; i < L; i++)
        lambda[i] = (double)drawn[i];
    return -nn_encoder_entropy(net->encoder, stats, -weight, dstats) -
           nn_lambda_prior_gradient(net->prior, lambda, -weight, ddrawn);
}

/* Divergences of rows first..first+count-1 into the report; dstats and ddrawn get their gradients.
 */
static void add_kl(VariationalStep *s, const Var *stats, const Var *drawn, size_t first,
                   size_t count, float *dstats, float *ddrawn)
{
    size_t L = s->student->lambda_dims;
    double scale = 1.0 / ((double)s->B * (double)s->D);

    for (size_t i = 0; i < count; i++) {
        size_t row = first + i;
        bool data = row < s->B;
        double share = data ? 1.0 : s->config->consistency_weight;
        double weight = s->config->kl_weight * share * scale;
        const float *of_row = stats->value.data + i * 2 * L;
        double kl = 0.0;
        if (!s->config->fitted_law)
            kl = nn_encoder_kl(s->student->net->encoder, of_row, weight, dstats + i * 2 * L);
        else if (s->given[row] > 0.0)
            kl = kl_of_draw(s->student->net, of_row, drawn->value.data + i * L, weight,
                            dstats + i * 2 * L, ddrawn + i * L);
        s->report.loss += weight * kl;
        *(data ? &s->report.kl : &s->report.consistency_kl) += kl / (double)s->B;
    }
}

static double *uniform_of(const VariationalStep *s, const Rng *streams, size_t first, size_t count)
{
    size_t L = s->student->lambda_dims;
    double *u = arena_alloc(s->work->arena, count * L, sizeof *u);

    for (size_t i = 0; i < count; i++) {
        Rng rng = streams[first + i];
        for (size_t k = 0; k < L; k++)
            u[i * L + k] = rng_uniform(&rng);
    }
    return u;
}

/* Adds the loss of the rows' targets, given lambda, to the report; dout gets its gradient. */
static void add_reconstruction(VariationalStep *s, const float *out, size_t first, size_t count,
                               float *dout)
{
    States x0 = states_rows(&s->x0, first, count), xt = states_rows(&s->xt, first, count);
    double *weight = arena_alloc(s->work->arena, count, sizeof *weight);
    const Head *head = &s->student->head;

    for (size_t i = 0; i < count; i++) /* diffusion_cross_entropy takes the mean over these rows */
        weight[i] = s->weight[first + i] * (double)count / (double)s->B;
    double part = s->steps != NULL
                      ? diffusion_step_kl(head, s->steps + first, &x0, &xt, weight, out, dout)
                      : diffusion_cross_entropy(head, &x0, &xt, weight, out, dout);
    s->report.loss += part;
    *(first < s->B ? &s->report.reconstruction : &s->report.consistency) += part * (double)s->D;
}

/* x (count, ...) with the rows first.. that have no lambda at 0; no gradient passes there. */
static Var *where_given(const VariationalStep *s, Var *x, size_t first)
{
    size_t count = x->value.shape[0], row = x->value.shape[1];

    if (s->student->lambda_steps == 0)
        return x;
    Tensor given = tensor_make2(x->graph->arena, count, row);
    for (size_t i = 0; i < count * row; i++)
        given.data[i] = (float)s->given[first + i / row];
    return ag_multiply(x, ag_constant(x->graph, given));
}

/* The rows are all of the data or all of the consistency term. */
static bool bound_block(void *context, size_t first, size_t count)
{
    VariationalStep *s = context;
    first += s->half;
    size_t size = count * diffusion_head_outputs(&s->student->head), L = s->student->lambda_dims;
    States x0 = states_rows(&s->x0, first, count), xt = states_rows(&s->xt, first, count);
    const Encoder *encoder = s->student->net->encoder;
    /* statistics of zeros are those of the prior */
    Var *stats = where_given(s, nn_encode(encoder, s->work->graph, &x0, &xt, s->t + first), first);
    Var *drawn = nn_encoder_draw(encoder, stats, uniform_of(s, s->noise, first, count));
    Var *lambda = where_given(s, drawn, first);
    NetworkInput in = {.x = &s->xt, .t = s->t, .dropout = s->dropout, .lambda_var = lambda};
    Var *out = diffusion_run_rows(s->student, s->work->graph, &in, first, count);
    float *dout = arena_zeroed(s->work->arena, size, sizeof *dout);
    float *dstats = arena_zeroed(s->work->arena, count * 2 * L, sizeof *dstats);
    float *ddrawn = arena_zeroed(s->work->arena, count * L, sizeof *ddrawn);

    if (out == NULL || !tensor_all_finite(out->value.data, size))
        return false;
    add_reconstruction(s, out->value.data, first, count, dout);
    add_kl(s, stats, drawn, first, count, dstats, ddrawn);
    Var *const from[] = {out, stats, drawn};
    const float *const gradient[] = {dout, dstats, ddrawn};
    ag_backward_from_all(s->config->fitted_law ? 3 : 2, from, gradient);
    return true;
}

static bool run_bound_rows(VariationalStep *s)
{
    size_t block = s->student->net->gradient_block;

    s->noise = bound_streams(s, BOUND_PASS_NOISE, s->rows);
    s->dropout = bound_streams(s, BOUND_PASS_DROPOUT, s->rows);
    for (s->half = 0; s->half < s->rows; s->half += s->B)
        if (!diffusion_run_blocks(s->work, s->B, block, bound_block, s))
            return false;
    return true;
}

/* ---- the distillation term ---- */

static double *draw_tm(const VariationalStep *s)
{
    Rng *streams = bound_streams(s, BOUND_PASS_TM, s->B);
    double *tm = arena_alloc(s->work->arena, s->B, sizeof *tm);

    for (size_t b = 0; b < s->B; b++)
        tm[b] = distill_time(s->config->t_min, s->config->tm_width, &streams[b]);
    return tm;
}

static bool run_distill_term(VariationalStep *s)
{
    ArenaMark mark = arena_mark(s->work->arena);
    States x0 = states_rows(&s->x0, 0, s->B), xtm = states_make(s->work->arena, s->B, s->D);
    DistillTerm term = {.teacher = s->teacher,
                        .student = s->student,
                        .xtm = &xtm,
                        .tm = draw_tm(s),
                        .lambda = draw_bound_lambdas(s, s->student, BOUND_PASS_LAMBDA_TM),
                        .teacher_lambda =
                            draw_bound_lambdas(s, s->teacher, BOUND_PASS_TEACHER_LAMBDA_TM),
                        .dropout = bound_streams(s, BOUND_PASS_DROPOUT_TM, s->B),
                        .weight = s->config->distill_weight};

    diffusion_draw_marginal(s->p, &xtm, &x0, term.tm, bound_streams(s, BOUND_PASS_XTM, s->B));
    s->report.distill = distill_term_gradient(&term, s->work);
    s->report.loss += term.weight * s->report.distill / (double)s->D;
    arena_release(s->work->arena, mark);
    return isfinite(s->report.distill);
}

/* ---- the step ---- */

static void check_bound(const VariationalStep *s, const States *x0)
{
    const VariationalConfig *c = s->config;
    const Denoiser *d = s->student;

    TENSOR_CHECK(x0->batch >= 1 && x0->dims == d->head.dims,
                 "x_0 (%zu, %zu), student of %zu "
                 "dimensions",
                 x0->batch, x0->dims, d->head.dims);
    TENSOR_CHECK(d->net != NULL && d->net->encoder != NULL &&
                     (d->lambda_law == LAMBDA_UNIFORM) == (d->net->encoder->family == ENCODER_BOX),
                 "a student of %zu lambdas with law %d without a recognition network for it",
                 d->lambda_dims, (int)d->lambda_law);
    TENSOR_CHECK(c->scope == LAMBDA_STEP || c->scope == LAMBDA_SAMPLE, "scope %d", (int)c->scope);
    TENSOR_CHECK(c->scope == LAMBDA_STEP || c->consistency_weight == 0.0,
                 "consistency %g with one lambda a sample", c->consistency_weight);
    TENSOR_CHECK(d->lambda_steps == 0 ||
                     (c->scope == LAMBDA_SAMPLE && d->lambda_law != LAMBDA_UNIFORM),
                 "lambda up to %zu steps, with law %d and scope %d", d->lambda_steps,
                 (int)d->lambda_law, (int)c->scope);
    TENSOR_CHECK(!c->fitted_law || (c->scope == LAMBDA_SAMPLE && d->net->prior != NULL),
                 "a divergence from the fitted law with scope %d and %s law", (int)c->scope,
                 d->net->prior != NULL ? "a" : "no");
    TENSOR_CHECK(c->scope == LAMBDA_STEP || c->distill_weight == 0.0,
                 "distillation %g with one lambda a sample", c->distill_weight);
    TENSOR_CHECK((c->consistency_weight == 0.0 && c->distill_weight == 0.0) || s->teacher != NULL,
                 "consistency %g and distillation %g without a teacher", c->consistency_weight,
                 c->distill_weight);
}

/* ---- steps of noise without a mask ---- */

/* The first row with the times of row b. */
static size_t first_alike(const VariationalStep *s, size_t b)
{
    for (size_t k = 0; k < b; k++)
        if (s->t[k] == s->t[b] && s->before[k] == s->before[b])
            return k;
    return b;
}

static void make_grid_step(size_t b, void *context)
{
    const VariationalStep *s = context;

    if (s->before[b] > 0.0 && first_alike(s, b) == b)
        s->steps[b] = diffusion_posterior_create(s->p, s->before[b], s->t[b], 0.0);
}

static void make_grid_steps(VariationalStep *s)
{
    s->steps = arena_zeroed(s->work->arena, s->B, sizeof *s->steps);
    threads_for(s->B, make_grid_step, s);
    for (size_t b = 0; b < s->B; b++)
        s->steps[b] = s->steps[first_alike(s, b)];
}

static void free_grid_steps(const VariationalStep *s)
{
    for (size_t b = 0; b < s->B && s->steps != NULL; b++)
        if (first_alike(s, b) == b)
            diffusion_posterior_destroy(s->steps[b]);
}

static bool run_bound(VariationalStep *s, const States *x0)
{
    States xt;

    s->t = arena_alloc(s->work->arena, s->rows, sizeof *s->t);
    s->u = arena_alloc(s->work->arena, s->B, sizeof *s->u);
    s->before = arena_zeroed(s->work->arena, s->B, sizeof *s->before);
    s->weight = arena_alloc(s->work->arena, s->rows, sizeof *s->weight);
    s->given = arena_alloc(s->work->arena, s->rows, sizeof *s->given);
    s->x0 = states_make(s->work->arena, s->rows, s->D);
    s->xt = states_make(s->work->arena, s->rows, s->D);
    memcpy(s->x0.x, x0->x, s->B * s->D * sizeof *x0->x);
    draw_bound_times(s);
    if (s->config->scope == LAMBDA_SAMPLE && s->p->mask < 0)
        make_grid_steps(s);
    xt = states_rows(&s->xt, 0, s->B);
    diffusion_draw_marginal(s->p, &xt, x0, s->t, bound_streams(s, BOUND_PASS_XT, s->B));
    return (s->rows == s->B || draw_consistency(s)) && run_bound_rows(s) &&
           (s->config->distill_weight == 0.0 || run_distill_term(s));
}

VariationalReport variational_gradient(const VariationalConfig *config, const Denoiser *teacher,
                                       const Denoiser *student, const Process *p, const States *x0,
                                       uint64_t seed, uint64_t step, const Workspace *work)
{
    static const VariationalReport not_finite = {NAN, NAN, NAN, NAN, NAN, NAN};
    VariationalStep s = {.config = config,
                         .teacher = teacher,
                         .student = student,
                         .p = p,
                         .B = x0->batch,
                         .D = x0->dims,
                         .rows = x0->batch * (config->consistency_weight > 0.0 ? 2 : 1),
                         .stream = rng_child(rng_child(rng_root(seed), VARIATIONAL_PURPOSE), step),
                         .work = work};
    ArenaMark mark = arena_mark(work->arena);

    check_bound(&s, x0);
    bool finite = run_bound(&s, x0);
    free_grid_steps(&s);
    arena_release(work->arena, mark);
    return finite ? s.report : not_finite;
}
