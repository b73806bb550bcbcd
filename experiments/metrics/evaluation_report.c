/* An evaluation as parts of a page: what the metrics of models found, the table of rows, a chart
 * for each column, and samples. */
#include <math.h>
#include <string.h>

#include "experiments/metrics/evaluation.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { ROW_COLUMNS = 3, SERIES_MAX = 8 }; /* model, steps, calls; lines of a chart */

static void report_metrics(const Evaluation *e, bool of_samples, Report *r)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (m->chosen && m->kind->report && metric_looks_at_samples(m) == of_samples)
            m->kind->report(m->state, r);
    }
}

/* "valid" and "%", with the words between. */
static void label_of(const MetricColumn *c, const char *between, char text[EVAL_CELL])
{
    snprintf(text, EVAL_CELL, "%s%s%s", c->label, c->unit ? between : "", c->unit ? c->unit : "");
}

void evaluation_label(const MetricColumn *column, char text[EVAL_CELL])
{
    label_of(column, " ", text);
}

static void fill_row(const Evaluation *e, const EvalRow *row, char (*cells)[EVAL_CELL])
{
    snprintf(cells[0], EVAL_CELL, "%s", row->model);
    snprintf(cells[1], EVAL_CELL, "%zu", row->steps);
    text_format(cells[2], EVAL_CELL, "%g", row->calls);
    for (size_t k = 0; k < e->column_count; k++)
        evaluation_cell(e->columns[k].column, row->values[k], cells[ROW_COLUMNS + k]);
}

void evaluation_table(const Evaluation *e, const char *caption, Report *r)
{
    const size_t columns = ROW_COLUMNS + e->column_count, rows = e->row_count;
    char labels[METRIC_COLUMNS_MAX][EVAL_CELL];
    const char *head[ROW_COLUMNS + METRIC_COLUMNS_MAX] = {"model", "steps", "calls"};
    char(*text)[EVAL_CELL] = mem_alloc(rows * columns, sizeof *text);
    const char **cells = mem_alloc(rows * columns, sizeof *cells);
    for (size_t k = 0; k < e->column_count; k++) {
        evaluation_label(e->columns[k].column, labels[k]);
        head[ROW_COLUMNS + k] = labels[k];
    }
    for (size_t i = 0; i < rows; i++)
        fill_row(e, &e->rows[i], text + i * columns);
    for (size_t i = 0; i < rows * columns; i++)
        cells[i] = text[i];
    report_table(r, caption, columns, head, rows, cells);
    mem_free(cells);
    mem_free(text);
}

/* The lines of column k, one for each model, in the order of the rows; series: room for SERIES_MAX,
 * of which the last one is kept free.  points: (SERIES_MAX, 2, EVAL_ROWS_MAX).  Their number. */
static size_t lines_of(const Evaluation *e, size_t k, Series *series, double *points)
{
    size_t count = 0;
    for (size_t i = 0; i < e->row_count; i++) {
        const EvalRow *row = &e->rows[i];
        size_t s = 0;
        while (s < count && strcmp(series[s].name, row->model) != 0)
            s++;
        if (s == SERIES_MAX - 1)
            continue;
        double *x = points + 2 * s * EVAL_ROWS_MAX, *y = x + EVAL_ROWS_MAX;
        if (s == count)
            series[count++] = (Series){.name = row->model, .x = x, .y = y};
        x[series[s].count] = row->calls;
        y[series[s].count++] = evaluation_shown(e->columns[k].column, row->values[k]);
    }
    return count;
}

/* Column k against network calls, and its floor as a dashed line. */
static void report_column(const Evaluation *e, size_t k, Report *r)
{
    const MetricColumn *c = e->columns[k].column;
    const double floor_value = evaluation_shown(c, e->columns[k].floor);
    const double floor_y[2] = {floor_value, floor_value};
    double *points = mem_alloc((size_t)2 * SERIES_MAX * EVAL_ROWS_MAX, sizeof(double));
    double floor_x[2] = {1, 1};
    char label[EVAL_CELL];
    Series series[SERIES_MAX];
    size_t count = lines_of(e, k, series, points);
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < series[s].count; i++)
            floor_x[1] = larger_of(floor_x[1], series[s].x[i]);
    if (isfinite(floor_value)) {
        series[count] =
            (Series){.name = "the data", .x = floor_x, .y = floor_y, .count = 2, .dashed = true};
        count++;
    }
    label_of(c, ", ", label);
    const Chart chart = {.title = c->chart,
                         .x_label = "network calls for a sample",
                         .y_label = label,
                         .log_x = true,
                         .log_y = c->log_y,
                         .markers = true,
                         .series = series,
                         .series_count = count};
    report_chart(r, &chart);
    mem_free(points);
}

void evaluation_charts(const Evaluation *e, Report *r)
{
    for (size_t k = 0; k < e->column_count; k++)
        report_column(e, k, r);
}

static void report_pictures(const Evaluation *e, Report *r)
{
    report_heading(r, "Samples");
    for (size_t i = 0; i < e->row_count; i++) {
        char caption[96];
        const EvalRow *row = &e->rows[i];
        snprintf(caption, sizeof caption, "%s, %zu step%s", row->model, row->steps,
                 row->steps == 1 ? "" : "s");
        if (row->text)
            report_lines(r, caption, row->text);
        else
            report_picture(r, caption, &row->picture);
    }
}

void evaluation_report(const Evaluation *e, Report *r)
{
    char text[24];
    report_metrics(e, false, r);
    if (!metrics_look_at_samples(&e->metrics))
        return;
    report_heading(r, "Quality against number of steps");
    evaluation_table(e, "Calls of the network for a sample; all models use the same time grid.", r);
    evaluation_charts(e, r);
    report_pictures(e, r);
    snprintf(text, sizeof text, "%zu", e->setting.count);
    report_fact(r, "samples in each row", text);
    report_metrics(e, true, r);
}
