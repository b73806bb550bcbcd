/* Sums over feature vectors that do not depend on the order of the vectors: sets that are summed
 * apart and put together have the bits of one sum, however they were shared out.
 *
 * A number x and a product x y are cut at fixed places into two parts that are whole multiples of
 * two fixed powers of 2, and the parts are summed apart.  Such sums of doubles have no rounding
 * error as long as they stay below 2^53 of those powers, which MOMENT_LARGEST and MOMENT_MOST see
 * to.  What is cut off, below 2^-51 of a number and 2^-44 of a product, is the same in any order.
 */
#ifndef DI4C_EXPERIMENTS_METRICS_FEATURES_MOMENT_SUMS_H
#define DI4C_EXPERIMENTS_METRICS_FEATURES_MOMENT_SUMS_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/metrics/features/frechet.h"
#include "tensor/base/error.h"

enum {
    MOMENT_LARGEST = 128,  /* features go from -128 to 128 */
    MOMENT_MOST = 1 << 24, /* vectors */
    MOMENT_PARTS = 2       /* of each sum */
};

typedef struct MomentSums {
    size_t features, count;
    double *sum[MOMENT_PARTS];     /* (F): of x */
    double *product[MOMENT_PARTS]; /* (F, F), entry (i, j >= i): of x_i x_j */
} MomentSums;

MomentSums moment_sums_create(size_t features); /* moment_sums_free */
void moment_sums_free(MomentSums *s);
/* Adds x (count, features).  False and a sentence, and nothing is added, if a feature is not finite
 * or beyond MOMENT_LARGEST, or there are more vectors than MOMENT_MOST. */
bool moment_sums_add(MomentSums *s, const float *x, size_t count, Error *err);
/* Adds all that is in `other`, of as many features (checked). */
bool moment_sums_merge(MomentSums *s, const MomentSums *other, Error *err);
/* The sums as bytes that do not depend on the machine: moment_sums_bytes of them to out. */
size_t moment_sums_bytes(size_t features);
void moment_sums_put(const MomentSums *s, unsigned char *out);
/* Adds such bytes, the sums of `count` vectors.  False and a sentence, and nothing is added, if no
 * so many vectors have such sums, or there are more vectors than MOMENT_MOST. */
bool moment_sums_add_bytes(MomentSums *s, const unsigned char *bytes, size_t count, Error *err);
/* Mean and covariance of all vectors, at least 2 (checked); moments_free. */
Moments moment_sums_moments(const MomentSums *s);

#endif
