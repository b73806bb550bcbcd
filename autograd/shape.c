/* Operations that move entries or average over positions, without weights. */
#include <stdint.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/picture.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"
#include "tensor/system/threads.h"

/* The shape of x with another last axis. */
static void shape_with_last(size_t shape[TENSOR_MAX_RANK], const Tensor *x, size_t last)
{
    for (int i = 0; i < TENSOR_MAX_RANK; i++)
        shape[i] = x->shape[i];
    shape[x->rank - 1] = last;
}

/* ---- reshape: the same numbers; value and gradient are shared with x ---- */

Var *ag_reshape(Var *x, int rank, const size_t *shape)
{
    return ag_new_view("reshape", tensor_reshape(x->value, rank, shape), NULL, x);
}

/* ---- concat: y = [a b] along C;  [da db] = dy ---- */

static void concat_backward(Var *v)
{
    const size_t rows = axes_rows(&v->value), c = axes_last(&v->value);
    size_t first = 0;
    for (int i = 0; i < 2; i++) {
        const size_t part = axes_last(&v->inputs[i]->value);
        bool add;
        float *d = ag_grad_or_write(v->inputs[i], &add);
        if (d)
            tensor_columns(d, v->grad + first, rows, c, part, add);
        first += part;
    }
}

static void concat_again(Var *v)
{
    Var *a = v->inputs[0], *b = v->inputs[1];
    tensor_concat(v->value.data, ag_value(a), ag_value(b), axes_rows(&v->value),
                  axes_last(&a->value), axes_last(&b->value));
}

Var *ag_concat(Var *a, Var *b)
{
    char ta[TENSOR_TEXT], tb[TENSOR_TEXT];
    const Tensor *av = &a->value, *bv = &b->value;
    bool fit = av->rank == bv->rank && av->rank >= 1;
    for (int i = 0; fit && i < av->rank - 1; i++)
        fit = av->shape[i] == bv->shape[i];
    TENSOR_CHECK(fit, "concat: a %s, b %s; need (..., Ca) and (..., Cb)", tensor_text(av, ta),
                 tensor_text(bv, tb));
    size_t shape[TENSOR_MAX_RANK];
    shape_with_last(shape, av, axes_last(av) + axes_last(bv));
    Var *inputs[] = {a, b};
    Var *v = ag_new_var("concat", av->rank, shape, concat_backward, 2, inputs);
    v->forward = concat_again;
    tensor_concat(v->value.data, av->data, bv->data, axes_rows(av), axes_last(av), axes_last(bv));
    return ag_done(v);
}

/* ---- slice: y[r, j] = x[r, first + j];  dx[r, first + j] = dy[r, j] ---- */

static void slice_add(float *dx, const float *dy, size_t rows, size_t c, size_t first, size_t count)
{
#pragma omp parallel for default(none) shared(dx, dy, rows, c, first, count)                       \
    num_threads(threads_team(rows *count))
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < count; j++)
            dx[r * c + first + j] += dy[r * count + j];
}

static void slice_backward(Var *v)
{
    const size_t *first = v->saved;
    const Tensor *x = &v->inputs[0]->value;
    slice_add(ag_grad(v->inputs[0]), v->grad, axes_rows(x), axes_last(x), *first,
              axes_last(&v->value));
}

Var *ag_slice(Var *x, size_t first, size_t count)
{
    char tx[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    const size_t c = axes_last(xv);
    TENSOR_CHECK(xv->rank >= 1 && first <= c && count <= c - first,
                 "slice: %lu entries from %lu on of x %s", (unsigned long)count,
                 (unsigned long)first, tensor_text(xv, tx));
    size_t shape[TENSOR_MAX_RANK];
    shape_with_last(shape, xv, count);
    Var *v = ag_new_var("slice", xv->rank, shape, slice_backward, 1, &x);
    tensor_columns(v->value.data, xv->data + first, axes_rows(xv), c, count, false);
    if (v->needs_grad) {
        size_t *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
        *saved = first;
        v->saved = saved;
    }
    return ag_done(v);
}

/* ---- upsample2: y[b, i, j] = x[b, i/2, j/2];  dx[b, i, j] = sum of the four copies' dy ---- */

static void upsample2_backward(Var *v)
{
    const size_t *s = v->inputs[0]->value.shape;
    bool add;
    float *dx = ag_grad_or_write(v->inputs[0], &add);
    tensor_upsample2_backward(dx, v->grad, add, s[0], s[1], s[2], s[3]);
}

static void upsample2_again(Var *v)
{
    const size_t *s = v->inputs[0]->value.shape;
    tensor_upsample2(v->value.data, ag_value(v->inputs[0]), s[0], s[1], s[2], s[3]);
}

Var *ag_upsample2(Var *x)
{
    char tx[TENSOR_TEXT];
    const size_t *s = x->value.shape;
    TENSOR_CHECK(x->value.rank == 4, "upsample2: x %s, need (B, H, W, C)",
                 tensor_text(&x->value, tx));
    const size_t shape[] = {s[0], 2 * s[1], 2 * s[2], s[3]};
    Var *v = ag_new_var("upsample2", 4, shape, upsample2_backward, 1, &x);
    v->forward = upsample2_again;
    tensor_upsample2(v->value.data, x->value.data, s[0], s[1], s[2], s[3]);
    return ag_done(v);
}

/* ---- max_pool2: maximum of 2x2 windows;  dy goes to the first maximum of its window ---- */

static void max_pool2_backward(Var *v)
{
    const size_t *s = v->inputs[0]->value.shape;
    tensor_max_pool2_backward(ag_grad(v->inputs[0]), v->grad, v->saved, s[0], s[1], s[2], s[3]);
}

Var *ag_max_pool2(Var *x)
{
    char tx[TENSOR_TEXT];
    const size_t *s = x->value.shape;
    TENSOR_CHECK(x->value.rank == 4, "max_pool2: x %s, need (B, H, W, C)",
                 tensor_text(&x->value, tx));
    const size_t shape[] = {s[0], s[1] / 2, s[2] / 2, s[3]};
    Var *v = ag_new_var("max_pool2", 4, shape, max_pool2_backward, 1, &x);
    uint8_t *which = arena_alloc(v->graph->arena, tensor_size(&v->value), sizeof *which);
    tensor_max_pool2(v->value.data, which, x->value.data, s[0], s[1], s[2], s[3]);
    v->saved = v->needs_grad ? which : NULL;
    return ag_done(v);
}

/* ---- mean_positions: y[b, c] = 1/N sum_n x[b, n, c];  dx[b, n, c] = dy[b, c] / N ---- */

static void spread(float *dx, const float *dy, size_t batch, size_t n, size_t c)
{
    const float share = 1.0f / (float)n;
#pragma omp parallel for default(none) shared(dx, dy, batch, n, c, share)                          \
    num_threads(threads_team(batch *n *c))
    for (size_t b = 0; b < batch; b++)
        for (size_t p = 0; p < n; p++)
            for (size_t j = 0; j < c; j++)
                dx[(b * n + p) * c + j] += dy[b * c + j] * share;
}

static void mean_positions_backward(Var *v)
{
    const Tensor *x = &v->inputs[0]->value;
    spread(ag_grad(v->inputs[0]), v->grad, x->shape[0], axes_positions(x), axes_last(x));
}

Var *ag_mean_positions(Var *x)
{
    char tx[TENSOR_TEXT];
    const Tensor *xv = &x->value;
    const size_t n = axes_positions(xv);
    TENSOR_CHECK(xv->rank >= 2 && n >= 1, "mean_positions: x %s, need (B, ..., C) with positions",
                 tensor_text(xv, tx));
    const size_t shape[] = {xv->shape[0], axes_last(xv)};
    Var *v = ag_new_var("mean_positions", 2, shape, mean_positions_backward, 1, &x);
    const size_t out = tensor_size(&v->value);
    tensor_fill(v->value.data, 0.0f, out);
    tensor_sum_positions(v->value.data, xv->data, shape[0], n, shape[1]);
    tensor_scale(v->value.data, 1.0f / (float)n, v->value.data, out);
    return ag_done(v);
}
