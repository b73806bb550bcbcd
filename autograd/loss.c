/* Softmax, sums and the classifier's loss.  The losses of distillation are computed outside the
 * tape from network outputs and enter it through ag_backward_from. */
#include <math.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/reduce.h"
#include "tensor/softmax.h"

/* ---- softmax: y_i = exp(x_i) / sum_j exp(x_j);  dx_i = y_i (dy_i - sum_j y_j dy_j) ---- */

static void softmax_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_softmax_backward(dx, v->grad, ag_value(v), axes_rows(&v->value), axes_last(&v->value));
}

/* A result shaped like x; softmaxes need at least one axis. */
static Var *like(const char *op, Var *x, void (*backward)(Var *v))
{
    char tx[TENSOR_TEXT];
    TENSOR_CHECK(x->value.rank >= 1, "%s: x %s, need (..., C)", op, tensor_text(&x->value, tx));
    return ag_new_var(op, x->value.rank, x->value.shape, backward, 1, &x);
}

Var *ag_softmax(Var *x)
{
    Var *v = like("softmax", x, softmax_backward);
    tensor_softmax(v->value.data, x->value.data, axes_rows(&x->value), axes_last(&x->value));
    return ag_done(v);
}

/* ---- log_softmax: y_i = x_i - ln sum_j exp(x_j);  dx_i = dy_i - exp(y_i) sum_j dy_j ---- */

static void log_softmax_backward(Var *v)
{
    float *dx = ag_grad(v->inputs[0]);
    tensor_log_softmax_backward(dx, v->grad, ag_value(v), axes_rows(&v->value),
                                axes_last(&v->value));
}

Var *ag_log_softmax(Var *x)
{
    Var *v = like("log_softmax", x, log_softmax_backward);
    tensor_log_softmax(v->value.data, x->value.data, axes_rows(&x->value), axes_last(&x->value));
    return ag_done(v);
}

/* ---- sum, mean: y = sum_i x_i, or that over n;  dx_i = dy, or dy / n ---- */

static void add_number(float *dx, float number, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] += number;
}

static void sum_backward(Var *v)
{
    add_number(ag_grad(v->inputs[0]), v->grad[0], tensor_size(&v->inputs[0]->value));
}

static void mean_backward(Var *v)
{
    const size_t n = tensor_size(&v->inputs[0]->value);
    add_number(ag_grad(v->inputs[0]), (float)(v->grad[0] / (double)n), n);
}

static const size_t one[] = {1};

Var *ag_sum(Var *x)
{
    Var *v = ag_new_var("sum", 1, one, sum_backward, 1, &x);
    v->value.data[0] = (float)tensor_sum(x->value.data, tensor_size(&x->value));
    return ag_done(v);
}

Var *ag_mean(Var *x)
{
    char tx[TENSOR_TEXT];
    const size_t n = tensor_size(&x->value);
    TENSOR_CHECK(n >= 1, "mean: x %s has no entries", tensor_text(&x->value, tx));
    Var *v = ag_new_var("mean", 1, one, mean_backward, 1, &x);
    v->value.data[0] = (float)(tensor_sum(x->value.data, n) / (double)n);
    return ag_done(v);
}

/* ---- cross_entropy: y = 1/B sum_b (Z_b - x[b, label_b]),  Z_b = ln sum_j exp(x[b, j]);
 * dx[b, j] = dy/B (exp(x[b, j] - Z_b) - [j = label_b]) ---- */

typedef struct CrossEntropySaved {
    double *z;        /* (B) */
    uint16_t *labels; /* (B) */
} CrossEntropySaved;

static double log_sum_exp(const float *x, size_t c)
{
    double largest = x[0], sum = 0.0;
    for (size_t j = 1; j < c; j++)
        largest = x[j] > largest ? x[j] : largest;
    for (size_t j = 0; j < c; j++)
        sum += exp(x[j] - largest);
    return largest + log(sum);
}

static void cross_entropy_backward(Var *v)
{
    const CrossEntropySaved *s = v->saved;
    const Tensor *x = &v->inputs[0]->value;
    const float *logits = ag_value(v->inputs[0]);
    const size_t batch = x->shape[0], c = x->shape[1];
    const double share = v->grad[0] / (double)batch;
    float *dx = ag_grad(v->inputs[0]);
    for (size_t b = 0; b < batch; b++) {
        for (size_t j = 0; j < c; j++)
            dx[b * c + j] += (float)(share * exp(logits[b * c + j] - s->z[b]));
        dx[b * c + s->labels[b]] -= (float)share;
    }
}

Var *ag_cross_entropy(Var *logits, const uint16_t *labels)
{
    char tx[TENSOR_TEXT];
    const Tensor *x = &logits->value;
    const size_t batch = x->shape[0], c = x->shape[1];
    TENSOR_CHECK(x->rank == 2 && batch >= 1 && c >= 1, "cross_entropy: logits %s, need (B, C)",
                 tensor_text(x, tx));
    Var *v = ag_new_var("cross_entropy", 1, one, cross_entropy_backward, 1, &logits);
    CrossEntropySaved *saved = arena_alloc(v->graph->arena, 1, sizeof *saved);
    saved->z = arena_alloc(v->graph->arena, batch, sizeof *saved->z);
    saved->labels = arena_alloc(v->graph->arena, batch, sizeof *saved->labels);
    double sum = 0.0;
    for (size_t b = 0; b < batch; b++) {
        TENSOR_CHECK(labels[b] < c, "cross_entropy: label %d of row %lu, logits %s", labels[b],
                     (unsigned long)b, tensor_text(x, tx));
        saved->labels[b] = labels[b];
        saved->z[b] = log_sum_exp(x->data + b * c, c);
        sum += saved->z[b] - x->data[b * c + labels[b]];
    }
    v->value.data[0] = (float)(sum / (double)batch);
    v->saved = v->needs_grad ? saved : NULL;
    return ag_done(v);
}
