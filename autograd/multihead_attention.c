/* Attention of several heads over positions, all to all, without copies of q, k, v by head:
 *
 *   S = q k^T / sqrt(C/H),  P = softmax of the rows of S, without the keys that are left out,
 *   y = P v, head by head; derivatives in tensor/product/attention.h.
 * Saved: two numbers of each row of S, from which P is made again; a copy of the keys left out. */
#include <string.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/product/attention.h"

typedef struct MultiheadSaved {
    AttentionShape shape;
    Places places;       /* shape.queries, where it is not NULL */
    float *top, *factor; /* (B, H, L), or of N H rows */
    const uint8_t *left_out;
} MultiheadSaved;

static void multihead_attention_backward(Var *v)
{
    const MultiheadSaved *s = v->saved;
    AttentionGradient out;
    out.dq = ag_grad_or_write(v->inputs[0], &out.add_q);
    out.dk = ag_grad_or_write(v->inputs[1], &out.add_k);
    out.dv = ag_grad_or_write(v->inputs[2], &out.add_v);
    const AttentionInput in = {.q = ag_value(v->inputs[0]),
                               .k = ag_value(v->inputs[1]),
                               .v = ag_value(v->inputs[2]),
                               .left_out = s->left_out};
    tensor_attention_backward(&out, v->grad, ag_value(v), s->top, s->factor, &in, &s->shape);
}

static void check_shapes(const Tensor *q, const Tensor *k, const Tensor *v, size_t heads,
                         const Places *places)
{
    char tq[TENSOR_TEXT], tk[TENSOR_TEXT], tv[TENSOR_TEXT];
    const bool fit = places ? axes_rows(q) == places_count(places) && axes_last(q) == axes_last(k)
                            : tensor_same_shape(q, k);
    TENSOR_CHECK(q->rank >= 3 && fit && tensor_same_shape(k, v),
                 "multihead_attention: q %s, k %s, v %s; need equal shapes (B, ..., C)",
                 tensor_text(q, tq), tensor_text(k, tk), tensor_text(v, tv));
    TENSOR_CHECK(!places || (k->rank == 3 && k->shape[0] == places->batch &&
                             k->shape[1] == places->positions),
                 "multihead_attention: queries at places of (%zu, %zu), k %s", places->batch,
                 places->positions, tensor_text(k, tk));
    TENSOR_CHECK(heads >= 1 && axes_last(q) % heads == 0,
                 "multihead_attention: %zu heads do not divide q %s", heads, tensor_text(q, tq));
}

/* A copy of the keys left out of each sample, of which some must remain. */
static const uint8_t *copy_left_out(Arena *arena, const uint8_t *left_out, size_t batch, size_t n)
{
    if (!left_out || batch * n == 0)
        return NULL;
    for (size_t b = 0; b < batch; b++)
        TENSOR_CHECK(memchr(left_out + b * n, 0, n) != NULL,
                     "multihead_attention: all %zu keys of sample %zu are left out", n, b);
    uint8_t *copy = arena_alloc(arena, batch * n, sizeof *copy);
    memcpy(copy, left_out, batch * n * sizeof *copy);
    return copy;
}

/* places: NULL, or those of q (1, N, C). */
static Var *multihead(Var *q, Var *k, Var *v, size_t heads, const uint8_t *left_out,
                      const Places *places)
{
    const Tensor *qv = &q->value, *kv = &k->value;
    check_shapes(qv, kv, &v->value, heads, places);
    Var *inputs[] = {q, k, v};
    Var *out = ag_new_var("multihead_attention", qv->rank, qv->shape, multihead_attention_backward,
                          3, inputs);
    Arena *arena = out->graph->arena;
    MultiheadSaved *saved = arena_alloc(arena, 1, sizeof *saved);
    if (places)
        saved->places = *places;
    const AttentionShape shape = {.batch = kv->shape[0],
                                  .positions = axes_positions(kv),
                                  .heads = heads,
                                  .channels = axes_last(kv),
                                  .queries = places ? &saved->places : NULL};
    const size_t rows = axes_rows(qv) * heads;
    saved->shape = shape;
    saved->top = arena_alloc(arena, rows, sizeof(float));
    saved->factor = arena_alloc(arena, rows, sizeof(float));
    saved->left_out = copy_left_out(arena, left_out, shape.batch, shape.positions);
    const AttentionInput in = {
        .q = qv->data, .k = k->value.data, .v = v->value.data, .left_out = saved->left_out};
    tensor_attention(out->value.data, saved->top, saved->factor, &in, &shape);
    out->saved = out->needs_grad ? saved : NULL;
    return ag_done(out);
}

Var *ag_multihead_attention(Var *q, Var *k, Var *v, size_t heads, const uint8_t *left_out)
{
    return multihead(q, k, v, heads, left_out, NULL);
}

Var *ag_multihead_attention_places(Var *q, Var *k, Var *v, size_t heads, const uint8_t *left_out,
                                   const Places *places)
{
    return multihead(q, k, v, heads, left_out, places);
}
