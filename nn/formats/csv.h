/* CSV logs of training runs.  The first column is the step; a resumed run cuts the log back to its
 * checkpoint, so that the log reads as if the run had never stopped. */
#ifndef DI4C_NN_FORMATS_CSV_H
#define DI4C_NN_FORMATS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

typedef struct CsvLog CsvLog;

/* A new log with these columns; an existing file is replaced. */
CsvLog *csv_create(const char *path, const char *const *columns, size_t count, Error *err);
/* Goes on with the log at path after dropping rows with step > last_step (an unfinished last line
 * counts as such a row); a missing file is created.  NULL and a sentence if the columns differ. */
CsvLog *csv_resume(const char *path, const char *const *columns, size_t count, uint64_t last_step,
                   Error *err);
/* values (count): the step, then the rest with 9 digits; not-a-number and infinity are empty. */
void csv_row(CsvLog *log, const double *values);
bool csv_flush(CsvLog *log, Error *err); /* also reports any earlier write error */
bool csv_close(CsvLog *log, Error *err); /* flushes and frees; NULL is allowed */

typedef struct CsvTable {
    size_t columns, rows;
    char **names;   /* (columns) */
    double *values; /* (columns, rows): column by column; empty cells are NaN */
} CsvTable;
/* Reads a log; false and a sentence with file and line if it is not one. */
bool csv_read(const char *path, CsvTable *table, Error *err);
void csv_free(CsvTable *table);
const double *csv_column(const CsvTable *table, const char *name); /* rows values; NULL: absent */

#endif
