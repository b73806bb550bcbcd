/* Operations with weights, attention and normalisation: see tools/operation_cases.h. */
#include <math.h>
#include <string.h>

#include "autograd/axes.h"
#include "autograd/operations.h"
#include "tensor/states.h"
#include "tests/tools/operation_cases.h"

/* A line an operation, a row a case. */
/* clang-format off */

static Var *linear(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_linear(in[0], in[1], in[2]);
}

static void naive_linear(double *y, const Tensor *in, const Parameters *p)
{
    const size_t rows = axes_rows(&in[0]), k = in[1].shape[0], n = in[1].shape[1];
    (void)p;
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j++) {
            double sum = in[2].data[j];
            for (size_t i = 0; i < k; i++)
                sum += (double)in[0].data[r * k + i] * in[1].data[i * n + j];
            y[r * n + j] = sum;
        }
}

static Var *linear_no_bias(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_linear(in[0], in[1], NULL);
}

static Var *conv(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_conv3x3(in[0], in[1], in[2], p->stride);
}

static Var *conv_no_bias(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_conv3x3(in[0], in[1], NULL, p->stride);
}

/* One output of the convolution without its bias. */
static double conv_at(const Tensor *x, const Tensor *w, size_t b, size_t i, size_t j, size_t o,
                      size_t stride)
{
    const size_t height = x->shape[1], width = x->shape[2], cin = x->shape[3], cout = w->shape[3];
    const size_t pad = stride == 1 ? 1 : 0;
    double sum = 0.0;
    for (size_t p = 0; p < 3; p++)
        for (size_t q = 0; q < 3; q++) {
            const size_t row = stride * i + p, column = stride * j + q; /* before padding */
            if (row < pad || row - pad >= height || column < pad || column - pad >= width)
                continue;
            const float *pixel =
                x->data + ((b * height + row - pad) * width + column - pad) * cin;
            for (size_t c = 0; c < cin; c++)
                sum += (double)pixel[c] * w->data[((p * 3 + q) * cin + c) * cout + o];
        }
    return sum;
}

static void naive_conv(double *y, const Tensor *in, const Parameters *p)
{
    const size_t s = (size_t)p->stride, h = in[0].shape[1] / s, w = in[0].shape[2] / s;
    const size_t cout = in[1].shape[3];
    for (size_t b = 0; b < in[0].shape[0]; b++)
        for (size_t i = 0; i < h; i++)
            for (size_t j = 0; j < w; j++)
                for (size_t o = 0; o < cout; o++)
                    y[((b * h + i) * w + j) * cout + o] =
                        in[2].data[o] + conv_at(&in[0], &in[1], b, i, j, o, s);
}

/* States below S, of which 0 and S-1 come often and most of a large S never. */
static States embedded(size_t S, const Parameters *p)
{
    States x = states_make(operation_pool, p->count, p->first);
    for (size_t i = 0; i < p->count * p->first; i++)
        x.x[i] = (uint16_t)(i % 3 == 0 ? 0 : i % 3 == 1 ? S - 1 : i * 7 % S);
    return x;
}

static Var *embedding(Graph *g, Var *const *in, void *context)
{
    const States x = embedded(in[0]->value.shape[0], context);
    (void)g;
    Var *y = ag_embedding(in[0], &x);
    if (x.batch * x.dims > 0)
        memset(x.x, 255, x.batch * x.dims * sizeof *x.x); /* it was copied */
    return y;
}

static void naive_embedding(double *y, const Tensor *in, const Parameters *p)
{
    const size_t c = in->shape[1];
    const States x = embedded(in->shape[0], p);
    for (size_t i = 0; i < p->count * p->first * c; i++)
        y[i] = in->data[x.x[i / c] * c + i % c];
}

static Var *attention(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_attention(in[0], in[1], in[2], (float)p->p);
}

static void naive_attention(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]);
    double *weight = arena_alloc(operation_pool, n, sizeof *weight);
    for (size_t b = 0; b < in[0].shape[0]; b++)
        for (size_t i = 0; i < n; i++) {
            double total = 0.0;
            for (size_t j = 0; j < n; j++) {
                double dot = 0.0;
                for (size_t k = 0; k < c; k++)
                    dot += (double)in[0].data[(b * n + i) * c + k] *
                           in[1].data[(b * n + j) * c + k];
                weight[j] = exp(p->p * dot);
                total += weight[j];
            }
            for (size_t k = 0; k < c; k++) {
                double sum = 0.0;
                for (size_t j = 0; j < n; j++)
                    sum += weight[j] / total * in[2].data[(b * n + j) * c + k];
                y[(b * n + i) * c + k] = sum;
            }
        }
}

/* Every third key is left out, where the flag says so; never the first. */
static uint8_t *keys_left_out(const Tensor *q, const Parameters *p)
{
    const size_t n = axes_positions(q);
    uint8_t *left_out = arena_alloc(operation_pool, q->shape[0] * n, 1);
    for (size_t i = 0; i < q->shape[0] * n; i++)
        left_out[i] = i % n > 0 && i % 3 == 1;
    return p->flag ? left_out : NULL;
}

static Var *multihead(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    uint8_t *left_out = keys_left_out(&in[0]->value, p);
    (void)g;
    Var *y = ag_multihead_attention(in[0], in[1], in[2], p->count, left_out);
    for (size_t i = 0; left_out && i < axes_rows(&in[0]->value); i++)
        left_out[i] = 1; /* it was copied */
    return y;
}

static void naive_multihead(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]), width = c / p->count;
    const uint8_t *left_out = keys_left_out(&in[0], p);
    double *weight = arena_alloc(operation_pool, n, sizeof *weight);
    for (size_t i = 0; i < in[0].shape[0] * n * p->count; i++) {
        const size_t row = i / p->count, first = row / n * n, head = i % p->count * width;
        double total = 0.0;
        for (size_t j = 0; j < n; j++) {
            double dot = 0.0;
            for (size_t k = 0; k < width; k++)
                dot += (double)in[0].data[row * c + head + k] *
                       in[1].data[(first + j) * c + head + k];
            weight[j] = left_out && left_out[first + j] ? 0.0 : exp(dot / sqrt((double)width));
            total += weight[j];
        }
        for (size_t k = 0; k < width; k++) {
            double sum = 0.0;
            for (size_t j = 0; j < n; j++)
                sum += weight[j] / total * in[2].data[(first + j) * c + head + k];
            y[row * c + head + k] = sum;
        }
    }
}

static Var *rotary(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_rotary(in[0], p->count, p->first);
}

static void naive_rotary(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(in), c = axes_last(in), h = c / p->count;
    for (size_t r = 0; r < axes_rows(in); r++)
        for (size_t j = 0; j < c; j++) {
            const size_t i = j % h % (h / 2), at = r * c + j / h * h + i;
            const double place = r % n < p->first ? 0.0 : (double)(r % n - p->first);
            const double angle = place * pow(10000.0, -2.0 * (double)i / (double)h);
            const double a = in->data[at], b = in->data[at + h / 2];
            y[r * c + j] = j % h < h / 2 ? a * cos(angle) - b * sin(angle)
                                         : a * sin(angle) + b * cos(angle);
        }
}

static Var *group_norm(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_group_norm(in[0], in[1], in[2], p->count, p->p, p->flag);
}

static void naive_group_norm(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]), width = c / p->count;
    for (size_t b = 0; b < in[0].shape[0]; b++)
        for (size_t j = 0; j < c; j++) {
            const size_t first = j / width * width, entries = n * width;
            const float *x = in[0].data + b * n * c;
            double sum = 0.0, squares = 0.0;
            for (size_t e = 0; e < entries; e++)
                sum += x[e / width * c + first + e % width];
            const double mean = sum / (double)entries;
            for (size_t e = 0; e < entries; e++) {
                const double d = x[e / width * c + first + e % width] - mean;
                squares += d * d;
            }
            const double rstd = 1.0 / sqrt(squares / (double)entries + p->p);
            for (size_t i = 0; i < n; i++) {
                const double z = (x[i * c + j] - mean) * rstd * in[1].data[j] + in[2].data[j];
                y[(b * n + i) * c + j] = p->flag ? z / (1.0 + exp(-z)) : z;
            }
        }
}

static Var *layer_norm(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_layer_norm(in[0], in[1], in[2], p->p);
}

static Var *layer_norm_plain(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_layer_norm(in[0], NULL, NULL, p->p);
}

static Var *layer_norm_offset(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_layer_norm(in[0], NULL, in[1], p->p);
}

static Var *layer_norm_adaptive(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_layer_norm_adaptive(in[0], in[1], in[2], p->p);
}

static void naive_layer_norm_plain(double *y, const Tensor *in, const Parameters *p)
{
    const size_t c = axes_last(&in[0]);
    for (size_t r = 0; r < axes_rows(&in[0]); r++) {
        const float *x = in[0].data + r * c;
        double mean = 0.0, squares = 0.0;
        for (size_t j = 0; j < c; j++)
            mean += x[j] / (double)c;
        for (size_t j = 0; j < c; j++)
            squares += (x[j] - mean) * (x[j] - mean);
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = (x[j] - mean) / sqrt(squares / (double)c + p->p);
    }
}

static void naive_layer_norm(double *y, const Tensor *in, const Parameters *p)
{
    naive_layer_norm_plain(y, in, p);
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = y[i] * in[1].data[i % in[1].shape[0]] + in[2].data[i % in[1].shape[0]];
}

static void naive_layer_norm_offset(double *y, const Tensor *in, const Parameters *p)
{
    naive_layer_norm_plain(y, in, p);
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] += in[1].data[i % in[1].shape[0]];
}

static void naive_layer_norm_adaptive(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]);
    naive_layer_norm_plain(y, in, p);
    for (size_t i = 0; i < tensor_size(in); i++) {
        const size_t at = i / (n * c) * c + i % c;
        y[i] = y[i] * (1.0 + in[1].data[at]) + in[2].data[at];
    }
}

static const OperationCase cases[] = {
    {"linear", linear, naive_linear, 3, {{2, {5, 7}}, {2, {7, 3}}, {1, {3}}}, {0}, false},
    {"linear 4d", linear, naive_linear, 3, {{4, {2, 3, 2, 5}}, {2, {5, 17}}, {1, {17}}}, {0},
     false},
    {"linear vector", linear, naive_linear, 3, {{1, {4}}, {2, {4, 1}}, {1, {1}}}, {0}, false},
    {"linear no rows", linear, naive_linear, 3, {{2, {0, 4}}, {2, {4, 2}}, {1, {2}}}, {0}, false},
    {"linear K=0", linear, naive_linear, 3, {{2, {3, 0}}, {2, {0, 2}}, {1, {2}}}, {0}, false},
    {"linear N=0", linear, naive_linear, 3, {{2, {3, 2}}, {2, {2, 0}}, {1, {0}}}, {0}, false},
    {"linear without bias", linear_no_bias, NULL, 2, {{3, {2, 3, 4}}, {2, {4, 5}}}, {0}, false},
    {"conv", conv, naive_conv, 3, {{4, {2, 5, 4, 3}}, {4, {3, 3, 3, 5}}, {1, {5}}},
     {.stride = 1}, false},
    {"conv 1x1", conv, naive_conv, 3, {{4, {1, 1, 1, 1}}, {4, {3, 3, 1, 1}}, {1, {1}}},
     {.stride = 1}, false},
    {"conv 17 channels", conv, naive_conv, 3, {{4, {1, 3, 3, 17}}, {4, {3, 3, 17, 18}}, {1, {18}}},
     {.stride = 1}, false},
    {"conv batch 0", conv, naive_conv, 3, {{4, {0, 3, 3, 2}}, {4, {3, 3, 2, 2}}, {1, {2}}},
     {.stride = 1}, false},
    {"conv stride 2", conv, naive_conv, 3, {{4, {2, 4, 6, 2}}, {4, {3, 3, 2, 3}}, {1, {3}}},
     {.stride = 2}, false},
    {"conv without bias", conv_no_bias, NULL, 2, {{4, {1, 4, 4, 2}}, {4, {3, 3, 2, 3}}},
     {.stride = 2}, false},
    {"embedding", embedding, naive_embedding, 1, {{2, {5, 7}}}, {.count = 3, .first = 11}, false},
    {"embedding of one state", embedding, naive_embedding, 1, {{2, {1, 1}}},
     {.count = 1, .first = 1}, false},
    {"embedding wide", embedding, naive_embedding, 1, {{2, {4, 67}}}, {.count = 2, .first = 3},
     false},
    {"embedding many states", embedding, naive_embedding, 1, {{2, {65535, 2}}},
     {.count = 2, .first = 8}, false},
    {"embedding C=0", embedding, naive_embedding, 1, {{2, {4, 0}}}, {.count = 2, .first = 3},
     false},
    {"embedding batch 0", embedding, naive_embedding, 1, {{2, {4, 3}}}, {.count = 0, .first = 3},
     false},
    {"attention", attention, naive_attention, 3,
     {{4, {2, 3, 2, 5}}, {4, {2, 3, 2, 5}}, {4, {2, 3, 2, 5}}}, {.p = 0.7}, false},
    {"attention rank 3", attention, naive_attention, 3,
     {{3, {1, 7, 3}}, {3, {1, 7, 3}}, {3, {1, 7, 3}}}, {.p = -1.5}, false},
    {"attention one position", attention, naive_attention, 3,
     {{3, {3, 1, 1}}, {3, {3, 1, 1}}, {3, {3, 1, 1}}}, {.p = 1.0}, false},
    {"attention batch 0", attention, naive_attention, 3,
     {{3, {0, 2, 2}}, {3, {0, 2, 2}}, {3, {0, 2, 2}}}, {.p = 1.0}, false},
    {"attention no positions", attention, naive_attention, 3,
     {{3, {2, 0, 2}}, {3, {2, 0, 2}}, {3, {2, 0, 2}}}, {.p = 1.0}, false},
    {"multihead", multihead, naive_multihead, 3, {{3, {2, 5, 6}}, {3, {2, 5, 6}}, {3, {2, 5, 6}}},
     {.count = 3}, false},
    {"multihead some keys", multihead, naive_multihead, 3,
     {{3, {3, 7, 4}}, {3, {3, 7, 4}}, {3, {3, 7, 4}}}, {.count = 2, .flag = true}, false},
    {"multihead one head rank 4", multihead, naive_multihead, 3,
     {{4, {2, 3, 2, 5}}, {4, {2, 3, 2, 5}}, {4, {2, 3, 2, 5}}}, {.count = 1}, false},
    {"multihead heads of one", multihead, naive_multihead, 3,
     {{3, {1, 4, 3}}, {3, {1, 4, 3}}, {3, {1, 4, 3}}}, {.count = 3}, false},
    {"multihead one position", multihead, naive_multihead, 3,
     {{3, {3, 1, 2}}, {3, {3, 1, 2}}, {3, {3, 1, 2}}}, {.count = 2, .flag = true}, false},
    {"multihead one", multihead, naive_multihead, 3,
     {{3, {1, 1, 1}}, {3, {1, 1, 1}}, {3, {1, 1, 1}}}, {.count = 1}, false},
    {"multihead far", multihead, naive_multihead, 3,
     {{3, {1, 9, 8}}, {3, {1, 9, 8}}, {3, {1, 9, 8}}}, {.count = 2, .flag = true}, true},
    {"multihead batch 0", multihead, naive_multihead, 3,
     {{3, {0, 2, 2}}, {3, {0, 2, 2}}, {3, {0, 2, 2}}}, {.count = 2, .flag = true}, false},
    {"multihead no positions", multihead, naive_multihead, 3,
     {{3, {2, 0, 2}}, {3, {2, 0, 2}}, {3, {2, 0, 2}}}, {.count = 2}, false},
    {"multihead C=0", multihead, naive_multihead, 3,
     {{3, {2, 2, 0}}, {3, {2, 2, 0}}, {3, {2, 2, 0}}}, {.count = 2}, false},
    {"rotary", rotary, naive_rotary, 1, {{3, {2, 5, 12}}}, {.count = 2}, false},
    {"rotary with first positions", rotary, naive_rotary, 1, {{3, {2, 5, 12}}},
     {.count = 1, .first = 2}, false},
    {"rotary all first", rotary, naive_rotary, 1, {{3, {1, 3, 4}}}, {.count = 2, .first = 9}, false},
    {"rotary one", rotary, naive_rotary, 1, {{3, {1, 1, 2}}}, {.count = 1}, false},
    {"rotary long", rotary, naive_rotary, 1, {{4, {1, 60, 50, 4}}}, {.count = 1, .first = 1}, false},
    {"rotary batch 0", rotary, naive_rotary, 1, {{3, {0, 3, 4}}}, {.count = 2}, false},
    {"rotary C=0", rotary, naive_rotary, 1, {{3, {2, 3, 0}}}, {.count = 2}, false},
    {"group_norm", group_norm, naive_group_norm, 3, {{4, {2, 3, 2, 6}}, {1, {6}}, {1, {6}}},
     {.count = 3, .p = 1e-3}, false},
    {"group_norm silu", group_norm, naive_group_norm, 3, {{4, {2, 3, 3, 4}}, {1, {4}}, {1, {4}}},
     {.count = 2, .p = 1e-6, .flag = true}, false},
    {"group_norm rank 2", group_norm, naive_group_norm, 3, {{2, {3, 16}}, {1, {16}}, {1, {16}}},
     {.count = 1, .p = 1e-2, .flag = true}, false},
    {"group_norm one entry", group_norm, naive_group_norm, 3, {{2, {2, 3}}, {1, {3}}, {1, {3}}},
     {.count = 3, .p = 1e-1}, false},
    {"group_norm batch 0", group_norm, naive_group_norm, 3, {{3, {0, 4, 2}}, {1, {2}}, {1, {2}}},
     {.count = 1, .p = 1e-3}, false},
    {"layer_norm", layer_norm, naive_layer_norm, 3, {{3, {2, 3, 7}}, {1, {7}}, {1, {7}}},
     {.p = 1e-5}, false},
    {"layer_norm far", layer_norm, naive_layer_norm, 3, {{2, {2, 37}}, {1, {37}}, {1, {37}}},
     {.p = 1e-5}, true},
    {"layer_norm vector", layer_norm, naive_layer_norm, 3, {{1, {16}}, {1, {16}}, {1, {16}}},
     {.p = 1e-3}, false},
    {"layer_norm C=1", layer_norm, naive_layer_norm, 3, {{3, {2, 3, 1}}, {1, {1}}, {1, {1}}},
     {.p = 1e-1}, false},
    {"layer_norm C=0", layer_norm, naive_layer_norm, 3, {{2, {2, 0}}, {1, {0}}, {1, {0}}},
     {.p = 1e-5}, false},
    {"layer_norm batch 0", layer_norm, naive_layer_norm, 3, {{3, {0, 3, 5}}, {1, {5}}, {1, {5}}},
     {.p = 1e-5}, false},
    {"layer_norm plain", layer_norm_plain, naive_layer_norm_plain, 1, {{4, {2, 3, 2, 18}}},
     {.p = 1e-5}, false},
    {"layer_norm offset", layer_norm_offset, naive_layer_norm_offset, 2,
     {{3, {2, 3, 5}}, {1, {5}}}, {.p = 1e-5}, false},
    {"layer_norm_adaptive", layer_norm_adaptive, naive_layer_norm_adaptive, 3,
     {{3, {2, 5, 7}}, {2, {2, 7}}, {2, {2, 7}}}, {.p = 1e-5}, false},
    {"layer_norm_adaptive rank 2", layer_norm_adaptive, naive_layer_norm_adaptive, 3,
     {{2, {3, 33}}, {2, {3, 33}}, {2, {3, 33}}}, {.p = 1e-5}, false},
    {"layer_norm_adaptive one", layer_norm_adaptive, naive_layer_norm_adaptive, 3,
     {{3, {1, 1, 1}}, {2, {1, 1}}, {2, {1, 1}}}, {.p = 1e-1}, false},
    {"layer_norm_adaptive batch 0", layer_norm_adaptive, naive_layer_norm_adaptive, 3,
     {{3, {0, 2, 3}}, {2, {0, 3}}, {2, {0, 3}}}, {.p = 1e-5}, false},
};

static const OperationCase large_cases[] = {
    {"embedding", embedding, NULL, 1, {{2, {300, 200}}}, {.count = 8, .first = 100}, false},
    {"attention", attention, NULL, 3, {{3, {5, 49, 33}}, {3, {5, 49, 33}}, {3, {5, 49, 33}}},
     {.p = 0.2}, false},
    {"attention alone", attention, NULL, 3,
     {{3, {1, 130, 64}}, {3, {1, 130, 64}}, {3, {1, 130, 64}}}, {.p = 0.2}, false},
    {"multihead", multihead, NULL, 3, {{3, {3, 75, 66}}, {3, {3, 75, 66}}, {3, {3, 75, 66}}},
     {.count = 2, .flag = true}, false},
    {"multihead alone", multihead, NULL, 3,
     {{3, {1, 400, 64}}, {3, {1, 400, 64}}, {3, {1, 400, 64}}}, {.count = 1}, false},
    {"rotary", rotary, NULL, 1, {{3, {4, 99, 96}}}, {.count = 3, .first = 1}, false},
    {"linear", linear, NULL, 3, {{2, {300, 70}}, {2, {70, 90}}, {1, {90}}}, {0}, false},
    {"conv", conv, NULL, 3, {{4, {5, 9, 9, 16}}, {4, {3, 3, 16, 24}}, {1, {24}}}, {.stride = 1},
     false},
    {"group_norm", group_norm, NULL, 3, {{3, {4, 300, 32}}, {1, {32}}, {1, {32}}},
     {.count = 8, .p = 1e-6, .flag = true}, false},
    {"layer_norm", layer_norm, NULL, 3, {{3, {4, 99, 70}}, {1, {70}}, {1, {70}}}, {.p = 1e-5},
     false},
    {"layer_norm_adaptive", layer_norm_adaptive, NULL, 3,
     {{3, {3, 99, 70}}, {2, {3, 70}}, {2, {3, 70}}}, {.p = 1e-5}, false},
};
/* clang-format on */

static const OperationTable table = {
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .large = large_cases,
    .large_count = sizeof large_cases / sizeof large_cases[0],
};

static void setup(void)
{
    operation_setup(&table);
}

Suite *layer_operations_suite(void)
{
    return operation_suite("layer_operations", &table, setup);
}
