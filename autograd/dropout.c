/* Inverted dropout: y = x m / (1 - p) with m = 0 of probability p, else 1;  dx = dy m / (1 - p).
 *
 * Sample b draws its mask from rng_child(streams[b], layer), so the mask depends on the sample's
 * name only: the same sample in another batch, or run again, is masked alike. */
#include <math.h>
#include <stdint.h>

#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/pointwise.h"
#include "tensor/system/threads.h"

typedef struct Dropout {
    uint8_t *kept; /* (B, entries per sample): 0 or 1 */
    size_t entries;
    uint32_t least; /* kept: words whose upper 24 bits are at least this, 2^24 p rounded up */
    float scale;
    uint64_t layer;
    const Rng *streams; /* during the forward only */
    float *out;
    const float *in;
} Dropout;

enum { WORDS = 1024 }; /* drawn at once */

static void mask(float *y, const float *x, const uint8_t *kept, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = kept[i] ? x[i] * scale : 0.0f;
}

static void dropout_sample(size_t b, void *context)
{
    const Dropout *d = context;
    Rng rng = rng_child(d->streams[b], d->layer);
    uint8_t *kept = d->kept + b * d->entries;
    const float *x = d->in + b * d->entries;
    float *y = d->out + b * d->entries;
    uint32_t words[WORDS];
    for (size_t first = 0; first < d->entries; first += WORDS) {
        const size_t n = d->entries - first < WORDS ? d->entries - first : WORDS;
        rng_fill_u32(&rng, words, n);
        for (size_t i = 0; i < n; i++)
            kept[first + i] = words[i] >> 8 >= d->least;
    }
    mask(y, x, kept, d->scale, d->entries);
}

/* out = mask of in, by the mask drawn before; out may be in. */
static void mask_sample(size_t b, void *context)
{
    const Dropout *d = context;
    const size_t at = b * d->entries;
    mask(d->out + at, d->in + at, d->kept + at, d->scale, d->entries);
}

static void dropout_again(Var *v)
{
    Dropout d = *(const Dropout *)v->saved;
    d.out = v->value.data;
    d.in = ag_value(v->inputs[0]);
    threads_for(v->value.shape[0], mask_sample, &d);
}

static void dropout_backward(Var *v)
{
    Dropout d = *(const Dropout *)v->saved;
    Var *x = v->inputs[0];
    d.out = v->grad;
    d.in = v->grad;
    threads_for(v->value.shape[0], mask_sample, &d);
    if (x->needs_grad && !ag_give_grad(v, x))
        tensor_axpy(ag_grad(x), 1.0f, v->grad, tensor_size(&v->value));
}

Var *ag_dropout(Var *x, double p, const Rng *streams, uint64_t layer)
{
    char tx[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    TENSOR_CHECK(p >= 0.0 && p < 1.0, "dropout: p = %g, need 0 <= p < 1", p);
    if (!streams || p == 0.0)
        return x;
    TENSOR_CHECK(xv->rank >= 1, "dropout: x %s, need (B, ...)", tensor_text(xv, tx));
    const size_t n = tensor_size(xv), batch = xv->shape[0];
    Var *v = ag_new_var("dropout", xv->rank, xv->shape, dropout_backward, 1, &x);
    Dropout d = {.entries = batch ? n / batch : 0,
                 .scale = (float)(1.0 / (1.0 - p)),
                 .layer = layer,
                 .streams = streams,
                 .out = v->value.data,
                 .in = xv->data};
    d.least = (uint32_t)ceil((double)(float)p * 16777216.0);
    d.kept = arena_alloc(v->graph->arena, n, sizeof *d.kept);
    threads_for(batch, dropout_sample, &d);
    v->forward = dropout_again;
    if (v->needs_grad) {
        Dropout *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
        *saved = d;
        v->saved = saved;
    }
    return ag_done(v);
}
