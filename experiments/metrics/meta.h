/* Metadata of the .safetensors files that keep measurements: facts under a prefix, and what is said
 * of each row or result by its number. */
#ifndef DI4C_EXPERIMENTS_METRICS_META_H
#define DI4C_EXPERIMENTS_METRICS_META_H

#include "experiments/cli/run_facts.h"
#include "nn/formats/safetensors.h"

enum { META_KEY = 96 };

/* "WHAT.I.FIELD" to out, which is returned. */
const char *meta_key(char out[META_KEY], const char *what, size_t i, const char *field);
/* "PREFIX.KEY" of each fact. */
void meta_put_facts(SafetensorsWriter *w, const char *prefix, const RunFacts *facts);
void meta_put_count(SafetensorsWriter *w, const char *key, size_t value);

/* Appends the entries that begin with "PREFIX.", without it. */
void meta_take_facts(const SafetensorsFile *f, const char *prefix, RunFacts *facts);
/* False and a sentence if the entry is missing. */
bool meta_text(const SafetensorsFile *f, const char *key, const char **value, Error *err);
/* ... or no whole number of at most 15 digits. */
bool meta_count(const SafetensorsFile *f, const char *key, size_t *value, Error *err);

#endif
