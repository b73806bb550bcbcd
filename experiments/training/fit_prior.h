/* The last step of a student's training with lambda_law=mixture: its law of lambda is fitted to
 * what its recognition network makes of the pictures it was trained on.  With prior_fits some steps
 * before it too. */
#ifndef DI4C_EXPERIMENTS_TRAINING_FIT_PRIOR_H
#define DI4C_EXPERIMENTS_TRAINING_FIT_PRIOR_H

#include "experiments/data/dataset.h"
#include "experiments/model/model.h"
#include "nn/optimizer.h"

typedef struct PriorFit {
    double normal, mixture; /* mean KL( q || N(0, I) ) and KL( q || the fitted law ), nats, over
                               draws that it was not fitted to */
} PriorFit;

/* By the averaged weights, over draws of q for pictures of `data` in the order of training, as many
 * as training saw and at most 32,768.  Writes the law's parameters into both kinds of weights.  The
 * model must have encoder and prior.  False if a signal came: nothing is written. */
bool fit_prior(const Model *m, const Dataset *data, const Optimizer *o, PriorFit *out);
/* In the midst of training: by the weights as they are, and a quarter of the draws. */
bool fit_prior_along(const Model *m, const Dataset *data, const Optimizer *o);

#endif
