/* One distillation step.
 *
 *   draws that need no network -> teacher at (x_t, t) -> x_u -> student at (x_u, u) -> x_0 at u
 *   teacher at (x_tm, tm)
 *   student at (x_t, t) and (x_tm, tm), one recorded batch -> losses -> backward
 *
 * The loss is a mean over pictures, so pictures go through the recorded pass in groups.  The
 * network says how many samples a recorded call has, its gradient_block, and that settles all sums:
 * a group is as many pictures as fit into one block (N + M samples each), or one picture in several
 * blocks.  `chunk` settles only whether the blocks of a picture are recorded together.  If they are
 * too many, its outputs are computed without recording, and the network is run again block by
 * block, with the same dropout, to receive the gradient of its outputs: the same bits. */
#include "distill/step.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "tensor/base/check.h"
#include "tensor/system/cut.h"

typedef struct DistillStep {
    const DistillConfig *config;
    const Denoiser *teacher, *student;
    const States *x0;
    const Di4cDraws *draws;
    size_t B, N, M, outputs; /* M rows of a picture at tm */
    size_t block;            /* rows of a recorded call */
    const Workspace *work;
    float *teacher_t, *teacher_tm, *student_u; /* (B, outputs), (B M, outputs), (B N, outputs) */
    Rng *dropout_t, *dropout_tm;               /* (B N), (B M), or NULL */
    Di4cTerms terms;                           /* all five, (B) */
    double loss;
} DistillStep;

static void check_pair(const Denoiser *teacher, const Denoiser *student, const States *x0)
{
    const Head *a = &teacher->head, *b = &student->head;

    TENSOR_CHECK(x0->batch >= 1 && x0->dims == b->dims, "x_0 (%zu, %zu), student of %zu dimensions",
                 x0->batch, x0->dims, b->dims);
    TENSOR_CHECK(
        a->class == b->class && a->dims == b->dims && a->states == b->states &&
            a->channels == b->channels && a->fix == b->fix && a->mask == b->mask,
        "teacher's head (%s, %zu dimensions, %zu states, mask %d), student's (%s, %zu, %zu, "
        "mask %d)",
        a->class->name, a->dims, a->states, a->mask, b->class->name, b->dims, b->states, b->mask);
    TENSOR_CHECK(student->net != NULL && student->net->gradient_block > 0,
                 "the student has no network of %zu dimensions", b->dims);
}

static DistillStep step_of(const DistillConfig *config, const Denoiser *teacher,
                           const Denoiser *student, const States *x0, const Di4cDraws *draws,
                           const Workspace *work)
{
    check_pair(teacher, student, x0);
    Arena *arena = work->arena;
    size_t B = x0->batch, N = config->lambdas, M = draws->xtm.batch / B;
    size_t outputs = diffusion_head_outputs(&student->head);
    return (DistillStep){.config = config,
                         .teacher = teacher,
                         .student = student,
                         .x0 = x0,
                         .draws = draws,
                         .B = B,
                         .N = N,
                         .M = M,
                         .outputs = outputs,
                         .block = student->net->gradient_block,
                         .work = work,
                         .teacher_t = arena_alloc(arena, B * outputs, sizeof(float)),
                         .teacher_tm = arena_alloc(arena, B * M * outputs, sizeof(float)),
                         .student_u = arena_alloc(arena, B * N * outputs, sizeof(float)),
                         .terms = {.distill = arena_alloc(arena, B, sizeof(double)),
                                   .data_cor = arena_alloc(arena, B, sizeof(double)),
                                   .data_indep = arena_alloc(arena, B, sizeof(double)),
                                   .consis_cor = arena_alloc(arena, B, sizeof(double)),
                                   .consis_indep = arena_alloc(arena, B, sizeof(double))}};
}

/* Each of the B numbers N times in a row. */
static double *repeat_each(Arena *arena, const double *x, size_t B, size_t N)
{
    double *out = arena_alloc(arena, B * N, sizeof *out);

    for (size_t r = 0; r < B * N; r++)
        out[r] = x[r / N];
    return out;
}

/* ---- the passes without gradient ---- */

static bool run_teacher_t(DistillStep *s)
{
    NetworkInput in = {.x = &s->draws->xt, .t = s->draws->t, .lambda = s->draws->teacher_lambda_t};

    return diffusion_run_finite(s->work, s->teacher, &in, s->teacher_t);
}

static bool run_teacher_tm(DistillStep *s)
{
    NetworkInput in = {
        .x = &s->draws->xtm, .t = s->draws->tm, .lambda = s->draws->teacher_lambda_tm};

    return diffusion_run_finite(s->work, s->teacher, &in, s->teacher_tm);
}

static bool run_student_u(DistillStep *s, const Rng *dropout)
{
    NetworkInput in = {.x = &s->draws->xu,
                       .t = repeat_each(s->work->arena, s->draws->u, s->B, s->N),
                       .lambda = s->draws->lambda_u,
                       .dropout = dropout};

    return diffusion_run_finite(s->work, s->student, &in, s->student_u);
}

/* ---- the passes with gradient, for pictures first..first+count-1 ---- */

/* Rows of (x_t, t, lambda_i), then rows of (x_tm, tm, lambda_i). */
typedef struct PictureGroup {
    const DistillStep *step;
    size_t first, count, rows; /* rows = count (N + M) */
    States x;
    NetworkInput in;
    float *out, *dout; /* (rows, outputs): the student's; their gradient, zeros at first */
} PictureGroup;

static void copy_rows(void *to, const void *at_t, const void *at_tm, const DistillStep *s,
                      const PictureGroup *group, size_t size)
{
    size_t some = group->count * s->N * size;

    memcpy(to, (const char *)at_t + group->first * s->N * size, some);
    memcpy((char *)to + some, (const char *)at_tm + group->first * s->M * size,
           group->count * s->M * size);
}

static void fill_group(const DistillStep *s, PictureGroup *group, size_t first, size_t count)
{
    const Di4cDraws *draws = s->draws;
    size_t N = s->N, M = s->M, D = s->x0->dims, L = s->student->lambda_dims;
    double *t, *lambda = NULL;
    Rng *dropout = NULL;

    group->step = s;
    group->first = first;
    group->count = count;
    group->rows = count * (N + M);
    States xt = states_rows(&draws->xt, first, count);
    xt = states_repeat(s->work->arena, &xt, N);
    group->x = states_make(s->work->arena, group->rows, D);
    memcpy(group->x.x, xt.x, count * N * D * sizeof *xt.x);
    memcpy(group->x.x + count * N * D, draws->xtm.x + first * M * D, count * M * D * sizeof *xt.x);
    t = arena_alloc(s->work->arena, group->rows, sizeof *t);
    copy_rows(t, repeat_each(s->work->arena, draws->t, s->B, N), draws->tm, s, group, sizeof *t);
    if (L > 0) {
        lambda = arena_alloc(s->work->arena, group->rows * L, sizeof *lambda);
        copy_rows(lambda, draws->lambda_t, draws->lambda_tm, s, group, L * sizeof *lambda);
    }
    if (s->dropout_t != NULL) {
        dropout = arena_alloc(s->work->arena, group->rows, sizeof *dropout);
        copy_rows(dropout, s->dropout_t, s->dropout_tm, s, group, sizeof *dropout);
    }
    group->in = (NetworkInput){.x = &group->x, .t = t, .lambda = lambda, .dropout = dropout};
}

/* The loss of the group's pictures from group->out; group->dout gets the gradient of (count/B)
 * times it.  Returns (count/B) times the loss. */
static double group_losses(const DistillStep *s, const PictureGroup *group)
{
    size_t N = s->N, M = s->M, first = group->first, rows = group->count * N;
    size_t at_tm = rows * s->outputs;
    const Di4cDraws *draws = s->draws;
    Di4cInput in = {.images = group->count,
                    .lambdas = N,
                    .t = draws->t + first,
                    .x0 = states_rows(s->x0, first, group->count),
                    .xt = states_rows(&draws->xt, first, group->count),
                    .xu = states_rows(&draws->xu, first * N, rows),
                    .x0u = states_rows(&draws->x0u, first * N, rows),
                    .xtm = states_rows(&draws->xtm, first * M, group->count * M),
                    .student_t = group->out,
                    .student_tm = group->out + at_tm,
                    .student_u = s->student_u + first * N * s->outputs,
                    .teacher_t = s->teacher_t + first * s->outputs,
                    .teacher_tm = s->teacher_tm + first * M * s->outputs};
    Di4cTerms terms = {.distill = s->terms.distill + first,
                       .data_cor = s->terms.data_cor + first,
                       .data_indep = s->terms.data_indep + first,
                       .consis_cor = s->terms.consis_cor + first,
                       .consis_indep = s->terms.consis_indep + first};
    double loss = distill_losses(&s->config->loss, &s->student->head, &in, &terms, group->dout,
                                 group->dout + at_tm);

    return diffusion_take_share(group->dout, group->rows * s->outputs, group->count, s->B) * loss;
}

/* All blocks recorded together.  False: not finite. */
static bool backward_at_once(DistillStep *s, const PictureGroup *group)
{
    size_t calls = cut_blocks(group->rows, s->block);
    Var **v = arena_alloc(s->work->arena, calls, sizeof *v);

    for (size_t k = 0; k < calls; k++) {
        size_t first = k * s->block, left = group->rows - first;
        v[k] = diffusion_run_rows(s->student, s->work->graph, &group->in, first,
                                  left < s->block ? left : s->block);
        if (v[k] == NULL)
            return false;
        memcpy(group->out + first * s->outputs, v[k]->value.data,
               tensor_size(&v[k]->value) * sizeof *group->out);
    }
    s->loss += group_losses(s, group);
    for (size_t k = 0; k < calls; k++)
        ag_backward_from(v[k], group->dout + k * s->block * s->outputs);
    return true;
}

static bool pull_rows(void *context, size_t first, size_t count)
{
    const PictureGroup *group = context;
    const DistillStep *s = group->step;
    Var *v = diffusion_run_rows(s->student, s->work->graph, &group->in, first, count);

    if (v != NULL)
        ag_backward_from(v, group->dout + first * s->outputs);
    return v != NULL;
}

/* One block recorded at a time. */
static bool backward_in_blocks(DistillStep *s, PictureGroup *group)
{
    if (!diffusion_denoise(s->student, s->work->graph, &group->in, s->work->chunk, group->out))
        return false;
    s->loss += group_losses(s, group);
    return diffusion_run_blocks(s->work, group->rows, s->block, pull_rows, group);
}

static bool distill_pictures(void *context, size_t first, size_t count)
{
    DistillStep *s = context;
    PictureGroup group;

    fill_group(s, &group, first, count);
    group.out = arena_alloc(s->work->arena, group.rows * s->outputs, sizeof *group.out);
    group.dout = arena_zeroed(s->work->arena, group.rows * s->outputs, sizeof *group.dout);
    bool fits = s->work->chunk == 0 || group.rows <= s->work->chunk || group.rows <= s->block;
    return fits ? backward_at_once(s, &group) : backward_in_blocks(s, &group);
}

/* As many pictures at a time as fit into a recorded call, at least one. */
static bool backward_pictures(DistillStep *s)
{
    size_t most = s->block / (s->N + s->M);

    return diffusion_run_blocks(s->work, s->B, most > 0 ? most : 1, distill_pictures, s);
}

/* ---- reports ---- */

static double mean_of(const double *x, size_t n, double *copy)
{
    double total = 0.0;

    for (size_t b = 0; b < n; b++)
        total += x[b];
    if (copy != NULL)
        memcpy(copy, x, n * sizeof *x);
    return total / (double)n;
}

/* The means; the terms of each picture go to `to`, if not NULL. */
static Di4cReport report_of(const DistillStep *s, const Di4cTerms *to)
{
    static const Di4cTerms none = {NULL, NULL, NULL, NULL, NULL};
    const Di4cTerms *from = &s->terms;

    to = to != NULL ? to : &none;
    return (Di4cReport){.loss = s->loss,
                        .distill = mean_of(from->distill, s->B, to->distill),
                        .data_cor = mean_of(from->data_cor, s->B, to->data_cor),
                        .data_indep = mean_of(from->data_indep, s->B, to->data_indep),
                        .consis_cor = mean_of(from->consis_cor, s->B, to->consis_cor),
                        .consis_indep = mean_of(from->consis_indep, s->B, to->consis_indep)};
}

static const Di4cReport not_finite = {NAN, NAN, NAN, NAN, NAN, NAN};

Di4cReport distill_gradient_with(const DistillConfig *config, const Denoiser *teacher,
                                 const Denoiser *student, const States *x0, const Di4cDraws *draws,
                                 const Workspace *work, const Di4cTerms *terms)
{
    ArenaMark mark = arena_mark(work->arena);
    DistillStep s = step_of(config, teacher, student, x0, draws, work);
    Di4cReport report = not_finite;

    if (run_teacher_t(&s) && run_student_u(&s, NULL) && run_teacher_tm(&s) && backward_pictures(&s))
        report = report_of(&s, terms);
    arena_release(work->arena, mark);
    return report;
}

/* The rest of a step, from the draws that need no network on.  False: not finite. */
static bool finish_draws_and_run(DistillStep *s, Di4cDraws *draws, const Process *p, Rng step)
{
    Arena *arena = s->work->arena;
    size_t B = s->B, N = s->N;

    s->dropout_t = distill_row_streams(arena, step, PASS_DROPOUT_T, B, N);
    s->dropout_tm = distill_row_streams(arena, step, PASS_DROPOUT_TM, B, s->M);
    if (!run_teacher_t(s))
        return false;
    distill_draw_xu(s->config, s->teacher, p, s->teacher_t, step, arena, draws);
    if (!run_student_u(s, distill_row_streams(arena, step, PASS_DROPOUT_U, B, N)))
        return false;
    diffusion_head_draw(&s->student->head, s->student_u, &draws->xu,
                        distill_row_streams(arena, step, PASS_X0U, B, N), &draws->x0u);
    return run_teacher_tm(s) && backward_pictures(s);
}

Di4cReport distill_gradient(const DistillConfig *config, const Denoiser *teacher,
                            const Denoiser *student, const Process *p, const States *x0,
                            uint64_t seed, uint64_t step, const Workspace *work)
{
    ArenaMark mark = arena_mark(work->arena);
    Rng stream = distill_stream(seed, step);
    Di4cDraws draws = distill_first_draws(config, teacher, student, p, x0, stream, work->arena);
    DistillStep s = step_of(config, teacher, student, x0, &draws, work);
    Di4cReport report = not_finite;

    if (finish_draws_and_run(&s, &draws, p, stream))
        report = report_of(&s, NULL);
    arena_release(work->arena, mark);
    return report;
}
