/* A kind of data set: its name, its reader, and what can be said of it before it is opened.
 *
 * Adding one adds a file that defines a DatasetKind, and its line in the table of datasets.c; help,
 * sentences, default presets and metrics follow from what stands here. */
#ifndef DI4C_EXPERIMENTS_DATA_DATASET_KIND_H
#define DI4C_EXPERIMENTS_DATA_DATASET_KIND_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "experiments/data/presets.h"
#include "tensor/base/error.h"

typedef struct DatasetKind {
    const char *name;  /* what stands before the colon: model files keep these 1 to 15 small
                          letters and digits */
    const char *place; /* what stands after it, as help calls it: "DIR", "FILE"; NULL: no colon */
    const char *help;  /* one line */
    const DatasetPresets *presets;
    bool has_law; /* the law of the data is known: open fills it in */
    /* Fills count, sizes, states and data of a new Dataset; labels with classes, if there are any;
     * and the law.  A sentence naming the file and the field if something is wrong; what is in d by
     * then is freed by the caller.  place: what the spec has after the colon, never empty (NULL:
     * no colon).  test_split is never set where there is none. */
    bool (*open)(Dataset *d, const char *place, bool test_split, Error *err);
    /* Of texts, in place of open: fills t, which is all zero, with the symbols of one split and
     * their vocabulary.  wanted: the vocabulary of the model that will see them, which must become
     * theirs (a sentence if it cannot), or NULL: their own. */
    bool (*open_text)(TextData *t, const char *place, bool test_split, const Vocabulary *wanted,
                      Error *err);
    bool (*has_test)(const char *place); /* whether there is a test split; NULL: never */
} DatasetKind;

#endif
