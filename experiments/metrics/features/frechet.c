/* Means, covariances and the distance between two Gaussians. */
#include "experiments/metrics/features/frechet.h"

#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/eigen.h"
#include "tensor/product/gemm.h"

Moments moments_of(const float *x, size_t count, size_t features)
{
    TENSOR_CHECK(count >= 2, "moments of %zu vectors: expected at least 2", count);
    Moments m = {features, count, mem_zeroed(features, sizeof(double)),
                 mem_alloc(features * features, sizeof(double))};
    double *centred = mem_alloc(count * features, sizeof(double));
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < features; f++)
            m.mean[f] += x[i * features + f];
    for (size_t f = 0; f < features; f++)
        m.mean[f] /= (double)count;
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < features; f++)
            centred[i * features + f] = x[i * features + f] - m.mean[f];
    tensor_dgemm(GEMM_TN, features, features, count, centred, centred, m.covariance);
    for (size_t i = 0; i < features * features; i++)
        m.covariance[i] /= (double)(count - 1);
    mem_free(centred);
    return m;
}

void moments_free(Moments *m)
{
    mem_free(m->mean);
    mem_free(m->covariance);
    memset(m, 0, sizeof *m);
}

/* root (n, n) = square root of the symmetric, non-negative a (destroyed).  scratch (n, n). */
static bool symmetric_root(size_t n, double *a, double *root, double *scratch, double *values)
{
    if (!tensor_eigen_symmetric(n, a, values))
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            scratch[i * n + k] = a[i * n + k] * sqrt(fmax(values[k], 0));
    tensor_dgemm(GEMM_NT, n, n, n, scratch, a, root);
    return true;
}

/* tr (A^(1/2) B A^(1/2))^(1/2), from the eigenvalues of the symmetric product. */
static bool trace_of_root(const Moments *a, const Moments *b, double *trace)
{
    const size_t n = a->features;
    double *work = mem_alloc(n * n, sizeof(double)), *root = mem_alloc(n * n, sizeof(double));
    double *product = mem_alloc(n * n, sizeof(double)), *values = mem_alloc(n, sizeof(double));
    memcpy(work, a->covariance, n * n * sizeof(double));
    bool ok = symmetric_root(n, work, root, product, values);
    if (ok) {
        tensor_dgemm(GEMM_NN, n, n, n, root, b->covariance, product);
        tensor_dgemm(GEMM_NN, n, n, n, product, root, work);
        for (size_t i = 0; i < n; i++) /* rounding breaks the symmetry a little */
            for (size_t j = 0; j < i; j++)
                work[i * n + j] = work[j * n + i] = (work[i * n + j] + work[j * n + i]) / 2;
        ok = tensor_eigen_symmetric(n, work, values);
    }
    *trace = 0;
    for (size_t i = 0; ok && i < n; i++)
        *trace += sqrt(fmax(values[i], 0));
    mem_free(values);
    mem_free(product);
    mem_free(root);
    mem_free(work);
    return ok;
}

bool frechet_distance(const Moments *a, const Moments *b, double *distance, Error *err)
{
    const size_t n = a->features;
    double sum = 0, cross;
    TENSOR_CHECK(n == b->features, "features: %zu against %zu", n, b->features);
    if (!trace_of_root(a, b, &cross))
        return error_set(err, "Frechet distance: the features are not finite numbers");
    for (size_t f = 0; f < n; f++) {
        const double d = a->mean[f] - b->mean[f];
        sum += d * d + a->covariance[f * n + f] + b->covariance[f * n + f];
    }
    *distance = fmax(sum - 2 * cross, 0); /* rounding may go below zero for equal sets */
    return true;
}
