/* What all samplers do with a batch: streams, lambdas, clean states. */
#include "diffusion/sampler/batch.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/sampler/samplers.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/fast_exp.h"
#include "tensor/system/threads.h"

enum { STRATA = 64 };

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t count_free(const SampleRequest *r)
{
    const size_t D = r->model->head.dims;
    size_t count = r->given == NULL ? D : 0;

    for (size_t d = 0; r->given != NULL && d < D; d++)
        count += r->given[d] == r->process->mask;
    return count;
}

void sampler_batch_init(SamplerBatch *b, const SampleRequest *r, const SamplerSettings *settings,
                        size_t count)
{
    const SamplerClass *c = diffusion_sampler_of(r);
    const Denoiser *other = r->teacher_steps > 0 ? r->teacher : r->model;
    size_t outputs =
        larger(diffusion_head_outputs(&r->model->head), diffusion_head_outputs(&other->head));
    size_t lambda_dims = larger(r->model->lambda_dims, other->lambda_dims);
    SamplerBatch empty = {
        .request = r, .settings = settings, .model = r->model, .free = count_free(r)};

    *b = empty;
    b->graph = ag_graph_create();
    b->x0 = states_alloc(count, r->model->head.dims);
    b->t = mem_alloc(count, sizeof *b->t);
    b->lambda = mem_alloc(count * lambda_dims, sizeof *b->lambda);
    b->numbers = mem_alloc(count * outputs, sizeof *b->numbers);
    b->streams = mem_alloc(count, sizeof *b->streams);
    if (c->two_stages) {
        b->before = states_alloc(count, r->model->head.dims);
        b->before_numbers = mem_alloc(count * outputs, sizeof *b->before_numbers);
    }
}

void sampler_batch_free(SamplerBatch *b)
{
    ag_graph_destroy(b->graph);
    states_free(&b->x0);
    mem_free(b->t);
    mem_free(b->lambda);
    mem_free(b->numbers);
    mem_free(b->streams);
    states_free(&b->kept);
    states_free(&b->before);
    mem_free(b->before_numbers);
}

/* ---- random numbers ---- */

size_t sampler_number(const SamplerBatch *b, size_t i)
{
    return b->request->first + b->first + (b->place != NULL ? b->place[i] : i);
}

/* The stream of sample i for one purpose and one network call. */
static Rng stream_of_call(const SamplerBatch *b, uint64_t purpose, size_t i, size_t call)
{
    Rng of_purpose = rng_child(rng_root(b->request->seed), purpose);

    return rng_child(rng_child(of_purpose, sampler_number(b, i)), call);
}

Rng sampler_stream(const SamplerBatch *b, uint64_t purpose, size_t i)
{
    return stream_of_call(b, purpose, i, b->call);
}

Rng sampler_stream_of_sample(const SamplerBatch *b, uint64_t purpose, size_t i)
{
    return stream_of_call(b, purpose, i, 0);
}

const Rng *sampler_streams(SamplerBatch *b, uint64_t purpose)
{
    for (size_t i = 0; i < b->count; i++)
        b->streams[i] = sampler_stream(b, purpose, i);
    return b->streams;
}

/* u in [0,1) keeps its place within a slice; the slice becomes that of the sample's place in the
 * random order of its 64 neighbours. */
static double stratify(const SamplerBatch *b, size_t i, size_t coordinate, size_t call, double u)
{
    uint32_t order[STRATA];
    size_t number = sampler_number(b, i);
    Rng rng = rng_child(rng_root(b->request->seed), DRAW_STRATA);

    rng = rng_child(rng_child(rng_child(rng, number / STRATA), call), coordinate);
    rng_permutation(&rng, order, STRATA);
    double value = (order[number % STRATA] + u) / STRATA;
    return value < 1.0 ? value : nextafter(1.0, 0.0);
}

LambdaScope sampler_lambda_scope(const SamplerBatch *b)
{
    const LambdaScope wanted = b->request->lambda_scope;

    return wanted != LAMBDA_SCOPE_DEFAULT ? wanted : b->model->lambda_scope;
}

/* Samplers that choose their times make many calls, and the request's steps say nothing of them. */
static bool uses_lambda(const SamplerBatch *b)
{
    const SampleRequest *r = b->request;
    const bool own_times = diffusion_sampler_of(r)->run != NULL;

    return diffusion_uses_lambda(b->model, own_times ? SIZE_MAX : r->steps);
}

/* One lambda for a sample is that of its first call, in every call. */
void sampler_draw_lambda(SamplerBatch *b)
{
    const SampleRequest *r = b->request;
    size_t dims = b->model->lambda_dims, uniforms = diffusion_lambda_uniforms(b->model);
    double *u = threads_scratch(SCRATCH_LAMBDA, uniforms * sizeof *u);

    if (!uses_lambda(b)) {
        memset(b->lambda, 0, b->count * dims * sizeof *b->lambda);
        return;
    }
    size_t call = sampler_lambda_scope(b) == LAMBDA_SAMPLE ? 0 : b->call;
    for (size_t i = 0; i < b->count; i++) {
        Rng rng = stream_of_call(b, DRAW_LAMBDA, i, call);
        for (size_t k = 0; k < uniforms; k++) {
            double at = rng_uniform(&rng);
            u[k] = r->stratified_lambda ? stratify(b, i, k, call, at) : at;
        }
        diffusion_lambda_of_uniforms(b->model, u, b->lambda + i * dims);
    }
}

void sampler_give(const SamplerBatch *b, const States *x)
{
    const uint16_t *given = b->request->given;

    for (size_t i = 0; given != NULL && i < x->batch; i++)
        for (size_t d = 0; d < x->dims; d++)
            if (given[d] != b->request->process->mask)
                states_row(x, i)[d] = given[d];
}

void sampler_clean(SamplerBatch *b, bool argmax)
{
    States x0 = states_rows(&b->x0, 0, b->count);

    if (argmax)
        diffusion_head_argmax(&b->model->head, b->numbers, &b->x, &x0);
    else
        diffusion_head_draw(&b->model->head, b->numbers, &b->x, sampler_streams(b, DRAW_X0), &x0);
}

void sampler_probabilities(const SamplerBatch *b, const float *numbers, const States *x, size_t i,
                           size_t d, double *p)
{
    const Head *head = &b->model->head;
    size_t S = head->states;
    float *logp = threads_scratch(SCRATCH_HEAD, S * sizeof *logp);

    diffusion_head_row(head, numbers + i * diffusion_head_outputs(head), states_row(x, i), d, logp);
#pragma omp simd
    for (size_t a = 0; a < S; a++)
        p[a] = (double)fast_exp(logp[a]);
}

double *sampler_room(const SamplerBatch *b, size_t count)
{
    return threads_scratch(SCRATCH_SAMPLER, count * b->request->process->states * sizeof(double));
}

void sampler_progress(const SamplerBatch *b, double share)
{
    const SampleRequest *r = b->request;
    size_t batch = r->batch > 0 && r->batch < b->all ? r->batch : b->all;
    size_t size = b->all - b->first < batch ? b->all - b->first : batch;

    if (r->progress != NULL)
        r->progress((size_t)(100.0 * ((double)b->first + share * (double)size) / (double)b->all),
                    100, r->progress_context);
}

typedef struct Each {
    SamplerBatch *b;
    SamplerBody *body;
} Each;

static void one_sample(size_t i, void *context)
{
    const Each *each = context;
    Rng rng = sampler_stream(each->b, DRAW_JUMPS, i);

    each->body(each->b, i, states_row(&each->b->x, i), &rng);
}

void sampler_each(SamplerBatch *b, SamplerBody *body)
{
    Each each = {b, body};

    threads_for(b->count, one_sample, &each);
}
