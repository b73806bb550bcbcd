#include "experiments/metrics/features/moments_file.h"

#include <math.h>
#include <string.h>

#include "nn/formats/torch/npz.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"

static const double ASYMMETRY = 1e-5; /* of the largest entry: float32 would have 1e-7 */

/* The array's numbers if it has `rank` axes of n entries; NULL and a sentence otherwise. */
static double *read_array(const ZipFile *z, const char *name, int rank, size_t n, Error *err)
{
    NpyArray *a = npz_array(z, name, err);
    if (a == NULL)
        return NULL;
    double *values = NULL;
    bool fits = a->rank == rank && a->type != NPY_BOOL;
    for (int i = 0; fits && i < rank; i++)
        fits = a->shape[i] == n;
    if (!fits)
        error_set(err,
                  "%.200s: %s: expected %zu%s numbers, as many features as the "
                  "network has; found %d ax%s, the first of %zu, of %s",
                  z->path, name, n, rank == 2 ? " times as many" : "", a->rank,
                  a->rank == 1 ? "is" : "es", a->rank > 0 ? a->shape[0] : 1,
                  npy_type_name(a->type));
    else
        values = mem_alloc(a->count, sizeof *values);
    for (size_t i = 0; values != NULL && i < a->count; i++) {
        values[i] = npy_number(a, i);
        if (!isfinite(values[i])) {
            error_set(err, "%.200s: %s: expected finite numbers, entry %zu is not", z->path, name,
                      i);
            mem_free(values);
            values = NULL;
        }
    }
    npy_free(a);
    return values;
}

static bool check_covariance(const Moments *m, const char *path, Error *err)
{
    const size_t n = m->features;
    double largest = 0.0;
    for (size_t i = 0; i < n * n; i++)
        largest = larger_of(largest, fabs(m->covariance[i]));
    for (size_t i = 0; i < n; i++) {
        if (m->covariance[i * n + i] < 0.0)
            return error_set(err,
                             "%.200s: sigma: expected variances from 0, entry (%zu, %zu) is below",
                             path, i, i);
        for (size_t j = 0; j < i; j++)
            if (!(fabs(m->covariance[i * n + j] - m->covariance[j * n + i]) <= ASYMMETRY * largest))
                return error_set(
                    err,
                    "%.200s: sigma: expected a symmetric matrix, entries (%zu, %zu) and "
                    "(%zu, %zu) differ",
                    path, i, j, j, i);
    }
    return true;
}

bool moments_file_read(Moments *m, const char *path, size_t features, Error *err)
{
    *m = (Moments){.features = features};
    ZipFile *z = zip_read_any(path, err);
    const bool ok = z != NULL && (m->mean = read_array(z, "mu", 1, features, err)) != NULL &&
                    (m->covariance = read_array(z, "sigma", 2, features, err)) != NULL &&
                    check_covariance(m, path, err);
    zip_free(z);
    if (!ok)
        moments_free(m);
    return ok;
}

bool moments_file_write(const Moments *m, const char *path, Error *err)
{
    const size_t shape[2] = {m->features, m->features};
    const NpzItem items[2] = {{"mu", 1, shape, m->mean}, {"sigma", 2, shape, m->covariance}};
    return npz_write(path, items, 2, err);
}
