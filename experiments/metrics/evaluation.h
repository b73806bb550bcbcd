/* Measuring models: samples at several numbers of network calls, the chosen metrics, and the same
 * rows as text, JSON and report.  Used by `eval` and `demo`.
 *
 *   create, choose metrics, fill in setting and style (or vocabulary), check, prepare, measure,
 * show, destroy */
#ifndef DI4C_EXPERIMENTS_METRICS_EVALUATION_H
#define DI4C_EXPERIMENTS_METRICS_EVALUATION_H

#include "experiments/metrics/metrics.h"
#include "nn/formats/safetensors.h"

typedef struct EvalRow {
    const char *model;                   /* MetricSubject.name */
    size_t steps;                        /* of the time grid; own times: network calls, rounded */
    double calls;                        /* network calls for a sample */
    double values[METRIC_COLUMNS_MAX];   /* of Evaluation.columns; of a shard: none */
    size_t asked, all_calls;             /* SampleRequest.steps; network calls of all samples */
    unsigned char *records[METRICS_MAX]; /* of a shard: by each metric; NULL: not by this one */
    double seconds;  /* for all samples; not written to files that are compared */
    Picture picture; /* grid of the first samples; none of texts */
    char *text;      /* of texts: the first samples; else NULL */
} EvalRow;

typedef struct EvalColumn {
    const MetricColumn *column;
    double floor; /* NAN: not known */
} EvalColumn;

enum { EVAL_ROWS_MAX = 256, EVAL_RESULTS_MAX = 512, EVAL_PICTURES = 64, EVAL_TEXTS = 4 };

/* One of MetricResults, and of whom it is. */
typedef struct EvalResult {
    const Metric *metric;
    const char *model; /* MetricSubject.name */
    size_t steps;      /* 0: of_model's */
    size_t number;     /* among the metric's results */
} EvalResult;

typedef struct Evaluation Evaluation;
/* Called after each result and row; fresh: it was measured now, not recalled.  False and a sentence
 * ends the evaluation. */
typedef bool EvalNews(Evaluation *e, bool fresh, void *context, Error *err);

struct Evaluation {
    MetricSetting setting;
    GridStyle style;              /* of the rows' pictures */
    const Vocabulary *vocabulary; /* of texts: what their states stand for; else NULL.  Not owned */
    Metrics metrics;
    /* from evaluation_prepare: columns of all chosen metrics, in the order of their table */
    EvalColumn columns[METRIC_COLUMNS_MAX];
    size_t column_count;
    EvalRow rows[EVAL_ROWS_MAX];
    size_t row_count;
    EvalResult results[EVAL_RESULTS_MAX];
    size_t result_count;
    SafetensorsFile *kept; /* evaluation_recall's: what an earlier run measured; or NULL */
    EvalNews *news;        /* or NULL */
    void *news_context;
    /* of evaluation_print_news */
    size_t measuring;      /* the metric of models whose results may follow; metrics.count: none */
    size_t printed_metric; /* the first that is not wholly printed */
    size_t printed_results, printed_rows; /* of that metric; of the table */
    bool calls_column;
};

Evaluation *evaluation_create(void);    /* no metric is chosen */
void evaluation_destroy(Evaluation *e); /* NULL is allowed */
void evaluation_drop_rows(Evaluation *e);
/* Once, with setting filled in and metrics chosen: metrics_prepare, and the columns. */
bool evaluation_prepare(Evaluation *e, Error *err);
/* The columns alone, where the metrics' states are there otherwise. */
void evaluation_columns(Evaluation *e);
/* All chosen metrics of all subjects: first those of models, then, if a metric looks at samples, a
 * row for each number of steps.  A hybrid has no bounds, and rows where its model has steps of its
 * own left. */
bool evaluation_measure(Evaluation *e, const MetricSubject *subjects, size_t count, Error *err);
/* Draws setting.count samples, or those of setting.shard, by the request and appends a row. */
bool evaluation_add(Evaluation *e, const char *model, const SampleRequest *request, Error *err);
/* Appends a row of samples that came from elsewhere, all of them or those of setting.shard: no
 * steps, no calls; seconds are the metrics'. */
bool evaluation_add_samples(Evaluation *e, const char *name, const States *x, Error *err);

/* calls and steps of a row, from its calls of all samples and the steps asked for. */
void evaluation_count_calls(EvalRow *row, size_t samples);

const EvalRow *evaluation_find(const Evaluation *e, const char *model, size_t steps); /* or NULL */
/* The row's number in the column of that name (MetricColumn.name); NAN if there is none. */
double evaluation_value(const Evaluation *e, const EvalRow *row, const char *column);

/* The number as the text table and the report show it: a share in per cent, without its sign. */
enum { EVAL_CELL = 32 };
void evaluation_cell(const MetricColumn *column, double value, char text[EVAL_CELL]);
/* The head of its column in the report: "valid %". */
void evaluation_label(const MetricColumn *column, char text[EVAL_CELL]);
/* value, or 100 times it: what a chart shows. */
double evaluation_shown(const MetricColumn *column, double value);

void evaluation_print(const Evaluation *e, FILE *out); /* evaluation_text.c: the table */
/* What was not printed before; at the end, all that is left.  All of it together is what
 * evaluation_print prints, but where a sampler with times of its own takes a column of calls that
 * its first row did not ask for: then the table is printed again. */
void evaluation_print_news(Evaluation *e, bool end, FILE *out);
/* evaluation_kept.c: all rows and results to a file, of a run of these facts; and beginning with
 * those of such a file, which evaluation_measure then does not measure again.  False and a sentence
 * if it cannot be written; is no such file, or of another run. */
bool evaluation_keep(const Evaluation *e, const RunFacts *facts, const char *path, Error *err);
bool evaluation_recall(Evaluation *e, const RunFacts *facts, const char *path, Error *err);
/* The next row or result, if that is the next of the file: all but the name, which is the
 * subject's. */
bool evaluation_kept_row(const Evaluation *e, const char *model, size_t asked, EvalRow *row);
bool evaluation_kept_result(const Evaluation *e, const Metric *m, const char *model, size_t steps,
                            double numbers[METRIC_NUMBERS]);
/* evaluation_json.c: members "samples", those of the metrics, and "rows" of the open object. */
void evaluation_json(const Evaluation *e, JsonOut *j);
/* evaluation_report.c: parts of the metrics; table, charts against calls, grids of samples. */
void evaluation_report(const Evaluation *e, Report *r);
/* Of it the table of rows alone, and the charts alone. */
void evaluation_table(const Evaluation *e, const char *caption, Report *r);
void evaluation_charts(const Evaluation *e, Report *r);

#endif
