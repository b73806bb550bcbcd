/* The table of data sets, and opening one by its spec: NAME or NAME:PLACE, what --data says. */
#ifndef DI4C_EXPERIMENTS_DATA_DATASETS_H
#define DI4C_EXPERIMENTS_DATA_DATASETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "experiments/data/dataset.h"
#include "experiments/data/dataset_kind.h"
#include "experiments/data/presets.h"
#include "experiments/data/transform.h"
#include "tensor/base/error.h"

/* NULL and a sentence naming the file and the field if something is wrong (dataset_close). */
Dataset *dataset_open(const char *spec, bool test_split, const DatasetOptions *options, Error *err);
/* True if dataset_open(spec, true, ...) has something to open. */
bool dataset_has_test(const char *spec);
/* True if the data set has a law once it is open: that is known before. */
bool dataset_has_law(const char *spec);

/* True if the data set is a text: that is known before. */
bool dataset_is_text(const char *spec);

/* The kinds, in the order of the table. */
size_t dataset_kind_count(void);
const DatasetKind *dataset_kind(size_t i);
/* That of a spec or of a name alone, which is what model files keep; NULL: none. */
const DatasetKind *dataset_kind_of(const char *spec);
/* The presets of that kind; of the table's first, if there is none. */
const DatasetPresets *dataset_presets(const char *spec);

enum { DATASET_SPECS = 256 };
/* What a spec may be, for sentences and help: "glyphs, mnist:DIR or idx:FILE".  Returns out. */
const char *dataset_specs(char out[DATASET_SPECS]);
/* The same of those whose law is known. */
const char *dataset_law_specs(char out[DATASET_SPECS]);
/* The same of texts. */
const char *dataset_text_specs(char out[DATASET_SPECS]);
/* A line for each: its spec and its help. */
void dataset_help(FILE *out);

#endif
