/* What all encoders share: laying x_0 and x_t side by side, the draw of lambda, and the
 * divergence from its prior. */
#include "nn/encoder.h"

#include <math.h>

#include "autograd/operations.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"

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
    TENSOR_CHECK(
        !two || (xt != NULL && t != NULL && xt->batch == x0->batch && xt->dims == x0->dims),
        "encoder of pairs: x_0 (%zu, %zu) without an x_t and t like it", x0->batch, x0->dims);
    if (two) {
        const States both = pair(e, g, x0, xt);
        return e->forward(e, g, &both, t);
    }
    double *zero = arena_zeroed(g->arena, x0->batch, sizeof *zero);
    return e->forward(e, g, x0, zero);
}

Var *nn_encoder_draw(const Encoder *e, Var *stats, const double *u)
{
    if (e->family == ENCODER_BOX) {
        return ag_box_draw(stats, u);
    }
    const size_t count = stats->value.shape[0] * e->lambda_dims;
    double *noise = arena_alloc(stats->graph->arena, count, sizeof *noise);
    for (size_t i = 0; i < count; i++) {
        noise[i] = rng_normal_quantile(u[i]);
    }
    return ag_gaussian_draw(stats, noise);
}

static double gaussian_kl(double m, double v, double *dm, double *dv)
{
    *dm = m;
    *dv = 0.5 * expm1(v);
    return 0.5 * (m * m + expm1(v) - v);
}

static double box_kl(double l, double r, double *dl, double *dr)
{
    const double top = fmax(0.0, fmax(l, r));
    const double left = exp(l - top), right = exp(r - top), z = exp(-top) + left + right;
    *dl = left / z;
    *dr = right / z;
    return top + log(z);
}

double nn_encoder_kl(const Encoder *e, const float *stats, double weight, float *dstats)
{
    const size_t L = e->lambda_dims;
    double total = 0.0;
    for (size_t i = 0; i < L; i++) {
        double first = 0.0, second = 0.0;
        total += (e->family == ENCODER_BOX ? box_kl : gaussian_kl)(
            (double)stats[i], (double)stats[L + i], &first, &second);
        if (dstats != NULL) {
            dstats[i] += (float)(weight * first);
            dstats[L + i] += (float)(weight * second);
        }
    }
    return total;
}

double nn_encoder_entropy(const Encoder *e, const float *stats, double weight, float *dstats)
{
    const size_t L = e->lambda_dims;
    double sum = 0.0;
    TENSOR_CHECK(e->family == ENCODER_GAUSSIAN, "entropy of encoder family %d", (int)e->family);
    for (size_t i = 0; i < L; i++) {
        sum += 0.5 * ((double)stats[L + i] + 1.0) + HALF_LOG_2PI;
        if (dstats != NULL) {
            dstats[L + i] += (float)(0.5 * weight);
        }
    }
    return sum;
}

double nn_encoder_log_density(const Encoder *e, const float *stats, const double *lambda)
{
    const size_t L = e->lambda_dims;
    double sum = 0.0;
    TENSOR_CHECK(e->family == ENCODER_GAUSSIAN, "log density of encoder family %d", (int)e->family);
    for (size_t i = 0; i < L; i++) {
        const double off = lambda[i] - (double)stats[i], v = (double)stats[L + i];
        sum -= 0.5 * (off * off * exp(-v) + v + 2.0 * HALF_LOG_2PI);
    }
    return sum;
}

void nn_encoder_init_output(const Encoder *e, const LinearLayer *output, Rng rng)
{
    nn_linear_init(output, true, rng);
    if (e->family == ENCODER_BOX) {
        nn_init_constant(output->bias, -1.0f); /* 0.58 of each side */
    }
}

PlaceLayers nn_encoder_add_places(ParamSet *set, size_t width, size_t lambda_dims)
{
    PlaceLayers layers;
    layers.first = nn_linear_add(set, "encoder.first", width, lambda_dims);
    layers.second = nn_linear_add(set, "encoder.second", width, lambda_dims);
    return layers;
}

void nn_encoder_init_places(const Encoder *e, const PlaceLayers *layers, Rng rng)
{
    nn_encoder_init_output(e, &layers->first, rng);
    nn_encoder_init_output(e, &layers->second, rng);
}

/* A layer's numbers at all places as one row a sample. */
static Var *as_row(Graph *g, const LinearLayer *layer, Var *h)
{
    Var *y = nn_linear(g, layer, h);
    const size_t batch = h->value.shape[0];
    const size_t shape[] = {batch, batch > 0 ? tensor_size(&y->value) / batch : 0};
    return ag_reshape(y, 2, shape);
}

Var *nn_encoder_at_places(Graph *g, const PlaceLayers *layers, Var *h)
{
    Var *first = as_row(g, &layers->first, h);
    return ag_concat(first, as_row(g, &layers->second, h));
}

void nn_encoder_initialise(Encoder *e, Rng rng)
{
    if (e != NULL) {
        e->initialise(e, rng);
    }
}

void nn_encoder_destroy(Encoder *e)
{
    mem_free(e);
}
