/* 3x3 convolutions: the choice of algorithm, and plain loops in double as the reference. */
#include "tensor/conv.h"

#include "tensor/check.h"
#include "tensor/conv_direct.h"
#include "tensor/conv_winograd.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"

static ConvAlgorithm chosen = CONV_AUTO;

void tensor_conv_choose(ConvAlgorithm algorithm)
{
    TENSOR_CHECK(algorithm >= CONV_AUTO && algorithm <= CONV_REFERENCE,
                 "no convolution algorithm %d", (int)algorithm);
    chosen = algorithm;
}

ConvAlgorithm tensor_conv_chosen(void) { return chosen; }

size_t tensor_conv_out_height(const ConvShape *s)
{
    return s->stride == 2 ? s->height / 2 : s->height;
}

size_t tensor_conv_out_width(const ConvShape *s)
{
    return s->stride == 2 ? s->width / 2 : s->width;
}

/* Measured with 3 to 256 channels and pictures of 4x4 to 32x32: with fewer than 16 channels the
 * transforms eat the gain, and 4x4 pictures make one square with much padding.  The batch is left
 * out on purpose, though for one or two 8x8 pictures direct sums are faster: a picture's result
 * shall not depend on how many others are computed with it. */
static bool winograd_pays(const ConvShape *s)
{
    return s->stride == 1 && s->height > 4 && s->width > 4 && s->cin >= 16 && s->cout >= 16;
}

/* The one place where an algorithm is picked for a shape. */
static ConvAlgorithm algorithm_for(const ConvShape *s)
{
    TENSOR_CHECK(s->stride == 1 || s->stride == 2, "stride %d, 1 or 2 expected", s->stride);
    TENSOR_CHECK(s->stride == 1 || (s->height % 2 == 0 && s->width % 2 == 0),
                 "stride 2 needs even sizes, not (%zu, %zu)", s->height, s->width);
    ConvAlgorithm algorithm = chosen;
    if (algorithm == CONV_AUTO)
        algorithm = winograd_pays(s) ? CONV_WINOGRAD : CONV_DIRECT;
    const bool empty = s->batch * s->height * s->width * s->cin * s->cout == 0;
    if (algorithm == CONV_WINOGRAD && (s->stride == 2 || empty))
        algorithm = CONV_DIRECT;
    return algorithm;
}

/* ---- reference ------------------------------------------------------------------------------- */

/* The input's row or column under tap p of output i; false outside the picture. */
static bool source(size_t i, size_t p, int stride, size_t size, size_t *at)
{
    const size_t pad = stride == 1 ? 1 : 0, padded = i * (size_t)stride + p;
    *at = padded - pad;
    return padded >= pad && *at < size;
}

static double reference_output(const float *x, const float *w, const ConvShape *s, size_t b,
                               size_t i, size_t j, size_t o)
{
    double sum = 0.0;
    for (size_t p = 0; p < 3; p++)
        for (size_t q = 0; q < 3; q++) {
            size_t u, v;
            if (!source(i, p, s->stride, s->height, &u) || !source(j, q, s->stride, s->width, &v))
                continue;
            const float *pixel = x + ((b * s->height + u) * s->width + v) * s->cin;
            for (size_t c = 0; c < s->cin; c++)
                sum += (double)pixel[c] * (double)w[((p * 3 + q) * s->cin + c) * s->cout + o];
        }
    return sum;
}

static void reference_forward(float *y, const float *x, const float *w, const float *bias,
                              const ConvShape *s)
{
    for (size_t b = 0; b < s->batch; b++)
        for (size_t i = 0; i < tensor_conv_out_height(s); i++)
            for (size_t j = 0; j < tensor_conv_out_width(s); j++)
                for (size_t o = 0; o < s->cout; o++)
                    *y++ = (float)(reference_output(x, w, s, b, i, j, o) +
                                   (bias == NULL ? 0.0 : (double)bias[o]));
}

/* Sum of dy(b, i, j, .) . w(p, q, c, .) over all (i, p), (j, q) that touch the input (u, v). */
static double reference_input_gradient(const float *dy, const float *w, const ConvShape *s,
                                       size_t b, size_t u, size_t v, size_t c)
{
    const size_t ho = tensor_conv_out_height(s), wo = tensor_conv_out_width(s);
    double sum = 0.0;
    for (size_t i = 0; i < ho; i++)
        for (size_t p = 0; p < 3; p++)
            for (size_t j = 0; j < wo; j++)
                for (size_t q = 0; q < 3; q++) {
                    size_t row, column;
                    if (!source(i, p, s->stride, s->height, &row) || row != u ||
                        !source(j, q, s->stride, s->width, &column) || column != v)
                        continue;
                    const float *d = dy + ((b * ho + i) * wo + j) * s->cout;
                    const float *weights = w + ((p * 3 + q) * s->cin + c) * s->cout;
                    for (size_t o = 0; o < s->cout; o++)
                        sum += (double)d[o] * (double)weights[o];
                }
    return sum;
}

/* dx += */
static void reference_data_gradient(float *dx, const float *dy, const float *w, const ConvShape *s)
{
    for (size_t b = 0; b < s->batch; b++)
        for (size_t u = 0; u < s->height; u++)
            for (size_t v = 0; v < s->width; v++)
                for (size_t c = 0; c < s->cin; c++, dx++)
                    *dx = (float)((double)*dx + reference_input_gradient(dy, w, s, b, u, v, c));
}

static double reference_weight(const float *x, const float *dy, const ConvShape *s, size_t p,
                               size_t q, size_t c, size_t o)
{
    const size_t ho = tensor_conv_out_height(s), wo = tensor_conv_out_width(s);
    double sum = 0.0;
    for (size_t b = 0; b < s->batch; b++)
        for (size_t i = 0; i < ho; i++)
            for (size_t j = 0; j < wo; j++) {
                size_t u, v;
                if (source(i, p, s->stride, s->height, &u) && source(j, q, s->stride, s->width, &v))
                    sum += (double)x[((b * s->height + u) * s->width + v) * s->cin + c] *
                           (double)dy[((b * ho + i) * wo + j) * s->cout + o];
            }
    return sum;
}

static void reference_weight_gradient(float *dw, const float *x, const float *dy,
                                      const ConvShape *s)
{
    for (size_t p = 0; p < 3; p++)
        for (size_t q = 0; q < 3; q++)
            for (size_t c = 0; c < s->cin; c++)
                for (size_t o = 0; o < s->cout; o++, dw++)
                    *dw = (float)((double)*dw + reference_weight(x, dy, s, p, q, c, o));
}

/* ---- public ---------------------------------------------------------------------------------- */

void tensor_conv3x3(float *y, const float *x, const float *w, const float *bias, const ConvShape *s)
{
    const ConvAlgorithm algorithm = algorithm_for(s);
    if (algorithm == CONV_REFERENCE)
        reference_forward(y, x, w, bias, s);
    else if (algorithm == CONV_WINOGRAD)
        conv_winograd_forward(y, x, w, bias, NULL, 1.0f, s);
    else
        conv_direct_forward(y, x, w, bias, s);
}

void tensor_conv3x3_residual(float *y, const float *x, const float *w, const float *bias,
                             const float *residual, float alpha, const ConvShape *s)
{
    if (algorithm_for(s) == CONV_WINOGRAD) {
        conv_winograd_forward(y, x, w, bias, residual, alpha, s);
        return;
    }
    tensor_conv3x3(y, x, w, bias, s);
    tensor_add_scaled(y, alpha, y, residual,
                      s->batch * tensor_conv_out_height(s) * tensor_conv_out_width(s) * s->cout);
}

void tensor_conv3x3_data_gradient(float *dx, const float *dy, const float *w, bool add,
                                  const ConvShape *s)
{
    const ConvAlgorithm algorithm = algorithm_for(s);
    const bool no_terms = s->cout == 0;
    if (!add && (no_terms || algorithm == CONV_REFERENCE))
        tensor_fill(dx, 0.0f, s->batch * s->height * s->width * s->cin);
    if (algorithm == CONV_REFERENCE)
        reference_data_gradient(dx, dy, w, s);
    else if (algorithm == CONV_WINOGRAD)
        conv_winograd_data_gradient(dx, dy, w, add, s);
    else
        conv_direct_data_gradient(dx, dy, w, add, s);
}

void tensor_conv3x3_weight_gradient(float *dw, float *dbias, const float *x, const float *dy,
                                    const ConvShape *s)
{
    const ConvAlgorithm algorithm = algorithm_for(s);
    if (algorithm == CONV_REFERENCE)
        reference_weight_gradient(dw, x, dy, s);
    else if (algorithm == CONV_WINOGRAD)
        conv_winograd_weight_gradient(dw, x, dy, s);
    else
        conv_direct_weight_gradient(dw, x, dy, s);
    if (dbias != NULL)
        tensor_sum_rows(dbias, dy, s->batch * tensor_conv_out_height(s) * tensor_conv_out_width(s),
                        s->cout);
}
