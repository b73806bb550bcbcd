/* Blocks of draws, one after another: the products in them are what takes time, and they are cut
 * among the threads. */
#include "distill/prior_fit_full.h"

#include <math.h>
#include <string.h>

#include "distill/mixture_round.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/product/gemm.h"
#include "tensor/system/platform.h"

enum { BLOCK = 1024, ROUNDS_MAX = 40 };
static const double ENOUGH = 1e-4; /* nats a coordinate and round: then it ends */

typedef struct FullFit {
    size_t K, L, count;
    const double *draws;
    double *log_weight, *mean, *factor; /* (K), (K, L), (K, L, L): A, lower triangular */
    double *posterior;                  /* (count, K) */
    double *inverse, *square;           /* (L, L): of A; a block's sum of products */
    double *off, *z;                    /* (BLOCK, L) */
} FullFit;

/* ---- triangles ---- */

/* A (n, n), of which the lower half is read, becomes its Cholesky factor, 0 above the diagonal. */
static void factorise(double *a, size_t n)
{
    const double least = MIXTURE_LEAST_DEVIATION * MIXTURE_LEAST_DEVIATION;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double left = a[i * n + j];
            for (size_t q = 0; q < j; q++)
                left -= a[i * n + q] * a[j * n + q];
            if (i == j)
                a[i * n + i] = sqrt(left > least ? left : least);
            else
                a[i * n + j] = left / a[j * n + j];
        }
        memset(a + i * n + i + 1, 0, (n - i - 1) * sizeof *a);
    }
}

/* inverse = A^{-1}, row by row: A_ii inverse_i = e_i - sum_{q < i} A_iq inverse_q. */
static void invert(const double *a, size_t n, double *inverse)
{
    memset(inverse, 0, n * n * sizeof *inverse);
    for (size_t i = 0; i < n; i++) {
        double *row = inverse + i * n;
        for (size_t q = 0; q < i; q++)
            for (size_t j = 0; j <= q; j++)
                row[j] -= a[i * n + q] * inverse[q * n + j];
        row[i] = 1.0;
        for (size_t j = 0; j <= i; j++)
            row[j] /= a[i * n + i];
    }
}

/* ---- the rounds ---- */

static size_t rows_from(const FullFit *f, size_t first)
{
    return first + BLOCK < f->count ? BLOCK : f->count - first;
}

/* off (rows, L) = draws first.. minus m_k. */
static void subtract_mean(const FullFit *f, size_t k, size_t first, size_t rows)
{
    for (size_t n = 0; n < rows; n++)
        for (size_t i = 0; i < f->L; i++)
            f->off[n * f->L + i] = f->draws[(first + n) * f->L + i] - f->mean[k * f->L + i];
}

/* log w_k p_k(z_n), without (2 pi)^{-L/2}, where the posterior of k will stand. */
static void price_component(const FullFit *f, size_t k)
{
    const size_t L = f->L;
    const double *a = f->factor + k * L * L;
    double level = f->log_weight[k];

    for (size_t i = 0; i < L; i++)
        level -= log(a[i * L + i]);
    invert(a, L, f->inverse);
    for (size_t first = 0; first < f->count; first += BLOCK) {
        const size_t rows = rows_from(f, first);
        subtract_mean(f, k, first, rows);
        tensor_dgemm(GEMM_NT, rows, L, L, f->off, f->inverse, f->z);
        for (size_t n = 0; n < rows; n++) {
            double squares = 0.0;
            for (size_t i = 0; i < L; i++)
                squares += f->z[n * L + i] * f->z[n * L + i];
            f->posterior[(first + n) * f->K + k] = level - 0.5 * squares;
        }
    }
}

/* The posteriors; returns the mean of log p over the draws, without (2 pi)^{-L/2}. */
static double expect(const FullFit *f)
{
    double total = 0.0;

    for (size_t k = 0; k < f->K; k++)
        price_component(f, k);
    for (size_t n = 0; n < f->count; n++)
        total += mixture_posterior(f->posterior + n * f->K, f->K);
    return total / (double)f->count;
}

/* m_k from its share of the draws. */
static void move_mean(const FullFit *f, size_t k, double share)
{
    double *mean = f->mean + k * f->L;

    memset(mean, 0, f->L * sizeof *mean);
    for (size_t n = 0; n < f->count; n++) {
        const double part = f->posterior[n * f->K + k];
        for (size_t i = 0; part > 0.0 && i < f->L; i++)
            mean[i] += part * f->draws[n * f->L + i];
    }
    for (size_t i = 0; i < f->L; i++)
        mean[i] /= share;
}

/* A_k from the draws about m_k. */
static void move_factor(const FullFit *f, size_t k, double share)
{
    const size_t L = f->L;
    const double belief = share / (share + (double)L);
    double *sum = f->factor + k * L * L;

    memset(sum, 0, L * L * sizeof *sum);
    for (size_t first = 0; first < f->count; first += BLOCK) {
        const size_t rows = rows_from(f, first);
        subtract_mean(f, k, first, rows);
        for (size_t n = 0; n < rows; n++) {
            const double root = sqrt(f->posterior[(first + n) * f->K + k]);
            for (size_t i = 0; i < L; i++)
                f->off[n * L + i] *= root;
        }
        tensor_dgemm(GEMM_TN, L, L, rows, f->off, f->off, f->square);
        for (size_t i = 0; i < L * L; i++)
            sum[i] += f->square[i];
    }
    for (size_t i = 0; i < L; i++)
        for (size_t j = 0; j <= i; j++)
            sum[i * L + j] *= (i == j ? 1.0 : belief) / share;
    factorise(sum, L);
}

static void maximise(const FullFit *f)
{
    for (size_t k = 0; k < f->K; k++) {
        double share = 0.0;
        for (size_t n = 0; n < f->count; n++)
            share += f->posterior[n * f->K + k];
        f->log_weight[k] = mixture_log_weight(share, f->count, f->K);
        if (share < MIXTURE_LEAST_SHARE)
            continue; /* it stays where it is */
        move_mean(f, k, share);
        move_factor(f, k, share);
    }
}

static void begin_full(const FullFit *f, const PriorStart *start)
{
    const size_t L = f->L;

    memcpy(f->log_weight, start->log_weight, f->K * sizeof *f->log_weight);
    memcpy(f->mean, start->mean, f->K * L * sizeof *f->mean);
    memset(f->factor, 0, f->K * L * L * sizeof *f->factor);
    for (size_t k = 0; k < f->K; k++)
        for (size_t i = 0; i < L; i++)
            f->factor[(k * L + i) * L + i] = 1.0 / start->precision[k * L + i];
}

static void write_full(const FullFit *f, const LambdaPrior *prior)
{
    const size_t L = f->L;

    for (size_t k = 0; k < f->K; k++)
        prior->log_weight->value.data[k] = (float)f->log_weight[k];
    for (size_t row = 0; row < f->K * L; row++) {
        const double *a = f->factor + row * L;
        prior->mean->value.data[row] = (float)f->mean[row];
        prior->log_deviation->value.data[row] = (float)log(a[row % L]);
        for (size_t j = 0; j < L; j++)
            prior->lower->value.data[row * L + j] = j < row % L ? (float)a[j] : 0.0f;
    }
}

/* False: a signal. */
static bool run_rounds(const FullFit *f, double *density)
{
    double before = -HUGE_VAL;

    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        if (platform_signal() != 0)
            return false;
        *density = expect(f);
        if (*density - before < ENOUGH * (double)f->L || round + 1 == ROUNDS_MAX)
            break;
        before = *density;
        maximise(f);
    }
    return true;
}

double prior_fit_full(const LambdaPrior *prior, const double *draws, size_t count,
                      const PriorStart *start)
{
    const size_t K = prior->components, L = prior->lambda_dims;
    double *room = mem_alloc(K + K * L + (K + 2) * L * L + count * K + 2 * BLOCK * L, sizeof *room);
    FullFit f = {.K = K, .L = L, .count = count, .draws = draws};
    double density = 0.0;

    TENSOR_CHECK(count >= 1 && prior->lower != NULL, "full covariances of %zu draws, %s", count,
                 prior->lower != NULL ? "with a factor" : "without a factor");
    f.log_weight = room;
    f.mean = f.log_weight + K;
    f.factor = f.mean + K * L;
    f.inverse = f.factor + K * L * L;
    f.square = f.inverse + L * L;
    f.posterior = f.square + L * L;
    f.off = f.posterior + count * K;
    f.z = f.off + BLOCK * L;
    begin_full(&f, start);
    const bool done = run_rounds(&f, &density);
    if (done)
        write_full(&f, prior);
    mem_free(room);
    return done ? density - (double)L * HALF_LOG_2PI : (double)NAN;
}
