/* The parts of a report as Markdown, each appended to a text: headings, paragraphs, tables, lines
 * as they are.  Texts are escaped, and their control characters become spaces. */
#ifndef DI4C_EXPERIMENTS_REPORT_MARKDOWN_H
#define DI4C_EXPERIMENTS_REPORT_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/buffer.h"

void markdown_heading(Buffer *out, int level, const char *text); /* level 1 to 6 */
void markdown_paragraph(Buffer *out, const char *text);
/* cells: rows x columns, row by row; NULL is an empty cell.  right: (columns), those of numbers. */
void markdown_table(Buffer *out, size_t columns, const char *const *head, const bool *right,
                    size_t rows, const char *const *cells);
/* A text as it is, its lines kept, indented as code. */
void markdown_lines(Buffer *out, const char *text);
/* A line of a list: key and value. */
void markdown_fact(Buffer *out, const char *key, const char *value);

#endif
