/* Rotary position embedding: in each head of h = C/H channels, at position p,
 *
 *   (y_i, y_{i + h/2}) = R(a) (x_i, x_{i + h/2}),  R(a) = (cos a, -sin a; sin a, cos a),
 *   a = (p - first) 10000^(-2i/h), and y = x at the first positions;
 *   dx = the same with -a of dy, since R(a)^T = R(-a).
 * q_p . k_p' then depends on p and p' by p - p' alone. */
#include "tensor/rotary.h"
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"

static void rotary_again(Var *v)
{
    tensor_rotary(v->value.data, ag_value(v->inputs[0]), false, false, v->saved);
}

static void rotary_backward(Var *v)
{
    Var *x = v->inputs[0];
    const float *dy = v->grad;
    bool add = false;
    if (!ag_give_grad(v, x)) /* else dx goes where dy is */
        ag_grad_or_write(x, &add);
    tensor_rotary(x->grad, dy, true, add, v->saved);
}

/* places: NULL, or those of x (1, N, C). */
static Var *rotary(Var *x, size_t heads, size_t first, const Places *places)
{
    char text[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    TENSOR_CHECK(xv->rank >= 3, "rotary: x %s, need (B, ..., C)", tensor_text(xv, text));
    TENSOR_CHECK(heads >= 1 && axes_last(xv) % (2 * heads) == 0,
                 "rotary: %zu heads of x %s have no pairs of channels", heads,
                 tensor_text(xv, text));
    Var *v = ag_new_var("rotary", xv->rank, xv->shape, rotary_backward, 1, &x);
    Places *kept = NULL;
    if (places) {
        kept = arena_alloc(v->graph->arena, 1, sizeof *kept);
        *kept = *places;
    }
    const RotaryShape shape = {.batch = kept ? kept->batch : xv->shape[0],
                               .positions = kept ? kept->positions : axes_positions(xv),
                               .heads = heads,
                               .channels = axes_last(xv),
                               .first = first,
                               .places = kept};
    v->forward = rotary_again;
    tensor_rotary(v->value.data, xv->data, false, false, &shape);
    if (v->needs_grad) {
        RotaryShape *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
        *saved = shape;
        v->saved = saved;
    }
    return ag_done(v);
}

Var *ag_rotary(Var *x, size_t heads, size_t first)
{
    return rotary(x, heads, first, NULL);
}

Var *ag_rotary_places(Var *x, size_t heads, size_t first, const Places *places)
{
    char text[TENSOR_TEXT];
    TENSOR_CHECK(axes_rows(&x->value) == places_count(places), "rotary: x %s at %zu places",
                 tensor_text(&x->value, text), places_count(places));
    return rotary(x, heads, first, places);
}
