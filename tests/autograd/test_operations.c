/* Every operation: its value against plain loops in double, its gradient against central
 * differences for every choice of inputs that need one, and the same bits for every number of
 * threads.
 *
 * Longer than other files: all checks run over one table, whose rows name an operation and its
 * plain loops, so these stand here together; a new operation adds its loops and a row.  Wrong
 * shapes are in test_operation_shapes.c, the statistics of dropout in test_dropout.c. */
#include "autograd/operations.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "autograd/axes.h"
#include "autograd/gradient_check.h"
#include "tensor/base/larger.h"
#include "tensor/base/threads.h"
#include "tensor/states.h"

static Arena *pool;

static void setup(void)
{
    pool = arena_create(1 << 16);
}

static void teardown(void)
{
    arena_destroy(pool);
}

/* ---- inputs ---- */

typedef struct Shape {
    int rank;
    size_t n[TENSOR_MAX_RANK];
} Shape;

/* What an operation takes besides Vars. */
typedef struct Parameters {
    size_t first, count; /* slice; count is also the number of groups, or of samples of first states
                          */
    double p;            /* eps, dropout probability, scale */
    bool flag;           /* silu */
    int stride;
} Parameters;

enum { SAMPLES = 4 };
static const uint16_t labels[SAMPLES] = {1, 0, 2, 1};

static void sample_streams(Rng streams[SAMPLES])
{
    for (size_t b = 0; b < SAMPLES; b++)
        streams[b] = rng_child(rng_root(5), b);
}

/* Uniform on (-1, 1); or, with `apart`, numbers at least 0.05 from each other and 0.025 from 0. */
static Tensor draw(Shape s, uint64_t seed, bool apart)
{
    Rng rng = rng_root(seed);
    Tensor t = tensor_make(pool, s.rank, s.n);
    const size_t n = tensor_size(&t);
    uint32_t *order = arena_alloc(pool, n, sizeof *order);
    rng_permutation(&rng, order, n);
    for (size_t i = 0; i < n; i++)
        t.data[i] = apart ? 0.05f * ((float)order[i] - (float)(n / 2) + 0.5f)
                          : 2.0f * rng_uniform24(&rng) - 1.0f;
    return t;
}

/* A line an operation, a row a case. */
/* clang-format off */

/* ---- each operation as an AgFunction, and its value in double ---- */

typedef void (*Naive)(double *y, const Tensor *in, const Parameters *p);

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
    States x = states_make(pool, p->count, p->first);
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
    double *weight = arena_alloc(pool, n, sizeof *weight);
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
    uint8_t *left_out = arena_alloc(pool, q->shape[0] * n, 1);
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
    double *weight = arena_alloc(pool, n, sizeof *weight);
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

/* The operations of one entry. */
static Var *silu(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_silu(in[0]);
}

static Var *gelu(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_gelu(in[0]);
}

static Var *relu(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_relu(in[0]);
}

static Var *hyperbolic(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_tanh(in[0]);
}

static Var *sigmoid(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_sigmoid(in[0]);
}

static Var *scale(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_scale(in[0], (float)p->p);
}

static Var *add(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add(in[0], in[1]);
}

static Var *add_scaled(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_add_scaled(in[0], in[1], (float)p->p);
}

static Var *multiply(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_multiply(in[0], in[1]);
}

static double silu1(double x) { return x / (1.0 + exp(-x)); }
static double gelu1(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}
static double relu1(double x) { return x > 0.0 ? x : 0.0; }
static double sigmoid1(double x) { return 1.0 / (1.0 + exp(-x)); }

static void map(double *y, const Tensor *x, double (*f)(double))
{
    for (size_t i = 0; i < tensor_size(x); i++)
        y[i] = f(x->data[i]);
}

static void naive_silu(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, silu1);
}

static void naive_gelu(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, gelu1);
}

static void naive_relu(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, relu1);
}

static void naive_tanh(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, tanh);
}

static void naive_sigmoid(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    map(y, in, sigmoid1);
}

static void naive_scale(double *y, const Tensor *in, const Parameters *p)
{
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = p->p * in[0].data[i];
}

static void naive_add(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = (double)in[0].data[i] + in[1].data[i];
}

static void naive_add_scaled(double *y, const Tensor *in, const Parameters *p)
{
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = p->p * ((double)in[0].data[i] + in[1].data[i]);
}

static void naive_multiply(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = (double)in[0].data[i] * in[1].data[i];
}

static Var *add_channel(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add_channel(in[0], in[1]);
}

static void naive_add_channel(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]);
    (void)p;
    for (size_t i = 0; i < tensor_size(&in[0]); i++)
        y[i] = (double)in[0].data[i] + in[1].data[i / (n * c) * c + i % c];
}

static Var *add_gated(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_add_gated(in[0], in[1], in[2]);
}

static void naive_add_gated(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(&in[0]), c = axes_last(&in[0]);
    (void)p;
    for (size_t i = 0; i < tensor_size(&in[0]); i++)
        y[i] = in[0].data[i] + (double)in[1].data[i / (n * c) * c + i % c] * in[2].data[i];
}

static Var *dropout(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    Rng streams[SAMPLES];
    (void)g;
    sample_streams(streams);
    return ag_dropout(in[0], p->p, streams, 3);
}

static void naive_dropout(double *y, const Tensor *in, const Parameters *p)
{
    const size_t batch = in[0].shape[0], n = batch ? tensor_size(in) / batch : 0;
    Rng streams[SAMPLES];
    sample_streams(streams);
    for (size_t b = 0; b < batch; b++) {
        Rng rng = rng_child(streams[b], 3);
        for (size_t i = 0; i < n; i++)
            y[b * n + i] = rng_uniform24(&rng) < (float)p->p
                               ? 0.0
                               : in[0].data[b * n + i] / (1.0 - p->p);
    }
}

static Var *reshape(Graph *g, Var *const *in, void *context)
{
    const size_t shape[] = {1, tensor_size(&in[0]->value)};
    (void)g, (void)context;
    return ag_reshape(in[0], 2, shape);
}

static void naive_copy(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = in[0].data[i];
}

static Var *concat(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_concat(in[0], in[1]);
}

static void naive_concat(double *y, const Tensor *in, const Parameters *p)
{
    const size_t ca = axes_last(&in[0]), cb = axes_last(&in[1]), c = ca + cb;
    (void)p;
    for (size_t i = 0; i < axes_rows(&in[0]) * c; i++)
        y[i] = i % c < ca ? in[0].data[i / c * ca + i % c] : in[1].data[i / c * cb + i % c - ca];
}

static Var *slice(Graph *g, Var *const *in, void *context)
{
    const Parameters *p = context;
    (void)g;
    return ag_slice(in[0], p->first, p->count);
}

static void naive_slice(double *y, const Tensor *in, const Parameters *p)
{
    for (size_t i = 0; i < axes_rows(in) * p->count; i++)
        y[i] = in[0].data[i / p->count * axes_last(in) + p->first + i % p->count];
}

static Var *upsample2(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_upsample2(in[0]);
}

static void naive_upsample2(double *y, const Tensor *in, const Parameters *p)
{
    const size_t h = in->shape[1], w = in->shape[2], c = in->shape[3];
    (void)p;
    for (size_t i = 0; i < 4 * tensor_size(in); i++) {
        const size_t k = i % c, column = i / c % (2 * w), row = i / c / (2 * w) % (2 * h);
        const size_t b = i / c / (2 * w) / (2 * h);
        y[i] = in->data[((b * h + row / 2) * w + column / 2) * c + k];
    }
}

static Var *max_pool2(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_max_pool2(in[0]);
}

static void naive_max_pool2(double *y, const Tensor *in, const Parameters *p)
{
    const size_t h = in->shape[1], w = in->shape[2], c = in->shape[3];
    (void)p;
    for (size_t i = 0; i < in->shape[0] * (h / 2) * (w / 2) * c; i++) {
        const size_t k = i % c, column = i / c % (w / 2), row = i / c / (w / 2) % (h / 2);
        const size_t b = i / c / (w / 2) / (h / 2);
        double top = -HUGE_VAL;
        for (size_t q = 0; q < 4; q++)
            top = larger_of(top, in->data[((b * h + 2 * row + q / 2) * w + 2 * column + q % 2) * c + k]);
        y[i] = top;
    }
}

static Var *mean_positions(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_mean_positions(in[0]);
}

static void naive_mean_positions(double *y, const Tensor *in, const Parameters *p)
{
    const size_t n = axes_positions(in), c = axes_last(in);
    (void)p;
    for (size_t i = 0; i < in->shape[0] * c; i++) {
        y[i] = 0.0;
        for (size_t j = 0; j < n; j++)
            y[i] += in->data[(i / c * n + j) * c + i % c] / (double)n;
    }
}

static Var *softmax(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_softmax(in[0]);
}

static Var *log_softmax(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_log_softmax(in[0]);
}

static void naive_log_softmax(double *y, const Tensor *in, const Parameters *p)
{
    const size_t c = axes_last(in);
    (void)p;
    for (size_t r = 0; r < axes_rows(in); r++) {
        double total = 0.0;
        for (size_t j = 0; j < c; j++)
            total += exp(in->data[r * c + j]);
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = in->data[r * c + j] - log(total);
    }
}

static void naive_softmax(double *y, const Tensor *in, const Parameters *p)
{
    naive_log_softmax(y, in, p);
    for (size_t i = 0; i < tensor_size(in); i++)
        y[i] = exp(y[i]);
}

static Var *sum(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_sum(in[0]);
}

static Var *mean(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_mean(in[0]);
}

static void naive_sum(double *y, const Tensor *in, const Parameters *p)
{
    (void)p;
    y[0] = 0.0;
    for (size_t i = 0; i < tensor_size(in); i++)
        y[0] += in->data[i];
}

static void naive_mean(double *y, const Tensor *in, const Parameters *p)
{
    naive_sum(y, in, p);
    y[0] /= (double)tensor_size(in);
}

/* Entry i of the noise, whatever its shape. */
static double noise_at(size_t i)
{
    return 1.7 * cos(1.3 * (double)i);
}

static Var *gaussian_draw(Graph *g, Var *const *in, void *context)
{
    const size_t count = tensor_size(&in[0]->value) / 2;
    double *noise = arena_alloc(g->arena, count, sizeof *noise);
    (void)context;
    for (size_t i = 0; i < count; i++)
        noise[i] = noise_at(i);
    return ag_gaussian_draw(in[0], noise);
}

static void naive_gaussian_draw(double *y, const Tensor *in, const Parameters *p)
{
    const size_t L = in->shape[1] / 2;
    (void)p;
    for (size_t i = 0; i < in->shape[0] * L; i++) {
        const float *row = in->data + i / L * 2 * L;
        y[i] = row[i % L] + exp(0.5 * (double)row[L + i % L]) * noise_at(i);
    }
}

static double uniform_at(size_t i)
{
    return 0.5 + 0.49 * cos(1.3 * (double)i);
}

static Var *box_draw(Graph *g, Var *const *in, void *context)
{
    const size_t count = tensor_size(&in[0]->value) / 2;
    double *u = arena_alloc(g->arena, count, sizeof *u);
    (void)context;
    for (size_t i = 0; i < count; i++)
        u[i] = uniform_at(i);
    return ag_box_draw(in[0], u);
}

static void naive_box_draw(double *y, const Tensor *in, const Parameters *p)
{
    const size_t L = in->shape[1] / 2;
    (void)p;
    for (size_t i = 0; i < in->shape[0] * L; i++) {
        const float *row = in->data + i / L * 2 * L;
        const double l = exp((double)row[i % L]), r = exp((double)row[L + i % L]);
        y[i] = (l + uniform_at(i)) / (1.0 + l + r);
    }
}

static Var *cross_entropy(Graph *g, Var *const *in, void *context)
{
    (void)g, (void)context;
    return ag_cross_entropy(in[0], labels);
}

static void naive_cross_entropy(double *y, const Tensor *in, const Parameters *p)
{
    const size_t batch = in->shape[0], c = in->shape[1];
    double *row = arena_alloc(pool, tensor_size(in), sizeof *row);
    naive_log_softmax(row, in, p);
    y[0] = 0.0;
    for (size_t b = 0; b < batch; b++)
        y[0] -= row[b * c + labels[b]] / (double)batch;
}

/* ---- the table ---- */

typedef struct Case {
    const char *name;
    AgFunction function;
    Naive naive;
    int inputs;
    Shape shape[3];
    Parameters parameters;
    bool apart; /* the function has kinks: keep inputs apart */
} Case;

static const Case cases[] = {
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
    {"silu", silu, naive_silu, 1, {{3, {3, 5, 7}}}, {0}, false},
    {"silu far", silu, naive_silu, 1, {{1, {150}}}, {0}, true},
    {"silu one", silu, naive_silu, 1, {{0, {0}}}, {0}, false},
    {"silu none", silu, naive_silu, 1, {{2, {0, 3}}}, {0}, false},
    {"gelu", gelu, naive_gelu, 1, {{3, {3, 5, 7}}}, {0}, false},
    {"gelu far", gelu, naive_gelu, 1, {{2, {3, 50}}}, {0}, true},
    {"gelu one", gelu, naive_gelu, 1, {{0, {0}}}, {0}, false},
    {"gelu none", gelu, naive_gelu, 1, {{2, {0, 3}}}, {0}, false},
    {"relu", relu, naive_relu, 1, {{2, {3, 37}}}, {0}, true},
    {"relu none", relu, naive_relu, 1, {{1, {0}}}, {0}, true},
    {"tanh", hyperbolic, naive_tanh, 1, {{2, {7, 19}}}, {0}, true},
    {"sigmoid", sigmoid, naive_sigmoid, 1, {{4, {3, 1, 5, 7}}}, {0}, true},
    {"scale", scale, naive_scale, 1, {{1, {13}}}, {.p = -2.5}, false},
    {"add", add, naive_add, 2, {{3, {2, 3, 5}}, {3, {2, 3, 5}}}, {0}, false},
    {"add none", add, naive_add, 2, {{1, {0}}, {1, {0}}}, {0}, false},
    {"add_scaled", add_scaled, naive_add_scaled, 2, {{2, {3, 17}}, {2, {3, 17}}}, {.p = 0.7071},
     false},
    {"multiply", multiply, naive_multiply, 2, {{2, {4, 9}}, {2, {4, 9}}}, {0}, false},
    {"add_channel", add_channel, naive_add_channel, 2, {{4, {3, 2, 5, 7}}, {2, {3, 7}}}, {0},
     false},
    {"add_channel rank 2", add_channel, naive_add_channel, 2, {{2, {3, 1}}, {2, {3, 1}}}, {0},
     false},
    {"add_gated", add_gated, naive_add_gated, 3, {{3, {2, 5, 7}}, {2, {2, 7}}, {3, {2, 5, 7}}},
     {0}, false},
    {"add_gated rank 2", add_gated, naive_add_gated, 3, {{2, {3, 4}}, {2, {3, 4}}, {2, {3, 4}}},
     {0}, false},
    {"add_gated one", add_gated, naive_add_gated, 3, {{3, {1, 1, 1}}, {2, {1, 1}}, {3, {1, 1, 1}}},
     {0}, false},
    {"add_gated no positions", add_gated, naive_add_gated, 3,
     {{3, {2, 0, 3}}, {2, {2, 3}}, {3, {2, 0, 3}}}, {0}, false},
    {"add_gated batch 0", add_gated, naive_add_gated, 3,
     {{3, {0, 2, 3}}, {2, {0, 3}}, {3, {0, 2, 3}}}, {0}, false},
    {"dropout", dropout, naive_dropout, 1, {{3, {SAMPLES, 5, 7}}}, {.p = 0.3}, false},
    {"dropout long", dropout, naive_dropout, 1, {{3, {SAMPLES, 41, 27}}}, {.p = 0.1}, false},
    {"dropout one", dropout, naive_dropout, 1, {{1, {1}}}, {.p = 0.5}, false},
    {"dropout batch 0", dropout, naive_dropout, 1, {{2, {0, 3}}}, {.p = 0.5}, false},
    {"dropout p=0", dropout, naive_copy, 1, {{2, {2, 3}}}, {.p = 0.0}, false},
    {"gaussian_draw", gaussian_draw, naive_gaussian_draw, 1, {{2, {SAMPLES, 6}}}, {0}, false},
    {"gaussian_draw one", gaussian_draw, naive_gaussian_draw, 1, {{2, {1, 2}}}, {0}, false},
    {"gaussian_draw batch 0", gaussian_draw, naive_gaussian_draw, 1, {{2, {0, 2}}}, {0}, false},
    {"box_draw", box_draw, naive_box_draw, 1, {{2, {SAMPLES, 6}}}, {0}, false},
    {"box_draw far", box_draw, naive_box_draw, 1, {{2, {SAMPLES, 6}}}, {0}, true},
    {"box_draw batch 0", box_draw, naive_box_draw, 1, {{2, {0, 2}}}, {0}, false},
    {"reshape", reshape, naive_copy, 1, {{3, {2, 3, 4}}}, {0}, false},
    {"concat", concat, naive_concat, 2, {{3, {2, 3, 5}}, {3, {2, 3, 4}}}, {0}, false},
    {"concat with nothing", concat, naive_concat, 2, {{2, {3, 0}}, {2, {3, 4}}}, {0}, false},
    {"slice", slice, naive_slice, 1, {{3, {2, 3, 7}}}, {.first = 2, .count = 4}, false},
    {"slice all", slice, naive_slice, 1, {{1, {5}}}, {.first = 0, .count = 5}, false},
    {"slice nothing", slice, naive_slice, 1, {{2, {2, 5}}}, {.first = 5, .count = 0}, false},
    {"upsample2", upsample2, naive_upsample2, 1, {{4, {2, 3, 1, 5}}}, {0}, false},
    {"max_pool2", max_pool2, naive_max_pool2, 1, {{4, {2, 4, 6, 3}}}, {0}, true},
    {"max_pool2 odd", max_pool2, naive_max_pool2, 1, {{4, {1, 5, 3, 2}}}, {0}, true},
    {"max_pool2 none", max_pool2, naive_max_pool2, 1, {{4, {1, 1, 1, 2}}}, {0}, true},
    {"mean_positions", mean_positions, naive_mean_positions, 1, {{4, {2, 3, 4, 5}}}, {0}, false},
    {"mean_positions rank 2", mean_positions, naive_mean_positions, 1, {{2, {2, 5}}}, {0}, false},
    {"softmax", softmax, naive_softmax, 1, {{3, {2, 3, 7}}}, {0}, false},
    {"softmax far", softmax, naive_softmax, 1, {{2, {4, 33}}}, {0}, true},
    {"softmax one", softmax, naive_softmax, 1, {{2, {3, 1}}}, {0}, false},
    {"log_softmax", log_softmax, naive_log_softmax, 1, {{2, {5, 9}}}, {0}, false},
    {"log_softmax far", log_softmax, naive_log_softmax, 1, {{2, {4, 33}}}, {0}, true},
    {"log_softmax none", log_softmax, naive_log_softmax, 1, {{2, {0, 9}}}, {0}, false},
    {"sum", sum, naive_sum, 1, {{2, {5, 9}}}, {0}, false},
    {"sum of none", sum, naive_sum, 1, {{2, {5, 0}}}, {0}, false},
    {"mean", mean, naive_mean, 1, {{2, {5, 9}}}, {0}, false},
    {"mean of one", mean, naive_mean, 1, {{0, {0}}}, {0}, false},
    {"cross_entropy", cross_entropy, naive_cross_entropy, 1, {{2, {SAMPLES, 5}}}, {0}, false},
    {"cross_entropy far", cross_entropy, naive_cross_entropy, 1, {{2, {SAMPLES, 40}}}, {0}, true},
};
/* clang-format on */
enum { CASES = sizeof cases / sizeof cases[0] };

static void draw_inputs(const Case *c, Tensor in[3])
{
    for (int i = 0; i < c->inputs; i++)
        in[i] = draw(c->shape[i], 11 + (uint64_t)i, c->apart);
}

START_TEST(value_against_double)
{
    const Case *c = &cases[_i];
    Parameters p = c->parameters;
    Tensor in[3];
    Var *vars[3];
    if (!c->naive)
        return;
    draw_inputs(c, in);
    Graph *g = ag_graph_create();
    for (int i = 0; i < c->inputs; i++)
        vars[i] = ag_constant(g, in[i]);
    const Var *y = c->function(g, vars, &p);
    const size_t n = tensor_size(&y->value);
    double *want = arena_alloc(pool, n, sizeof *want);
    c->naive(want, in, &p);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(y->value.data[i] - want[i]) <= 1e-5 * (0.1 + fabs(want[i])),
                      "%s: entry %d is %g, expected %g", c->name, (int)i, y->value.data[i],
                      want[i]);
    ag_graph_destroy(g);
}
END_TEST

/* For every choice of inputs that need a gradient, none included. */
START_TEST(gradient_against_differences)
{
    const Case *c = &cases[_i];
    Parameters p = c->parameters;
    for (unsigned mask = 0; mask < 1u << c->inputs; mask++) {
        GradientCheck check = {.function = c->function,
                               .context = &p,
                               .input_count = c->inputs,
                               .seed = mask,
                               .max_entries = 60};
        double worst;
        draw_inputs(c, check.inputs);
        for (int i = 0; i < c->inputs; i++)
            check.needs_grad[i] = mask >> i & 1;
        const bool right = ag_gradient_check(&check, &worst);
        ck_assert_msg(right, "%s, inputs %x: relative error %g", c->name, mask, worst);
    }
}
END_TEST

/* ---- the same bits for every number of threads ---- */

static float *value_and_gradients(const Case *c, const Tensor *in, size_t *count)
{
    Parameters p = c->parameters;
    Var *vars[3];
    float *grads[3];
    Graph *g = ag_graph_create();
    *count = 0;
    for (int i = 0; i < c->inputs; i++) {
        grads[i] = arena_zeroed(pool, tensor_size(&in[i]), sizeof(float));
        vars[i] = ag_leaf(g, in[i], grads[i]);
        *count += tensor_size(&in[i]);
    }
    Var *y = c->function(g, vars, &p);
    const size_t n = tensor_size(&y->value);
    ag_backward_from(y, y->value.data);
    float *all = arena_alloc(pool, *count + n, sizeof *all), *end = all;
    for (int i = 0; i < c->inputs; i++) {
        memcpy(end, grads[i], tensor_size(&in[i]) * sizeof *all);
        end += tensor_size(&in[i]);
    }
    memcpy(end, y->value.data, n * sizeof *all);
    *count += n;
    ag_graph_destroy(g);
    return all;
}

/* clang-format off */
static const Case large_cases[] = {
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
    {"dropout", dropout, NULL, 1, {{3, {SAMPLES, 99, 33}}}, {.p = 0.1}, false},
    {"slice", slice, NULL, 1, {{2, {700, 99}}}, {.first = 11, .count = 80}, false},
    {"mean_positions", mean_positions, NULL, 1, {{3, {4, 300, 33}}}, {0}, false},
    {"add_channel", add_channel, NULL, 2, {{3, {4, 300, 33}}, {2, {4, 33}}}, {0}, false},
    {"gelu", gelu, NULL, 1, {{2, {300, 301}}}, {0}, false},
    {"add_gated", add_gated, NULL, 3, {{3, {4, 300, 33}}, {2, {4, 33}}, {3, {4, 300, 33}}}, {0},
     false},
    {"multiply", multiply, NULL, 2, {{2, {300, 301}}, {2, {300, 301}}}, {0}, false},
    {"sum", sum, NULL, 1, {{2, {500, 301}}}, {0}, false},
};
/* clang-format on */
enum { LARGE_CASES = sizeof large_cases / sizeof large_cases[0] };

START_TEST(same_bits_for_all_thread_counts)
{
    const Case *c = &large_cases[_i];
    Tensor in[3];
    size_t count = 0;
    draw_inputs(c, in);
    threads_set(1);
    const float *one = value_and_gradients(c, in, &count);
    for (int threads = 2; threads <= 5; threads += 3) {
        threads_set(threads);
        const float *more = value_and_gradients(c, in, &count);
        ck_assert_msg(memcmp(one, more, count * sizeof *one) == 0, "%s: %d threads", c->name,
                      threads);
    }
}
END_TEST

/* ---- extreme values ---- */

START_TEST(cross_entropy_of_large_logits)
{
    float x[] = {1000.0f, -1000.0f, 0.0f, -HUGE_VALF, 5.0f, 5.0f}, dx[6] = {0};
    const uint16_t label[] = {1, 2};
    const size_t shape[] = {2, 3};
    Graph *g = ag_graph_create();
    Var *y = ag_cross_entropy(ag_leaf(g, tensor_view(x, 2, shape), dx), label);
    ag_backward(y);
    ck_assert_float_eq_tol(y->value.data[0], (2000.0f + 0.693147f) / 2, 1e-3f);
    const float want[] = {0.5f, -0.5f, 0.0f, 0.0f, 0.25f, -0.25f};
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq_tol(dx[i], want[i], 1e-6f);
    ag_graph_destroy(g);
}
END_TEST

Suite *operations_suite(void)
{
    Suite *s = suite_create("operations");
    TCase *values = tcase_create("values"), *gradients = tcase_create("gradients");

    tcase_add_checked_fixture(values, setup, teardown);
    tcase_set_timeout(values, 20);
    tcase_add_loop_test(values, value_against_double, 0, CASES);
    tcase_add_loop_test(values, same_bits_for_all_thread_counts, 0, LARGE_CASES);
    tcase_add_test(values, cross_entropy_of_large_logits);
    suite_add_tcase(s, values);

    tcase_add_checked_fixture(gradients, setup, teardown);
    tcase_set_timeout(gradients, 60);
    tcase_add_loop_test(gradients, gradient_against_differences, 0, CASES);
    suite_add_tcase(s, gradients);
    return s;
}
