/* Operations with weights whose work is a matrix product: the linear layer (with it every 1x1
 * convolution) and the 3x3 convolution.  dL/dy is written dy. */
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/conv/conv.h"
#include "tensor/pointwise.h"
#include "tensor/product/gemm.h"
#include "tensor/reduce.h"

/* ---- linear: y = x w + b;  dx = dy w^T,  dw = x^T dy,  db = sum of dy over rows ---- */

static void product(float *y, const float *x, const float *w, const float *b, const Var *v,
                    size_t k)
{
    const size_t n = axes_last(&v->value);
    tensor_gemm(GEMM_NN, axes_rows(&v->value), n, k, 1.0f, x, k, w, n, 0.0f, b, y, n);
}

static void linear_again(Var *v)
{
    Var *x = v->inputs[0], *w = v->inputs[1], *b = v->inputs[2];
    product(v->value.data, ag_value(x), ag_value(w), b ? ag_value(b) : NULL, v, w->value.shape[0]);
}

static void linear_backward(Var *v)
{
    Var *x = v->inputs[0], *w = v->inputs[1];
    const size_t m = axes_rows(&x->value), k = w->value.shape[0], n = w->value.shape[1];
    bool add;
    float *dx = ag_grad_or_write(x, &add), *dw = ag_grad(w), *db = ag_grad(v->inputs[2]);
    if (dx)
        tensor_gemm(GEMM_NT, m, k, n, 1.0f, v->grad, n, ag_value(w), n, add ? 1.0f : 0.0f, NULL, dx,
                    k);
    if (dw)
        tensor_gemm(GEMM_TN, k, n, m, 1.0f, ag_value(x), k, v->grad, n, 1.0f, NULL, dw, n);
    if (db)
        tensor_sum_rows(db, v->grad, m, n);
}

Var *ag_linear(Var *x, Var *w, Var *b)
{
    char tx[TENSOR_TEXT], tw[TENSOR_TEXT];
    const Tensor *xv = &x->value, *wv = &w->value;
    TENSOR_CHECK(xv->rank >= 1 && wv->rank == 2 && axes_last(xv) == wv->shape[0],
                 "linear: x %s, w %s; need (..., K) and (K, N)", tensor_text(xv, tx),
                 tensor_text(wv, tw));
    const size_t k = wv->shape[0], n = wv->shape[1];
    TENSOR_CHECK(!b || tensor_size(&b->value) == n, "linear: w %s, b %s; need (K, N) and (N)",
                 tensor_text(wv, tw), tensor_text(&b->value, tx));
    size_t shape[TENSOR_MAX_RANK];
    for (int i = 0; i < xv->rank; i++)
        shape[i] = xv->shape[i];
    shape[xv->rank - 1] = n;
    Var *inputs[] = {x, w, b};
    Var *v = ag_new_var("linear", xv->rank, shape, linear_backward, 3, inputs);
    v->forward = linear_again;
    product(v->value.data, xv->data, wv->data, b ? b->value.data : NULL, v, k);
    return ag_done(v);
}

/* ---- 3x3 convolution (formula in tensor/conv/conv.h): y is linear in x and in w, so dx is the
 * transposed convolution of dy with w, dw the correlation of x with dy, db the sum of dy.
 * With a residual r: y = alpha (r + conv(x)); all get alpha dy in place of dy, r too. ---- */

enum { X, W, B, R, INPUTS };

typedef struct ConvSaved {
    ConvShape shape;
    float alpha;
} ConvSaved;

static void conv3x3_backward(Var *v)
{
    const ConvSaved *saved = v->saved;
    const ConvShape *s = &saved->shape;
    Var *x = v->inputs[X], *w = v->inputs[W], *r = v->inputs[R];
    const size_t n = tensor_size(&v->value);
    bool add;
    if (r)
        tensor_scale(v->grad, saved->alpha, v->grad, n);
    float *dx = ag_grad_or_write(x, &add), *dw = ag_grad(w), *db = ag_grad(v->inputs[B]);
    if (dx)
        tensor_conv3x3_data_gradient(dx, v->grad, ag_value(w), add, s);
    if (dw)
        tensor_conv3x3_weight_gradient(dw, db, ag_value(x), v->grad, s);
    else if (db)
        tensor_sum_rows(db, v->grad, axes_rows(&v->value), s->cout);
    if (r && r->needs_grad && !ag_give_grad(v, r))
        tensor_axpy(ag_grad(r), 1.0f, v->grad, n);
}

static ConvShape conv_shape(const Var *x, const Var *w, const Var *b, int stride)
{
    char tx[TENSOR_TEXT], tw[TENSOR_TEXT];
    const Tensor *xv = &x->value, *wv = &w->value;
    TENSOR_CHECK(xv->rank == 4 && wv->rank == 4 && wv->shape[0] == 3 && wv->shape[1] == 3 &&
                     wv->shape[2] == xv->shape[3],
                 "conv3x3: x %s, w %s; need (B, H, W, Cin) and (3, 3, Cin, Cout)",
                 tensor_text(xv, tx), tensor_text(wv, tw));
    TENSOR_CHECK(!b || tensor_size(&b->value) == wv->shape[3], "conv3x3: w %s, b %s; need b (Cout)",
                 tensor_text(wv, tw), tensor_text(&b->value, tx));
    TENSOR_CHECK(stride == 1 || (stride == 2 && xv->shape[1] % 2 == 0 && xv->shape[2] % 2 == 0),
                 "conv3x3: stride %d on x %s; need 1, or 2 on even H and W", stride,
                 tensor_text(xv, tx));
    ConvShape s = {.batch = xv->shape[0],
                   .height = xv->shape[1],
                   .width = xv->shape[2],
                   .cin = xv->shape[3],
                   .cout = wv->shape[3],
                   .stride = stride};
    return s;
}

static Var *conv3x3(Var *x, Var *w, Var *b, int stride, Var *r, float alpha)
{
    const ConvShape s = conv_shape(x, w, b, stride);
    const size_t shape[] = {s.batch, tensor_conv_out_height(&s), tensor_conv_out_width(&s), s.cout};
    Var *inputs[INPUTS] = {x, w, b, r};
    Var *v = ag_new_var("conv3x3", 4, shape, conv3x3_backward, INPUTS, inputs);
    const float *bias = b ? b->value.data : NULL;
    if (r) {
        char tv[TENSOR_TEXT], tr[TENSOR_TEXT];
        TENSOR_CHECK(tensor_same_shape(&r->value, &v->value),
                     "conv3x3: result %s, residual %s; need equal shapes",
                     tensor_text(&v->value, tv), tensor_text(&r->value, tr));
        tensor_conv3x3_residual(v->value.data, x->value.data, w->value.data, bias, r->value.data,
                                alpha, &s);
    } else {
        tensor_conv3x3(v->value.data, x->value.data, w->value.data, bias, &s);
    }
    if (v->needs_grad) {
        ConvSaved *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
        saved->shape = s;
        saved->alpha = alpha;
        v->saved = saved;
    }
    return ag_done(v);
}

Var *ag_conv3x3(Var *x, Var *w, Var *b, int stride)
{
    return conv3x3(x, w, b, stride, NULL, 1.0f);
}

Var *ag_conv3x3_residual(Var *x, Var *w, Var *b, Var *r, float alpha)
{
    return conv3x3(x, w, b, 1, r, alpha);
}
