/* The JSON of eval, merge or demo, read back: what `report` makes tables of. */
#ifndef DI4C_EXPERIMENTS_METRICS_RESULT_FILE_H
#define DI4C_EXPERIMENTS_METRICS_RESULT_FILE_H

#include "experiments/metrics/evaluation.h"
#include "nn/formats/json.h"

/* Starts as {0}; result_file_free. */
typedef struct ResultFile {
    const char *path; /* not owned */
    char *set;        /* the file's name without folder, .json and -seed-N */
    char *data;       /* kind of the data, as the command says it; "" if it does not */
    char *note;       /* the text file NAME.txt beside NAME.json; NULL: none */
    Json *json;       /* the whole file, into which the texts below point */
    const char *command, *version;
    size_t seed;
    Evaluation *evaluation; /* setting.count, columns (floors NAN) and rows; no metrics */
} ResultFile;

/* path lives as long as f.  False and a sentence naming the file if it is not such a file: other
 * JSON, a command of another kind, members that are missing, of another type or unknown, rows
 * without the same columns, a note that is not a text. */
bool result_file_read(ResultFile *f, const char *path, Error *err);
void result_file_free(ResultFile *f);

/* Whether both have the same models, steps, columns and number of samples, and another seed, so
 * that they are one set; else a sentence naming both. */
bool result_file_alike(const ResultFile *a, const ResultFile *b, Error *err);

/* What there is beside the rows: the members that are single values, in the file's order, less
 * command, version and seed; those of hashes are cut to 16 digits.  "key value, key value". */
void result_file_facts(const ResultFile *f, Buffer *out);
/* The tables of metrics of models (elbo, bounds), as far as the file has them. */
void result_file_tables(const ResultFile *f, Report *r);

#endif
