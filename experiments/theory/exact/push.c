/* Push-forward by enumeration: the rows of one state are multiplied out over all states. */
#include "experiments/theory/exact/push.h"

#include <math.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/theory/exact/joint.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { MAX_TERMS = 400000000, BLOCKS = 16 };

static void exact_fill(void *self, double t, size_t lambda, double *p0)
{
    const ExactTableData *data = self;

    (void)lambda;
    joint_denoise(p0, data->p, data->states, data->dims, data->process, t);
}

TableModel push_exact_model(ExactTableData *data)
{
    TableModel model = {
        .dims = data->dims, .states = data->states, .lambdas = 1, .fill = exact_fill, .self = data};

    return model;
}

/* out (S^dims) = weight times the product of rows (dims, S). */
static size_t expand(double *out, double weight, const double *rows, size_t states, size_t dims)
{
    size_t size = 1;

    out[0] = weight;
    for (size_t d = 0; d < dims; d++, size *= states)
        for (size_t i = size; i-- > 0;)
            for (size_t y = states; y-- > 0;)
                out[i * states + y] = out[i] * rows[d * states + y];
    return size;
}

/* out += weight prod_d rows[d][y^d].  The first and the last half of the dimensions are multiplied
 * out by themselves; zeros of the first cost nothing, and the last is a plain loop.  room holds two
 * halves, at most twice the size of out. */
static void add_product(double *out, double weight, const double *rows, size_t states, size_t dims,
                        double *room)
{
    const size_t first = dims / 2, count = expand(room, weight, rows, states, first);
    double *last = room + count;
    const size_t length = expand(last, 1.0, rows + first * states, states, dims - first);

    for (size_t a = 0; a < count; a++)
        if (room[a] > 0.0)
            for (size_t b = 0; b < length; b++)
                out[a * length + b] += room[a] * last[b];
}

/* Calls of one step: one of them, or the two of a two-stage sampler.  The states are cut into a
 * fixed number of blocks, each with an output of its own; these are added in order. */
typedef struct Push {
    const SamplerPlan *plan;
    const SamplerStep *step;
    const TableModel *model;
    size_t D, S, T, size; /* T: the process's states; size = T^D */
    size_t call;          /* the first; the second is call + 1 */
    bool two;
    double *p0, *second; /* (size, D, S): probabilities of the two calls */
    const double *r;     /* the law before */
    double *parts;       /* (BLOCKS, size) */
} Push;

/* rows (D, T) after the first call from place x. */
static void fill_rows(const Push *w, size_t x, double *rows)
{
    uint16_t state[JOINT_MAX_DIMS];

    joint_state(x, w->T, w->D, state);
    for (size_t d = 0; d < w->D; d++)
        diffusion_sampler_row(w->step, w->call, state[d], w->p0 + (x * w->D + d) * w->S, 0, NULL,
                              rows + d * w->T);
}

/* rows (D, T) after the second call from place y, to which the first one led from place x. */
static void fill_second(const Push *w, size_t x, size_t y, double *rows)
{
    uint16_t old[JOINT_MAX_DIMS], now[JOINT_MAX_DIMS];

    joint_state(x, w->T, w->D, old);
    joint_state(y, w->T, w->D, now);
    for (size_t d = 0; d < w->D; d++)
        diffusion_sampler_row(w->step, w->call + 1, now[d], w->second + (y * w->D + d) * w->S,
                              old[d], w->p0 + (x * w->D + d) * w->S, rows + d * w->T);
}

/* All that follows from place x.  pair (size) is room for the law after the first of two calls. */
static void move_state(const Push *w, size_t x, double weight, double *rows, double *pair,
                       double *room, double *out)
{
    fill_rows(w, x, rows);
    if (!w->two) {
        add_product(out, weight, rows, w->T, w->D, room);
        return;
    }
    memset(pair, 0, w->size * sizeof *pair);
    add_product(pair, weight, rows, w->T, w->D, room);
    for (size_t y = 0; y < w->size; y++)
        if (pair[y] > 0.0) {
            fill_second(w, x, y, rows);
            add_product(out, pair[y], rows, w->T, w->D, room);
        }
}

static void move_block(size_t block, void *context)
{
    const Push *w = context;
    double *rows = mem_alloc(w->D * w->T, sizeof *rows), *pair = mem_alloc(w->size, sizeof *pair);
    double *room = mem_alloc(2 * w->size, sizeof *room);
    const size_t K = w->model->lambdas, runs = w->two ? K * K : K;

    for (size_t x = block * w->size / BLOCKS; x < (block + 1) * w->size / BLOCKS; x++)
        if (w->r[x] > 0.0)
            move_state(w, x, w->r[x] / (double)runs, rows, pair, room, w->parts + block * w->size);
    mem_free(room);
    mem_free(rows);
    mem_free(pair);
}

/* next = the law after the calls that w names, over all lambdas. */
static void move_push(Push *w, const double *r, double *next)
{
    const TableModel *m = w->model;
    const double t = w->plan->calls[w->call].t;
    const size_t places = w->size * w->size * (w->two ? w->size : 1); /* that others lead to */

    w->r = r;
    memset(w->parts, 0, BLOCKS * w->size * sizeof *w->parts);
    for (size_t k = 0; k < m->lambdas; k++) {
        m->fill(m->self, t, k, w->p0);
        for (size_t k2 = 0; k2 < (w->two ? m->lambdas : 1); k2++) {
            if (w->two)
                m->fill(m->self, w->plan->calls[w->call + 1].t, k2, w->second);
            cut_run(BLOCKS, move_block, w, places < CUT_SERIAL_DRAWS);
        }
    }
    memset(next, 0, w->size * sizeof *next);
    for (size_t b = 0; b < BLOCKS; b++)
        for (size_t i = 0; i < w->size; i++)
            next[i] += w->parts[b * w->size + i];
}

/* Calls of a step: *r becomes the law after them; *next is room. */
static void run_step(Push *w, size_t number, double **r, double **next)
{
    const SamplerPlan *plan = w->plan;
    SamplerStep *step = diffusion_sampler_open(plan, number);

    w->step = step;
    for (size_t c = plan->first[number]; c < plan->first[number + 1]; c++) {
        w->call = c;
        w->two = c + 1 < plan->first[number + 1] && plan->calls[c + 1].part == PART_SECOND;
        move_push(w, *r, *next);
        c += w->two;
        double *swap = *r;
        *r = *next;
        *next = swap;
    }
    diffusion_sampler_close(step);
}

double push_terms(const SamplerClass *sampler, const Process *process, size_t dims)
{
    const double T = (double)process->states;
    const bool mask = process->mask >= 0, triples = sampler->two_stages;
    /* A masked dimension stays or becomes one of the others, which stay. */
    const double moves =
        triples ? (mask ? 3.0 * T - 2.0 : T * T * T) : (mask ? 2.0 * T - 1.0 : T * T);
    return pow(moves, (double)dims);
}

bool push_possible(const SamplerClass *sampler, const Process *process, size_t dims)
{
    return diffusion_sampler_is_product(sampler) && dims <= JOINT_MAX_DIMS &&
           pow((double)process->states, (double)dims) <= JOINT_MAX_SIZE &&
           push_terms(sampler, process, dims) <= MAX_TERMS;
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

/* The law of the chain that draws lambda anew in each call. */
static void push_chain(double *out, const SamplerPlan *plan, const TableModel *model)
{
    const size_t T = plan->process->states;
    Push w = {.plan = plan, .model = model, .D = model->dims, .S = model->states, .T = T};
    w.size = joint_size(T, w.D);
    w.p0 = mem_alloc(w.size * w.D * w.S, sizeof *w.p0);
    w.second = mem_alloc(w.size * w.D * w.S, sizeof *w.second);
    w.parts = mem_alloc(BLOCKS * w.size, sizeof *w.parts);
    double *r = mem_alloc(w.size, sizeof *r), *next = mem_alloc(w.size, sizeof *next);
    joint_prior(r, plan->process, w.D);
    for (size_t n = 0; n < plan->steps; n++)
        run_step(&w, n, &r, &next);
    keep_data(out, r, w.S, T, w.D);
    mem_free(r);
    mem_free(next);
    mem_free(w.p0);
    mem_free(w.second);
    mem_free(w.parts);
}

/* A model under one of its lambdas. */
typedef struct OneLambda {
    const TableModel *model;
    size_t lambda;
} OneLambda;

static void fill_one(void *self, double t, size_t lambda, double *p0)
{
    const OneLambda *one = self;

    (void)lambda;
    one->model->fill(one->model->self, t, one->lambda, p0);
}

void push_sampler(double *out, const SamplerPlan *plan, const TableModel *model)
{
    const size_t size = joint_size(model->states, model->dims);

    TENSOR_CHECK(push_possible(plan->sampler, plan->process, model->dims),
                 "%zu^%zu states cannot be pushed", plan->process->states, model->dims);
    if (model->lambda_scope != LAMBDA_SAMPLE) {
        push_chain(out, plan, model);
        return;
    }
    double *law = mem_alloc(size, sizeof *law);
    memset(out, 0, size * sizeof *out);
    for (size_t k = 0; k < model->lambdas; k++) {
        OneLambda one = {model, k};
        const TableModel alone = {model->dims, model->states, 1, fill_one, &one, LAMBDA_STEP};
        push_chain(law, plan, &alone);
        for (size_t i = 0; i < size; i++)
            out[i] += law[i] / (double)model->lambdas;
    }
    mem_free(law);
}

void push_to_data(double *out, const double *r, const Process *process, const TableModel *model,
                  double t)
{
    const size_t D = model->dims, S = model->states, size = joint_size(process->states, D);
    double *p0 = mem_alloc(size * D * S, sizeof *p0);
    double *room = mem_alloc(2 * joint_size(S, D), sizeof *room);

    memset(out, 0, joint_size(S, D) * sizeof *out);
    for (size_t k = 0; k < model->lambdas; k++) {
        model->fill(model->self, t, k, p0);
        for (size_t x = 0; x < size; x++)
            if (r[x] > 0.0)
                add_product(out, r[x] / (double)model->lambdas, p0 + x * D * S, S, D, room);
    }
    mem_free(room);
    mem_free(p0);
}
