/* 9. An aside on speed: Winograd's square, F(2x2, 3x3).
 *
 * Four outputs of a 3x3 convolution, y[i][j] = sum_{p,q} d[i+p][j+q] g[p][q], take 36
 * multiplications. Fewer do, if sums are formed before and after.  In one dimension two outputs of
 * three taps,
 *
 *     m1 = (d0 - d2) g0,                m2 = (d1 + d2) (g0 + g1 + g2)/2,
 *     m4 = (d1 - d3) g2,                m3 = (d2 - d1) (g0 - g1 + g2)/2,
 *     y0 = m1 + m2 + m3,                y1 = m2 - m3 - m4,
 *
 * take 4 in place of 6; in matrices y = A^T [(G g) * (B^T d)], * entry by entry.  Done to columns
 * and then to rows it is y = A^T [(G g G^T) * (B^T d B)] A, with 16.  G g G^T is made once for a
 * layer, and with many channels each of the 16 entries becomes a matrix product.  The library has
 * the next larger square, F(4x4, 3x3): tensor/conv/winograd.c.
 *
 * Look for: the same four numbers three times, by 36 multiplications, by 16, and by the larger
 * square, of whose 16 outputs the inner four are shown. */
#include <stdio.h>

#include "tensor/base/text.h"
#include "tensor/conv/conv.h"

enum { IN = 4, TAPS = 3, OUT = 2 };
static const double B_T[IN * IN] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};
static const double G[IN * TAPS] = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};
static const double A_T[OUT * IN] = {1, 1, 1, 0, 0, 1, -1, -1};

/* out (rows, rows) = m x m^T: m (rows, n), x (n, n). */
static void both_sides(double *out, const double *m, const double *x, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < rows; j++) {
            out[i * rows + j] = 0.0;
            for (size_t k = 0; k < n; k++)
                for (size_t l = 0; l < n; l++)
                    out[i * rows + j] += m[i * n + k] * x[k * n + l] * m[j * n + l];
        }
}

static void winograd(double y[OUT * OUT], const double d[IN * IN], const double g[TAPS * TAPS])
{
    double u[IN * IN], v[IN * IN];
    both_sides(u, G, g, IN, TAPS);
    both_sides(v, B_T, d, IN, IN);
    for (size_t i = 0; i < IN * IN; i++)
        v[i] *= u[i]; /* the 16 multiplications */
    both_sides(y, A_T, v, OUT, IN);
}

static void direct(double y[OUT * OUT], const double d[IN * IN], const double g[TAPS * TAPS])
{
    for (size_t i = 0; i < OUT; i++)
        for (size_t j = 0; j < OUT; j++) {
            y[i * OUT + j] = 0.0;
            for (size_t p = 0; p < TAPS; p++)
                for (size_t q = 0; q < TAPS; q++)
                    y[i * OUT + j] += d[(i + p) * IN + j + q] * g[p * TAPS + q];
        }
}

/* The library's convolution sets zeros around the picture; here the inner four outputs count. */
static void library(double y[OUT * OUT], const double d[IN * IN], const double g[TAPS * TAPS])
{
    const ConvShape shape = {
        .batch = 1, .height = IN, .width = IN, .cin = 1, .cout = 1, .stride = 1};
    float x[IN * IN], w[TAPS * TAPS], out[IN * IN];
    for (size_t i = 0; i < IN * IN; i++)
        x[i] = (float)d[i];
    for (size_t i = 0; i < TAPS * TAPS; i++)
        w[i] = (float)g[i];
    tensor_conv_choose(CONV_WINOGRAD); /* of itself it would add up so small a picture directly */
    tensor_conv3x3(out, x, w, NULL, &shape);
    for (size_t i = 0; i < OUT; i++)
        for (size_t j = 0; j < OUT; j++)
            y[i * OUT + j] = (double)out[(i + 1) * IN + j + 1];
}

int main(void)
{
    static void (*const ways[])(double *, const double *, const double *) = {direct, winograd,
                                                                             library};
    static const char *const names[] = {"direct, 36 products", "winograd, 16", "the library"};
    double d[IN * IN], g[TAPS * TAPS], y[OUT * OUT];
    for (int i = 0; i < IN * IN; i++)
        d[i] = i * i % 11 - 5;
    for (int i = 0; i < TAPS * TAPS; i++)
        g[i] = i * i % 7 - 4;
    for (int way = 0; way < 3; way++) {
        ways[way](y, d, g);
        text_print(stdout, "%-20s %6.1f %6.1f %6.1f %6.1f\n", names[way], y[0], y[1], y[2], y[3]);
    }
    return 0;
}
/* Try: count the additions too.  F(4x4, 3x3): its matrices from tensor/conv/winograd_square.h, IN 6
 * and OUT 4.  %.6f for %6.1f: which of the ways loses digits?  float for double, and d 1e8 times as
 * large: which is the next to lose some? */
