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
enum { BATCH = 256, FITTED_MOST = 128, MORE = 16 };
enum { STREAM_DRAWS = 0x5072696f, STREAM_START }; /* apart from the other uses of a seed */

typedef struct LambdaDraws {
    const Model *m;
    const Dataset *data;
    Graph *graph;
    States x;
    size_t fitted;        /* batches fitted to */
    double *lambda;       /* (fitted + MORE batches, L) */
    double *u;            /* (BATCH, L) */
    double log_q, normal; /* sums over the last MORE batches */
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
    for (size_t i = 0; i < d->fitted + MORE; i++) {
        if (platform_signal() != 0)
            return false;
        draw_batch(d, i);
    }
    if (isnan(prior_fit(prior, d->lambda, d->fitted * BATCH, start)))
        return false;
    for (size_t i = d->fitted * BATCH; i < (d->fitted + MORE) * BATCH; i++)
        log_p += nn_lambda_prior_log_density(prior, d->lambda + i * prior->lambda_dims);
    *out = (PriorFit){d->normal / (MORE * BATCH), (d->log_q - log_p) / (MORE * BATCH)};
    return true;
}

/* As many draws as training saw pictures, up to the most. */
static size_t batches_for(const Config *c)
{
    const double seen = (double)c->steps * (double)c->batch / BATCH;
    return seen >= FITTED_MOST ? FITTED_MOST : (size_t)ceil(seen);
}

static bool fit_averaged(const Model *m, const Dataset *data, PriorFit *out)
{
    const size_t L = m->net->lambda_dims;
    const size_t fitted = batches_for(&m->config);
    LambdaDraws d = {.m = m,
                     .data = data,
                     .fitted = fitted,
                     .graph = ag_graph_create(),
                     .x = states_alloc(BATCH, m->net->dims),
                     .lambda = mem_alloc((fitted + MORE) * BATCH * L, sizeof(double)),
                     .u = mem_alloc(BATCH * L, sizeof(double))};
    ag_set_recording(d.graph, false);
    const bool done = draw_and_fit(&d, out);
    ag_graph_destroy(d.graph);
    states_free(&d.x);
    mem_free(d.lambda);
    mem_free(d.u);
    return done;
}

bool fit_prior(const Model *m, const Dataset *data, const Optimizer *o, PriorFit *out)
{
    const ParamSet *set = &m->net->params;
    const LambdaPrior *p = m->net->prior;
    TENSOR_CHECK(p != NULL && m->net->encoder != NULL, "a model without prior or without encoder");
    const Param *fitted[] = {p->log_weight, p->mean, p->log_deviation, p->lower};
    float *raw = mem_alloc(set->total, sizeof *raw);
    memcpy(raw, set->values, set->total * sizeof *raw);
    memcpy(set->values, o->ema, set->total * sizeof *raw);
    const bool done = fit_averaged(m, data, out);
    for (size_t i = 0; done && i < sizeof fitted / sizeof fitted[0] && fitted[i] != NULL; i++) {
        const size_t at = fitted[i]->offset, bytes = tensor_size(&fitted[i]->value) * sizeof *raw;
        memcpy(raw + at, set->values + at, bytes);
        memcpy(o->ema + at, set->values + at, bytes);
    }
    memcpy(set->values, raw, set->total * sizeof *raw);
    mem_free(raw);
    return done;
}
