/* Rows at some places of a batch of sequences, and back among zeros.
 *
 *   pick    y[i] = x[at[i]];                     dx[at[i]] += dy[i]
 *   spread  y[at[i]] = x[i], 0 at all others;    dx[i] += dy[at[i]]
 * Saved: the places. */
#include "tensor/places.h"
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"

static void save(Var *v, const Places *places)
{
    if (!v->needs_grad)
        return;
    Places *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
    *saved = *places;
    v->saved = saved;
}

/* ---- pick ---- */

static void pick_again(Var *v)
{
    const Places *places = v->saved;
    tensor_pick(v->value.data, ag_value(v->inputs[0]), false, places, axes_last(&v->value));
}

static void pick_backward(Var *v)
{
    bool add;
    float *dx = ag_grad_or_write(v->inputs[0], &add);
    tensor_spread(dx, v->grad, add, v->saved, axes_last(&v->value));
}

Var *ag_pick(Var *x, const Places *places)
{
    char text[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    TENSOR_CHECK(
        xv->rank == 3 && xv->shape[0] == places->batch && xv->shape[1] == places->positions,
        "pick: x %s, need (%zu, %zu, C)", tensor_text(xv, text), places->batch, places->positions);
    const size_t shape[] = {1, places_count(places), xv->shape[2]};
    Var *v = ag_new_var("pick", 3, shape, pick_backward, 1, &x);
    v->forward = pick_again;
    save(v, places);
    tensor_pick(v->value.data, xv->data, false, places, shape[2]);
    return ag_done(v);
}

/* ---- spread ---- */

static void spread_again(Var *v)
{
    const Places *places = v->saved;
    tensor_spread(v->value.data, ag_value(v->inputs[0]), false, places, axes_last(&v->value));
}

static void spread_backward(Var *v)
{
    bool add;
    float *dx = ag_grad_or_write(v->inputs[0], &add);
    tensor_pick(dx, v->grad, add, v->saved, axes_last(&v->value));
}

Var *ag_spread(Var *x, const Places *places)
{
    char text[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    TENSOR_CHECK(xv->rank == 3 && xv->shape[0] == 1 && xv->shape[1] == places_count(places),
                 "spread: x %s, need (1, %zu, C)", tensor_text(xv, text), places_count(places));
    const size_t shape[] = {places->batch, places->positions, xv->shape[2]};
    Var *v = ag_new_var("spread", 3, shape, spread_backward, 1, &x);
    v->forward = spread_again;
    save(v, places);
    tensor_spread(v->value.data, xv->data, false, places, shape[2]);
    return ag_done(v);
}
