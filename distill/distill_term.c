#include "distill/distill_term.h"

#include <math.h>

#include "diffusion/head/law_mixture.h"
#include "tensor/base/check.h"
#include "tensor/reduce.h"
#include "tensor/system/threads.h"

double distill_time(double t_min, double width, Rng *rng)
{
    bool later = (rng_u32(rng) & 1) != 0;
    double later_by = width * rng_uniform(rng);

    return t_min + (later ? later_by : 0.0);
}

double distill_dimensions(const Head *head, const uint16_t *x, const float *teacher,
                          const float *student, size_t first, size_t end, double scale, float *dout)
{
    size_t S = head->states;
    float *p = threads_scratch(SCRATCH_LOSS, 3 * S * sizeof *p);
    float *q = p + S, *dlevel = q + S; /* at most S numbers */
    double sum = 0.0;

    for (size_t d = first; d < end; d++) {
        if (diffusion_head_known(head, x, d))
            continue;
        diffusion_head_law(head, teacher, d, p);
        HeadLaw law = diffusion_head_law(head, student, d, q);
        LawMixture m = {&law, 1, q};
        sum += diffusion_mixture_kl(&m, p);
        if (dout != NULL)
            diffusion_mixture_pull(&m, p, scale, dout, dlevel, 0);
    }
    return sum;
}

typedef struct TermStep {
    const DistillTerm *term;
    const Workspace *work;
    NetworkInput student;     /* all rows */
    const float *teacher_out; /* (B, outputs) */
    size_t outputs;
    double scale; /* of the gradient */
    double *kl;   /* (B) */
    /* of the block that is run */
    size_t first;
    const float *student_out; /* (count, outputs) */
    float *dout;              /* (count, outputs) */
} TermStep;

static void term_of_picture(size_t i, void *context)
{
    const TermStep *s = context;
    size_t b = s->first + i;

    s->kl[b] = distill_dimensions(&s->term->student->head, states_row(s->term->xtm, b),
                                  s->teacher_out + b * s->outputs, s->student_out + i * s->outputs,
                                  0, s->term->xtm->dims, s->scale, s->dout + i * s->outputs);
}

static bool term_block(void *context, size_t first, size_t count)
{
    TermStep *s = context;
    Var *out = diffusion_run_rows(s->term->student, s->work->graph, &s->student, first, count);

    if (out == NULL || !tensor_all_finite(out->value.data, count * s->outputs))
        return false;
    s->first = first;
    s->student_out = out->value.data;
    s->dout = arena_zeroed(s->work->arena, count * s->outputs, sizeof *s->dout);
    threads_for(count, term_of_picture, s);
    ag_backward_from(out, s->dout);
    return true;
}

double distill_term_gradient(const DistillTerm *t, const Workspace *work)
{
    ArenaMark mark = arena_mark(work->arena);
    size_t B = t->xtm->batch, D = t->xtm->dims, outputs = diffusion_head_outputs(&t->student->head);
    float *teacher_out = arena_alloc(work->arena, B * outputs, sizeof *teacher_out);
    NetworkInput teacher = {.x = t->xtm, .t = t->tm, .lambda = t->teacher_lambda};
    TermStep s = {.term = t,
                  .work = work,
                  .student = {.x = t->xtm, .t = t->tm, .lambda = t->lambda, .dropout = t->dropout},
                  .teacher_out = teacher_out,
                  .outputs = outputs,
                  .scale = t->weight / ((double)B * (double)D),
                  .kl = arena_zeroed(work->arena, B, sizeof *s.kl)};
    double total = 0.0;

    TENSOR_CHECK(D == t->student->head.dims && outputs == diffusion_head_outputs(&t->teacher->head),
                 "x_tm (%zu, %zu), student of %zu dimensions", B, D, t->student->head.dims);
    bool finite = diffusion_run_finite(work, t->teacher, &teacher, teacher_out) &&
                  diffusion_run_blocks(work, B, t->student->net->gradient_block, term_block, &s);
    for (size_t b = 0; b < B; b++)
        total += s.kl[b] / (double)B;
    arena_release(work->arena, mark);
    return finite ? total : (double)NAN;
}
