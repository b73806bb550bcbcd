/* Means, covariances and the distance between two Gaussians. */
#include "experiments/metrics/features/frechet.h"

#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/eigen/eigen.h"
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

/* root (n, n) = square root of the covariance; negative eigenvalues count as 0.  *least, *largest:
 * its eigenvalues. */
static bool root_of(const Moments *m, double *root, double *least, double *largest)
{
    const size_t n = m->features;
    double *vectors = mem_alloc(n * n, sizeof(double)), *values = mem_zeroed(n, sizeof(double));
    memcpy(vectors, m->covariance, n * n * sizeof(double));
    const bool ok = tensor_eigen_symmetric(n, vectors, values);
    double *scaled = mem_alloc(n * n, sizeof(double));
    for (size_t i = 0; ok && i < n; i++)
        for (size_t k = 0; k < n; k++)
            scaled[i * n + k] = vectors[i * n + k] * sqrt(fmax(values[k], 0));
    if (ok)
        tensor_dgemm(GEMM_NT, n, n, n, scaled, vectors, root);
    *least = n > 0 ? values[0] : 0;
    *largest = n > 0 ? values[n - 1] : 0;
    mem_free(scaled);
    mem_free(values);
    mem_free(vectors);
    return ok;
}

/* tr (root B root)^(1/2), from the eigenvalues of the symmetric product. */
static bool trace_of_root(const double *root, const Moments *b, double *trace)
{
    const size_t n = b->features;
    double *work = mem_alloc(n * n, sizeof(double)), *product = mem_alloc(n * n, sizeof(double));
    double *values = mem_alloc(n, sizeof(double));
    tensor_dgemm(GEMM_NN, n, n, n, root, b->covariance, product);
    tensor_dgemm(GEMM_NN, n, n, n, product, root, work);
    for (size_t i = 0; i < n; i++) /* rounding breaks the symmetry a little */
        for (size_t j = 0; j < i; j++)
            work[i * n + j] = work[j * n + i] = (work[i * n + j] + work[j * n + i]) / 2;
    const bool ok = tensor_eigen_values(n, work, values);
    *trace = 0;
    for (size_t i = 0; ok && i < n; i++)
        *trace += sqrt(fmax(values[i], 0));
    mem_free(values);
    mem_free(product);
    mem_free(work);
    return ok;
}

static bool not_finite(Error *err)
{
    return error_set(err, "Frechet distance: the features are not finite numbers");
}

bool frechet_root(const Moments *a, double *root, Error *err)
{
    static const double tolerance = 1e-5; /* of the largest; float32 statistics have some 1e-6 */
    double least, largest;
    if (!root_of(a, root, &least, &largest))
        return not_finite(err);
    return least >= -tolerance * largest ||
           error_set(err, "expected a covariance without negative directions, found an eigenvalue "
                          "below 0 by more than rounding");
}

bool frechet_distance_from(const Moments *a, const double *root, const Moments *b, double *distance,
                           Error *err)
{
    const size_t n = a->features;
    double sum = 0, cross;
    TENSOR_CHECK(n == b->features, "features: %zu against %zu", n, b->features);
    if (!trace_of_root(root, b, &cross))
        return not_finite(err);
    for (size_t f = 0; f < n; f++) {
        const double d = a->mean[f] - b->mean[f];
        sum += d * d + a->covariance[f * n + f] + b->covariance[f * n + f];
    }
    *distance = fmax(sum - 2 * cross, 0); /* rounding may go below zero for equal sets */
    return true;
}

bool frechet_distance(const Moments *a, const Moments *b, double *distance, Error *err)
{
    const size_t n = a->features;
    double least, largest, *root;
    TENSOR_CHECK(n == b->features, "features: %zu against %zu", n, b->features);
    root = mem_alloc(n * n, sizeof(double));
    bool ok = root_of(a, root, &least, &largest) || not_finite(err);
    ok = ok && frechet_distance_from(a, root, b, distance, err);
    mem_free(root);
    return ok;
}
