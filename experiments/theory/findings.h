/* What the experiments found: rows for JSON, plots as SVG, PNG and in one HTML page, and the text
 * around them.  Files appear when they are written: plots at once, page and JSON at the end. */
#ifndef DI4C_EXPERIMENTS_THEORY_FINDINGS_H
#define DI4C_EXPERIMENTS_THEORY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/report/svg.h"
#include "tensor/base/error.h"

typedef struct Findings Findings;

/* folder: for plots and index.html (exists already), or NULL: only rows are kept. */
Findings *findings_create(const char *folder);
void findings_destroy(Findings *f); /* NULL is allowed */

/* ---- the page ---- */
void findings_heading(Findings *f, const char *text);
void findings_paragraph(Findings *f, const char *text);
/* Into the page, and as folder/name.svg and folder/name.png. */
bool findings_chart(Findings *f, const char *name, const Chart *chart, Error *err);
/* As report_table. */
void findings_table(Findings *f, const char *caption, size_t columns, const char *const *head,
                    size_t rows, const char *const *cells);

/* ---- rows ---- */
/* Begins a row, whose first field is "experiment"; the fields below go into the newest row.  Keys
 * are kept, not copied. */
void findings_row(Findings *f, const char *experiment);
void findings_text(Findings *f, const char *key, const char *value);
void findings_count(Findings *f, const char *key, uint64_t value);
void findings_number(Findings *f, const char *key, double value); /* written with 17 digits */

/* index.html in the folder, and the JSON file if json is not NULL: {"command", "version", "seed",
 * "rows": [...]}.  No times: equal runs give equal files. */
bool findings_write(const Findings *f, const char *json, uint64_t seed, Error *err);

#endif
