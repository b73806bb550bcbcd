/* A data set, in memory: small pictures of bytes, or a text, whose sequences of D states are
 * windows in it and count as pictures of 1xDx1. */
#ifndef DI4C_EXPERIMENTS_DATA_DATASET_H
#define DI4C_EXPERIMENTS_DATA_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "experiments/data/law/finite_law.h"
#include "experiments/data/order.h"
#include "experiments/data/text/text_data.h"

typedef struct Dataset {
    char *name; /* the spec it was opened with */
    size_t count, height, width, channels;
    size_t dims, states; /* D = height width channels; S without mask */
    size_t classes;      /* labels are 0..classes-1; 0: no labels */
    uint8_t *data;       /* (count, D), pictures in (H, W, C) order; NULL if it is a text */
    TextData *text;      /* of count windows side by side, and a rest; NULL: pictures */
    uint8_t *labels;     /* (count), or NULL */
    char *no_labels;     /* a sentence: what is wrong with them; NULL: nothing, or none expected */
    FiniteLaw *law;      /* NULL, or known: data are its patterns, drawn with its probabilities */
    DatasetOrder *order; /* permutation of the epoch used last */
} Dataset;

/* No pictures yet: all sizes 0, for a reader to fill (dataset_close). */
Dataset *dataset_create(const char *name);
/* `count` pictures or sequences of d's sizes, all zero, for the caller to fill (dataset_put); no
 * labels, no law.  Sequences are rows of a text with d's vocabulary. */
Dataset *dataset_like(const Dataset *d, size_t count);
/* Drops the labels and notes why, for those who ask for them: most work needs none. */
void dataset_without_labels(Dataset *d, const char *sentence);
void dataset_close(Dataset *d); /* NULL is allowed; frees all that it holds */

#endif
