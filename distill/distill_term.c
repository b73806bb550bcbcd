#include "distill/distill_term.h"

#include <math.h>

#include "diffusion/head/law_mixture.h"
#include "tensor/base/check.h"
#include "tensor/base/threads.h"
#include "tensor/reduce.h"

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

typedef struct Block {
    const DistillTerm *term;
    size_t first, count, outputs;
    const float *teacher, *student; /* (B, outputs), (count, outputs) */
    float *dout;                    /* (count, outputs) */
    double scale;                   /* of the gradient */
    double *kl;                     /* (B) */
} Block;

static void one_picture(size_t i, void *context)
{
    const Block *k = context;
    size_t b = k->first + i;

    k->kl[b] = distill_dimensions(&k->term->student->head, states_row(k->term->xtm, b),
                                  k->teacher + b * k->outputs, k->student + i * k->outputs, 0,
                                  k->term->xtm->dims, k->scale, k->dout + i * k->outputs);
}

static bool run_block(Block *k, Graph *g)
{
    const DistillTerm *t = k->term;
    size_t L = t->student->lambda_dims;
    States x = states_rows(t->xtm, k->first, k->count);
    NetworkInput in = {&x, t->tm + k->first, t->lambda + k->first * L,
                       t->dropout != NULL ? t->dropout + k->first : NULL, NULL};
    Var *out = t->student->forward(t->student, g, &in);

    if (g->bad_op != NULL || !tensor_all_finite(out->value.data, k->count * k->outputs))
        return false;
    k->student = out->value.data;
    k->dout = arena_zeroed(g->arena, k->count * k->outputs, sizeof *k->dout);
    threads_for(k->count, one_picture, k);
    const float *const gradient[] = {k->dout};
    ag_backward_from_all(1, &out, gradient);
    ag_graph_reset(g);
    return true;
}

double distill_term_gradient(const DistillTerm *t, const Workspace *work)
{
    Arena *arena = work->arena;
    ArenaMark mark = arena_mark(arena);
    size_t B = t->xtm->batch, D = t->xtm->dims, outputs = diffusion_head_outputs(&t->student->head);
    size_t step = t->student->net->gradient_block;
    float *teacher = arena_alloc(arena, B * outputs, sizeof *teacher);
    double *kl = arena_zeroed(arena, B, sizeof *kl), total = 0.0;
    NetworkInput in = {t->xtm, t->tm, t->teacher_lambda, NULL, NULL};
    Block k = {.term = t, .outputs = outputs, .teacher = teacher, .kl = kl};

    TENSOR_CHECK(D == t->student->head.dims && outputs == diffusion_head_outputs(&t->teacher->head),
                 "x_tm (%zu, %zu), student of %zu dimensions", B, D, t->student->head.dims);
    k.scale = t->weight / ((double)B * (double)D);
    bool finite = diffusion_denoise(t->teacher, work->graph, &in, work->chunk, teacher) &&
                  tensor_all_finite(teacher, B * outputs);
    for (k.first = 0; finite && k.first < B; k.first += step) {
        k.count = B - k.first < step ? B - k.first : step;
        finite = run_block(&k, work->graph);
    }
    for (size_t b = 0; b < B; b++)
        total += kl[b] / (double)B;
    arena_release(arena, mark);
    return finite ? total : (double)NAN;
}
