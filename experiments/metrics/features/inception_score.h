/* The Inception Score (Salimans et al., arXiv 1606.03498): with p(c|x) the softmax of a picture's
 * logits, and for each of `splits` parts of the pictures, in their order,
 *
 *   IS = exp( mean over x of KL(p(.|x) || mean over x of p(.|x)) ),
 *
 * the mean of the parts and their standard deviation (divided by `splits`).  Double throughout. */
#ifndef DI4C_EXPERIMENTS_METRICS_FEATURES_INCEPTION_SCORE_H
#define DI4C_EXPERIMENTS_METRICS_FEATURES_INCEPTION_SCORE_H

#include <stddef.h>

enum { SCORE_SPLITS = 10 };

typedef struct ScoreSums {
    size_t classes, total; /* total: pictures that there will be, at least SCORE_SPLITS */
    size_t seen;
    double *p;                    /* (SCORE_SPLITS, classes): sums of p(c|x) */
    double entropy[SCORE_SPLITS]; /* sums over x and c of p log p */
} ScoreSums;

ScoreSums score_create(size_t classes, size_t total); /* score_free; total is checked */
void score_free(ScoreSums *s);
/* The next pictures' logits (count, classes): part i has the pictures floor(i total / splits) to
 * floor((i + 1) total / splits) - 1. */
void score_add(ScoreSums *s, const float *logits, size_t count);
/* When all have been seen (checked). */
void score_result(const ScoreSums *s, double *mean, double *deviation);

#endif
