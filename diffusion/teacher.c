/* Teacher training: draws, denoising cross entropy, and the gradient of one step.  The continuous-
 * time ELBO itself is in ct_elbo.c. */
#include "diffusion/teacher.h"

#include <math.h>

#include "diffusion/head/law.h"
#include "diffusion/process/marginal.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

#define TEACHER_PURPOSE UINT64_C(0x54656163) /* apart from the other uses of a seed */

/* Streams of a step: (seed, step, pass, picture). */
typedef enum TeacherPass {
    TEACHER_PASS_TIME,
    TEACHER_PASS_NOISE,
    TEACHER_PASS_JUMP,
    TEACHER_PASS_DROPOUT,  /* at x~, or at x_t for the cross entropy */
    TEACHER_PASS_DROPOUT_T /* at x_t, two passes */
} TeacherPass;

enum { BLOCK = 32 }; /* dimensions of one piece of work */

TeacherConfig diffusion_teacher_defaults(void)
{
    return (TeacherConfig){
        .loss = TEACHER_CT_ELBO,
        .time_weight = TIME_WEIGHT_ONE,
        .t_min = 0.01,       /* [tauLDR] */
        .nll_weight = 0.001, /* [tauLDR] */
        .eps = 1e-9,         /* the code's; not in the formulas */
        .two_passes = false, /* [tauLDR]: one network call for both parts of the loss */
        .stratified_times = false,
    };
}

/* ---- one jump of the forward process ---- */

typedef struct JumpDraw {
    const Process *p;
    States *xtilde;
    const States *xt;
    const Rng *streams;
} JumpDraw;

static void jump_picture(size_t b, void *context)
{
    const JumpDraw *jump = context;
    size_t S = jump->p->states, D = jump->xt->dims;
    const uint16_t *from = states_row(jump->xt, b);
    uint16_t *to = states_row(jump->xtilde, b);
    double *rate = threads_scratch(SCRATCH_PROCESS, (D > S ? D : S) * sizeof *rate);
    double total = 0.0;
    Rng rng = jump->streams[b];

    for (size_t d = 0; d < D; d++) {
        TENSOR_CHECK(from[d] < S, "state %u of %zu", (unsigned)from[d], S);
        to[d] = from[d];
        rate[d] = jump->p->exits[from[d]];
        total += rate[d];
    }
    if (!(total > 0.0))
        return; /* nowhere to go: every dimension is masked */
    size_t which = rng_categorical(&rng, rate, D);
    for (size_t v = 0; v < S; v++)
        rate[v] = v == from[which] ? 0.0 : diffusion_process_jump(jump->p, from[which], v);
    to[which] = (uint16_t)rng_categorical(&rng, rate, S);
}

void diffusion_draw_jump(const Process *p, States *xtilde, const States *xt, const Rng *streams)
{
    JumpDraw jump = {.p = p, .xtilde = xtilde, .xt = xt, .streams = streams};

    TENSOR_CHECK(xtilde->batch == xt->batch && xtilde->dims == xt->dims,
                 "x~ (%zu, %zu), x_t (%zu, %zu)", xtilde->batch, xtilde->dims, xt->batch, xt->dims);
    threads_for(xt->batch, jump_picture, &jump);
}

/* ---- cross entropy ---- */

typedef struct EntropyWork {
    const Head *head;
    const States *x0, *xt;
    const double *weight;
    const float *out;
    float *dout;
    size_t outputs, blocks;
    double *parts; /* (B, blocks) */
} EntropyWork;

static void entropy_piece(size_t piece, void *context)
{
    const EntropyWork *e = context;
    size_t b = piece / e->blocks, first = piece % e->blocks * BLOCK, D = e->head->dims;
    size_t end = first + BLOCK < D ? first + BLOCK : D, S = e->head->states;
    const float *out = e->out + b * e->outputs;
    const uint16_t *x0 = states_row(e->x0, b);
    const uint16_t *xt = e->xt != NULL ? states_row(e->xt, b) : NULL;
    double weight = (e->weight != NULL ? e->weight[b] : 1.0) / ((double)e->x0->batch * (double)D);
    float *p = threads_scratch(SCRATCH_LOSS, 2 * S * sizeof *p), *dlevel = p + S, logp;
    float pull = (float)-weight;

    for (size_t d = first; d < end; d++) {
        TENSOR_CHECK(x0[d] < S, "x_0 = %u, %zu states", (unsigned)x0[d], S);
        if (diffusion_head_known(e->head, xt, d)) {
            TENSOR_CHECK(xt[d] == x0[d], "dimension %zu is unmasked as %u, x_0 has %u", d,
                         (unsigned)xt[d], (unsigned)x0[d]);
            continue;
        }
        HeadLaw law = diffusion_head_law(e->head, out, d, p);
        diffusion_law_log_at(&law, x0 + d, 1, &logp);
        e->parts[piece] -= weight * (double)logp;
        if (e->dout == NULL)
            continue;
        diffusion_law_pull(&law, NULL, NULL, dlevel);
        diffusion_law_pull_at(&law, dlevel, x0 + d, &pull, 1, e->dout + b * e->outputs);
    }
}

double diffusion_cross_entropy(const Head *head, const States *x0, const States *xt,
                               const double *weight, const float *out, float *dout)
{
    size_t B = x0->batch, blocks = cut_blocks(head->dims, BLOCK);
    EntropyWork e = {.head = head,
                     .x0 = x0,
                     .xt = xt,
                     .weight = weight,
                     .out = out,
                     .dout = dout,
                     .outputs = diffusion_head_outputs(head),
                     .blocks = blocks};
    double total = 0.0;

    TENSOR_CHECK(x0->dims == head->dims, "x_0 (%zu, %zu), head of %zu dimensions", B, x0->dims,
                 head->dims);
    TENSOR_CHECK(xt == NULL || (xt->batch == B && xt->dims == x0->dims),
                 "x_t (%zu, %zu), x_0 (%zu, %zu)", xt->batch, xt->dims, B, x0->dims);
    e.parts = mem_zeroed(B * blocks, sizeof *e.parts);
    threads_for(B * blocks, entropy_piece, &e);
    for (size_t i = 0; i < B * blocks; i++)
        total += e.parts[i];
    mem_free(e.parts);
    return total;
}

/* ---- one step ---- */

typedef struct TeacherStep {
    const TeacherConfig *config;
    const Denoiser *d;
    const Process *p;
    const States *x0;
    size_t B, outputs;
    double *t, *weight; /* (B) */
    States xt, xtilde;
    Rng *dropout, *dropout_t; /* (B) */
    const Workspace *work;
    double loss;
} TeacherStep;

static Rng *teacher_streams(const TeacherStep *s, Rng step, TeacherPass pass)
{
    Rng *streams = arena_alloc(s->work->arena, s->B, sizeof *streams);

    for (size_t b = 0; b < s->B; b++)
        streams[b] = rng_child(rng_child(step, (uint64_t)pass), b);
    return streams;
}

/* -alpha'(t)/(1 - alpha(t)) = beta alpha/(1 - alpha).  At t = 1 beta may be infinite and alpha 0;
 * their product is continuous, so the point is moved by less than the float32 network sees. */
static double elbo_weight(const Process *p, double t)
{
    double at = t < 1.0 - 1e-9 ? t : 1.0 - 1e-9, keep, leave;

    TENSOR_CHECK(p->mask >= 0, "the ELBO's weights need absorbing noise, not %s", p->class->name);
    diffusion_process_keep(p, 0.0, at, &keep, &leave);
    return keep > 0.0 ? diffusion_process_rate(p, at) * keep / leave : 0.0;
}

static void draw_teacher_times(TeacherStep *s, Rng step)
{
    const TeacherConfig *c = s->config;
    Rng *streams = teacher_streams(s, step, TEACHER_PASS_TIME);

    for (size_t b = 0; b < s->B; b++) {
        double u = rng_uniform(&streams[b]);
        if (c->stratified_times)
            u = ((double)b + u) / (double)s->B;
        s->t[b] = c->t_min + (1.0 - c->t_min) * u;
        s->weight[b] = c->time_weight == TIME_WEIGHT_ELBO ? elbo_weight(s->p, s->t[b]) : 1.0;
    }
}

static void draw_teacher_step(TeacherStep *s, Rng step)
{
    bool jump = s->config->loss == TEACHER_CT_ELBO;

    s->t = arena_alloc(s->work->arena, s->B, sizeof *s->t);
    s->weight = arena_alloc(s->work->arena, s->B, sizeof *s->weight);
    s->xt = states_make(s->work->arena, s->B, s->x0->dims);
    s->xtilde = states_make(s->work->arena, s->B, s->x0->dims);
    TENSOR_CHECK(!jump || s->config->time_weight == TIME_WEIGHT_ONE,
                 "time weight %d with the CT-ELBO", (int)s->config->time_weight);
    draw_teacher_times(s, step);
    diffusion_draw_marginal(s->p, &s->xt, s->x0, s->t,
                            teacher_streams(s, step, TEACHER_PASS_NOISE));
    if (jump)
        diffusion_draw_jump(s->p, &s->xtilde, &s->xt, teacher_streams(s, step, TEACHER_PASS_JUMP));
    s->dropout = teacher_streams(s, step, TEACHER_PASS_DROPOUT);
    s->dropout_t = teacher_streams(s, step, TEACHER_PASS_DROPOUT_T);
}

/* Recorded outputs for x, the pictures of one block.  NULL: not finite. */
static Var *run_pictures(const TeacherStep *s, const States *x, const Rng *dropout, size_t first,
                         size_t count)
{
    NetworkInput in = {.x = x, .t = s->t, .dropout = dropout};

    return diffusion_run_rows(s->d, s->work->graph, &in, first, count);
}

static float *gradient_room(const TeacherStep *s, size_t count)
{
    return arena_zeroed(s->work->arena, count * s->outputs, sizeof(float));
}

/* Hands back dout, the gradient of the block's mean loss, and returns the block's share. */
static double pull_block(const TeacherStep *s, Var *v, float *dout, size_t count)
{
    double share = diffusion_take_share(dout, count * s->outputs, count, s->B);

    ag_backward_from(v, dout);
    return share;
}

static bool elbo_block(void *context, size_t first, size_t count)
{
    TeacherStep *s = context;
    bool two = s->config->two_passes;
    States x0 = states_rows(s->x0, first, count), xt = states_rows(&s->xt, first, count);
    States xtilde = states_rows(&s->xtilde, first, count);
    Var *v = run_pictures(s, &s->xtilde, s->dropout, first, count);
    Var *v_t = two && v != NULL ? run_pictures(s, &s->xt, s->dropout_t, first, count) : NULL;
    float *dout = gradient_room(s, count), *dout_t = two ? gradient_room(s, count) : NULL;

    if (v == NULL || (two && v_t == NULL))
        return false;
    double loss = diffusion_ct_elbo(s->config, &s->d->head, s->p, s->t + first, &x0, &xtilde,
                                    v->value.data, two ? &xt : NULL, two ? v_t->value.data : NULL,
                                    NULL, NULL, NULL, dout, dout_t);
    s->loss += pull_block(s, v, dout, count) * loss;
    if (two)
        pull_block(s, v_t, dout_t, count);
    return true;
}

static bool entropy_block(void *context, size_t first, size_t count)
{
    TeacherStep *s = context;
    States x0 = states_rows(s->x0, first, count), xt = states_rows(&s->xt, first, count);
    Var *v = run_pictures(s, &s->xt, s->dropout, first, count);
    float *dout = gradient_room(s, count);

    if (v == NULL)
        return false;
    double loss =
        diffusion_cross_entropy(&s->d->head, &x0, &xt, s->weight + first, v->value.data, dout);
    s->loss += pull_block(s, v, dout, count) * loss;
    return true;
}

double diffusion_teacher_gradient(const TeacherConfig *config, const Denoiser *d, const Process *p,
                                  const States *x0, uint64_t seed, uint64_t step,
                                  const Workspace *work)
{
    Rng stream = rng_child(rng_child(rng_root(seed), TEACHER_PURPOSE), step);
    TeacherStep s = {.config = config,
                     .d = d,
                     .p = p,
                     .x0 = x0,
                     .B = x0->batch,
                     .outputs = diffusion_head_outputs(&d->head),
                     .work = work};

    TENSOR_CHECK(d->net != NULL && d->net->gradient_block > 0,
                 "the teacher has no network of %zu dimensions", d->head.dims);
    TENSOR_CHECK(d->lambda_dims == 0, "a teacher has no lambda, this one has %zu", d->lambda_dims);
    TENSOR_CHECK(s.B >= 1 && x0->dims == d->head.dims, "x_0 (%zu, %zu), denoiser of %zu dimensions",
                 s.B, x0->dims, d->head.dims);
    TENSOR_CHECK(config->t_min >= 0.0 && config->t_min < 1.0, "t_min = %g, from 0 to 1",
                 config->t_min);
    ArenaMark mark = arena_mark(work->arena);
    draw_teacher_step(&s, stream);
    bool elbo = config->loss == TEACHER_CT_ELBO;
    bool finite = diffusion_run_blocks(work, s.B, d->net->gradient_block,
                                       elbo ? elbo_block : entropy_block, &s);
    arena_release(work->arena, mark);
    return finite ? s.loss : (double)NAN;
}
