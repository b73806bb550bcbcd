/* Sums in two parts: see moment_sums.h. */
#include "experiments/metrics/features/moment_sums.h"

#include <math.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"

/* x + c - c is x rounded to a multiple of 2^-b, if c = 3/2 2^(52 - b) and |x| < 2^(51 - b). */
static const double CUT_SUM[MOMENT_PARTS] = {0x1.8p+31, 0x1.8p+2};     /* b: 21, 50 */
static const double CUT_PRODUCT[MOMENT_PARTS] = {0x1.8p+38, 0x1.8p+9}; /* b: 14, 43 */

/* The same b: what is added is a multiple of 2^-b. */
static const int SUM_BITS[MOMENT_PARTS] = {21, 50};
static const int PRODUCT_BITS[MOMENT_PARTS] = {14, 43};

enum { COLUMNS = 32 };

MomentSums moment_sums_create(size_t features)
{
    MomentSums s = {.features = features};
    for (int k = 0; k < MOMENT_PARTS; k++) {
        s.sum[k] = mem_zeroed(features, sizeof(double));
        s.product[k] = mem_zeroed(features, features * sizeof(double));
    }
    return s;
}

void moment_sums_free(MomentSums *s)
{
    for (int k = 0; k < MOMENT_PARTS; k++) {
        mem_free(s->sum[k]);
        mem_free(s->product[k]);
    }
    memset(s, 0, sizeof *s);
}

static bool check_vectors(const MomentSums *s, const float *x, size_t count, Error *err)
{
    if (count > MOMENT_MOST - s->count)
        return error_set(err, "features: expected at most %d vectors", MOMENT_MOST);
    for (size_t i = 0; i < count * s->features; i++)
        if (!(fabsf(x[i]) <= (float)MOMENT_LARGEST))
            return error_set(err,
                             "features: expected finite numbers from -%d to %d, found another one: "
                             "weights that were not trained?",
                             MOMENT_LARGEST, MOMENT_LARGEST);
    return true;
}

typedef struct Adding {
    MomentSums *sums;
    const double *x; /* (count, features) */
    size_t count;
} Adding;

/* Row i of the products, from its diagonal's block of columns on. */
static void add_row(size_t i, void *context)
{
    const Adding *g = context;
    const size_t n = g->sums->features;
    for (size_t j = i / COLUMNS * COLUMNS; j < n; j += COLUMNS) {
        const size_t columns = cut_min(COLUMNS, n - j);
        double *high = g->sums->product[0] + i * n + j, *low = g->sums->product[1] + i * n + j;
        double h[COLUMNS] = {0.0}, l[COLUMNS] = {0.0};
        for (size_t b = 0; b < g->count; b++) {
            const double xi = g->x[b * n + i], *xj = g->x + b * n + j;
#pragma omp simd
            for (size_t c = 0; c < columns; c++) {
                const double p = xi * xj[c], top = (p + CUT_PRODUCT[0]) - CUT_PRODUCT[0];
                h[c] += top;
                l[c] += ((p - top) + CUT_PRODUCT[1]) - CUT_PRODUCT[1];
            }
        }
        for (size_t c = 0; c < columns; c++) {
            high[c] += h[c];
            low[c] += l[c];
        }
    }
}

bool moment_sums_add(MomentSums *s, const float *x, size_t count, Error *err)
{
    const size_t n = s->features;
    if (!check_vectors(s, x, count, err))
        return false;
    double *wide = mem_alloc(count * n, sizeof *wide);
    for (size_t i = 0; i < count * n; i++) {
        const double v = wide[i] = (double)x[i], top = (v + CUT_SUM[0]) - CUT_SUM[0];
        s->sum[0][i % n] += top;
        s->sum[1][i % n] += ((v - top) + CUT_SUM[1]) - CUT_SUM[1];
    }
    Adding g = {s, wide, count};
    cut_run(n, add_row, &g, count * n * n < CUT_SERIAL_WORK);
    s->count += count;
    mem_free(wide);
    return true;
}

bool moment_sums_merge(MomentSums *s, const MomentSums *other, Error *err)
{
    const size_t n = s->features;
    TENSOR_CHECK(n == other->features, "features: %zu and %zu", n, other->features);
    if (other->count > MOMENT_MOST - s->count)
        return error_set(err, "features: expected at most %d vectors", MOMENT_MOST);
    for (int k = 0; k < MOMENT_PARTS; k++) {
        for (size_t i = 0; i < n; i++)
            s->sum[k][i] += other->sum[k][i];
        for (size_t i = 0; i < n * n; i++)
            s->product[k][i] += other->product[k][i];
    }
    s->count += other->count;
    return true;
}

/* ---- as bytes: for each part the sums, then the rows of the products from their diagonal on ----
 */

size_t moment_sums_bytes(size_t features)
{
    return MOMENT_PARTS * (features + features * (features + 1) / 2) * 8;
}

static unsigned char *put_doubles(unsigned char *out, const double *x, size_t count)
{
    doubles_put(out, x, count);
    return out + 8 * count;
}

void moment_sums_put(const MomentSums *s, unsigned char *out)
{
    const size_t n = s->features;
    for (int k = 0; k < MOMENT_PARTS; k++) {
        out = put_doubles(out, s->sum[k], n);
        for (size_t i = 0; i < n; i++)
            out = put_doubles(out, s->product[k] + i * n + i, n - i);
    }
}

/* Whether x is a multiple of 2^-bits of at most `most`: what such a sum can be. */
static bool is_sum(double x, int bits, double most)
{
    return fabs(x) <= most && ldexp(x, bits) == floor(ldexp(x, bits));
}

static bool check_bytes(const unsigned char *bytes, size_t n, size_t count)
{
    const double largest = MOMENT_LARGEST, number = (double)count * largest;
    for (int k = 0; k < MOMENT_PARTS; k++) {
        const size_t pairs = n * (n + 1) / 2;
        for (size_t i = 0; i < n + pairs; i++, bytes += 8) {
            const double x = double_of_bits(little_endian(bytes, 8));
            if (!(i < n ? is_sum(x, SUM_BITS[k], number)
                        : is_sum(x, PRODUCT_BITS[k], number * largest)))
                return false;
        }
    }
    return true;
}

static const unsigned char *add_doubles(double *x, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++, bytes += 8)
        x[i] += double_of_bits(little_endian(bytes, 8));
    return bytes;
}

bool moment_sums_add_bytes(MomentSums *s, const unsigned char *bytes, size_t count, Error *err)
{
    const size_t n = s->features;
    if (count > MOMENT_MOST - s->count)
        return error_set(err, "features: expected at most %d vectors", MOMENT_MOST);
    if (!check_bytes(bytes, n, count))
        return error_set(err, "features: expected the sums of %zu vectors, found other numbers",
                         count);
    for (int k = 0; k < MOMENT_PARTS; k++) {
        bytes = add_doubles(s->sum[k], bytes, n);
        for (size_t i = 0; i < n; i++)
            bytes = add_doubles(s->product[k] + i * n + i, bytes, n - i);
    }
    s->count += count;
    return true;
}

Moments moment_sums_moments(const MomentSums *s)
{
    const size_t n = s->features;
    const double count = (double)s->count;
    TENSOR_CHECK(s->count >= 2, "moments of %zu vectors: expected at least 2", s->count);
    Moments m = {n, s->count, mem_alloc(n, sizeof(double)), mem_alloc(n * n, sizeof(double))};
    for (size_t i = 0; i < n; i++)
        m.mean[i] = (s->sum[0][i] + s->sum[1][i]) / count;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            const size_t at = i * n + j;
            const double products = s->product[0][at] + s->product[1][at];
            m.covariance[at] = m.covariance[j * n + i] =
                (products - count * m.mean[i] * m.mean[j]) / (count - 1.0);
        }
    return m;
}
