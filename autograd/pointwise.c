/* Entry-by-entry operations: the result has the shape of x, and so have dy and dx. */
#include "tensor/pointwise.h"

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/reduce.h"

/* A result shaped like x, with one input. */
static Var *like(const char *op, Var *x, void (*backward)(Var *v))
{
    return ag_new_var(op, x->value.rank, x->value.shape, backward, 1, &x);
}

/* A result shaped like a and b, which must agree. */
static Var *like_both(const char *op, Var *a, Var *b, void (*backward)(Var *v))
{
    char ta[TENSOR_TEXT], tb[TENSOR_TEXT];
    TENSOR_CHECK(tensor_same_shape(&a->value, &b->value), "%s: a %s, b %s; need equal shapes", op,
                 tensor_text(&a->value, ta), tensor_text(&b->value, tb));
    Var *inputs[] = {a, b};
    return ag_new_var(op, a->value.rank, a->value.shape, backward, 2, inputs);
}

static size_t size(const Var *v)
{
    return tensor_size(&v->value);
}

/* ---- silu: y = x s, s = sigmoid(x);  dx = dy s (1 + x (1 - s)) ---- */

static void silu_again(Var *v)
{
    tensor_silu(v->value.data, ag_value(v->inputs[0]), size(v));
}

static void silu_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_silu_backward(dx, v->grad, ag_value(v->inputs[0]), size(v));
}

Var *ag_silu(Var *x)
{
    Var *v = like("silu", x, silu_backward);
    v->forward = silu_again;
    tensor_silu(v->value.data, x->value.data, size(v));
    return ag_done(v);
}

/* ---- gelu: y = x (1 + tanh z)/2, z = a (x + b x^3), a = sqrt(2/pi), b = 0.044715;
 * dx = dy ((1 + t)/2 + x (1 - t^2) a (1 + 3 b x^2)/2), t = tanh z ---- */

static void gelu_again(Var *v)
{
    tensor_gelu(v->value.data, ag_value(v->inputs[0]), size(v));
}

static void gelu_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_gelu_backward(dx, v->grad, ag_value(v->inputs[0]), size(v));
}

Var *ag_gelu(Var *x)
{
    Var *v = like("gelu", x, gelu_backward);
    v->forward = gelu_again;
    tensor_gelu(v->value.data, x->value.data, size(v));
    return ag_done(v);
}

/* ---- relu: y = max(x, 0);  dx = dy where x > 0, else 0 ---- */

static void relu_again(Var *v)
{
    tensor_relu(v->value.data, ag_value(v->inputs[0]), size(v));
}

static void relu_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_relu_backward(dx, v->grad, ag_value(v->inputs[0]), size(v));
}

Var *ag_relu(Var *x)
{
    Var *v = like("relu", x, relu_backward);
    v->forward = relu_again;
    tensor_relu(v->value.data, x->value.data, size(v));
    return ag_done(v);
}

/* ---- tanh: dx = dy (1 - y^2) ---- */

static void tanh_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_tanh_backward(dx, v->grad, ag_value(v), size(v));
}

Var *ag_tanh(Var *x)
{
    Var *v = like("tanh", x, tanh_backward);
    tensor_tanh(v->value.data, x->value.data, size(v));
    return ag_done(v);
}

/* ---- sigmoid: y = 1 / (1 + exp(-x));  dx = dy y (1 - y) ---- */

static void sigmoid_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_sigmoid_backward(dx, v->grad, ag_value(v), size(v));
}

Var *ag_sigmoid(Var *x)
{
    Var *v = like("sigmoid", x, sigmoid_backward);
    tensor_sigmoid(v->value.data, x->value.data, size(v));
    return ag_done(v);
}

/* ---- add: y = a + b;  da = dy, db = dy ---- */

/* Adds alpha dy into the gradient of an input. */
static void pass_on(Var *v, Var *input, float alpha)
{
    bool add;
    float *d = ag_grad_or_write(input, &add);
    if (d && add)
        tensor_axpy(d, alpha, v->grad, size(v));
    else if (d)
        tensor_scale(d, alpha, v->grad, size(v));
}

static void add_backward(Var *v)
{
    pass_on(v, v->inputs[1], 1.0f);
    if (!ag_give_grad(v, v->inputs[0]))
        pass_on(v, v->inputs[0], 1.0f);
}

Var *ag_add(Var *a, Var *b)
{
    Var *v = like_both("add", a, b, add_backward);
    tensor_add(v->value.data, a->value.data, b->value.data, size(v));
    return ag_done(v);
}

/* A number that backward needs. */
static void save_number(Var *v, float number)
{
    if (!v->needs_grad)
        return;
    float *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
    *saved = number;
    v->saved = saved;
}

/* ---- add_scaled: y = alpha (a + b);  da = alpha dy, db = alpha dy ---- */

static void add_scaled_backward(Var *v)
{
    const float *alpha = v->saved;
    pass_on(v, v->inputs[0], *alpha);
    pass_on(v, v->inputs[1], *alpha);
}

Var *ag_add_scaled(Var *a, Var *b, float alpha)
{
    Var *v = like_both("add_scaled", a, b, add_scaled_backward);
    save_number(v, alpha);
    tensor_add_scaled(v->value.data, alpha, a->value.data, b->value.data, size(v));
    return ag_done(v);
}

/* ---- multiply: y = a b;  da = dy b, db = dy a ---- */

static void multiply_backward(Var *v)
{
    Var *a = v->inputs[0], *b = v->inputs[1];
    float *da = ag_grad(a), *db = ag_grad(b);
    if (da)
        tensor_multiply_add(da, v->grad, ag_value(b), size(v));
    if (db)
        tensor_multiply_add(db, v->grad, ag_value(a), size(v));
}

Var *ag_multiply(Var *a, Var *b)
{
    Var *v = like_both("multiply", a, b, multiply_backward);
    tensor_multiply(v->value.data, a->value.data, b->value.data, size(v));
    return ag_done(v);
}

/* ---- scale: y = alpha x;  dx = alpha dy ---- */

static void scale_backward(Var *v)
{
    const float *alpha = v->saved;
    pass_on(v, v->inputs[0], *alpha);
}

Var *ag_scale(Var *x, float alpha)
{
    Var *v = like("scale", x, scale_backward);
    save_number(v, alpha);
    tensor_scale(v->value.data, alpha, x->value.data, size(v));
    return ag_done(v);
}

/* ---- add_row: y[r,c] = x[r,c] + u[c];  dx = dy, du[c] = sum_r dy[r,c] ---- */

static void add_row_backward(Var *v)
{
    float *du = ag_grad(v->inputs[1]);
    if (du)
        tensor_sum_rows(du, v->grad, axes_rows(&v->value), axes_last(&v->value));
    pass_on(v, v->inputs[0], 1.0f);
}

Var *ag_add_row(Var *x, Var *u)
{
    char tx[TENSOR_TEXT], tu[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    TENSOR_CHECK(xv->rank >= 1 && tensor_size(&u->value) == axes_last(xv),
                 "add_row: x %s, v %s; need (..., C) and (C)", tensor_text(xv, tx),
                 tensor_text(&u->value, tu));
    Var *inputs[] = {x, u};
    Var *v = ag_new_var("add_row", xv->rank, xv->shape, add_row_backward, 2, inputs);
    tensor_add_row(v->value.data, xv->data, u->value.data, axes_rows(xv), axes_last(xv));
    return ag_done(v);
}

/* ---- add_channel: y[b,p,c] = x[b,p,c] + u[b,c];  dx = dy, du[b,c] = sum_p dy[b,p,c] ---- */

static void add_channel_backward(Var *v)
{
    const Tensor *y = &v->value;
    float *du = ag_grad(v->inputs[1]);
    pass_on(v, v->inputs[0], 1.0f);
    if (du)
        tensor_sum_positions(du, v->grad, y->shape[0], axes_positions(y), axes_last(y));
}

Var *ag_add_channel(Var *x, Var *u)
{
    char tx[TENSOR_TEXT], tu[TENSOR_TEXT];
    const Tensor *xv = &x->value, *uv = &u->value;
    TENSOR_CHECK(xv->rank >= 2 && uv->rank == 2 && uv->shape[0] == xv->shape[0] &&
                     uv->shape[1] == axes_last(xv),
                 "add_channel: x %s, v %s; need (B, ..., C) and (B, C)", tensor_text(xv, tx),
                 tensor_text(uv, tu));
    Var *inputs[] = {x, u};
    Var *v = ag_new_var("add_channel", xv->rank, xv->shape, add_channel_backward, 2, inputs);
    tensor_add_channel(v->value.data, xv->data, uv->data, xv->shape[0], axes_positions(xv),
                       axes_last(xv));
    return ag_done(v);
}

/* ---- add_gated: y[b,p,c] = x[b,p,c] + a[b,c] z[b,p,c];
 * dx = dy, da[b,c] = sum_p dy z, dz[b,p,c] = a[b,c] dy[b,p,c] ---- */

static void add_gated_backward(Var *v)
{
    Var *x = v->inputs[0], *a = v->inputs[1], *z = v->inputs[2];
    const Tensor *y = &v->value;
    const size_t batch = y->shape[0], n = axes_positions(y), c = axes_last(y);
    bool add;
    float *da = ag_grad(a), *dz = ag_grad_or_write(z, &add);
    if (da)
        tensor_dot_positions(da, v->grad, ag_value(z), batch, n, c);
    if (dz && add)
        tensor_add_gated(dz, dz, ag_value(a), v->grad, batch, n, c);
    else if (dz)
        tensor_multiply_channel(dz, ag_value(a), v->grad, batch, n, c);
    if (!ag_give_grad(v, x))
        pass_on(v, x, 1.0f);
}

Var *ag_add_gated(Var *x, Var *a, Var *z)
{
    char tx[TENSOR_TEXT], ta[TENSOR_TEXT], tz[TENSOR_TEXT];
    const Tensor *xv = &x->value, *av = &a->value;
    TENSOR_CHECK(xv->rank >= 2 && av->rank == 2 && av->shape[0] == xv->shape[0] &&
                     av->shape[1] == axes_last(xv) && tensor_same_shape(xv, &z->value),
                 "add_gated: x %s, a %s, z %s; need (B, ..., C), (B, C) and x's shape",
                 tensor_text(xv, tx), tensor_text(av, ta), tensor_text(&z->value, tz));
    Var *inputs[] = {x, a, z};
    Var *v = ag_new_var("add_gated", xv->rank, xv->shape, add_gated_backward, 3, inputs);
    tensor_add_gated(v->value.data, xv->data, av->data, z->value.data, xv->shape[0],
                     axes_positions(xv), axes_last(xv));
    return ag_done(v);
}
