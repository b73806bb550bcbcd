/* What a run was made of, as words: model, options and the like, which all shards of one run have
 * in common. */
#ifndef DI4C_EXPERIMENTS_CLI_RUN_FACTS_H
#define DI4C_EXPERIMENTS_CLI_RUN_FACTS_H

#include "experiments/cli/options.h"

typedef struct RunFact {
    char *key, *value;
} RunFact;
/* Starts as {0}; run_facts_free. */
typedef struct RunFacts {
    size_t count, capacity;
    RunFact *at;
} RunFacts;

void run_facts_add(RunFacts *f, const char *key, const char *value);
/* All options that have a value, by their names; those of `except` (a list that NULL ends), which
 * do not change what comes out, are left out. */
void run_facts_options(RunFacts *f, const OptionTable *table, const char *const *except);
const char *run_facts_find(const RunFacts *f, const char *key); /* NULL: there is none */
/* A SHA-256 of that key to out; a sentence if it is missing or no such hash. */
bool run_facts_hash(const RunFacts *f, const char *key, char out[65], Error *err);
/* Whether both have the same; else a sentence with the first difference, found in b's file,
 * expected as in a's. */
bool run_facts_same(const RunFacts *a, const char *a_path, const RunFacts *b, const char *b_path,
                    Error *err);
void run_facts_free(RunFacts *f);

#endif
