/* Teacher training: draws, denoising cross entropy, and the gradient of one step.  The continuous-
 * time ELBO itself is in ct_elbo.c. */
#include "diffusion/teacher.h"

#include <math.h>

#include "diffusion/head/law.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/threads.h"

#define TEACHER_PURPOSE UINT64_C(0x54656163) /* apart from the other uses of a seed */

/* Streams of a step: (seed, step, pass, picture). */
typedef enum TeacherPass {
    PASS_TIME,
    PASS_NOISE,
    PASS_JUMP,
    PASS_DROPOUT,  /* at x~, or at x_t for the cross entropy */
    PASS_DROPOUT_T /* at x_t, two passes */
} TeacherPass;

enum { BLOCK = 32 }; /* dimensions of one piece of work */

TeacherConfig diffusion_teacher_defaults(void)
{
    TeacherConfig config = {TEACHER_CT_ELBO, TIME_WEIGHT_ONE, 0.01, 0.001, 1e-9, false, false};

    return config;
}

/* ---- one jump of the forward process ---- */

typedef struct Jump {
    const Process *p;
    States *xtilde;
    const States *xt;
    const Rng *streams;
} Jump;

static void jump_sample(size_t b, void *context)
{
    const Jump *jump = context;
    size_t S = jump->p->states, D = jump->xt->dims;
    const double *base = jump->p->base;
    const uint16_t *from = states_row(jump->xt, b);
    uint16_t *to = states_row(jump->xtilde, b);
    double *rate = threads_scratch(SCRATCH_PROCESS, (D > S ? D : S) * sizeof *rate);
    double total = 0.0;
    Rng rng = jump->streams[b];

    for (size_t d = 0; d < D; d++) {
        TENSOR_CHECK(from[d] < S, "state %u of %zu", (unsigned)from[d], S);
        to[d] = from[d];
        rate[d] = -base[from[d] * (S + 1)];
        total += rate[d];
    }
    if (!(total > 0.0))
        return; /* nowhere to go: every dimension is masked */
    size_t which = rng_categorical(&rng, rate, D);
    for (size_t v = 0; v < S; v++)
        rate[v] = v == from[which] ? 0.0 : base[from[which] * S + v];
    to[which] = (uint16_t)rng_categorical(&rng, rate, S);
}

void diffusion_draw_jump(const Process *p, States *xtilde, const States *xt, const Rng *streams)
{
    Jump jump = {p, xtilde, xt, streams};

    TENSOR_CHECK(xtilde->batch == xt->batch && xtilde->dims == xt->dims,
                 "x~ (%zu, %zu), x_t (%zu, %zu)", xtilde->batch, xtilde->dims, xt->batch, xt->dims);
    threads_for(xt->batch, jump_sample, &jump);
}

/* ---- cross entropy ---- */

typedef struct Entropy {
    const Head *head;
    const States *x0, *xt;
    const double *weight;
    const float *out;
    float *dout;
    size_t outputs, blocks;
    double *parts; /* (B, blocks) */
} Entropy;

static void entropy_block(size_t piece, void *context)
{
    const Entropy *e = context;
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
    size_t B = x0->batch, blocks = (head->dims + BLOCK - 1) / BLOCK;
    Entropy e = {head, x0, xt, weight, out, dout, diffusion_head_outputs(head), blocks, NULL};
    double total = 0.0;

    TENSOR_CHECK(x0->dims == head->dims, "x_0 (%zu, %zu), head of %zu dimensions", B, x0->dims,
                 head->dims);
    TENSOR_CHECK(xt == NULL || (xt->batch == B && xt->dims == x0->dims),
                 "x_t (%zu, %zu), x_0 (%zu, %zu)", xt->batch, xt->dims, B, x0->dims);
    e.parts = mem_zeroed(B * blocks, sizeof *e.parts);
    threads_for(B * blocks, entropy_block, &e);
    for (size_t i = 0; i < B * blocks; i++)
        total += e.parts[i];
    mem_free(e.parts);
    return total;
}

/* ---- one step ---- */

typedef struct Step {
    const TeacherConfig *config;
    const Denoiser *d;
    const Process *p;
    const States *x0;
    size_t B, outputs;
    double *t, *weight; /* (B) */
    States xt, xtilde;
    Rng *dropout, *dropout_t; /* (B) */
    Graph *g;
    Arena *arena;
} Step;

static Rng *streams_of(const Step *s, Rng step, TeacherPass pass)
{
    Rng *streams = arena_alloc(s->arena, s->B, sizeof *streams);

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

static void draw_times(Step *s, Rng step)
{
    const TeacherConfig *c = s->config;
    Rng *streams = streams_of(s, step, PASS_TIME);

    for (size_t b = 0; b < s->B; b++) {
        double u = rng_uniform(&streams[b]);
        if (c->stratified_times)
            u = ((double)b + u) / (double)s->B;
        s->t[b] = c->t_min + (1.0 - c->t_min) * u;
        s->weight[b] = c->time_weight == TIME_WEIGHT_ELBO ? elbo_weight(s->p, s->t[b]) : 1.0;
    }
}

static void draw_step(Step *s, Rng step)
{
    bool jump = s->config->loss == TEACHER_CT_ELBO;

    s->t = arena_alloc(s->arena, s->B, sizeof *s->t);
    s->weight = arena_alloc(s->arena, s->B, sizeof *s->weight);
    s->xt = states_make(s->arena, s->B, s->x0->dims);
    s->xtilde = states_make(s->arena, s->B, s->x0->dims);
    TENSOR_CHECK(!jump || s->config->time_weight == TIME_WEIGHT_ONE,
                 "time weight %d with the CT-ELBO", (int)s->config->time_weight);
    draw_times(s, step);
    diffusion_draw_marginal(s->p, &s->xt, s->x0, s->t, streams_of(s, step, PASS_NOISE));
    if (jump)
        diffusion_draw_jump(s->p, &s->xtilde, &s->xt, streams_of(s, step, PASS_JUMP));
    s->dropout = streams_of(s, step, PASS_DROPOUT);
    s->dropout_t = streams_of(s, step, PASS_DROPOUT_T);
}

/* Pictures first..first+count-1 of a step: a part that is run at once. */
typedef struct Part {
    const Step *step;
    size_t first, count;
    States x0, xt, xtilde;
} Part;

static Var *run(const Part *part, const States *x, const Rng *dropout)
{
    const Step *s = part->step;
    NetworkInput in = {x, s->t + part->first, NULL, dropout + part->first, NULL};
    Var *v = s->d->forward(s->d, s->g, &in);

    TENSOR_CHECK(tensor_size(&v->value) == part->count * s->outputs,
                 "denoiser gave %zu numbers for %zu samples of %zu", tensor_size(&v->value),
                 part->count, s->outputs);
    return v;
}

/* Gradient of (count/B) times the part's mean loss, from dout of the mean. */
static void backward(const Part *part, Var *v, float *dout)
{
    float share = (float)((double)part->count / (double)part->step->B);

    if (part->count != part->step->B)
        for (size_t i = 0; i < part->count * part->step->outputs; i++)
            dout[i] *= share;
    ag_backward_from(v, dout);
}

static float *gradient_room(const Part *part)
{
    return arena_zeroed(part->step->arena, part->count * part->step->outputs, sizeof(float));
}

static double elbo_part(const Part *part)
{
    const Step *s = part->step;
    bool two = s->config->two_passes;
    Var *v = run(part, &part->xtilde, s->dropout);
    Var *v_t = two ? run(part, &part->xt, s->dropout_t) : NULL;
    float *dout = gradient_room(part), *dout_t = two ? gradient_room(part) : NULL;

    if (s->g->bad_op != NULL)
        return NAN;
    double loss = diffusion_ct_elbo(s->config, &s->d->head, s->p, s->t + part->first, &part->x0,
                                    &part->xtilde, v->value.data, two ? &part->xt : NULL,
                                    two ? v_t->value.data : NULL, NULL, NULL, NULL, dout, dout_t);
    backward(part, v, dout);
    if (two)
        backward(part, v_t, dout_t);
    return loss;
}

static double entropy_part(const Part *part)
{
    const Step *s = part->step;
    Var *v = run(part, &part->xt, s->dropout);
    float *dout = gradient_room(part);

    if (s->g->bad_op != NULL)
        return NAN;
    double loss = diffusion_cross_entropy(&s->d->head, &part->x0, &part->xt,
                                          s->weight + part->first, v->value.data, dout);
    backward(part, v, dout);
    return loss;
}

/* The loss, or NaN with g as it was when a number was not finite.  Parts are blocks of the network:
 * the sums of which loss and gradient are made have one order. */
static double run_step(Step *s)
{
    size_t block = s->d->net->gradient_block;
    double loss = 0.0;

    for (size_t first = 0; first < s->B; first += block) {
        ArenaMark mark = arena_mark(s->arena);
        size_t count = s->B - first < block ? s->B - first : block;
        Part part = {s,
                     first,
                     count,
                     states_rows(s->x0, first, count),
                     states_rows(&s->xt, first, count),
                     states_rows(&s->xtilde, first, count)};
        double share = (double)count / (double)s->B;
        bool elbo = s->config->loss == TEACHER_CT_ELBO;
        loss += share * (elbo ? elbo_part(&part) : entropy_part(&part));
        if (s->g->bad_op != NULL)
            return NAN;
        ag_graph_reset(s->g);
        arena_release(s->arena, mark);
    }
    return loss;
}

double diffusion_teacher_gradient(const TeacherConfig *config, const Denoiser *d, const Process *p,
                                  const States *x0, uint64_t seed, uint64_t step,
                                  const Workspace *work)
{
    size_t B = x0->batch;
    Rng stream = rng_child(rng_child(rng_root(seed), TEACHER_PURPOSE), step);
    Step s = {config,       d,          p,
              x0,           B,          diffusion_head_outputs(&d->head),
              NULL,         NULL,       {NULL, 0, 0},
              {NULL, 0, 0}, NULL,       NULL,
              work->graph,  work->arena};

    TENSOR_CHECK(d->net != NULL && d->net->gradient_block > 0,
                 "the teacher has no network of %zu dimensions", d->head.dims);
    TENSOR_CHECK(d->lambda_dims == 0, "a teacher has no lambda, this one has %zu", d->lambda_dims);
    TENSOR_CHECK(B >= 1 && x0->dims == d->head.dims, "x_0 (%zu, %zu), denoiser of %zu dimensions",
                 B, x0->dims, d->head.dims);
    TENSOR_CHECK(config->t_min >= 0.0 && config->t_min < 1.0, "t_min = %g, from 0 to 1",
                 config->t_min);
    ArenaMark mark = arena_mark(work->arena);
    draw_step(&s, stream);
    double loss = run_step(&s);
    arena_release(work->arena, mark);
    return loss;
}
