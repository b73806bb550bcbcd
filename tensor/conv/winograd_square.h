/* The transforms of F(4x4, 3x3), see conv/winograd.c: one line of entries, and both directions of a
 * square of them.  An entry is a vector of channels, which the loops run along. */
#ifndef DI4C_TENSOR_CONV_WINOGRAD_SQUARE_H
#define DI4C_TENSOR_CONV_WINOGRAD_SQUARE_H

#include <stddef.h>

#include "tensor/system/cut.h"

enum {
    WINO_OUT = 4,                        /* side of a square of outputs */
    WINO_SIDE = 6,                       /* side of the inputs around it */
    WINO_POINTS = WINO_SIDE * WINO_SIDE, /* products */
    WINO_STRIP = 64                      /* channels transformed at once */
};

/* Entry i of a line lies at in + i * step and goes to out + i * out_step; n channels. */

/* B^T, 6 to 6. */
static inline void wino_input_line(float *restrict out, size_t out_step, const float *restrict in,
                                   size_t step, size_t n)
{
#pragma omp simd
    for (size_t c = 0; c < n; c++) {
        const float d0 = in[c], d1 = in[step + c], d2 = in[2 * step + c], d3 = in[3 * step + c];
        const float d4 = in[4 * step + c], d5 = in[5 * step + c];
        const float a = d4 - 4.0f * d2, b = d3 - 4.0f * d1;
        const float e = d4 - d2, f = 2.0f * (d3 - d1);
        out[c] = 4.0f * d0 - 5.0f * d2 + d4;
        out[out_step + c] = a + b;
        out[2 * out_step + c] = a - b;
        out[3 * out_step + c] = e + f;
        out[4 * out_step + c] = e - f;
        out[5 * out_step + c] = 4.0f * d1 - 5.0f * d3 + d5;
    }
}

/* A^T, 6 to 4. */
static inline void wino_output_line(float *restrict out, size_t out_step, const float *restrict in,
                                    size_t step, size_t n)
{
#pragma omp simd
    for (size_t c = 0; c < n; c++) {
        const float p = in[step + c] + in[2 * step + c], q = in[step + c] - in[2 * step + c];
        const float r = in[3 * step + c] + in[4 * step + c];
        const float s = in[3 * step + c] - in[4 * step + c];
        out[c] = in[c] + p + r;
        out[out_step + c] = q + 2.0f * s;
        out[2 * out_step + c] = p + 4.0f * r;
        out[3 * out_step + c] = q + 8.0f * s + in[5 * step + c];
    }
}

/* A, 4 to 6. */
static inline void wino_gradient_line(float *restrict out, size_t out_step,
                                      const float *restrict in, size_t step, size_t n)
{
#pragma omp simd
    for (size_t c = 0; c < n; c++) {
        const float y0 = in[c], y1 = in[step + c], y2 = in[2 * step + c], y3 = in[3 * step + c];
        const float p = y0 + y2, q = y1 + y3, r = y0 + 4.0f * y2, s = 2.0f * y1 + 8.0f * y3;
        out[c] = y0;
        out[out_step + c] = p + q;
        out[2 * out_step + c] = p - q;
        out[3 * out_step + c] = r + s;
        out[4 * out_step + c] = r - s;
        out[5 * out_step + c] = y3;
    }
}

/* G, 3 to 6. */
static inline void wino_weight_line(float *restrict out, size_t out_step, const float *restrict in,
                                    size_t step, size_t n)
{
#pragma omp simd
    for (size_t c = 0; c < n; c++) {
        const float g0 = in[c], g1 = in[step + c], g2 = in[2 * step + c];
        const float p = (g0 + g2) * (1.0f / 6.0f), q = g1 * (1.0f / 6.0f);
        const float r = g0 * (1.0f / 24.0f) + g2 * (1.0f / 6.0f), s = g1 * (1.0f / 12.0f);
        out[c] = 0.25f * g0;
        out[out_step + c] = -p - q;
        out[2 * out_step + c] = q - p;
        out[3 * out_step + c] = r + s;
        out[4 * out_step + c] = r - s;
        out[5 * out_step + c] = g2;
    }
}

/* G^T, 6 to 3. */
static inline void wino_weight_back_line(float *restrict out, size_t out_step,
                                         const float *restrict in, size_t step, size_t n)
{
#pragma omp simd
    for (size_t c = 0; c < n; c++) {
        const float p = in[step + c] + in[2 * step + c], q = in[2 * step + c] - in[step + c];
        const float r = in[3 * step + c] + in[4 * step + c];
        const float s = in[3 * step + c] - in[4 * step + c];
        out[c] = 0.25f * in[c] - p * (1.0f / 6.0f) + r * (1.0f / 24.0f);
        out[out_step + c] = q * (1.0f / 6.0f) + s * (1.0f / 12.0f);
        out[2 * out_step + c] = (r - p) * (1.0f / 6.0f) + in[5 * step + c];
    }
}

typedef void WinoLine(float *restrict out, size_t out_step, const float *restrict in, size_t step,
                      size_t n);

/* One strip of n channels in both directions. */
static inline void wino_strip(WinoLine *line, size_t from, size_t to, float *out, size_t out_row,
                              size_t out_column, const float *in, size_t row, size_t column,
                              size_t n)
{
    float half[WINO_SIDE * WINO_SIDE * WINO_STRIP];
    for (size_t j = 0; j < from; j++)
        line(half + j * WINO_STRIP, WINO_SIDE * WINO_STRIP, in + j * column, row, n);
    for (size_t i = 0; i < to; i++)
        line(out + i * out_row, out_column, half + i * WINO_SIDE * WINO_STRIP, WINO_STRIP, n);
}

/* Both directions: in (from, from) at distances row and column, out (to, to) likewise, n channels.
 * Inlined with constant arguments, so that `line` is not called through a pointer and whole strips
 * have loops of constant length. */
static inline void wino_square(WinoLine *line, size_t from, size_t to, float *out, size_t out_row,
                               size_t out_column, const float *in, size_t row, size_t column,
                               size_t n)
{
    size_t c = 0;
    for (; c + WINO_STRIP <= n; c += WINO_STRIP)
        wino_strip(line, from, to, out + c, out_row, out_column, in + c, row, column, WINO_STRIP);
    if (c < n)
        wino_strip(line, from, to, out + c, out_row, out_column, in + c, row, column, n - c);
}

#endif
