/* Pictures as the Inception network sees them: sums of features for the FID, of class
 * probabilities for the Inception Score.  The two metrics share one network and one pass over a
 * row's samples. */
#ifndef DI4C_EXPERIMENTS_METRICS_FEATURES_INCEPTION_EYE_H
#define DI4C_EXPERIMENTS_METRICS_FEATURES_INCEPTION_EYE_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/data/dataset.h"
#include "experiments/metrics/features/inception_score.h"
#include "experiments/metrics/features/moment_sums.h"
#include "nn/inception/inception.h"
#include "tensor/base/error.h"
#include "tensor/states.h"

enum { EYE_KEPT = 4096 }; /* features of more samples take more room than their sums */

/* What pictures are: state x of S stands for x/(S - 1), a mask that was never lifted for 1/2. */
typedef struct EyePictures {
    size_t height, width, channels, states;
    const States *samples;  /* these, */
    const Dataset *dataset; /* or all of these */
} EyePictures;

typedef struct InceptionEye {
    const char *file;       /* --inception, or NULL */
    const char *reference;  /* --reference, or NULL: the training pictures */
    const char *statistics; /* --save-statistics, or NULL */
    bool quiet;
    size_t height, width, channels, states; /* of the rows' samples */
    Inception *net;
    bool seen; /* the row's samples: sums and scores are theirs */
    MomentSums sums;
    bool scored; /* there were enough samples for a score */
    ScoreSums scores;
    float *features, *logits; /* of inception_eye_keep; else NULL */
} InceptionEye;

/* Reads the network, once; file is there (checked). */
bool inception_eye_open(InceptionEye *eye, Error *err);
void inception_eye_close(InceptionEye *eye);
/* One or three channels: a sentence otherwise. */
bool inception_eye_fits(size_t channels, const char *name, Error *err);
/* The row's samples: sums and scores, unless they were taken already since inception_eye_forget. */
bool inception_eye_look(InceptionEye *eye, const States *samples, Error *err);
/* The same of a part of a row's samples, whose scores are not summed up: logits
 * (samples->batch, INCEPTION_CLASSES), and, of at most EYE_KEPT samples, features
 * (samples->batch, INCEPTION_FEATURES). */
bool inception_eye_keep(InceptionEye *eye, const States *samples, Error *err);
void inception_eye_forget(InceptionEye *eye);
/* Moments of other pictures, at least 2 (a sentence otherwise; moments_free). */
bool inception_eye_moments(InceptionEye *eye, const EyePictures *pictures, Moments *moments,
                           Error *err);

#endif
