/* What a metric's state keeps in a file, field by field: one table says where a field is in the
 * state and under which name it is kept, for writing and for reading. */
#ifndef DI4C_EXPERIMENTS_METRICS_STATE_FIELDS_H
#define DI4C_EXPERIMENTS_METRICS_STATE_FIELDS_H

#include <stddef.h>

#include "experiments/cli/run_facts.h"
#include "experiments/metrics/numbers.h"

typedef enum FieldType {
    FIELD_END,     /* behind the last row of a table */
    FIELD_COUNT,   /* size_t, at most 2^53 */
    FIELD_NUMBERS, /* double[count] */
    FIELD_LIST,    /* double *, and the size_t at `length` says how many: mem_free */
    FIELD_MOMENTS, /* Moments of `count` features, as "mean" and "covariance"; less their count */
    FIELD_TEXT,    /* char *: mem_free */
    FIELD_HASH     /* char[65] */
} FieldType;

typedef struct StateField {
    const char *name; /* NULL: of moments */
    FieldType type;
    size_t at; /* offset in the state */
    size_t count;
    size_t length; /* offset in the state */
} StateField;

/* Appends all fields of the state: texts and hashes to facts (NULL: the table has none), the rest
 * to numbers, each in the order of the table. */
void state_fields_save(const StateField *fields, const void *state, RunFacts *facts,
                       Numbers *numbers);
/* The other way: into a state of zeros or one that was restored before, whose texts and numbers are
 * freed.  False and a sentence if something is missing, is not so many numbers, or no count or
 * hash; the state can be released then as after success. */
bool state_fields_restore(const StateField *fields, void *state, const RunFacts *facts,
                          const Numbers *numbers, Error *err);

#endif
