/* Numbers in files, the same on every machine: whole ones of n bytes, n at most 8, and the bits of
 * those with a point.  Files here have the lowest byte first, but for PNG, idx, the block of
 * SHA-256 and a pickle's float. */
#ifndef DI4C_NN_FORMATS_BYTE_ORDER_H
#define DI4C_NN_FORMATS_BYTE_ORDER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The number whose n bytes stand at p, the lowest first. */
static inline uint64_t little_endian(const void *p, size_t n)
{
    const unsigned char *bytes = p;
    uint64_t value = 0;

    for (size_t i = n; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

/* The n low bytes of value to p, the lowest first. */
static inline void little_endian_put(void *p, size_t n, uint64_t value)
{
    unsigned char *bytes = p;

    for (size_t i = 0; i < n; i++, value >>= 8)
        bytes[i] = (unsigned char)(value & 0xFF);
}

/* The same with the highest byte first. */
static inline uint64_t big_endian(const void *p, size_t n)
{
    const unsigned char *bytes = p;
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

static inline void big_endian_put(void *p, size_t n, uint64_t value)
{
    unsigned char *bytes = p;

    for (size_t i = n; i > 0; i--, value >>= 8)
        bytes[i - 1] = (unsigned char)(value & 0xFF);
}

/* The signed number whose two's complement is in the low `bits` bits, 1 to 64. */
static inline int64_t signed_of_bits(uint64_t value, int bits)
{
    const uint64_t sign = (uint64_t)1 << (bits - 1);

    return (value & sign) == 0 ? (int64_t)value : -(int64_t)(~value & (sign - 1)) - 1;
}

/* IEEE 754 numbers and their bits. */
static inline float float_of_bits(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline double double_of_bits(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

/* Binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static inline float float_of_half(uint32_t h)
{
    const uint32_t sign = (h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3FF;

    if (exponent == 31)
        return float_of_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent > 0)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float tiny = (float)fraction / 16777216.0f; /* subnormal: fraction 2^-24 */
    return sign != 0 ? -tiny : tiny;
}

static inline uint32_t bits_of_float(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline uint64_t bits_of_double(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* Arrays of them, the lowest byte first: n of them at p, of 4 bytes or of 8 each. */
static inline void floats_put(unsigned char *p, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        little_endian_put(p + 4 * i, 4, bits_of_float(x[i]));
}

static inline void floats_get(float *x, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = float_of_bits((uint32_t)little_endian(p + 4 * i, 4));
}

static inline void doubles_put(unsigned char *p, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        little_endian_put(p + 8 * i, 8, bits_of_double(x[i]));
}

static inline void doubles_get(double *x, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = double_of_bits(little_endian(p + 8 * i, 8));
}

#endif
