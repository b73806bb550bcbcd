/* The JSON of eval, merge or demo, read back: what `report` makes tables of. */
#ifndef DI4C_EXPERIMENTS_METRICS_RESULT_FILE_H
#define DI4C_EXPERIMENTS_METRICS_RESULT_FILE_H

#include "experiments/metrics/evaluation.h"
#include "nn/formats/json.h"

/* Starts as {0}; result_file_free. */
typedef struct ResultFile {
    const char *path; /* not owned */
    char *set;        /* the file's name less folder, .json, -seed-N and +PIECE */
    char *piece;      /* NULL: none; its -STEPS are cut off, see piece_steps */
    size_t piece_steps;
    char *data; /* kind of the data, as the command says it; "" if it does not */
    char *note; /* the text file NAME.txt beside NAME.json; NULL: none */
    Json *json; /* the whole file, into which the texts below point */
    const char *command, *version;
    const char *summary; /* of demo; NULL: none */
    size_t seed;
    Evaluation *evaluation; /* setting.count, columns (floors NAN) and rows; no metrics */
} ResultFile;

/* path lives as long as f.  False and a sentence naming the file if it is not such a file: other
 * JSON, a command of another kind, members that are missing, of another type or unknown, rows
 * without the same columns, a note that is not a text.
 *
 * Samples from elsewhere have no model and steps: of NAME+MODEL-STEPS.json they are the row MODEL
 * at STEPS. */
bool result_file_read(ResultFile *f, const char *path, Error *err);
void result_file_free(ResultFile *f);

/* What there is beside the rows: the members that are single values, in the file's order, less
 * command, version, seed and summary; those of hashes are cut to 16 digits.  "key value, key
 * value". */
void result_file_facts(const ResultFile *f, Buffer *out);
/* The tables of metrics of models (elbo, bounds), as far as the file has them. */
void result_file_tables(const ResultFile *f, Report *r);

#endif
