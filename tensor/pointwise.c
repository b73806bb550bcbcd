/* Elementwise kernels.
 *
 * Each is a loop over a range of entries.  Long arrays are cut into ranges of BLOCK entries,
 * whatever the number of threads: an entry is then handled by the same vector or tail code, and has
 * the same bits, however many threads there are. */
#include "tensor/pointwise.h"

#include "tensor/fast_exp.h"
#include "tensor/system/threads.h"

enum { BLOCK = 4096 };

/* What a range works on; unused members are NULL or 0. */
typedef struct Terms {
    float *y;
    const float *a, *b;
    float alpha;
} Terms;

typedef void (*Range)(const Terms *t, size_t first, size_t last);

static void over_blocks(Range range, const Terms *t, size_t n)
{
    const int team = threads_team(n);
    if (team == 1) {
        range(t, 0, n);
        return;
    }
    size_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for default(none) shared(range, t, n, blocks) schedule(static)                \
    num_threads(team)
    for (size_t k = 0; k < blocks; k++)
        range(t, k * BLOCK, k + 1 < blocks ? (k + 1) * BLOCK : n);
}

/* y = exp(a) */
static void exp_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = fast_exp(a[i]);
}

void tensor_exp(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(exp_range, &t, n);
}

/* SiLU: y = x s, s = sigmoid(x); dy/dx = s (1 + x (1 - s)). */
static void silu_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = a[i] * fast_sigmoid(a[i]);
}

void tensor_silu(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(silu_range, &t, n);
}

static void silu_backward_range(const Terms *t, size_t first, size_t last)
{
    float *dx = t->y;
    const float *dy = t->a, *x = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++) {
        float s = fast_sigmoid(x[i]);
        dx[i] += dy[i] * s * (1.0f + x[i] * (1.0f - s));
    }
}

void tensor_silu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    Terms t = {dx, dy, x, 0};

    over_blocks(silu_backward_range, &t, n);
}

/* GELU by tanh: with z = sqrt(2/pi) (x + 0.044715 x^3), y = x (1 + tanh z)/2.  Since
 * (1 + tanh z)/2 = s with s = sigmoid(2 z), which does not cancel for z < 0, that is y = x s;
 * dy/dx = s + x s (1 - s) 2 dz/dx, where s (1 - s) = e/(1 + e)^2, e = exp(-2 |z|). */
static const float GELU_LINEAR = 1.5957691216f; /* 2 sqrt(2/pi) */
static const float GELU_CUBE = 0.044715f;

static void gelu_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++) {
        float square = a[i] * a[i];
        y[i] = a[i] * fast_sigmoid(GELU_LINEAR * a[i] * (1.0f + GELU_CUBE * square));
    }
}

void tensor_gelu(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(gelu_range, &t, n);
}

static void gelu_backward_range(const Terms *t, size_t first, size_t last)
{
    float *dx = t->y;
    const float *dy = t->a, *x = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++) {
        float square = x[i] * x[i];
        float size = fast_select(x[i] < 0.0f, -x[i], x[i]);
        float e = fast_exp_falling(-GELU_LINEAR * size * (1.0f + GELU_CUBE * square));
        float r = 1.0f / (1.0f + e);
        float s = fast_select(x[i] < 0.0f, e * r, r);
        float slope = GELU_LINEAR * (1.0f + 3.0f * GELU_CUBE * square);
        dx[i] += dy[i] * (s + x[i] * (e * r * r) * slope);
    }
}

void tensor_gelu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    Terms t = {dx, dy, x, 0};

    over_blocks(gelu_backward_range, &t, n);
}

/* ReLU: y = max(x, 0), NaN stays; the derivative at 0 is 0. */
static void relu_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = a[i] < 0.0f ? 0.0f : a[i];
}

void tensor_relu(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(relu_range, &t, n);
}

static void relu_backward_range(const Terms *t, size_t first, size_t last)
{
    float *dx = t->y;
    const float *dy = t->a, *x = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        dx[i] += x[i] > 0.0f ? dy[i] : 0.0f;
}

void tensor_relu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    Terms t = {dx, dy, x, 0};

    over_blocks(relu_backward_range, &t, n);
}

/* tanh; derivative 1 - y^2. */
static void tanh_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = fast_tanh(a[i]);
}

void tensor_tanh(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(tanh_range, &t, n);
}

static void tanh_backward_range(const Terms *t, size_t first, size_t last)
{
    float *dx = t->y;
    const float *dy = t->a, *y = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        dx[i] += dy[i] * (1.0f - y[i]) * (1.0f + y[i]);
}

void tensor_tanh_backward(float *dx, const float *dy, const float *y, size_t n)
{
    Terms t = {dx, dy, y, 0};

    over_blocks(tanh_backward_range, &t, n);
}

/* sigmoid; derivative y (1 - y). */
static void sigmoid_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = fast_sigmoid(a[i]);
}

void tensor_sigmoid(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(sigmoid_range, &t, n);
}

static void sigmoid_backward_range(const Terms *t, size_t first, size_t last)
{
    float *dx = t->y;
    const float *dy = t->a, *y = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        dx[i] += dy[i] * y[i] * (1.0f - y[i]);
}

void tensor_sigmoid_backward(float *dx, const float *dy, const float *y, size_t n)
{
    Terms t = {dx, dy, y, 0};

    over_blocks(sigmoid_backward_range, &t, n);
}

/* y = alpha */
static void fill_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y, alpha = t->alpha;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = alpha;
}

void tensor_fill(float *y, float value, size_t n)
{
    Terms t = {y, NULL, NULL, value};

    over_blocks(fill_range, &t, n);
}

/* y = alpha a */
static void scale_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y, alpha = t->alpha;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = alpha * a[i];
}

void tensor_scale(float *y, float alpha, const float *x, size_t n)
{
    Terms t = {y, x, NULL, alpha};

    over_blocks(scale_range, &t, n);
}

/* y = a */
static void copy_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = a[i];
}

void tensor_copy(float *y, const float *x, size_t n)
{
    Terms t = {y, x, NULL, 0};

    over_blocks(copy_range, &t, n);
}

/* y += alpha a */
static void axpy_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y, alpha = t->alpha;
    const float *a = t->a;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] += alpha * a[i];
}

void tensor_axpy(float *y, float alpha, const float *x, size_t n)
{
    Terms t = {y, x, NULL, alpha};

    over_blocks(axpy_range, &t, n);
}

/* y = alpha (a + b) */
static void add_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y, alpha = t->alpha;
    const float *a = t->a, *b = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = alpha * (a[i] + b[i]);
}

void tensor_add_scaled(float *y, float alpha, const float *a, const float *b, size_t n)
{
    Terms t = {y, a, b, alpha};

    over_blocks(add_range, &t, n);
}

void tensor_add(float *y, const float *a, const float *b, size_t n)
{
    tensor_add_scaled(y, 1.0f, a, b, n);
}

/* y = a b */
static void multiply_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a, *b = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] = a[i] * b[i];
}

void tensor_multiply(float *y, const float *a, const float *b, size_t n)
{
    Terms t = {y, a, b, 0};

    over_blocks(multiply_range, &t, n);
}

/* y += a b */
static void multiply_add_range(const Terms *t, size_t first, size_t last)
{
    float *y = t->y;
    const float *a = t->a, *b = t->b;

#pragma omp simd
    for (size_t i = first; i < last; i++)
        y[i] += a[i] * b[i];
}

void tensor_multiply_add(float *y, const float *a, const float *b, size_t n)
{
    Terms t = {y, a, b, 0};

    over_blocks(multiply_add_range, &t, n);
}

void tensor_add_row(float *y, const float *x, const float *v, size_t rows, size_t c)
{
#pragma omp parallel for default(none) shared(y, x, v, rows, c) schedule(static)                   \
    num_threads(threads_team(rows *c))
    for (size_t r = 0; r < rows; r++) {
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = x[r * c + j] + v[j];
    }
}

void tensor_add_channel(float *y, const float *x, const float *v, size_t batch, size_t positions,
                        size_t c)
{
#pragma omp parallel for default(none) shared(y, x, v, batch, positions, c) schedule(static)       \
    num_threads(threads_team(batch *positions *c))
    for (size_t r = 0; r < batch * positions; r++) {
        const float *sample = v + r / positions * c;
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = x[r * c + j] + sample[j];
    }
}

void tensor_add_gated(float *y, const float *x, const float *v, const float *z, size_t batch,
                      size_t positions, size_t c)
{
#pragma omp parallel for default(none) shared(y, x, v, z, batch, positions, c) schedule(static)    \
    num_threads(threads_team(batch *positions *c))
    for (size_t r = 0; r < batch * positions; r++) {
        const float *sample = v + r / positions * c;
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = x[r * c + j] + sample[j] * z[r * c + j];
    }
}

void tensor_multiply_channel(float *y, const float *v, const float *z, size_t batch,
                             size_t positions, size_t c)
{
#pragma omp parallel for default(none) shared(y, v, z, batch, positions, c) schedule(static)       \
    num_threads(threads_team(batch *positions *c))
    for (size_t r = 0; r < batch * positions; r++) {
        const float *sample = v + r / positions * c;
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            y[r * c + j] = sample[j] * z[r * c + j];
    }
}
