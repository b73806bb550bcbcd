/* Draws from a law whose numbers a network gives, so that a gradient reaches it
 * (reparameterisation, arXiv 1312.6114). */
#include <math.h>

#include "autograd/operations.h"
#include "tensor/base/check.h"

/* A result (B, L) for stats (B, 2 L). */
static Var *draw_from(const char *op, Var *stats, void (*backward)(Var *v))
{
    char text[TENSOR_TEXT];
    const Tensor *s = &stats->value;
    TENSOR_CHECK(s->rank == 2 && s->shape[1] % 2 == 0, "%s: stats %s; need (B, 2 L)", op,
                 tensor_text(s, text));
    const size_t shape[] = {s->shape[0], s->shape[1] / 2};
    return ag_new_var(op, 2, shape, backward, 1, &stats);
}

/* ---- gaussian_draw: y = m + s n, s = e^(v/2);  dm = dy,  dv = dy n s / 2 ---- */

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
    Var *v = draw_from("gaussian_draw", stats, gaussian_draw_backward);
    const size_t batch = v->value.shape[0], L = v->value.shape[1];
    const float *s = stats->value.data;
    float *half = v->needs_grad ? arena_alloc(v->graph->arena, batch * L, sizeof *half) : NULL;
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < L; i++) {
            const double spread = exp(0.5 * (double)s[b * 2 * L + L + i]) * noise[b * L + i];
            v->value.data[b * L + i] = (float)((double)s[b * 2 * L + i] + spread);
            if (half)
                half[b * L + i] = (float)(0.5 * spread);
        }
    v->saved = half;
    return ag_done(v);
}

/* ---- box_draw: y = a + (b - a) u with a = e^l / z, 1 - b = e^r / z, z = 1 + e^l + e^r;
 *      dl = dy a (1 - y),  dr = -dy (1 - b) y ---- */

/* Saved: a (1 - y), then (1 - b) y, each (B, L). */
static void box_draw_backward(Var *v)
{
    const size_t batch = v->value.shape[0], L = v->value.shape[1];
    const float *left = v->saved, *right = left + batch * L, *dy = v->grad;
    float *d = ag_grad(v->inputs[0]);
    for (size_t b = 0; b < batch && d; b++)
        for (size_t i = 0; i < L; i++) {
            d[b * 2 * L + i] += dy[b * L + i] * left[b * L + i];
            d[b * 2 * L + L + i] -= dy[b * L + i] * right[b * L + i];
        }
}

Var *ag_box_draw(Var *stats, const double *u)
{
    Var *v = draw_from("box_draw", stats, box_draw_backward);
    const size_t batch = v->value.shape[0], L = v->value.shape[1];
    const float *s = stats->value.data;
    float *saved =
        v->needs_grad ? arena_alloc(v->graph->arena, 2 * batch * L, sizeof *saved) : NULL;
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < L; i++) {
            const double l = (double)s[b * 2 * L + i], r = (double)s[b * 2 * L + L + i];
            const double top = fmax(0.0, fmax(l, r)); /* no exponential overflows */
            const double left = exp(l - top), right = exp(r - top), z = exp(-top) + left + right;
            const double y = (left + exp(-top) * u[b * L + i]) / z;
            v->value.data[b * L + i] = (float)y;
            if (saved) {
                saved[b * L + i] = (float)(left / z * (1.0 - y));
                saved[(batch + b) * L + i] = (float)(right / z * y);
            }
        }
    v->saved = saved;
    return ag_done(v);
}
