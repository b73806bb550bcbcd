/* FCD: the Frechet distance of samples from the training pictures in a classifier's features. */
#ifndef DI4C_EXPERIMENTS_METRICS_KINDS_FCD_H
#define DI4C_EXPERIMENTS_METRICS_KINDS_FCD_H

#include "experiments/metrics/features/classifier.h"
#include "experiments/metrics/features/frechet.h"

typedef struct Fcd {
    Classifier *classifier; /* not owned */
    Moments reference;      /* of the training pictures */
    double floor;           /* FCD of as many test pictures; NAN without any */
    double accuracy;        /* of the classifier on the test split; NAN without one */
    size_t floor_count;     /* test pictures of the floor */
    char classifier_hash[65];
} Fcd;

/* Moments need 2 pictures of each split (a sentence otherwise): to be asked before work is done.
 * test may be NULL here and below. */
bool fcd_check_counts(const Dataset *train, const Dataset *test, Error *err);
/* Fills f, whatever it held: what samples are compared with.  c stays the caller's; the pictures of
 * both data sets must have its sizes (checked).  count: samples that will be compared, for the
 * floor.  False and a sentence if there are too few pictures or their features are not finite.
 * fcd_free frees in any case. */
bool fcd_create(Fcd *f, Classifier *c, const Dataset *train, const Dataset *test, size_t count,
                Error *err);
/* Of the features (count, CLASSIFIER_FEATURES) of at least 2 samples (checked).  False and a
 * sentence if they are not finite. */
bool fcd_distance(const Fcd *f, const float *features, size_t count, double *distance, Error *err);
void fcd_free(Fcd *f);

#endif
