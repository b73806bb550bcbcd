/* Push-forward by enumeration.  Rows of one state are multiplied out dimension by dimension; zeros
 * end a branch, which is what makes masks and argmax cheap. */
#include "experiments/theory/push.h"

#include <string.h>

#include "experiments/theory/joint.h"
#include "tensor/check.h"
#include "tensor/memory.h"

enum { MAX_TERMS = 60000000 };

static void exact_fill(void *self, double t, size_t lambda, double *p0)
{
    const ExactTableData *data = self;

    (void)lambda;
    joint_denoise(p0, data->p, data->states, data->dims, data->process, t);
}

TableModel push_exact_model(ExactTableData *data)
{
    TableModel model = {data->dims, data->states, 1, exact_fill, data};

    return model;
}

/* out[base + y] += weight prod_d rows[d][y^d] over the dimensions from d on. */
static void add_product(double *out, double weight, const double *rows, size_t states, size_t dims,
                        size_t d, size_t base)
{
    if (d == dims) {
        out[base] += weight;
        return;
    }
    for (size_t y = 0; y < states; y++)
        if (rows[d * states + y] > 0.0)
            add_product(out, weight * rows[d * states + y], rows, states, dims, d + 1,
                        base * states + y);
}

typedef struct Push {
    const SamplerPlan *plan;
    const TableModel *model;
    size_t D, S, T, size; /* T: the process's states; size = T^D */
    double *p0, *before;  /* (size, D, S): probabilities of this call and of the one before */
    double *rows;         /* (D, T) */
} Push;

static void fill_rows(const Push *w, const SamplerStep *step, size_t call, size_t x,
                      const uint16_t *old)
{
    uint16_t state[JOINT_MAX_DIMS];
    size_t before = old == NULL ? 0 : joint_place(old, w->T, w->D);

    joint_state(x, w->T, w->D, state);
    for (size_t d = 0; d < w->D; d++)
        diff_sampler_row(
            step, call, state[d], w->p0 + (x * w->D + d) * w->S, old == NULL ? 0 : old[d],
            old == NULL ? NULL : w->before + (before * w->D + d) * w->S, w->rows + d * w->T);
}

/* out = the law after a call that looks at the present state only. */
static void move_once(const Push *w, const SamplerStep *step, size_t call, const double *r,
                      double *out)
{
    for (size_t x = 0; x < w->size; x++)
        if (r[x] > 0.0) {
            fill_rows(w, step, call, x, NULL);
            add_product(out, r[x] / (double)w->model->lambdas, w->rows, w->T, w->D, 0, 0);
        }
}

/* A call that also looks at the state before the last move (PART_SECOND): that move is made again
 * from each state x of r, and the second one from each state it leads to.  pair holds the law of
 * the first move given x. */
static void move_twice(Push *w, const SamplerStep *step, size_t call, double t, const double *r,
                       double *out)
{
    double *pair = mem_alloc(w->size, sizeof *pair);
    double *second = mem_alloc(w->size * w->D * w->S, sizeof *second);
    uint16_t old[JOINT_MAX_DIMS];

    TENSOR_CHECK(w->model->lambdas == 1, "%zu lambdas with a sampler of two stages",
                 w->model->lambdas);
    w->model->fill(w->model->self, t, 0, second);
    for (size_t x = 0; x < w->size; x++) {
        if (!(r[x] > 0.0))
            continue;
        memset(pair, 0, w->size * sizeof *pair);
        joint_state(x, w->T, w->D, old);
        fill_rows(w, step, call - 1, x, NULL);
        add_product(pair, r[x], w->rows, w->T, w->D, 0, 0);
        Push two = *w;
        two.before = w->p0;
        two.p0 = second;
        for (size_t y = 0; y < w->size; y++)
            if (pair[y] > 0.0) {
                fill_rows(&two, step, call, y, old);
                add_product(out, pair[y], two.rows, w->T, w->D, 0, 0);
            }
    }
    mem_free(pair);
    mem_free(second);
}

/* Calls first..end-1 of a step: r becomes the law after them; next is room. */
static void run_step(Push *w, size_t number, double **r, double **next)
{
    const SamplerPlan *plan = w->plan;
    SamplerStep *step = diff_sampler_open(plan, number);

    for (size_t c = plan->first[number]; c < plan->first[number + 1]; c++) {
        const bool two = c + 1 < plan->first[number + 1] && plan->calls[c + 1].part == PART_SECOND;
        memset(*next, 0, w->size * sizeof **next);
        for (size_t k = 0; k < w->model->lambdas; k++) {
            w->model->fill(w->model->self, plan->calls[c].t, k, w->p0);
            if (two)
                move_twice(w, step, c + 1, plan->calls[c + 1].t, *r, *next);
            else
                move_once(w, step, c, *r, *next);
        }
        c += two;
        double *swap = *r;
        *r = *next;
        *next = swap;
    }
    diff_sampler_close(step);
}

bool push_possible(const SamplerClass *sampler, size_t process_states, size_t dims)
{
    if (!diff_sampler_is_product(sampler))
        return false;
    double size = 1.0;
    for (size_t d = 0; d < dims; d++)
        size *= (double)process_states;
    const bool triples = sampler == diff_sampler_find("theta-trapezoidal", NULL);
    return size <= JOINT_MAX_SIZE && size * size * (triples ? size : 1.0) <= MAX_TERMS;
}

/* The part of r (T^D) that lies on data states, out (S^D). */
static void keep_data(double *out, const double *r, size_t states, size_t to, size_t dims)
{
    uint16_t x[JOINT_MAX_DIMS];

    for (size_t i = 0; i < joint_size(states, dims); i++) {
        joint_state(i, states, dims, x);
        out[i] = r[joint_place(x, to, dims)];
    }
}

void push_sampler(double *out, const SamplerPlan *plan, const TableModel *model)
{
    const size_t T = plan->process->states;

    TENSOR_CHECK(push_possible(plan->sampler, T, model->dims), "%zu^%zu states cannot be pushed", T,
                 model->dims);
    Push w = {.plan = plan, .model = model, .D = model->dims, .S = model->states, .T = T};
    w.size = joint_size(T, w.D);
    w.p0 = mem_alloc(w.size * w.D * w.S, sizeof *w.p0);
    w.rows = mem_alloc(w.D * T, sizeof *w.rows);
    double *r = mem_alloc(w.size, sizeof *r), *next = mem_alloc(w.size, sizeof *next);
    joint_prior(r, plan->process, w.D);
    for (size_t n = 0; n < plan->steps; n++)
        run_step(&w, n, &r, &next);
    keep_data(out, r, w.S, T, w.D);
    mem_free(r);
    mem_free(next);
    mem_free(w.p0);
    mem_free(w.rows);
}

void push_to_data(double *out, const double *r, const Process *process, const TableModel *model,
                  double t)
{
    const size_t D = model->dims, S = model->states, size = joint_size(process->states, D);
    double *p0 = mem_alloc(size * D * S, sizeof *p0);

    memset(out, 0, joint_size(S, D) * sizeof *out);
    for (size_t k = 0; k < model->lambdas; k++) {
        model->fill(model->self, t, k, p0);
        for (size_t x = 0; x < size; x++)
            if (r[x] > 0.0)
                add_product(out, r[x] / (double)model->lambdas, p0 + x * D * S, S, D, 0, 0);
    }
    mem_free(p0);
}
