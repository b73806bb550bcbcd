/* Embedding: rows of a table, picked by states.
 *
 *   y[b, l] = table[x[b, l]],  dtable[s] = sum of dy[b, l] over the places with x[b, l] = s
 * Saved: a copy of the states. */
#include <string.h>

#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/gather.h"

static void embedding_again(Var *v)
{
    const size_t *shape = v->value.shape;
    tensor_gather_rows(v->value.data, ag_value(v->inputs[0]), v->saved, shape[0] * shape[1],
                       shape[2]);
}

static void embedding_backward(Var *v)
{
    const size_t *table = v->inputs[0]->value.shape;
    tensor_gather_rows_backward(ag_grad(v->inputs[0]), v->grad, v->saved,
                                v->value.shape[0] * v->value.shape[1], table[0], table[1]);
}

Var *ag_embedding(Var *table, const States *x)
{
    char text[TENSOR_TEXT];
    const Tensor *t = &table->value;
    const size_t n = x->batch * x->dims;
    TENSOR_CHECK(t->rank == 2, "embedding: table %s, need (S, C)", tensor_text(t, text));
    for (size_t i = 0; i < n; i++)
        TENSOR_CHECK(x->x[i] < t->shape[0], "embedding: state %u at entry %zu of x, table %s",
                     (unsigned)x->x[i], i, tensor_text(t, text));
    const size_t shape[] = {x->batch, x->dims, t->shape[1]};
    Var *v = ag_new_var("embedding", 3, shape, embedding_backward, 1, &table);
    v->forward = embedding_again;
    tensor_gather_rows(v->value.data, t->data, x->x, n, shape[2]);
    if (v->needs_grad) {
        uint16_t *saved = arena_alloc(v->graph->arena, n, sizeof *saved);
        if (n > 0)
            memcpy(saved, x->x, n * sizeof *saved);
        v->saved = saved;
    }
    return ag_done(v);
}
