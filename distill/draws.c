/* Draws of a distillation step: times, lambdas, noised pictures, the teacher's step to u. */
#include "distill/draws.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/posterior.h"
#include "diffusion/process/marginal.h"
#include "distill/distill_term.h"
#include "tensor/base/check.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

#define DISTILL_PURPOSE UINT64_C(0x44693443) /* apart from the other uses of a seed */

Rng distill_stream(uint64_t seed, uint64_t step)
{
    return rng_child(rng_child(rng_root(seed), DISTILL_PURPOSE), step);
}

Rng *distill_picture_streams(Arena *arena, Rng step, Di4cPass pass, size_t images)
{
    return distill_row_streams(arena, step, pass, images, 1);
}

Rng *distill_row_streams(Arena *arena, Rng step, Di4cPass pass, size_t images, size_t lambdas)
{
    Rng *streams = arena_alloc(arena, images * lambdas, sizeof *streams);
    Rng all = rng_child(step, (uint64_t)pass);

    for (size_t b = 0; b < images; b++) {
        Rng picture = rng_child(all, b);
        for (size_t i = 0; i < lambdas; i++)
            streams[b * lambdas + i] = rng_child(picture, i);
    }
    return streams;
}

/* t - u log-uniform, t uniform above t_min + (t - u), or 1 for the first pictures. */
static void draw_long_times(const DistillConfig *config, Rng step, size_t images, Arena *arena,
                            Di4cDraws *draws)
{
    Rng *streams = distill_picture_streams(arena, step, PASS_TIMES, images);
    double at_one = floor(config->share_at_one * (double)images + 0.5);
    double range = log(config->delta_max / config->delta_min);

    for (size_t b = 0; b < images; b++) {
        double delta = config->delta_min * exp(range * rng_uniform(&streams[b]));
        double first = config->t_min + delta;
        double t = first + (1.0 - first) * rng_uniform(&streams[b]);
        draws->t[b] = (double)b < at_one ? 1.0 : t;
        draws->u[b] = draws->t[b] - delta;
    }
}

static void draw_small_times(const DistillConfig *config, Rng step, size_t images, size_t each,
                             Arena *arena, Di4cDraws *draws)
{
    size_t rows = images * each;
    Rng *streams = distill_row_streams(arena, step, PASS_TM, images, each);

    for (size_t r = 0; r < rows; r++)
        draws->tm[r] = distill_time(config->t_min, config->tm_width, &streams[r]);
}

/* Moves the uniform numbers u (B N, dims) of each picture into N equal slices of [0,1), one each,
 * in an order of its own for every dimension. */
static void stratify(double *u, size_t images, size_t N, size_t dims, Rng strata, Arena *arena)
{
    ArenaMark mark = arena_mark(arena);
    uint32_t *order = arena_alloc(arena, N, sizeof *order);

    for (size_t b = 0; b < images; b++)
        for (size_t k = 0; k < dims; k++) {
            Rng rng = rng_child(rng_child(strata, b), k);
            rng_permutation(&rng, order, N);
            for (size_t i = 0; i < N; i++) {
                double *at = &u[(b * N + i) * dims + k];
                *at = (order[i] + *at) / (double)N;
            }
        }
    arena_release(arena, mark);
}

/* (B N, lambda_dims); NULL for a product model.  Strata are of the law: of what its quantiles are
 * taken at. */
static double *draw_lambdas(const Denoiser *d, Rng step, Di4cPass pass, size_t images, size_t each,
                            bool stratified, Arena *arena)
{
    if (d->lambda_dims == 0)
        return NULL;
    const size_t rows = images * each, dims = diffusion_lambda_uniforms(d);
    double *lambda = arena_alloc(arena, rows * d->lambda_dims, sizeof *lambda);
    double *u = arena_alloc(arena, rows * dims, sizeof *u);
    Rng *streams = distill_row_streams(arena, step, pass, images, each);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < dims; k++)
            u[r * dims + k] = rng_uniform(&streams[r]);
    if (stratified)
        stratify(u, images, each, dims, rng_child(rng_child(step, PASS_STRATA), (uint64_t)pass),
                 arena);
    for (size_t r = 0; r < rows; r++)
        diffusion_lambda_of_uniforms(d, u + r * dims, lambda + r * d->lambda_dims);
    return lambda;
}

/* The same of a teacher, whose steps are tiny: zeros where it has lambdas for few steps alone. */
static double *draw_teacher_lambdas(const Denoiser *d, Rng step, Di4cPass pass, size_t images,
                                    size_t each, bool stratified, Arena *arena)
{
    double *lambda = draw_lambdas(d, step, pass, images, each, stratified, arena);
    if (lambda != NULL && !diffusion_uses_lambda(d, SIZE_MAX))
        memset(lambda, 0, images * each * d->lambda_dims * sizeof *lambda);
    return lambda;
}

static void check_distill_config(const DistillConfig *c)
{
    TENSOR_CHECK(c->lambdas >= 1, "%zu lambdas", c->lambdas);
    TENSOR_CHECK(c->delta_min > 0.0 && c->delta_max >= c->delta_min && c->t_min >= 0.0 &&
                     c->t_min + c->delta_max < 1.0,
                 "t - u in [%g, %g] above t_min = %g", c->delta_min, c->delta_max, c->t_min);
    TENSOR_CHECK(c->tm_width >= 0.0 && c->t_min + c->tm_width <= 1.0, "tm in [%g, %g]", c->t_min,
                 c->t_min + c->tm_width);
    TENSOR_CHECK(c->share_at_one >= 0.0 && c->share_at_one <= 1.0, "share %g at t = 1",
                 c->share_at_one);
}

Di4cDraws distill_first_draws(const DistillConfig *config, const Denoiser *teacher,
                              const Denoiser *student, const Process *p, const States *x0, Rng step,
                              Arena *arena)
{
    size_t B = x0->batch, N = config->lambdas, D = x0->dims;
    size_t M = config->distill_lambdas > 0 ? config->distill_lambdas : N;
    bool strata = config->stratified_lambda;
    Di4cDraws draws;

    check_distill_config(config);
    draws.t = arena_alloc(arena, B, sizeof(double));
    draws.u = arena_alloc(arena, B, sizeof(double));
    draws.tm = arena_alloc(arena, B * M, sizeof(double));
    draws.xt = states_make(arena, B, D);
    draws.xtm = states_make(arena, B * M, D);
    draws.xu = states_make(arena, B * N, D);
    draws.x0u = states_make(arena, B * N, D);
    draw_long_times(config, step, B, arena, &draws);
    draw_small_times(config, step, B, M, arena, &draws);
    draws.lambda_t = draw_lambdas(student, step, PASS_LAMBDA_T, B, N, strata, arena);
    draws.lambda_tm = draw_lambdas(student, step, PASS_LAMBDA_TM, B, M, strata, arena);
    draws.lambda_u = draw_lambdas(student, step, PASS_LAMBDA_U, B, N, strata, arena);
    draws.teacher_lambda_t =
        draw_teacher_lambdas(teacher, step, PASS_TEACHER_LAMBDA_T, B, 1, false, arena);
    draws.teacher_lambda_tm =
        draw_teacher_lambdas(teacher, step, PASS_TEACHER_LAMBDA_TM, B, M, strata, arena);
    diffusion_draw_marginal(p, &draws.xt, x0, draws.t,
                            distill_picture_streams(arena, step, PASS_XT, B));
    States repeated = states_repeat(arena, x0, M);
    diffusion_draw_marginal(p, &draws.xtm, &repeated, draws.tm,
                            distill_row_streams(arena, step, PASS_XTM, B, M));
    return draws;
}

/* ---- the teacher's step ---- */

typedef struct TeacherMove {
    const DistillConfig *config;
    const Denoiser *teacher;
    const Process *process;
    const float *teacher_t;
    Di4cDraws *draws;
    PosteriorStep **steps;              /* (B) */
    const Rng *x0_streams, *xu_streams; /* (B N) */
    States x0;                          /* (B N, D): the teacher's x_0 */
} TeacherMove;

static void make_posterior(size_t b, void *context)
{
    const TeacherMove *m = context;

    m->steps[b] =
        diffusion_posterior_create(m->process, m->draws->u[b], m->draws->t[b], m->config->eps);
}

/* x_0 ~ p^psi(. | x_t), then x_u ~ q(. | x_t, x_0): together x_u ~ p^psi_{u|t}. */
static void move_row(size_t row, void *context)
{
    const TeacherMove *m = context;
    size_t b = row / m->config->lambdas, D = m->draws->xt.dims;
    States xt = states_rows(&m->draws->xt, b, 1), x0 = states_rows(&m->x0, row, 1);
    const Head *head = &m->teacher->head;
    uint16_t *xu = states_row(&m->draws->xu, row);
    Rng rng = m->xu_streams[row];

    diffusion_head_draw(head, m->teacher_t + b * diffusion_head_outputs(head), &xt,
                        m->x0_streams + row, &x0);
    for (size_t d = 0; d < D; d++)
        xu[d] = (uint16_t)diffusion_posterior_draw(m->steps[b], xt.x[d], x0.x[d], &rng);
}

void distill_draw_xu(const DistillConfig *config, const Denoiser *teacher, const Process *p,
                     const float *teacher_t, Rng step, Arena *arena, Di4cDraws *draws)
{
    size_t B = draws->xt.batch, N = config->lambdas;
    TeacherMove m = {.config = config,
                     .teacher = teacher,
                     .process = p,
                     .teacher_t = teacher_t,
                     .draws = draws,
                     .steps = arena_alloc(arena, B, sizeof *m.steps),
                     .x0_streams = distill_row_streams(arena, step, PASS_TEACHER_X0, B, N),
                     .xu_streams = distill_row_streams(arena, step, PASS_XU, B, N),
                     .x0 = states_make(arena, B * N, draws->xt.dims)};

    cut_run(B, make_posterior, &m, B * draws->xt.dims * p->states < CUT_SERIAL_DRAWS);
    threads_for(B * N, move_row, &m);
    for (size_t b = 0; b < B; b++)
        diffusion_posterior_destroy(m.steps[b]);
}
