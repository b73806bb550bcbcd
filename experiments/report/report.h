/* One self-contained HTML page per run: readable without network and without JavaScript, in light
 * and dark; or the same as Markdown, without charts and pictures.  All text given is escaped. */
#ifndef DI4C_EXPERIMENTS_REPORT_REPORT_H
#define DI4C_EXPERIMENTS_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/report/svg.h"
#include "nn/formats/packed/png.h"
#include "tensor/base/error.h"

typedef struct Report Report;

/* summary: the result in one sentence, shown under the title. */
Report *report_create(const char *title, const char *summary);
void report_destroy(Report *r); /* NULL is allowed */

/* Parts appear in the order in which they are added. */
void report_heading(Report *r, const char *text);
void report_subheading(Report *r, const char *text);
void report_paragraph(Report *r, const char *text);
/* cells: rows x columns, row by row; NULL is an empty cell.  Cells that read as numbers are set to
 * the right.  caption may be NULL. */
void report_table(Report *r, const char *caption, size_t columns, const char *const *head,
                  size_t rows, const char *const *cells);
void report_chart(Report *r, const Chart *chart);
void report_picture(Report *r, const char *caption, const Picture *p);
/* A text as it is, its lines kept; characters that do not show become spaces. */
void report_lines(Report *r, const char *caption, const char *text);
/* Curves of the CSV log at path: `column` against its first column, thin, with a smoothed line. */
bool report_csv_curve(Report *r, const char *title, const char *path, const char *column,
                      size_t window, Error *err);
/* One line of the provenance block at the end: command, seed, version, hashes. */
void report_fact(Report *r, const char *key, const char *value);

bool report_write(const Report *r, const char *path, Error *err);
bool report_write_markdown(const Report *r, const char *path, Error *err);

#endif
