/* Draws from a Gaussian whose mean and variance a network gives, so that a gradient reaches it
 * (reparameterisation, arXiv 1312.6114).
 *
 *   y = m + s n,  s = e^(v/2);   dm = dy,  dv = dy n s / 2. */
#include <math.h>

#include "autograd/operations.h"
#include "tensor/check.h"

/* Saved: n s / 2, (B, L). */
static void gaussian_draw_backward(Var *v)
{
    const size_t batch = v->value.shape[0], L = v->value.shape[1];
    const float *half = v->saved, *dy = v->grad;
    float *d = ag_grad(v->inputs[0]);
    for (size_t b = 0; b < batch && d; b++)
        for (size_t i = 0; i < L; i++) {
            d[b * 2 * L + i] += dy[b * L + i];
            d[b * 2 * L + L + i] += dy[b * L + i] * half[b * L + i];
        }
}

Var *ag_gaussian_draw(Var *stats, const double *noise)
{
    char text[TENSOR_TEXT];
    const Tensor *s = &stats->value;
    TENSOR_CHECK(s->rank == 2 && s->shape[1] % 2 == 0, "gaussian_draw: stats %s; need (B, 2 L)",
                 tensor_text(s, text));
    const size_t shape[] = {s->shape[0], s->shape[1] / 2}, L = shape[1];
    Var *v = ag_new_var("gaussian_draw", 2, shape, gaussian_draw_backward, 1, &stats);
    float *half = v->needs_grad ? arena_alloc(v->graph->arena, shape[0] * L, sizeof *half) : NULL;
    for (size_t b = 0; b < shape[0]; b++)
        for (size_t i = 0; i < L; i++) {
            const double spread = exp(0.5 * (double)s->data[b * 2 * L + L + i]) * noise[b * L + i];
            v->value.data[b * L + i] = (float)((double)s->data[b * 2 * L + i] + spread);
            if (half)
                half[b * L + i] = (float)(0.5 * spread);
        }
    v->saved = half;
    return ag_done(v);
}
