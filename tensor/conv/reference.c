/* One sum in double for each number asked for, straight from the formula. */
#include "tensor/conv/reference.h"

#include <stdbool.h>

/* The input's row or column under tap p of output i; false outside the picture. */
static bool pixel_under_tap(size_t i, size_t p, int stride, size_t size, size_t *at)
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
            if (!pixel_under_tap(i, p, s->stride, s->height, &u) ||
                !pixel_under_tap(j, q, s->stride, s->width, &v))
                continue;
            const float *pixel = x + ((b * s->height + u) * s->width + v) * s->cin;
            for (size_t c = 0; c < s->cin; c++)
                sum += (double)pixel[c] * (double)w[((p * 3 + q) * s->cin + c) * s->cout + o];
        }
    return sum;
}

void conv_reference_forward(float *y, const float *x, const float *w, const float *bias,
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
        for (size_t p = 0; p < 3; p++) {
            size_t row, column;
            if (!pixel_under_tap(i, p, s->stride, s->height, &row) || row != u)
                continue;
            for (size_t j = 0; j < wo; j++)
                for (size_t q = 0; q < 3; q++) {
                    if (!pixel_under_tap(j, q, s->stride, s->width, &column) || column != v)
                        continue;
                    const float *d = dy + ((b * ho + i) * wo + j) * s->cout;
                    const float *weights = w + ((p * 3 + q) * s->cin + c) * s->cout;
                    for (size_t o = 0; o < s->cout; o++)
                        sum += (double)d[o] * (double)weights[o];
                }
        }
    return sum;
}

void conv_reference_data_gradient(float *dx, const float *dy, const float *w, const ConvShape *s)
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
                if (pixel_under_tap(i, p, s->stride, s->height, &u) &&
                    pixel_under_tap(j, q, s->stride, s->width, &v))
                    sum += (double)x[((b * s->height + u) * s->width + v) * s->cin + c] *
                           (double)dy[((b * ho + i) * wo + j) * s->cout + o];
            }
    return sum;
}

void conv_reference_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s)
{
    for (size_t p = 0; p < 3; p++)
        for (size_t q = 0; q < 3; q++)
            for (size_t c = 0; c < s->cin; c++)
                for (size_t o = 0; o < s->cout; o++, dw++)
                    *dw = (float)((double)*dw + reference_weight(x, dy, s, p, q, c, o));
}
