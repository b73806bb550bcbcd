/* Group normalisation with an optional SiLU on top, one operation so that the normalised values
 * are neither stored nor read again.
 *
 *   u = (x + v - mean) rstd,  z = u gamma + beta,  y = act(z)
 *   dz = dy act'(z),  dgamma_c = sum dz u,  dbeta_c = sum dz,
 *   dx = rstd (du - average(du) - u average(du u)),  du = dz gamma, averages over the group,
 *   dv[b, c] = sum of dx[b, ., c] over positions.
 * v is the same at all positions, so mean and rstd of x + v follow from sums over x, and x + v is
 * never made.  Saved: mean and rstd of each group; u and z are computed again from x. */
#include "tensor/norm.h"
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"

enum { X, SHIFT, GAMMA, BETA, INPUTS };

typedef struct NormSaved {
    NormShape shape;
    float *mean, *rstd; /* (B, G) */
} NormSaved;

static const float *value_or_null(Var *v)
{
    return v ? ag_value(v) : NULL;
}

/* Once more, from the saved moments. */
static void group_norm_again(Var *v)
{
    const NormSaved *s = v->saved;
    tensor_group_norm(v->value.data, s->mean, s->rstd, ag_value(v->inputs[X]),
                      value_or_null(v->inputs[SHIFT]), ag_value(v->inputs[GAMMA]),
                      ag_value(v->inputs[BETA]), true, &s->shape);
}

static void group_norm_backward(Var *v)
{
    const NormSaved *s = v->saved;
    const float *x = ag_value(v->inputs[X]), *shift = value_or_null(v->inputs[SHIFT]);
    const float *dy = v->grad;
    bool add = false;
    if (!ag_give_grad(v, v->inputs[X])) /* else dx goes where dy is */
        ag_grad_or_write(v->inputs[X], &add);
    float *dx = v->inputs[X]->needs_grad ? v->inputs[X]->grad : NULL;
    tensor_group_norm_backward(dx, ag_grad(v->inputs[SHIFT]), ag_grad(v->inputs[GAMMA]),
                               ag_grad(v->inputs[BETA]), dy, x, shift, ag_value(v->inputs[GAMMA]),
                               ag_value(v->inputs[BETA]), s->mean, s->rstd, add, &s->shape);
}

static void check_shapes(const Var *x, const Var *shift, const Var *gamma, const Var *beta,
                         size_t groups)
{
    char tx[TENSOR_TEXT], tg[TENSOR_TEXT], tb[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    const size_t c = axes_last(xv);
    TENSOR_CHECK(xv->rank >= 2 && tensor_size(&gamma->value) == c && tensor_size(&beta->value) == c,
                 "group_norm: x %s, gamma %s, beta %s; need (B, ..., C), (C), (C)",
                 tensor_text(xv, tx), tensor_text(&gamma->value, tg),
                 tensor_text(&beta->value, tb));
    TENSOR_CHECK(groups >= 1 && c % groups == 0, "group_norm: %lu groups do not divide x %s",
                 (unsigned long)groups, tensor_text(xv, tx));
    TENSOR_CHECK(!shift || (shift->value.rank == 2 && shift->value.shape[0] == xv->shape[0] &&
                            shift->value.shape[1] == c),
                 "group_norm: x %s, shift %s; need (B, ..., C) and (B, C)", tensor_text(xv, tx),
                 tensor_text(&shift->value, tg));
}

Var *ag_group_norm_shifted(Var *x, Var *shift, Var *gamma, Var *beta, size_t groups, double eps,
                           bool silu)
{
    check_shapes(x, shift, gamma, beta, groups);
    const Tensor *xv = &x->value;
    Var *inputs[INPUTS] = {x, shift, gamma, beta};
    Var *v = ag_new_var("group_norm", xv->rank, xv->shape, group_norm_backward, INPUTS, inputs);
    NormSaved *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
    const NormShape shape = {.batch = xv->shape[0],
                             .positions = axes_positions(xv),
                             .channels = axes_last(xv),
                             .groups = groups,
                             .eps = eps,
                             .silu = silu};
    saved->shape = shape;
    saved->mean = arena_alloc(v->graph->arena, shape.batch * groups, sizeof(float));
    saved->rstd = arena_alloc(v->graph->arena, shape.batch * groups, sizeof(float));
    tensor_group_norm(v->value.data, saved->mean, saved->rstd, xv->data, value_or_null(shift),
                      gamma->value.data, beta->value.data, false, &shape);
    v->forward = group_norm_again;
    v->saved = v->needs_grad ? saved : NULL;
    return ag_done(v);
}

Var *ag_group_norm(Var *x, Var *gamma, Var *beta, size_t groups, double eps, bool silu)
{
    return ag_group_norm_shifted(x, NULL, gamma, beta, groups, eps, silu);
}
