/* Adam.  Moments, parameters and averages are blocks of equal layout, so a step is one pass over
 * them, cut into blocks of fixed size: every number is written by one block, so results do not
 * depend on the number of threads. */
#include "nn/optimizer.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum { BLOCK = 16384 };

OptimizerConfig nn_optimizer_defaults(void)
{
    OptimizerConfig c;
    c.lr = 2e-4;
    c.beta1 = 0.9;
    c.beta2 = 0.999;
    c.eps = 1e-8;
    c.clip = 1.0;
    c.warmup = 0;
    c.decay = LR_CONSTANT;
    c.total = 0;
    c.weight_decay = 0.0;
    c.ema_decay = 0.9999;
    return c;
}

Optimizer *nn_optimizer_create(const OptimizerConfig *config, const ParamSet *params)
{
    TENSOR_CHECK(params->values != NULL && params->grads != NULL,
                 "an optimiser over a set without gradients (%zu parameters)", params->count);
    TENSOR_CHECK(config->beta1 >= 0.0 && config->beta1 < 1.0 && config->beta2 >= 0.0 &&
                     config->beta2 < 1.0 && config->eps > 0.0,
                 "Adam with beta1 %g, beta2 %g, eps %g", config->beta1, config->beta2, config->eps);
    TENSOR_CHECK(config->weight_decay >= 0.0, "a weight decay of %g", config->weight_decay);
    TENSOR_CHECK(config->decay == LR_CONSTANT || config->total > 0,
                 "learning rate decay %d without a last step", (int)config->decay);
    Optimizer *o = mem_zeroed(1, sizeof *o);
    o->config = *config;
    o->params = params;
    o->m = mem_zeroed(params->total, sizeof(float));
    o->v = mem_zeroed(params->total, sizeof(float));
    o->ema = mem_alloc(params->total, sizeof(float));
    tensor_copy(o->ema, params->values, params->total);
    return o;
}

void nn_optimizer_destroy(Optimizer *o)
{
    if (o != NULL) {
        mem_free(o->m);
        mem_free(o->v);
        mem_free(o->ema);
        mem_free(o);
    }
}

double nn_optimizer_rate(const Optimizer *o)
{
    const OptimizerConfig *c = &o->config;
    const double n = (double)o->steps;
    double rate = c->lr;
    if (c->warmup > 0 && o->steps < c->warmup) {
        rate *= n / (double)c->warmup;
    }
    if (c->decay != LR_CONSTANT) {
        double part = o->steps < c->total ? n / (double)c->total : 1.0;
        rate *= c->decay == LR_LINEAR ? 1.0 - part : 0.5 * (1.0 + cos(PI * part));
    }
    return rate;
}

/* The numbers of one step that all entries share. */
typedef struct AdamStep {
    float *w, *m, *v, *ema;
    const float *g;
    size_t total;
    float scale; /* of the gradient: clipping */
    float beta1, beta2;
    float rest1, rest2; /* 1 - beta */
    float size;         /* rate / (1 - beta1^n) */
    float root;         /* 1/sqrt(1 - beta2^n) */
    float eps;
    float average; /* 1 - decay of the averages */
} AdamStep;

/* g' = scale g;  m = beta1 m + (1-beta1) g';  v = beta2 v + (1-beta2) g'^2;
 * w -= rate (m/(1-beta1^n)) / (sqrt(v/(1-beta2^n)) + eps);  ema += (1-decay)(w - ema). */
static void update_block(size_t block, void *context)
{
    const AdamStep s = *(const AdamStep *)context;
    const size_t first = block * BLOCK;
    const size_t count = s.total - first < BLOCK ? s.total - first : BLOCK;
    float *restrict w = s.w + first, *restrict m = s.m + first;
    float *restrict v = s.v + first, *restrict ema = s.ema + first;
    const float *restrict g = s.g + first;
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float gradient = s.scale * g[i];
        float mean = s.beta1 * m[i] + s.rest1 * gradient;
        float square = s.beta2 * v[i] + s.rest2 * (gradient * gradient);
        float value = w[i] - s.size * mean / (sqrtf(square) * s.root + s.eps);
        m[i] = mean;
        v[i] = square;
        w[i] = value;
        ema[i] += s.average * (value - ema[i]);
    }
}

/* w -= share w of the matrices and convolutions.  By a sum: 1 - share is too coarse a number in
 * float32 where share is small. */
static void decay_weights(const ParamSet *p, double share)
{
    for (size_t i = 0; share > 0.0 && i < p->count; i++) {
        const Tensor *w = &p->items[i]->value;
        if (w->rank >= 2)
            tensor_axpy(w->data, (float)-share, w->data, tensor_size(w));
    }
}

double nn_optimizer_step(Optimizer *o)
{
    const OptimizerConfig *c = &o->config;
    const ParamSet *p = o->params;
    const double norm = sqrt(tensor_sum_squares(p->grads, p->total));
    if (!isfinite(norm)) {
        return norm;
    }
    const double n = (double)o->steps + 1.0;
    const double decay = fmin(c->ema_decay, (1.0 + n) / (10.0 + n));
    decay_weights(p, nn_optimizer_rate(o) * c->weight_decay);
    AdamStep s;
    s.w = p->values;
    s.m = o->m;
    s.v = o->v;
    s.ema = o->ema;
    s.g = p->grads;
    s.total = p->total;
    s.scale = c->clip > 0.0 && norm > c->clip ? (float)(c->clip / norm) : 1.0f;
    s.beta1 = (float)c->beta1;
    s.beta2 = (float)c->beta2;
    s.rest1 = (float)(1.0 - c->beta1);
    s.rest2 = (float)(1.0 - c->beta2);
    s.size = (float)(nn_optimizer_rate(o) / (1.0 - pow(c->beta1, n)));
    s.root = (float)(1.0 / sqrt(1.0 - pow(c->beta2, n)));
    s.eps = (float)c->eps;
    s.average = (float)(1.0 - decay);
    cut_run(cut_blocks(p->total, BLOCK), update_block, &s, p->total < CUT_SERIAL_COPY / 4);
    o->steps++;
    return norm;
}
