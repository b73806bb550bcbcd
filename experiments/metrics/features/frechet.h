/* The Frechet distance between two sets of feature vectors, each seen as a Gaussian:
 *   |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2)).      Double throughout. */
#ifndef DI4C_EXPERIMENTS_METRICS_FEATURES_FRECHET_H
#define DI4C_EXPERIMENTS_METRICS_FEATURES_FRECHET_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

typedef struct Moments {
    size_t features, count; /* count: vectors; 0: not known */
    double *mean;           /* (F) */
    double *covariance;     /* (F, F), divided by count - 1 */
} Moments;

/* x (count, features), count >= 2 (checked). */
Moments moments_of(const float *x, size_t count, size_t features);
void moments_free(Moments *m);
/* False and a sentence if an eigenproblem does not converge (features that are not finite). */
bool frechet_distance(const Moments *a, const Moments *b, double *distance, Error *err);

/* The same in two steps, for many b against one a: root (F, F) = C_a^(1/2), and the distance with
 * it.  The first refuses a covariance with a clearly negative eigenvalue. */
bool frechet_root(const Moments *a, double *root, Error *err);
bool frechet_distance_from(const Moments *a, const double *root, const Moments *b, double *distance,
                           Error *err);

#endif
