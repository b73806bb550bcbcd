/* What all encoders share: laying x_0 and x_t side by side, and the divergence from the prior. */
#include "nn/encoder.h"

#include <math.h>

#include "tensor/check.h"

/* (B, 2 D): a pixel's clean channels, then its noised ones. */
static States pair(const Encoder *e, Graph *g, const States *x0, const States *xt)
{
    const size_t C = e->channels, pixels = x0->batch * x0->dims / C;
    States both = states_make(g->arena, x0->batch, 2 * x0->dims);
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < C; c++) {
            both.x[2 * i * C + c] = x0->x[i * C + c];
            both.x[(2 * i + 1) * C + c] = xt->x[i * C + c];
        }
    }
    return both;
}

Var *nn_encode(const Encoder *e, Graph *g, const States *x0, const States *xt, const double *t)
{
    const bool two = e->input == ENCODER_PAIR;
    TENSOR_CHECK(x0->dims == e->dims, "encoder of %zu dimensions, x_0 (%zu, %zu)", e->dims,
                 x0->batch, x0->dims);
    TENSOR_CHECK(!two || (xt != NULL && t != NULL && xt->batch == x0->batch &&
                          xt->dims == x0->dims),
                 "encoder of pairs: x_0 (%zu, %zu) without an x_t and t like it", x0->batch,
                 x0->dims);
    if (two) {
        const States both = pair(e, g, x0, xt);
        return e->forward(e, g, &both, t);
    }
    double *zero = arena_zeroed(g->arena, x0->batch, sizeof *zero);
    return e->forward(e, g, x0, zero);
}

double nn_encoder_kl(const float *stats, size_t lambda_dims, double weight, float *dstats)
{
    double total = 0.0;
    for (size_t i = 0; i < lambda_dims; i++) {
        const double m = (double)stats[i], v = (double)stats[lambda_dims + i];
        total += 0.5 * (m * m + expm1(v) - v);
        if (dstats != NULL) {
            dstats[i] += (float)(weight * m);
            dstats[lambda_dims + i] += (float)(weight * 0.5 * expm1(v));
        }
    }
    return total;
}

void nn_encoder_initialise(Encoder *e, Rng rng)
{
    if (e != NULL) {
        e->initialise(e, rng);
    }
}

void nn_encoder_destroy(Encoder *e)
{
    if (e != NULL) {
        e->destroy(e);
    }
}
