#include "experiments/training/fit_prior.h"

#include <math.h>
#include <string.h>

#include "distill/prior_fit.h"
#include "experiments/data/batches.h"
#include "nn/encoder.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

/* Batches of draws: fitted to, at most, and to look at the result by. */
enum { BATCH = 256, FITTED_MOST = 128, FITTED_ALONG = 32, MORE = 16 };
enum { STREAM_DRAWS = 0x5072696f, STREAM_START }; /* apart from the other uses of a seed */

typedef struct LambdaDraws {
    const Model *m;
    const Dataset *data;
    Graph *graph;
    States x;
    size_t fitted, more;  /* batches fitted to; to look at the result by */
    double *lambda;       /* (fitted + more batches, L) */
    double *u;            /* (BATCH, L) */
    double log_q, normal; /* sums over the last `more` batches */
} LambdaDraws;

static void draw_batch(LambdaDraws *d, size_t number)
{
    const Config *c = &d->m->config;
    const Encoder *e = d->m->net->encoder;
    const size_t L = e->lambda_dims;
    Rng rng = rng_child(rng_child(rng_root((uint64_t)c->seed), STREAM_DRAWS), number);
    double *lambda = d->lambda + number * BATCH * L;
    dataset_batch(d->data, (uint64_t)c->seed, number, BATCH, c->flip, &d->x, NULL);
    Var *stats = nn_encode(e, d->graph, &d->x, NULL, NULL);
    for (size_t i = 0; i < BATCH * L; i++)
        d->u[i] = rng_uniform(&rng);
    const Var *drawn = nn_encoder_draw(e, stats, d->u);
    for (size_t i = 0; i < BATCH * L; i++)
        lambda[i] = (double)drawn->value.data[i];
    for (size_t b = 0; b < BATCH && number >= d->fitted; b++) {
        const float *row = stats->value.data + b * 2 * L;
        d->log_q += nn_encoder_log_density(e, row, lambda + b * L);
        d->normal += nn_encoder_kl(e, row, 0.0, NULL);
    }
    ag_graph_reset(d->graph);
}

static bool draw_and_fit(LambdaDraws *d, PriorFit *out)
{
    const LambdaPrior *prior = d->m->net->prior;
    const Rng start = rng_child(rng_root((uint64_t)d->m->config.seed), STREAM_START);
    double log_p = 0.0;
    for (size_t i = 0; i < d->fitted + d->more; i++) {
        if (platform_signal() != 0)
            return false;
        draw_batch(d, i);
    }
    if (isnan(prior_fit(prior, d->lambda, d->fitted * BATCH, start)))
        return false;
    for (size_t i = d->fitted * BATCH; i < (d->fitted + d->more) * BATCH; i++)
        log_p += nn_lambda_prior_log_density(prior, d->lambda + i * prior->lambda_dims);
    if (out != NULL)
        *out = (PriorFit){d->normal / (double)(d->more * BATCH),
                          (d->log_q - log_p) / (double)(d->more * BATCH)};
    return true;
}

/* As many draws as training saw pictures, up to the most. */
static size_t batches_for(const Config *c, size_t most)
{
    const double seen = (double)c->steps * (double)c->batch / BATCH;
    return seen >= (double)most ? most : (size_t)ceil(seen);
}

/* out NULL: the result is not looked at. */
static bool fit_by_values(const Model *m, const Dataset *data, size_t most, PriorFit *out)
{
    const size_t L = m->net->lambda_dims;
    const size_t fitted = batches_for(&m->config, most), more = out != NULL ? MORE : 0;
    LambdaDraws d = {.m = m,
                     .data = data,
                     .fitted = fitted,
                     .more = more,
                     .graph = ag_graph_create(),
                     .x = states_alloc(BATCH, m->net->dims),
                     .lambda = mem_alloc((fitted + more) * BATCH * L, sizeof(double)),
                     .u = mem_alloc(BATCH * L, sizeof(double))};
    ag_set_recording(d.graph, false);
    const bool done = draw_and_fit(&d, out);
    ag_graph_destroy(d.graph);
    states_free(&d.x);
    mem_free(d.lambda);
    mem_free(d.u);
    return done;
}

static void check_model(const Model *m)
{
    TENSOR_CHECK(m->net->prior != NULL && m->net->encoder != NULL,
                 "a model without prior or without encoder");
}

/* The law's parameters from `values` to the average of weights, and to `other` if there is one. */
static void spread(const ParamSet *set, const LambdaPrior *p, float *average, float *other)
{
    const Param *fitted[] = {p->log_weight, p->mean, p->log_deviation, p->lower};
    for (size_t i = 0; i < sizeof fitted / sizeof fitted[0] && fitted[i] != NULL; i++) {
        const size_t at = fitted[i]->offset, bytes = tensor_size(&fitted[i]->value) * sizeof(float);
        memcpy(average + at, set->values + at, bytes);
        if (other != NULL)
            memcpy(other + at, set->values + at, bytes);
    }
}

bool fit_prior(const Model *m, const Dataset *data, const Optimizer *o, PriorFit *out)
{
    check_model(m);
    const ParamSet *set = &m->net->params;
    float *raw = mem_alloc(set->total, sizeof *raw);
    memcpy(raw, set->values, set->total * sizeof *raw);
    memcpy(set->values, o->ema, set->total * sizeof *raw);
    const bool done = fit_by_values(m, data, FITTED_MOST, out);
    if (done)
        spread(set, m->net->prior, o->ema, raw);
    memcpy(set->values, raw, set->total * sizeof *raw);
    mem_free(raw);
    return done;
}

bool fit_prior_along(const Model *m, const Dataset *data, const Optimizer *o)
{
    check_model(m);
    const bool done = fit_by_values(m, data, FITTED_ALONG, NULL);
    if (done)
        spread(&m->net->params, m->net->prior, o->ema, NULL);
    return done;
}
