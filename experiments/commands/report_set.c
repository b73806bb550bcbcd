/* Numbers of several seeds are put together here; tables and charts are those of an evaluation. */
#include "experiments/commands/report_set.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { CELL = 2 * EVAL_CELL + 8, ROW_COLUMNS = 3 }; /* model, steps, calls */

typedef struct Spread {
    double mean, deviation;
} Spread;

/* Number k of row i over the seeds; NAN where one of them has none. */
static Spread spread_of(const ResultFile *const *files, size_t count, size_t i, size_t k)
{
    Spread s = {0.0, 0.0};
    for (size_t n = 0; n < count; n++)
        s.mean += files[n]->evaluation->rows[i].values[k] / (double)count;
    for (size_t n = 0; n < count; n++) {
        const double off = files[n]->evaluation->rows[i].values[k] - s.mean;
        s.deviation += off * off;
    }
    s.deviation = count > 1 ? sqrt(s.deviation / (double)(count - 1)) : NAN;
    return s;
}

static void spread_cell(const MetricColumn *column, Spread s, char text[CELL])
{
    char mean[EVAL_CELL], deviation[EVAL_CELL];
    evaluation_cell(column, s.mean, mean);
    evaluation_cell(column, s.deviation, deviation);
    if (isfinite(s.mean))
        snprintf(text, CELL, "%s \xC2\xB1 %s", mean, deviation);
    else
        snprintf(text, CELL, "%s", mean);
}

static void table_of_means(const ResultFile *const *files, size_t count, Report *r)
{
    const Evaluation *e = files[0]->evaluation;
    const size_t columns = ROW_COLUMNS + e->column_count, rows = e->row_count;
    char caption[80];
    char(*text)[CELL] = mem_alloc(rows * columns, sizeof *text);
    const char **cells = mem_alloc(rows * columns, sizeof *cells);
    const char *head[ROW_COLUMNS + METRIC_COLUMNS_MAX] = {"model", "steps", "calls"};
    char labels[METRIC_COLUMNS_MAX][EVAL_CELL];
    for (size_t k = 0; k < e->column_count; k++) {
        evaluation_label(e->columns[k].column, labels[k]);
        head[ROW_COLUMNS + k] = labels[k];
    }
    for (size_t i = 0; i < rows; i++) {
        char(*row)[CELL] = text + i * columns;
        snprintf(row[0], CELL, "%s", e->rows[i].model);
        snprintf(row[1], CELL, "%zu", e->rows[i].steps);
        text_format(row[2], CELL, "%g", e->rows[i].calls);
        for (size_t k = 0; k < e->column_count; k++)
            spread_cell(e->columns[k].column, spread_of(files, count, i, k), row[ROW_COLUMNS + k]);
    }
    for (size_t i = 0; i < rows * columns; i++)
        cells[i] = text[i];
    snprintf(caption, sizeof caption, "Mean and standard deviation of %zu seeds.", count);
    report_table(r, caption, columns, head, rows, cells);
    mem_free(cells);
    mem_free(text);
}

/* Charts of the means: those of an evaluation that has them as its rows. */
static void charts_of_means(const ResultFile *const *files, size_t count, Report *r)
{
    const Evaluation *from = files[0]->evaluation;
    Evaluation *e = evaluation_create();
    e->column_count = from->column_count;
    memcpy(e->columns, from->columns, sizeof e->columns);
    e->row_count = from->row_count;
    for (size_t i = 0; i < e->row_count; i++) {
        e->rows[i] = (EvalRow){.model = from->rows[i].model, .calls = from->rows[i].calls};
        for (size_t k = 0; k < e->column_count; k++)
            e->rows[i].values[k] = spread_of(files, count, i, k).mean;
    }
    evaluation_charts(e, r);
    evaluation_destroy(e);
}

/* One file: its numbers, and all that is needed to get them again. */
static void report_file(const ResultFile *f, Report *r)
{
    char caption[64];
    Buffer facts = {0};
    snprintf(caption, sizeof caption, "Seed %zu.", f->seed);
    if (f->evaluation->row_count > 0)
        evaluation_table(f->evaluation, caption, r);
    result_file_tables(f, r);
    buffer_format(&facts, "Seed %zu, di4c %s", f->seed, f->version);
    result_file_facts(f, &facts);
    buffer_text(&facts, ".");
    report_paragraph(r, facts.bytes);
    if (f->note != NULL)
        report_paragraph(r, f->note);
    report_lines(r, "The command:", f->command);
    buffer_free(&facts);
}

void report_set(const ResultFile *const *files, size_t count, Report *r)
{
    const bool has_rows = files[0]->evaluation->row_count > 0;
    report_subheading(r, files[0]->set);
    if (has_rows && count > 1)
        table_of_means(files, count, r);
    if (has_rows)
        charts_of_means(files, count, r);
    for (size_t i = 0; i < count; i++)
        report_file(files[i], r);
}
