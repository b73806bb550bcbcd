/* The posterior sampler.  `out` holds the states of all samples and is moved from t_N to 0 call by
 * call, in batches; every random number comes from the stream (purpose, sample number, call). */
#include "diffusion/sampler.h"

#include <math.h>
#include <string.h>

#include "tensor/check.h"
#include "tensor/memory.h"
#include "tensor/platform.h"
#include "tensor/reduce.h"
#include "tensor/threads.h"

/* Purposes of streams; the numbers are part of what a seed means. */
enum { DRAW_PRIOR = 300, DRAW_LAMBDA, DRAW_X0, DRAW_XS, DRAW_STRATA };

enum { STRATA = 64 };

/* One batch of one call, and the buffers that all batches share. */
typedef struct Batch {
    const SampleRequest *request;
    const Denoiser *model;
    PosteriorStep *step;  /* NULL: the last call */
    size_t call;          /* 0 .. N-1 */
    size_t first, count;  /* samples of this batch, by their place in out */
    States x, x0;
    double *t, *lambda;
    float *numbers;       /* the head's, (batch, outputs) */
    Rng *streams;
} Batch;

void diff_time_grid(TimeGrid grid, size_t steps, double t_min, double *times)
{
    TENSOR_CHECK(steps >= 1, "%zu steps", steps);
    for (size_t i = 0; i < steps; i++)
        if (grid == GRID_UNIFORM)
            times[i] = (double)(steps - i) / (double)steps;
        else
            times[i] = i == 0           ? 1.0
                       : i == steps - 1 ? t_min
                                        : 1.0 - (1.0 - t_min) * (double)i / (double)(steps - 1);
}

/* ---- the request ---- */

static bool check_model(const SampleRequest *r, const Denoiser *d, const char *name,
                        const States *out, Error *err)
{
    const Process *p = r->process;
    size_t states = p->states - (p->mask >= 0 ? 1 : 0);

    if (d->head.states != states || d->head.mask != p->mask)
        return error_set(err, "the %s gives probabilities to %zu states (mask %d), the process %s "
                              "has %zu (mask %d)",
                         name, d->head.states, d->head.mask, p->class->name, states, p->mask);
    if (d->head.dims != out->dims)
        return error_set(err, "the %s has %zu dimensions, expected %zu", name, d->head.dims,
                         out->dims);
    return true;
}

static bool check_request(const SampleRequest *r, const States *out, Error *err)
{
    if (r->steps < 1)
        return error_set(err, "steps = 0, expected at least 1");
    if (r->grid == GRID_AUTHORS && r->steps < 2)
        return error_set(err, "steps = 1, expected at least 2 on the authors' grid, whose last "
                              "call is the argmax at t_min");
    if (r->grid == GRID_AUTHORS && !(r->t_min > 0.0 && r->t_min < 1.0))
        return error_set(err, "t_min = %g, expected 0 < t_min < 1", r->t_min);
    if (!(r->eps >= 0.0 && r->eps < 1.0))
        return error_set(err, "eps = %g, expected 0 <= eps < 1", r->eps);
    if (r->teacher_steps > r->steps)
        return error_set(err, "the teacher makes the last %zu calls, expected at most steps = %zu",
                         r->teacher_steps, r->steps);
    if (r->teacher_steps > 0 && r->teacher == NULL)
        return error_set(err, "the last %zu calls use a teacher, but there is none",
                         r->teacher_steps);
    return check_model(r, r->model, "model", out, err) &&
           (r->teacher_steps == 0 || check_model(r, r->teacher, "teacher", out, err));
}

/* ---- one batch ---- */

static Rng stream(const Batch *b, uint64_t purpose, size_t i)
{
    Rng of_purpose = rng_child(rng_root(b->request->seed), purpose);
    size_t number = b->request->first + b->first + i;

    return rng_child(rng_child(of_purpose, number), b->call);
}

static const Rng *streams(Batch *b, uint64_t purpose)
{
    for (size_t i = 0; i < b->count; i++)
        b->streams[i] = stream(b, purpose, i);
    return b->streams;
}

/* The number lambda in [0,1) keeps its place within a slice; the slice becomes that of the sample's
 * place in the random order of its 64 neighbours. */
static double stratify(const Batch *b, size_t i, size_t coordinate, double lambda)
{
    uint32_t order[STRATA];
    size_t number = b->request->first + b->first + i;
    Rng rng = rng_child(rng_root(b->request->seed), DRAW_STRATA);

    rng = rng_child(rng_child(rng_child(rng, number / STRATA), b->call), coordinate);
    rng_permutation(&rng, order, STRATA);
    double value = (order[number % STRATA] + lambda) / STRATA;
    return value < 1.0 ? value : nextafter(1.0, 0.0);
}

static void draw_lambda(Batch *b)
{
    size_t dims = b->model->lambda_dims;

    diff_draw_lambda(b->model, b->lambda, b->count, streams(b, DRAW_LAMBDA));
    for (size_t i = 0; i < b->count && b->request->stratified_lambda; i++)
        for (size_t k = 0; k < dims; k++)
            b->lambda[i * dims + k] = stratify(b, i, k, b->lambda[i * dims + k]);
}

static void draw_prior(size_t i, void *context)
{
    const Batch *b = context;
    Rng rng = stream(b, DRAW_PRIOR, i);

    diff_process_draw_prior(b->request->process, &rng, states_row(&b->x, i), b->x.dims);
}

static void move(size_t i, void *context)
{
    const Batch *b = context;
    Rng rng = stream(b, DRAW_XS, i);
    const uint16_t *x0 = states_row(&b->x0, i);
    uint16_t *x = states_row(&b->x, i);

    for (size_t d = 0; d < b->x.dims; d++)
        x[d] = (uint16_t)diff_posterior_draw(b->step, x[d], x0[d], &rng);
}

/* One network call: the states of the batch go from t_n to t_{n-1}. */
static bool run_batch(Batch *b, Graph *g, double t, Error *err)
{
    const Head *head = &b->model->head;
    NetworkInput in = {&b->x, b->t, NULL, NULL};

    for (size_t i = 0; i < b->count; i++)
        b->t[i] = t;
    if (b->model->lambda_dims > 0) {
        draw_lambda(b);
        in.lambda = b->lambda;
    }
    diff_denoise(b->model, g, &in, 0, b->numbers); /* a new graph checks nothing: always true */
    if (b->model->net != NULL &&
        !tensor_all_finite(b->numbers, b->count * diff_head_outputs(head)))
        return error_set(err, "the model gave a number that is not finite at t = %g, in samples "
                              "%zu to %zu",
                         t, b->request->first + b->first,
                         b->request->first + b->first + b->count - 1);
    if (b->step == NULL && b->request->grid == GRID_AUTHORS)
        diff_head_argmax(head, b->numbers, &b->x, &b->x0);
    else
        diff_head_draw(head, b->numbers, &b->x, streams(b, DRAW_X0), &b->x0);
    if (b->step != NULL)
        threads_for(b->count, move, b);
    else
        memcpy(b->x.x, b->x0.x, b->count * b->x.dims * sizeof *b->x.x);
    return true;
}

/* ---- the loop ---- */

static void set_samples(Batch *b, const States *out, const States *x0, size_t first, size_t batch)
{
    b->first = first;
    b->count = out->batch - first < batch ? out->batch - first : batch;
    b->x = states_rows(out, first, b->count);
    b->x0 = states_rows(x0, 0, b->count);
}

static bool run_call(Batch *b, Graph *g, const States *out, const States *x0, size_t batch,
                     double t, Error *err)
{
    const SampleRequest *r = b->request;
    size_t batches = (out->batch + batch - 1) / batch;

    for (size_t i = 0; i < batches; i++) {
        if (platform_signal() != 0)
            return error_set(err, "sampling stopped by signal %d", platform_signal());
        set_samples(b, out, x0, i * batch, batch);
        if (!run_batch(b, g, t, err))
            return false;
        if (r->progress != NULL)
            r->progress(b->call * batches + i + 1, r->steps * batches, r->progress_context);
    }
    return true;
}

static bool run_calls(Batch *b, Graph *g, const States *out, const States *x0, size_t batch,
                      const double *times, Error *err)
{
    const SampleRequest *r = b->request;
    bool ok = true;

    for (size_t call = 0; call < r->steps && ok; call++) {
        b->call = call;
        b->model = call + r->teacher_steps < r->steps ? r->model : r->teacher;
        b->step = NULL;
        if (call + 1 < r->steps)
            b->step = diff_posterior_create(r->process, times[call + 1], times[call], r->eps);
        ok = run_call(b, g, out, x0, batch, times[call], err);
        diff_posterior_destroy(b->step);
    }
    return ok;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

bool diff_sample(const SampleRequest *r, States *out, Error *err)
{
    size_t batch = r->batch > 0 && r->batch < out->batch ? r->batch : out->batch;

    if (!check_request(r, out, err))
        return false;
    if (out->batch == 0)
        return true;
    const Denoiser *other = r->teacher_steps > 0 ? r->teacher : r->model;
    size_t outputs = larger(diff_head_outputs(&r->model->head), diff_head_outputs(&other->head));
    size_t lambda_dims = larger(r->model->lambda_dims, other->lambda_dims);
    double *times = mem_alloc(r->steps, sizeof *times);
    States x0 = states_alloc(batch, out->dims);
    Graph *g = ag_graph_create();
    Batch b = {.request = r};

    b.t = mem_alloc(batch, sizeof *b.t);
    b.lambda = mem_alloc(batch * lambda_dims, sizeof *b.lambda);
    b.numbers = mem_alloc(batch * outputs, sizeof *b.numbers);
    b.streams = mem_alloc(batch, sizeof *b.streams);
    diff_time_grid(r->grid, r->steps, r->t_min, times);
    set_samples(&b, out, &x0, 0, batch);
    b.count = out->batch;
    b.x = *out;
    threads_for(out->batch, draw_prior, &b);
    bool ok = run_calls(&b, g, out, &x0, batch, times, err);
    ag_graph_destroy(g);
    mem_free(b.t);
    mem_free(b.lambda);
    mem_free(b.numbers);
    mem_free(b.streams);
    mem_free(times);
    states_free(&x0);
    return ok;
}
