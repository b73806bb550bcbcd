/* One step's draws are made once and used for all losses, with and without control variates. */
#include "experiments/theory/trained/variance.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "distill/draws.h"
#include "tensor/base/check.h"

const char *variance_part_name(LossPart part)
{
    static const char *const names[LOSS_PARTS] = {"distill", "data", "consis", "all"};

    TENSOR_CHECK(part < LOSS_PARTS, "loss %d", (int)part);
    return names[part];
}

typedef struct Sample {
    const DistillConfig *config;
    const Denoiser *teacher, *student;
    const States *x0;
    Di4cDraws draws;
    size_t B, N, M, outputs;
    Arena *arena;
    Graph *g;
    float *teacher_t, *teacher_tm, *student_u, *student_t, *student_tm;
    NetworkInput at_t, at_tm; /* of the student: (B N) and (B M) rows */
} Sample;

static float *run_variance(const Sample *s, const Denoiser *d, const NetworkInput *in)
{
    float *out = arena_alloc(s->arena, in->x->batch * s->outputs, sizeof *out);

    diffusion_denoise(d, s->g, in, 0, out);
    return out;
}

static double *repeat(Arena *arena, const double *x, size_t count, size_t times)
{
    double *out = arena_alloc(arena, count * times, sizeof *out);

    for (size_t r = 0; r < count * times; r++)
        out[r] = x[r / times];
    return out;
}

/* The draws of a training step and the outputs of both networks at them. */
static void fill_sample(Sample *s, const Process *p, uint64_t seed, uint64_t number)
{
    Rng step = distill_stream(seed, number);
    Di4cDraws *d = &s->draws;

    *d = distill_first_draws(s->config, s->teacher, s->student, p, s->x0, step, s->arena);
    s->M = d->xtm.batch / s->B;
    NetworkInput teacher_t = {&d->xt, d->t, d->teacher_lambda_t, NULL, NULL, NULL};
    NetworkInput teacher_tm = {&d->xtm, d->tm, d->teacher_lambda_tm, NULL, NULL, NULL};
    s->teacher_t = run_variance(s, s->teacher, &teacher_t);
    s->teacher_tm = run_variance(s, s->teacher, &teacher_tm);
    distill_draw_xu(s->config, s->teacher, p, s->teacher_t, step, s->arena, d);
    NetworkInput at_u = {&d->xu, repeat(s->arena, d->u, s->B, s->N), d->lambda_u, NULL, NULL, NULL};
    s->student_u = run_variance(s, s->student, &at_u);
    diffusion_head_draw(&s->student->head, s->student_u, &d->xu,
                        distill_row_streams(s->arena, step, PASS_X0U, s->B, s->N), &d->x0u);
    States *xt = arena_alloc(s->arena, 1, sizeof *xt);
    *xt = states_repeat(s->arena, &d->xt, s->N);
    s->at_t = (NetworkInput){xt, repeat(s->arena, d->t, s->B, s->N), d->lambda_t, NULL, NULL, NULL};
    s->at_tm = (NetworkInput){&d->xtm, d->tm, d->lambda_tm, NULL, NULL, NULL};
    s->student_t = run_variance(s, s->student, &s->at_t);
    s->student_tm = run_variance(s, s->student, &s->at_tm);
}

static void losses(const Sample *s, const Di4cOptions *options, const float *teacher_t, float *dt,
                   float *dtm)
{
    const Di4cDraws *d = &s->draws;
    static const Di4cTerms none = {NULL, NULL, NULL, NULL, NULL};
    Di4cInput in = {s->B,         s->N,      d->t,         *s->x0,       d->xt,
                    d->xu,        d->x0u,    d->xtm,       s->student_t, s->student_tm,
                    s->student_u, teacher_t, s->teacher_tm};

    distill_losses(options, &s->student->head, &in, &none, dt, dtm);
}

/* (B, outputs): numbers whose softmax is the student's mean over its N lambdas. */
static float *mean_student(const Sample *s)
{
    const Head *head = &s->student->head;
    size_t S = head->states;
    float *out = arena_zeroed(s->arena, s->B * s->outputs, sizeof *out);
    float *logp = arena_alloc(s->arena, S, sizeof *logp);

    for (size_t r = 0; r < s->B * s->N; r++)
        for (size_t d = 0; d < head->dims; d++) {
            size_t b = r / s->N;
            const uint16_t *x = states_row(&s->draws.xt, b);
            diffusion_head_row(head, s->student_t + r * s->outputs, x, d, logp);
            for (size_t a = 0; a < S; a++)
                out[b * s->outputs + d * S + a] += expf(logp[a]) / (float)s->N;
        }
    for (size_t i = 0; i < s->B * s->outputs; i++)
        out[i] = out[i] > 0.0f ? logf(out[i]) : -1e30f;
    return out;
}

/* grad (P) = the gradient that dout of the student's outputs means for its weights. */
static void pull_variance(const Sample *s, const NetworkInput *in, const float *dout, float *grad)
{
    const ParamSet *params = &s->student->net->params;

    nn_params_zero_grads(&s->student->net->params);
    Var *v = s->student->forward(s->student, s->g, in);
    ag_backward_from(v, dout);
    ag_graph_reset(s->g);
    memcpy(grad, params->grads, params->total * sizeof *grad);
}

static void fill_gradients(const Sample *s, float *grads)
{
    size_t P = s->student->net->params.total, at_t = s->B * s->N * s->outputs;
    float *both = arena_zeroed(s->arena, at_t, sizeof *both);
    float *consis = arena_zeroed(s->arena, at_t, sizeof *consis);
    float *distill = arena_zeroed(s->arena, s->B * s->M * s->outputs, sizeof *distill);
    Di4cOptions no_data = s->config->loss;

    no_data.data_weight = DATA_WEIGHT_ZERO;
    losses(s, &s->config->loss, s->teacher_t, both, distill);
    losses(s, &no_data, mean_student(s), consis, NULL);
    for (size_t i = 0; i < at_t; i++)
        both[i] -= consis[i];
    pull_variance(s, &s->at_tm, distill, grads + LOSS_DISTILL * P);
    pull_variance(s, &s->at_t, both, grads + LOSS_DATA * P);
    pull_variance(s, &s->at_t, consis, grads + LOSS_CONSIS * P);
    for (size_t i = 0; i < P; i++)
        grads[LOSS_ALL * P + i] =
            grads[LOSS_DISTILL * P + i] + grads[LOSS_DATA * P + i] + grads[LOSS_CONSIS * P + i];
    nn_params_zero_grads(&s->student->net->params);
}

void variance_gradients(const DistillConfig *config, const Denoiser *teacher,
                        const Denoiser *student, const Process *p, const States *x0, uint64_t seed,
                        uint64_t step, const Workspace *work, float *grads)
{
    Sample s = {.config = config,
                .teacher = teacher,
                .student = student,
                .x0 = x0,
                .B = x0->batch,
                .N = config->lambdas,
                .arena = work->arena,
                .g = work->graph};
    ArenaMark mark = arena_mark(work->arena);

    TENSOR_CHECK(student->head.class == &diffusion_softmax && student->net != NULL,
                 "a student with head %s", student->head.class->name);
    s.outputs = diffusion_head_outputs(&student->head);
    fill_sample(&s, p, seed, step);
    fill_gradients(&s, grads);
    arena_release(work->arena, mark);
}
