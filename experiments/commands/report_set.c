/* Files of one seed are put together to an evaluation, and the evaluations of several seeds to
 * means; tables and charts are those of an evaluation. */
#include "experiments/commands/report_set.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { CELL = 2 * EVAL_CELL + 8, ROW_COLUMNS = 3 }; /* model, steps, calls */

/* One seed: the rows of all its files. */
typedef struct Seed {
    size_t number;
    Evaluation *rows;
} Seed;

/* ---- rows of a seed ---- */

static bool same_columns(const Evaluation *a, const Evaluation *b)
{
    bool same = a->setting.count == b->setting.count && a->column_count == b->column_count;
    for (size_t k = 0; same && k < a->column_count; k++)
        same = a->columns[k].column == b->columns[k].column;
    return same;
}

/* Appends the file's rows; the first file that has some says which columns there are. */
static bool join(Seed *s, const ResultFile *f, Error *err)
{
    Evaluation *to = s->rows;
    const Evaluation *from = f->evaluation;
    if (to->row_count == 0 && from->row_count > 0) {
        to->setting.count = from->setting.count;
        to->column_count = from->column_count;
        memcpy(to->columns, from->columns, sizeof to->columns);
    }
    for (size_t i = 0; i < from->row_count; i++) {
        const EvalRow *row = &from->rows[i];
        if (!same_columns(to, from))
            return error_set(err,
                             "%s: expected the metrics and number of samples of the other files of "
                             "%.60s",
                             f->path, f->set);
        if (evaluation_find(to, row->model, row->steps) != NULL)
            return error_set(err, "%s: seed %zu of %.60s has %.40s at %zu steps twice", f->path,
                             s->number, f->set, row->model, row->steps);
        if (to->row_count == EVAL_ROWS_MAX)
            return error_set(err, "%s: expected at most %d rows of %.60s", f->path, EVAL_ROWS_MAX,
                             f->set);
        to->rows[to->row_count++] = *row; /* of such a file a row owns nothing */
    }
    return true;
}

/* The seeds in the order of the files; *count of them, to be destroyed, also on failure. */
static bool join_all(const ResultFile *const *files, size_t files_count, Seed *seeds, size_t *count,
                     Error *err)
{
    *count = 0;
    for (size_t i = 0; i < files_count; i++) {
        size_t s = 0;
        while (s < *count && seeds[s].number != files[i]->seed)
            s++;
        if (s == *count)
            seeds[(*count)++] = (Seed){files[i]->seed, evaluation_create()};
        if (!join(&seeds[s], files[i], err))
            return false;
    }
    return true;
}

static bool check_alike(const Seed *a, const Seed *b, const char *set, Error *err)
{
    bool same = a->rows->row_count == b->rows->row_count && same_columns(a->rows, b->rows);
    for (size_t i = 0; same && i < a->rows->row_count; i++)
        same = strcmp(a->rows->rows[i].model, b->rows->rows[i].model) == 0 &&
               a->rows->rows[i].steps == b->rows->rows[i].steps;
    return same || error_set(err,
                             "%.60s, seed %zu: expected the models, steps, metrics and number of "
                             "samples of seed %zu",
                             set, b->number, a->number);
}

/* ---- several seeds ---- */

typedef struct Spread {
    double mean, deviation;
} Spread;

/* Number k of row i over the seeds; NAN where one of them has none. */
static Spread spread_of(const Seed *seeds, size_t count, size_t i, size_t k)
{
    Spread s = {0.0, 0.0};
    for (size_t n = 0; n < count; n++)
        s.mean += seeds[n].rows->rows[i].values[k] / (double)count;
    for (size_t n = 0; n < count; n++) {
        const double off = seeds[n].rows->rows[i].values[k] - s.mean;
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

static void table_of_means(const Seed *seeds, size_t count, Report *r)
{
    const Evaluation *e = seeds[0].rows;
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
            spread_cell(e->columns[k].column, spread_of(seeds, count, i, k), row[ROW_COLUMNS + k]);
    }
    for (size_t i = 0; i < rows * columns; i++)
        cells[i] = text[i];
    snprintf(caption, sizeof caption, "Mean and standard deviation of %zu seeds.", count);
    report_table(r, caption, columns, head, rows, cells);
    mem_free(cells);
    mem_free(text);
}

/* Charts of the means, as the rows of an evaluation; samples from elsewhere have no
 * calls to draw them against. */
static void charts_of_means(const Seed *seeds, size_t count, Report *r)
{
    const Evaluation *from = seeds[0].rows;
    Evaluation *e = evaluation_create();
    e->column_count = from->column_count;
    memcpy(e->columns, from->columns, sizeof e->columns);
    for (size_t i = 0; i < from->row_count; i++) {
        EvalRow *row = &e->rows[e->row_count];
        *row = (EvalRow){.model = from->rows[i].model, .calls = from->rows[i].calls};
        for (size_t k = 0; k < e->column_count; k++)
            row->values[k] = spread_of(seeds, count, i, k).mean;
        e->row_count += row->calls > 0.0;
    }
    if (e->row_count > 0)
        evaluation_charts(e, r);
    evaluation_destroy(e);
}

/* ---- all of it ---- */

/* What is needed to get the file's numbers again. */
static void report_file(const ResultFile *f, Report *r)
{
    Buffer facts = {0};
    result_file_tables(f, r);
    if (f->summary != NULL)
        report_paragraph(r, f->summary);
    buffer_format(&facts, "Seed %zu, di4c %s", f->seed, f->version);
    result_file_facts(f, &facts);
    buffer_text(&facts, ".");
    report_paragraph(r, facts.bytes);
    if (f->note != NULL)
        report_paragraph(r, f->note);
    report_lines(r, "The command:", f->command);
    buffer_free(&facts);
}

static void report_seeds(const Seed *seeds, size_t count, const ResultFile *const *files,
                         size_t files_count, Report *r)
{
    const bool has_rows = seeds[0].rows->row_count > 0;
    report_subheading(r, files[0]->set);
    if (has_rows && count > 1)
        table_of_means(seeds, count, r);
    if (has_rows)
        charts_of_means(seeds, count, r);
    for (size_t s = 0; s < count; s++) {
        char caption[40];
        snprintf(caption, sizeof caption, "Seed %zu.", seeds[s].number);
        if (has_rows)
            evaluation_table(seeds[s].rows, caption, r);
        for (size_t i = 0; i < files_count; i++)
            if (files[i]->seed == seeds[s].number)
                report_file(files[i], r);
    }
}

bool report_set(const ResultFile *const *files, size_t count, Report *r, Error *err)
{
    Seed *seeds = mem_zeroed(count, sizeof *seeds);
    size_t n;
    bool ok = join_all(files, count, seeds, &n, err);
    for (size_t s = 1; ok && s < n; s++)
        ok = check_alike(&seeds[0], &seeds[s], files[0]->set, err);
    if (ok)
        report_seeds(seeds, n, files, count, r);
    for (size_t s = 0; s < n; s++)
        evaluation_destroy(seeds[s].rows);
    mem_free(seeds);
    return ok;
}
