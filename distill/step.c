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

#include "tensor/base/check.h"
#include "tensor/reduce.h"

typedef struct Step {
    const DistillConfig *config;
    const Denoiser *teacher, *student;
    const States *x0;
    const Di4cDraws *draws;
    size_t B, N, M, outputs, chunk; /* M rows of a picture at tm */
    size_t block;                   /* rows of a recorded call */
    Graph *g;
    Arena *arena;
    float *teacher_t, *teacher_tm, *student_u; /* (B, outputs), (B M, outputs), (B N, outputs) */
    Rng *dropout_t, *dropout_tm;               /* (B N), (B M), or NULL */
    Di4cTerms terms;                           /* all five, (B) */
} Step;

static void check_models(const Denoiser *teacher, const Denoiser *student, const States *x0)
{
    const Head *a = &teacher->head, *b = &student->head;

    TENSOR_CHECK(x0->batch >= 1 && x0->dims == b->dims, "x_0 (%zu, %zu), student of %zu dimensions",
                 x0->batch, x0->dims, b->dims);
    TENSOR_CHECK(a->kind == b->kind && a->dims == b->dims && a->states == b->states &&
                     a->channels == b->channels && a->fix == b->fix && a->mask == b->mask,
                 "teacher's head (kind %d, %zu dimensions, %zu states, mask %d), student's (kind "
                 "%d, %zu, %zu, mask %d)",
                 (int)a->kind, a->dims, a->states, a->mask, (int)b->kind, b->dims, b->states,
                 b->mask);
    TENSOR_CHECK(student->net != NULL && student->net->gradient_block > 0,
                 "the student has no network of %zu dimensions", b->dims);
}

static Step step_of(const DistillConfig *config, const Denoiser *teacher, const Denoiser *student,
                    const States *x0, const Di4cDraws *draws, const Workspace *work)
{
    Arena *arena = work->arena;
    size_t B = x0->batch;
    Step s = {config,
              teacher,
              student,
              x0,
              draws,
              B,
              config->lambdas,
              draws->xtm.batch / B,
              diffusion_head_outputs(&student->head),
              work->chunk,
              0,
              work->graph,
              arena,
              NULL,
              NULL,
              NULL,
              NULL,
              NULL,
              {NULL, NULL, NULL, NULL, NULL}};

    check_models(teacher, student, x0);
    s.block = student->net->gradient_block;
    s.teacher_t = arena_alloc(arena, B * s.outputs, sizeof(float));
    s.teacher_tm = arena_alloc(arena, B * s.M * s.outputs, sizeof(float));
    s.student_u = arena_alloc(arena, B * s.N * s.outputs, sizeof(float));
    s.terms.distill = arena_alloc(arena, B, sizeof(double));
    s.terms.data_cor = arena_alloc(arena, B, sizeof(double));
    s.terms.data_indep = arena_alloc(arena, B, sizeof(double));
    s.terms.consis_cor = arena_alloc(arena, B, sizeof(double));
    s.terms.consis_indep = arena_alloc(arena, B, sizeof(double));
    return s;
}

/* Each of the B numbers N times in a row. */
static double *repeat(Arena *arena, const double *x, size_t B, size_t N)
{
    double *out = arena_alloc(arena, B * N, sizeof *out);

    for (size_t r = 0; r < B * N; r++)
        out[r] = x[r / N];
    return out;
}

/* ---- the passes without gradient ---- */

/* States are drawn from these numbers: broken ones end the step whether or not g looks at every
 * operation. */
static bool run(const Step *s, const Denoiser *d, const NetworkInput *in, float *out)
{
    return diffusion_denoise(d, s->g, in, s->chunk, out) &&
           tensor_all_finite(out, in->x->batch * s->outputs);
}

static bool run_teacher_t(Step *s)
{
    NetworkInput in = {&s->draws->xt, s->draws->t, s->draws->teacher_lambda_t, NULL, NULL};

    return run(s, s->teacher, &in, s->teacher_t);
}

static bool run_teacher_tm(Step *s)
{
    NetworkInput in = {&s->draws->xtm, s->draws->tm, s->draws->teacher_lambda_tm, NULL, NULL};

    return run(s, s->teacher, &in, s->teacher_tm);
}

static bool run_student_u(Step *s, const Rng *dropout)
{
    NetworkInput in = {&s->draws->xu, repeat(s->arena, s->draws->u, s->B, s->N), s->draws->lambda_u,
                       dropout, NULL};

    return run(s, s->student, &in, s->student_u);
}

/* ---- the passes with gradient, for pictures first..first+count-1 ---- */

/* Rows of (x_t, t, lambda_i), then rows of (x_tm, tm, lambda_i). */
typedef struct Group {
    size_t first, count, rows; /* rows = count (N + M) */
    States x;
    NetworkInput in;
} Group;

static void copy_rows(void *to, const void *at_t, const void *at_tm, const Step *s,
                      const Group *group, size_t size)
{
    size_t some = group->count * s->N * size;

    memcpy(to, (const char *)at_t + group->first * s->N * size, some);
    memcpy((char *)to + some, (const char *)at_tm + group->first * s->M * size,
           group->count * s->M * size);
}

static void fill_group(Step *s, Group *group, size_t first, size_t count)
{
    const Di4cDraws *draws = s->draws;
    size_t N = s->N, M = s->M, D = s->x0->dims, L = s->student->lambda_dims;
    double *t, *lambda = NULL;
    Rng *dropout = NULL;

    group->first = first;
    group->count = count;
    group->rows = count * (N + M);
    States xt = states_rows(&draws->xt, first, count);
    xt = states_repeat(s->arena, &xt, N);
    group->x = states_make(s->arena, group->rows, D);
    memcpy(group->x.x, xt.x, count * N * D * sizeof *xt.x);
    memcpy(group->x.x + count * N * D, draws->xtm.x + first * M * D, count * M * D * sizeof *xt.x);
    t = arena_alloc(s->arena, group->rows, sizeof *t);
    copy_rows(t, repeat(s->arena, draws->t, s->B, N), draws->tm, s, group, sizeof *t);
    if (L > 0) {
        lambda = arena_alloc(s->arena, group->rows * L, sizeof *lambda);
        copy_rows(lambda, draws->lambda_t, draws->lambda_tm, s, group, L * sizeof *lambda);
    }
    if (s->dropout_t != NULL) {
        dropout = arena_alloc(s->arena, group->rows, sizeof *dropout);
        copy_rows(dropout, s->dropout_t, s->dropout_tm, s, group, sizeof *dropout);
    }
    NetworkInput in = {&group->x, t, lambda, dropout, NULL};
    group->in = in;
}

/* Loss of the group's pictures from the student's outputs (rows, outputs); dout (the same shape,
 * zeroed) gets the gradient of (count/B) times it.  Returns (count/B) times the loss. */
static double group_losses(const Step *s, const Group *group, const float *out, float *dout)
{
    size_t N = s->N, M = s->M, first = group->first, rows = group->count * N;
    size_t size = rows * s->outputs;
    double share = (double)group->count / (double)s->B;
    const Di4cDraws *draws = s->draws;
    Di4cInput in = {group->count,
                    N,
                    draws->t + first,
                    states_rows(s->x0, first, group->count),
                    states_rows(&draws->xt, first, group->count),
                    states_rows(&draws->xu, first * N, rows),
                    states_rows(&draws->x0u, first * N, rows),
                    states_rows(&draws->xtm, first * M, group->count * M),
                    out,
                    out + size,
                    s->student_u + first * N * s->outputs,
                    s->teacher_t + first * s->outputs,
                    s->teacher_tm + first * M * s->outputs};
    Di4cTerms terms = {s->terms.distill + first, s->terms.data_cor + first,
                       s->terms.data_indep + first, s->terms.consis_cor + first,
                       s->terms.consis_indep + first};
    double loss =
        distill_losses(&s->config->loss, &s->student->head, &in, &terms, dout, dout + size);

    if (group->count != s->B)
        for (size_t j = 0; j < group->rows * s->outputs; j++)
            dout[j] *= (float)share;
    return share * loss;
}

/* Runs the group's block of rows that begins at `first`, recorded.  NULL: not finite. */
static Var *run_block(const Step *s, const Group *group, size_t first)
{
    size_t left = group->rows - first, count = left < s->block ? left : s->block;
    States x = states_rows(&group->x, first, count);
    NetworkInput in = group->in;

    in.x = &x;
    in.t += first;
    if (in.lambda != NULL)
        in.lambda += first * s->student->lambda_dims;
    if (in.dropout != NULL)
        in.dropout += first;
    Var *v = s->student->forward(s->student, s->g, &in);
    TENSOR_CHECK(tensor_size(&v->value) == count * s->outputs,
                 "student gave %zu numbers for %zu samples of %zu", tensor_size(&v->value), count,
                 s->outputs);
    return s->g->bad_op == NULL ? v : NULL;
}

/* All blocks recorded together.  False: not finite. */
static bool backward_at_once(const Step *s, const Group *group, float *dout, double *loss)
{
    size_t calls = (group->rows + s->block - 1) / s->block;
    Var **v = arena_alloc(s->arena, calls, sizeof *v);
    float *out = arena_alloc(s->arena, group->rows * s->outputs, sizeof *out);

    for (size_t k = 0; k < calls; k++) {
        v[k] = run_block(s, group, k * s->block);
        if (v[k] == NULL)
            return false;
        memcpy(out + k * s->block * s->outputs, v[k]->value.data,
               tensor_size(&v[k]->value) * sizeof *out);
    }
    *loss += group_losses(s, group, out, dout);
    for (size_t k = 0; k < calls; k++)
        ag_backward_from(v[k], dout + k * s->block * s->outputs);
    ag_graph_reset(s->g);
    return true;
}

/* One block recorded at a time. */
static bool backward_in_blocks(const Step *s, const Group *group, float *dout, double *loss)
{
    float *out = arena_alloc(s->arena, group->rows * s->outputs, sizeof *out);

    if (!diffusion_denoise(s->student, s->g, &group->in, s->chunk, out))
        return false;
    *loss += group_losses(s, group, out, dout);
    for (size_t first = 0; first < group->rows; first += s->block) {
        Var *v = run_block(s, group, first);
        if (v == NULL)
            return false;
        ag_backward_from(v, dout + first * s->outputs);
        ag_graph_reset(s->g);
    }
    return true;
}

static bool backward(Step *s, double *loss)
{
    size_t most = s->block / (s->N + s->M);

    most = most > 0 ? most : 1;
    for (size_t first = 0; first < s->B; first += most) {
        ArenaMark mark = arena_mark(s->arena);
        size_t count = s->B - first < most ? s->B - first : most;
        Group group;
        fill_group(s, &group, first, count);
        float *dout = arena_zeroed(s->arena, group.rows * s->outputs, sizeof *dout);
        bool fits = s->chunk == 0 || group.rows <= s->chunk || group.rows <= s->block;
        if (!(fits ? backward_at_once : backward_in_blocks)(s, &group, dout, loss))
            return false;
        arena_release(s->arena, mark);
    }
    return true;
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

static Di4cReport report_of(const Step *s, double loss, const Di4cTerms *to)
{
    static const Di4cTerms none = {NULL, NULL, NULL, NULL, NULL};
    const Di4cTerms *from = &s->terms;
    Di4cReport report;

    to = to != NULL ? to : &none;
    report.loss = loss;
    report.distill = mean_of(from->distill, s->B, to->distill);
    report.data_cor = mean_of(from->data_cor, s->B, to->data_cor);
    report.data_indep = mean_of(from->data_indep, s->B, to->data_indep);
    report.consis_cor = mean_of(from->consis_cor, s->B, to->consis_cor);
    report.consis_indep = mean_of(from->consis_indep, s->B, to->consis_indep);
    return report;
}

static Di4cReport not_finite(void)
{
    Di4cReport report = {NAN, NAN, NAN, NAN, NAN, NAN};

    return report;
}

Di4cReport distill_gradient_with(const DistillConfig *config, const Denoiser *teacher,
                                 const Denoiser *student, const States *x0, const Di4cDraws *draws,
                                 const Workspace *work, const Di4cTerms *terms)
{
    ArenaMark mark = arena_mark(work->arena);
    Step s = step_of(config, teacher, student, x0, draws, work);
    Di4cReport report = not_finite();
    double loss = 0.0;

    if (run_teacher_t(&s) && run_student_u(&s, NULL) && run_teacher_tm(&s) && backward(&s, &loss))
        report = report_of(&s, loss, terms);
    arena_release(work->arena, mark);
    return report;
}

/* The rest of a step, from the draws that need no network on.  False: not finite. */
static bool run_step(Step *s, Di4cDraws *draws, const Process *p, Rng step, double *loss)
{
    size_t B = s->B, N = s->N;

    s->dropout_t = distill_row_streams(s->arena, step, PASS_DROPOUT_T, B, N);
    s->dropout_tm = distill_row_streams(s->arena, step, PASS_DROPOUT_TM, B, s->M);
    if (!run_teacher_t(s))
        return false;
    distill_draw_xu(s->config, s->teacher, p, s->teacher_t, step, s->arena, draws);
    if (!run_student_u(s, distill_row_streams(s->arena, step, PASS_DROPOUT_U, B, N)))
        return false;
    diffusion_head_draw(&s->student->head, s->student_u, &draws->xu,
                        distill_row_streams(s->arena, step, PASS_X0U, B, N), &draws->x0u);
    return run_teacher_tm(s) && backward(s, loss);
}

Di4cReport distill_gradient(const DistillConfig *config, const Denoiser *teacher,
                            const Denoiser *student, const Process *p, const States *x0,
                            uint64_t seed, uint64_t step, const Workspace *work)
{
    ArenaMark mark = arena_mark(work->arena);
    Rng stream = distill_stream(seed, step);
    Di4cDraws draws = distill_first_draws(config, teacher, student, p, x0, stream, work->arena);
    Step s = step_of(config, teacher, student, x0, &draws, work);
    Di4cReport report = not_finite();
    double loss = 0.0;

    if (run_step(&s, &draws, p, stream, &loss))
        report = report_of(&s, loss, NULL);
    arena_release(work->arena, mark);
    return report;
}
