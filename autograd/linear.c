/* Operations with weights whose work is a matrix product: the linear layer (with it every 1x1
 * convolution) and the 3x3 convolution.  dL/dy is written dy. */
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/check.h"
#include "tensor/conv.h"
#include "tensor/gemm.h"
#include "tensor/reduce.h"

/* ---- linear: y = x w + b;  dx = dy w^T,  dw = x^T dy,  db = sum of dy over rows ---- */

static void linear_backward(Var *v)
{
    const Var *x = v->inputs[0], *w = v->inputs[1];
    const size_t m = axes_rows(&x->value), k = w->value.shape[0], n = w->value.shape[1];
    float *dx = ag_grad(v->inputs[0]), *dw = ag_grad(v->inputs[1]), *db = ag_grad(v->inputs[2]);
    if (dx)
        tensor_gemm(GEMM_NT, m, k, n, 1.0f, v->grad, n, w->value.data, n, 1.0f, NULL, dx, k);
    if (dw)
        tensor_gemm(GEMM_TN, k, n, m, 1.0f, x->value.data, k, v->grad, n, 1.0f, NULL, dw, n);
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
    const size_t m = axes_rows(xv), k = wv->shape[0], n = wv->shape[1];
    TENSOR_CHECK(!b || tensor_size(&b->value) == n, "linear: w %s, b %s; need (K, N) and (N)",
                 tensor_text(wv, tw), tensor_text(&b->value, tx));
    size_t shape[TENSOR_MAX_RANK];
    for (int i = 0; i < xv->rank; i++)
        shape[i] = xv->shape[i];
    shape[xv->rank - 1] = n;
    Var *inputs[] = {x, w, b};
    Var *v = ag_new_var("linear", xv->rank, shape, linear_backward, 3, inputs);
    tensor_gemm(GEMM_NN, m, n, k, 1.0f, xv->data, k, wv->data, n, 0.0f, b ? b->value.data : NULL,
                v->value.data, n);
    return ag_done(v);
}

/* ---- 3x3 convolution (formula in tensor/conv.h): y is linear in x and in w, so dx is the
 * transposed convolution of dy with w, dw the correlation of x with dy, db the sum of dy ---- */

static void conv3x3_backward(Var *v)
{
    const ConvShape *s = v->saved;
    const Var *x = v->inputs[0], *w = v->inputs[1];
    float *dx = ag_grad(v->inputs[0]), *dw = ag_grad(v->inputs[1]), *db = ag_grad(v->inputs[2]);
    if (dx)
        tensor_conv3x3_data_gradient(dx, v->grad, w->value.data, s);
    if (dw)
        tensor_conv3x3_weight_gradient(dw, db, x->value.data, v->grad, s);
    else if (db)
        tensor_sum_rows(db, v->grad, axes_rows(&v->value), s->cout);
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
    ConvShape s = {xv->shape[0], xv->shape[1], xv->shape[2], xv->shape[3], wv->shape[3], stride};
    return s;
}

Var *ag_conv3x3(Var *x, Var *w, Var *b, int stride)
{
    const ConvShape s = conv_shape(x, w, b, stride);
    const size_t shape[] = {s.batch, tensor_conv_out_height(&s), tensor_conv_out_width(&s), s.cout};
    Var *inputs[] = {x, w, b};
    Var *v = ag_new_var("conv3x3", 4, shape, conv3x3_backward, 3, inputs);
    tensor_conv3x3(v->value.data, x->value.data, w->value.data, b ? b->value.data : NULL, &s);
    if (v->needs_grad) {
        ConvShape *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
        *saved = s;
        v->saved = saved;
    }
    return ag_done(v);
}
