/* Single-head attention over the positions of a picture, sample by sample.  With q, k, v (N, C):
 *
 *   S = scale q k^T,  P = softmax of the rows of S,  y = P v
 *   dv = P^T dy,  dP = dy v^T,  dS_ij = P_ij (dP_ij - sum_j' P_ij' dP_ij'),
 *   dq = scale dS k,  dk = scale dS^T q
 * While recording P (B, N, N) is saved; in inference each thread works in an N x N scratch. */
#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/product/gemm.h"
#include "tensor/softmax.h"
#include "tensor/system/threads.h"

typedef struct Attention {
    size_t n, c; /* positions, channels */
    float scale;
    float *p; /* (B, N, N), or NULL: use scratch */
    const float *q, *k, *v;
    float *y;
    const float *dy;
    float *dq, *dk, *dv;      /* each may be NULL */
    bool add_q, add_k, add_v; /* else written */
} Attention;

static void attention_sample(size_t b, void *context)
{
    const Attention *a = context;
    const size_t n = a->n, c = a->c, at = b * n * c;
    float *p = a->p ? a->p + b * n * n : threads_scratch(SCRATCH_ATTENTION, n * n * sizeof *p);
    tensor_gemm(GEMM_NT, n, n, c, a->scale, a->q + at, c, a->k + at, c, 0.0f, NULL, p, n);
    tensor_softmax(p, p, n, n);
    tensor_gemm(GEMM_NN, n, c, n, 1.0f, p, n, a->v + at, c, 0.0f, NULL, a->y + at, c);
}

/* In: ds = dP.  Out: ds = dS. */
static void softmax_rows_backward(float *ds, const float *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float *d = ds + i * n;
        const float *row = p + i * n;
        double sum = 0.0;
        for (size_t j = 0; j < n; j++)
            sum += (double)row[j] * d[j];
        const float average = (float)sum;
        for (size_t j = 0; j < n; j++)
            d[j] = row[j] * (d[j] - average);
    }
}

static void attention_backward_sample(size_t b, void *context)
{
    const Attention *a = context;
    const size_t n = a->n, c = a->c, at = b * n * c;
    const float *p = a->p + b * n * n, *dy = a->dy + at;
    if (a->dv)
        tensor_gemm(GEMM_TN, n, c, n, 1.0f, p, n, dy, c, a->add_v ? 1.0f : 0.0f, NULL, a->dv + at,
                    c);
    if (!a->dq && !a->dk)
        return;
    float *ds = threads_scratch(SCRATCH_ATTENTION, n * n * sizeof *ds);
    tensor_gemm(GEMM_NT, n, n, c, 1.0f, dy, c, a->v + at, c, 0.0f, NULL, ds, n);
    softmax_rows_backward(ds, p, n);
    if (a->dq)
        tensor_gemm(GEMM_NN, n, c, n, a->scale, ds, n, a->k + at, c, a->add_q ? 1.0f : 0.0f, NULL,
                    a->dq + at, c);
    if (a->dk)
        tensor_gemm(GEMM_TN, n, c, n, a->scale, ds, n, a->q + at, c, a->add_k ? 1.0f : 0.0f, NULL,
                    a->dk + at, c);
}

/* Samples go to threads; a single one leaves the threads to the matrix products inside. */
static void each_sample(size_t batch, void (*body)(size_t b, void *context), Attention *a)
{
    if (batch == 1)
        body(0, a);
    else
        threads_for(batch, body, a);
}

static void attention_backward(Var *v)
{
    Attention a = *(const Attention *)v->saved;
    a.dy = v->grad;
    a.q = ag_value(v->inputs[0]);
    a.k = ag_value(v->inputs[1]);
    a.v = ag_value(v->inputs[2]);
    a.dq = ag_grad_or_write(v->inputs[0], &a.add_q);
    a.dk = ag_grad_or_write(v->inputs[1], &a.add_k);
    a.dv = ag_grad_or_write(v->inputs[2], &a.add_v);
    each_sample(v->value.shape[0], attention_backward_sample, &a);
}

Var *ag_attention(Var *q, Var *k, Var *v, float scale)
{
    char tq[TENSOR_TEXT], tk[TENSOR_TEXT], tv[TENSOR_TEXT];
    const Tensor *qv = &q->value;
    TENSOR_CHECK(qv->rank >= 3 && tensor_same_shape(qv, &k->value) &&
                     tensor_same_shape(qv, &v->value),
                 "attention: q %s, k %s, v %s; need equal shapes (B, H, W, C)", tensor_text(qv, tq),
                 tensor_text(&k->value, tk), tensor_text(&v->value, tv));
    Var *inputs[] = {q, k, v};
    Var *out = ag_new_var("attention", qv->rank, qv->shape, attention_backward, 3, inputs);
    Attention a = {.n = axes_positions(qv),
                   .c = axes_last(qv),
                   .scale = scale,
                   .q = qv->data,
                   .k = k->value.data,
                   .v = v->value.data,
                   .y = out->value.data};
    if (out->needs_grad)
        a.p = arena_alloc(out->graph->arena, qv->shape[0] * a.n, a.n * sizeof *a.p);
    each_sample(qv->shape[0], attention_sample, &a);
    if (out->needs_grad) {
        Attention *saved = arena_alloc(out->graph->arena, 1, sizeof *saved);
        *saved = a;
        out->saved = saved;
    }
    return ag_done(out);
}
