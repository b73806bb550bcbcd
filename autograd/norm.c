/* Group normalisation with an optional SiLU on top, one operation so that the normalised values
 * are neither stored nor read again.
 *
 *   u = (x - mean) rstd,  z = u gamma + beta,  y = act(z)
 *   dz = dy act'(z),  dgamma_c = sum dz u,  dbeta_c = sum dz,
 *   dx = rstd (du - average(du) - u average(du u)),  du = dz gamma, averages over the group.
 * Saved: mean and rstd of each group; u and z are computed again from x. */
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/check.h"
#include "tensor/norm.h"

typedef struct NormSaved {
    NormShape shape;
    float *mean, *rstd; /* (B, G) */
} NormSaved;

static void group_norm_backward(Var *v)
{
    const NormSaved *s = v->saved;
    const float *x = v->inputs[0]->value.data;
    const float *gamma = v->inputs[1]->value.data, *beta = v->inputs[2]->value.data;
    tensor_group_norm_backward(ag_grad(v->inputs[0]), ag_grad(v->inputs[1]),
                               ag_grad(v->inputs[2]), v->grad, x, gamma, beta, s->mean, s->rstd,
                               &s->shape);
}

Var *ag_group_norm(Var *x, Var *gamma, Var *beta, size_t groups, double eps, bool silu)
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
    Var *inputs[] = {x, gamma, beta};
    Var *v = ag_new_var("group_norm", xv->rank, xv->shape, group_norm_backward, 3, inputs);
    NormSaved *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
    const NormShape shape = {xv->shape[0], axes_positions(xv), c, groups, eps, silu};
    saved->shape = shape;
    saved->mean = arena_alloc(v->graph->arena, shape.batch * groups, sizeof(float));
    saved->rstd = arena_alloc(v->graph->arena, shape.batch * groups, sizeof(float));
    tensor_group_norm(v->value.data, saved->mean, saved->rstd, xv->data, gamma->value.data,
                      beta->value.data, &shape);
    v->saved = v->needs_grad ? saved : NULL;
    return ag_done(v);
}
