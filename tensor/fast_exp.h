/* exp, log, sigmoid and tanh in float32, inline and without branches, so that a compiler turns the
 * loop around them into vector code:
 *
 *     #pragma omp simd
 *     for (size_t i = 0; i < n; i++)
 *         y[i] = fast_exp(x[i]);
 *
 * Plain C99; IEEE single precision without excess digits is assumed (FLT_EVAL_METHOD 0).  Errors
 * are in units in the last place, measured by tests/tensor/test_pointwise.c. */
#ifndef DI4C_TENSOR_FAST_EXP_H
#define DI4C_TENSOR_FAST_EXP_H

#include <math.h>
#include <stdint.h>

typedef union FloatBits {
    float value;
    uint32_t bits;
} FloatBits;

/* condition ? a : b, with both computed: a branch would keep the loop around it from being turned
 * into vector code. */
static inline float fast_select(int condition, float a, float b)
{
    uint32_t mask = 0u - (uint32_t)(condition != 0);
    FloatBits u, v;

    u.value = a;
    v.value = b;
    u.bits = (u.bits & mask) | (v.bits & ~mask);
    return u.value;
}

/* exp(x) in two factors: p = exp(x - n log 2) and u.bits = those of n + 1.5 2^23, n an integer.
 *
 * x = n log 2 + r with |r| <= (log 2)/2, and exp(r) = 1 + r + r^2 P(r) with P of degree 4 (minimax,
 * relative error 3e-9).  Adding 1.5 2^23 rounds x / log 2 to the integer n and leaves n in the low
 * bits of the sum. */
static inline float fast_exp_parts(float x, FloatBits *u)
{
    const float shift = 12582912.0f; /* 1.5 2^23, bits 0x4b400000 */

    u->value = x * 1.44269504f + shift;
    float n = u->value - shift;
    float high = x - n * 0.693359375f; /* exact */
    float low = n * -2.12194440e-4f;
    float r = high - low;
    float p = 0x1.6a1f62p-10f;
    p = p * r + 0x1.123ccap-7f;
    p = p * r + 0x1.555904p-5f;
    p = p * r + 0x1.55548ep-3f;
    p = p * r + 0x1.fffffcp-2f;
    return ((p * r * r - low) + high) + 1.0f; /* high - low, not r: one rounding less */
}

/* exp(x), error below 1 ulp on [-87, 88].  Below -87.3 results are denormal and from -104 on 0;
 * above 88.73 they are infinite; NaN stays NaN.  2^n is applied as two factors, since 2^128 and
 * 2^-149 are needed. */
static inline float fast_exp(float x)
{
    float t = fast_select(x < -104.0f, -104.0f, x);
    FloatBits u, v;

    t = fast_select(t > 89.0f, 89.0f, t);
    float y = fast_exp_parts(t, &u);
    uint32_t m = u.bits - 0x4b400000u + 256u; /* n + 256, positive */
    uint32_t half = m >> 1;
    u.bits = (half - 1u) << 23; /* 2^(half - 128) */
    v.bits = (m - half - 1u) << 23;
    return y * u.value * v.value;
}

/* exp(x) of x <= 0, as softmax needs it: equal to fast_exp down to -87, 0 below -87.7, NaN for
 * NaN; without an upper limit and with one factor of 2^n, so in less time. */
static inline float fast_exp_falling(float x)
{
    FloatBits u;
    float y = fast_exp_parts(fast_select(x < -88.0f, -88.0f, x), &u);

    u.bits = (u.bits - 0x4b400000u + 127u) << 23; /* 2^n, or 0 for n = -127 */
    return y * u.value;
}

/* log(x), error below 1 ulp.  log(0) = -inf, NaN for x < 0 and NaN, inf for inf.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); with s = f/(2 + f) the series in s^2 of
 * log(1 + f) = 2 atanh(s) is cut to four terms (coefficients of fdlibm, Sun Microsystems 1993). */
static inline float fast_log(float x)
{
    const float smallest = 1.17549435e-38f; /* normal */
    FloatBits u;

    u.value = x * fast_select(x < smallest, 8388608.0f, 1.0f); /* a denormal times 2^23 */
    uint32_t shifted = u.bits + (0x3f800000u - 0x3f3504f3u);   /* 0x3f3504f3: sqrt(1/2) */
    float k = (float)(int32_t)(shifted >> 23) - fast_select(x < smallest, 150.0f, 127.0f);
    u.bits = (shifted & 0x007fffffu) + 0x3f3504f3u;
    float f = u.value - 1.0f;
    float s = f / (2.0f + f);
    float z = s * s, w = z * z;
    float odd = z * (0xaaaaaa.0p-24f + w * 0x91e9ee.0p-25f);
    float even = w * (0xccce13.0p-25f + w * 0xf89e26.0p-26f);
    float half_square = 0.5f * f * f;
    float y = s * (half_square + (odd + even)) + k * 9.0580006145e-06f - half_square + f +
              k * 6.9313812256e-01f;
    y = fast_select(x > 3.40282347e38f, x, y);
    y = fast_select(x == 0.0f, -INFINITY, y);
    return fast_select(x >= 0.0f, y, NAN);
}

/* 1/(1 + exp(-x)); relative error below 3 ulp while exp(-x) is finite, 0 beyond. */
static inline float fast_sigmoid(float x)
{
    return 1.0f / (1.0f + fast_exp(-x));
}

/* tanh(x), error at most 2 ulp.  Near 0 an odd polynomial (Cephes, Moshier 1992), since
 * 1 - 2/(exp(2x) + 1) cancels there. */
static inline float fast_tanh(float x)
{
    float size = fast_select(x < 0.0f, -x, x);
    float far = 1.0f - 2.0f / (fast_exp(2.0f * size) + 1.0f);
    float z = x * x;
    float p = -5.70498872745e-3f;

    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    return fast_select(size < 0.625f, p * z * x + x, fast_select(x < 0.0f, -far, far));
}

#endif
