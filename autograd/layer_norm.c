/* Layer normalisation over the last axis, and what a block of a transformer with conditioning
 * (arXiv 2212.09748, adaLN) does with it.
 *
 *   u = (x - mean) rstd,  y = f u + o
 *   plain f = 1, o = 0;  weights f = gain[c], o = offset[c];  adaptive f = 1 + g[b, c], o = s[b, c]
 *   du = f dy,  dx = rstd (du - average(du) - u average(du u)), averages over channels,
 *   df = sum of dy u,  do = sum of dy, over the positions that share the numbers.
 * Saved: mean and rstd of each position; u is computed again from x. */
#include "tensor/layer_norm.h"
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"

enum { X, GAIN, OFFSET, INPUTS };

typedef struct LayerNormSaved {
    LayerNormShape shape;
    float *mean, *rstd; /* (B, positions) */
} LayerNormSaved;

static const float *value_or_null(Var *v)
{
    return v ? ag_value(v) : NULL;
}

/* Once more, from the saved moments. */
static void layer_norm_again(Var *v)
{
    const LayerNormSaved *s = v->saved;
    tensor_layer_norm(v->value.data, s->mean, s->rstd, ag_value(v->inputs[X]),
                      value_or_null(v->inputs[GAIN]), value_or_null(v->inputs[OFFSET]), true,
                      &s->shape);
}

static void layer_norm_backward(Var *v)
{
    const LayerNormSaved *s = v->saved;
    const float *dy = v->grad, *x = ag_value(v->inputs[X]);
    bool add = false;
    if (!ag_give_grad(v, v->inputs[X])) /* else dx goes where dy is */
        ag_grad_or_write(v->inputs[X], &add);
    float *dx = v->inputs[X]->needs_grad ? v->inputs[X]->grad : NULL;
    tensor_layer_norm_backward(dx, ag_grad(v->inputs[GAIN]), ag_grad(v->inputs[OFFSET]), dy, x,
                               value_or_null(v->inputs[GAIN]), s->mean, s->rstd, add, &s->shape);
}

static Var *layer_norm(Var *x, Var *gain, Var *offset, const LayerNormShape *shape)
{
    const Tensor *xv = &x->value;
    Var *inputs[INPUTS] = {x, gain, offset};
    Var *v = ag_new_var("layer_norm", xv->rank, xv->shape, layer_norm_backward, INPUTS, inputs);
    LayerNormSaved *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
    const size_t rows = shape->batch * shape->positions;
    saved->shape = *shape;
    saved->mean = arena_alloc(v->graph->arena, rows, sizeof(float));
    saved->rstd = arena_alloc(v->graph->arena, rows, sizeof(float));
    tensor_layer_norm(v->value.data, saved->mean, saved->rstd, xv->data, value_or_null(gain),
                      value_or_null(offset), false, shape);
    v->forward = layer_norm_again;
    v->saved = v->needs_grad ? saved : NULL;
    return ag_done(v);
}

/* Whether v is left out or has that shape. */
static bool fits(const Var *v, int rank, const size_t *shape)
{
    const Tensor want = tensor_view(NULL, rank, shape);
    return !v || tensor_same_shape(&v->value, &want);
}

static const char *text_or_none(const Var *v, char text[TENSOR_TEXT])
{
    return v ? tensor_text(&v->value, text) : "none";
}

Var *ag_layer_norm(Var *x, Var *gain, Var *offset, double eps)
{
    char tx[TENSOR_TEXT], tg[TENSOR_TEXT], to[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    const size_t c = axes_last(xv);
    TENSOR_CHECK(xv->rank >= 1 && fits(gain, 1, &c) && fits(offset, 1, &c),
                 "layer_norm: x %s, gain %s, offset %s; need (..., C), (C), (C)",
                 tensor_text(xv, tx), text_or_none(gain, tg), text_or_none(offset, to));
    const LayerNormShape shape = {
        .batch = 1, .positions = axes_rows(xv), .channels = c, .eps = eps};
    return layer_norm(x, gain, offset, &shape);
}

Var *ag_layer_norm_adaptive(Var *x, Var *scale, Var *shift, double eps)
{
    char tx[TENSOR_TEXT], ta[TENSOR_TEXT], ts[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    const size_t sample[] = {xv->shape[0], axes_last(xv)};
    TENSOR_CHECK(xv->rank >= 2 && scale && fits(scale, 2, sample) && shift &&
                     fits(shift, 2, sample),
                 "layer_norm_adaptive: x %s, scale %s, shift %s; need (B, ..., C), (B, C), (B, C)",
                 tensor_text(xv, tx), text_or_none(scale, ta), text_or_none(shift, ts));
    const LayerNormShape shape = {.batch = sample[0],
                                  .positions = axes_positions(xv),
                                  .channels = sample[1],
                                  .eps = eps,
                                  .by_sample = true};
    return layer_norm(x, scale, shift, &shape);
}
