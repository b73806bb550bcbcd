/* A small convolutional classifier of pictures, trained on their labels; its penultimate layer is
 * the feature space of the Frechet classifier distance (FCD).
 *
 *   3x3 conv C -> 32, ReLU, 2x2 max pool; 3x3 conv 32 -> 64, ReLU, 2x2 max pool;
 *   linear -> 64 features, ReLU, dropout; linear -> classes; softmax cross entropy. */
#ifndef DI4C_EXPERIMENTS_METRICS_FEATURES_CLASSIFIER_H
#define DI4C_EXPERIMENTS_METRICS_FEATURES_CLASSIFIER_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "nn/param.h"
#include "tensor/base/error.h"
#include "tensor/states.h"

enum { CLASSIFIER_FEATURES = 64 };

typedef struct Classifier {
    size_t height, width, channels, states, classes;
    ParamSet params;
    Graph *graph;
} Classifier;

/* A classifier for d's pictures with its first weights.  NULL and a sentence if d has no labels or
 * pictures of less than 4x4 pixels. */
Classifier *classifier_create(const Dataset *d, uint64_t seed, Error *err);
/* Trains it by a fixed recipe: batches of 128, Adam, averaged weights.  False and a
 * sentence if a signal came or a gradient is not finite. */
bool classifier_fit(Classifier *c, const Dataset *d, uint64_t seed, uint64_t steps, bool quiet,
                    Error *err);
/* Both, with the number of steps that the FCD's classifier has: 2500. */
Classifier *classifier_train(const Dataset *d, uint64_t seed, bool quiet, Error *err);
void classifier_destroy(Classifier *c); /* NULL is allowed */
bool classifier_save(const Classifier *c, const char *path, Error *err);
/* The sizes in the file must fit the data, and all weights be finite (a sentence otherwise). */
Classifier *classifier_load(const char *path, const Dataset *d, Error *err);
void classifier_hash(const Classifier *c, char out[65]);

/* out (x->batch, CLASSIFIER_FEATURES): the penultimate layer after its ReLU. */
void classifier_features(Classifier *c, const States *x, float *out);
/* Share of the data set's pictures whose label gets the highest score. */
double classifier_accuracy(Classifier *c, const Dataset *d);

#endif
