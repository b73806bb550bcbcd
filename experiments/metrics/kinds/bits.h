/* What the metrics in bits share: the pictures that a bound is taken on, and how its standard error
 * reads. */
#ifndef DI4C_EXPERIMENTS_METRICS_KINDS_BITS_H
#define DI4C_EXPERIMENTS_METRICS_KINDS_BITS_H

#include "experiments/metrics/metric.h"

typedef struct BitsPictures {
    States x0;         /* clean */
    const char *split; /* "drawn", "test" or "training" */
    const char *name;  /* what they are: "pictures" or "sequences" */
} BitsPictures;

/* setting->count draws of a known law, keyed by the seed; else the first of the test split, or of
 * the training data, as many as there are.  bits_pictures_free frees. */
BitsPictures bits_pictures(const MetricSetting *setting);
void bits_pictures_free(BitsPictures *p); /* zeros are allowed */

/* Five digits; "unknown" where it is not finite: one picture has no standard error. */
enum { BITS_TEXT = 32 };
const char *bits_error_text(double error, char out[BITS_TEXT]);

#endif
