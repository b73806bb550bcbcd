/* What a metric is: something that `eval --metrics` can measure.  Adding one adds a file to
 * kinds/ that defines a MetricClass and its name in metrics.c's table; options, checks, columns of
 * the text table, members of the JSON, table and charts of the report are made from the class.
 *
 * A metric looks at one of three things: the samples of a row (valid, fcd, fid, is, ngram, words),
 * a model by itself (elbo), or a model at a number of steps (bound).  The first kind gives numbers,
 * one for each of its columns, and each row of an evaluation keeps them; the others keep what they
 * found in their state and show it themselves. */
#ifndef DI4C_EXPERIMENTS_METRICS_METRIC_H
#define DI4C_EXPERIMENTS_METRICS_METRIC_H

#include <stdbool.h>
#include <stdio.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/cli/options.h"
#include "experiments/cli/shard.h"
#include "experiments/data/dataset.h"
#include "experiments/metrics/features/inception_eye.h"
#include "experiments/metrics/state_fields.h"
#include "experiments/report/report.h"
#include "nn/formats/json_writer.h"

/* How it is measured: the same for all metrics and models of an evaluation. */
typedef struct MetricSetting {
    size_t count;           /* samples of a row; a bound is taken on at most so many pictures */
    Shard shard;            /* those of them that are drawn here; count 0: all */
    CountList steps;        /* a row of each model for each; a sampler with times of its own: one */
    SampleRequest sampling; /* of all rows: all but the models, process, steps and counters */
    double eps;             /* ElboRequest.eps */
    bool known_law;         /* the data's law is known: train->law will be there */
    bool text;              /* the data are a text: train->text will be there */
    bool outside;           /* samples come from elsewhere: there will be no data and no model */
    bool beside_teacher;    /* a teacher is measured too */
    bool quiet;             /* no progress on stderr */
    InceptionEye *eye;      /* of the metrics that look through the Inception network; or NULL */
    const Dataset *train;   /* from prepare on */
    const Dataset *test;    /* the same; NULL: there is none, or no chosen metric looks at it */
} MetricSetting;

/* What is measured: a model, or one whose last steps are another's. */
typedef struct MetricSubject {
    const char *name; /* exact, teacher, student, hybrid; model: a teacher beside its own */
    const char *kind; /* exact, teacher, student */
    const Denoiser *denoiser;
    const Denoiser *teacher; /* hybrid: whose the last teacher_steps steps are; else NULL */
    size_t teacher_steps;
    const Process *process;
    double t_min; /* ElboRequest.t_min */
} MetricSubject;

/* A number that a row has by a metric of samples. */
typedef struct MetricColumn {
    const char *name;  /* head of the text table's column, member of a row in the JSON */
    const char *label; /* the report's name of it */
    const char *unit;  /* "%": a share, shown times 100; NULL: none */
    int width;         /* characters of the text table's column */
    int decimals;      /* shown behind the point */
    const char *chart; /* title of its chart against network calls */
    bool log_y;        /* of the chart */
} MetricColumn;

typedef enum MetricDefault {
    METRIC_WHEN_ASKED, /* measured only if --metrics names it */
    /* Without --metrics: */
    METRIC_OF_LAW,      /* where the data's law is known */
    METRIC_OF_PICTURES, /* of other pictures */
    METRIC_OF_TEXTS,    /* of texts */
    METRIC_DEFAULTS
} MetricDefault;

/* Measuring by parts, which shards are: what each sample adds is kept as a record, and the numbers
 * of all samples are made of all records in the order of the samples.  Hooks that are NULL have
 * nothing to do. */
typedef struct MetricParts {
    size_t (*record_bytes)(const void *state);
    /* Bytes of sums that a part of `count` samples keeps in place of its records; 0: it keeps
     * records, as without this hook. */
    size_t (*sum_bytes)(size_t count);
    /* out (samples->batch, record_bytes), or (sum_bytes). */
    bool (*records)(void *state, const States *samples, unsigned char *out, Error *err);
    /* Of count records; values: (column_count). */
    bool (*of_records)(void *state, const unsigned char *records, size_t count, double *values,
                       Error *err);
    /* In place of of_records, where all records at once would be too much: begin, add for each part
     * of a row in the order of the samples, `total` of them together, and result. */
    bool (*begin)(void *state, size_t total, Error *err);
    bool (*add)(void *state, const unsigned char *part, size_t count, Error *err);
    bool (*result)(void *state, double *values, Error *err);
    /* What a prepared state holds that of_records, floor, print and json need, and what a state of
     * zeros is restored from. */
    const StateField *fields;
    /* The same of what is large and known by a hash among the fields, lists of numbers alone: only
     * the part that has the first sample keeps it.  Restored after the rest. */
    const StateField *first_fields;
    /* The first fields are there, maybe once more: do they fit the others? */
    bool (*first_restored)(void *state, Error *err);
} MetricParts;

/* What a metric of models has found, result by result, so that each can be shown when it is there,
 * and kept for a run that goes on later. */
enum { METRIC_NUMBERS = 8 };
typedef struct MetricResults {
    size_t numbers; /* of a result, at most METRIC_NUMBERS */
    size_t (*count)(const void *state);
    void (*get)(const void *state, size_t i, double *numbers);
    /* Appends what of_model or of_steps has found of this subject before. */
    void (*put)(void *state, const MetricSetting *setting, const MetricSubject *subject,
                size_t steps, const double *numbers);
    void (*print)(const void *state, size_t i, FILE *out); /* whole lines; of i = 0 with a head */
} MetricResults;

/* Hooks that are NULL have nothing to do.  state: state_bytes bytes, zeros at first. */
typedef struct MetricClass {
    const char *name;  /* for --metrics */
    const char *help;  /* one line */
    const char *needs; /* one line: what must be there */
    MetricDefault when;
    bool looks_at_test; /* wants the test split, if the data have one */
    bool without_data;  /* of samples: can do without a data set (setting->train is NULL) */
    size_t state_bytes;

    /* Appends options of its own, whose targets are in the state. */
    void (*options)(void *state, OptionTable *table);
    /* Before any work: does it make sense with these data and this sampler (wrong usage)? */
    bool (*check)(const MetricSetting *setting, Error *err);
    /* Before any work: can the files it writes be written? */
    bool (*check_files)(const void *state, Error *err);
    /* Once, when the data are open. */
    bool (*prepare)(void *state, const MetricSetting *setting, Error *err);
    void (*release)(void *state);

    /* One of these three, or parts with of_records, by which samples are measured without
     * of_samples.  values: (column_count); parts must give the bits that of_samples gives. */
    bool (*of_samples)(void *state, const States *samples, double *values, Error *err);
    bool (*of_model)(void *state, const MetricSetting *setting, const MetricSubject *subject,
                     Error *err);
    bool (*of_steps)(void *state, const MetricSetting *setting, const MetricSubject *subject,
                     size_t steps, Error *err);

    /* Of samples alone: the columns, and what as many samples of the data themselves have in them
     * (NAN: not known). */
    const MetricColumn *columns;
    size_t column_count;
    double (*floor)(const void *state, size_t column);
    const MetricParts *parts;     /* NULL: it cannot be measured in shards */
    const MetricResults *results; /* of of_model and of_steps */

    /* What there is to say beside the table.  Of samples: goes on the line below the table with
     * "; ...", or begins the next one; ends without a newline.  Others: whole lines below their
     * results. */
    void (*print)(const void *state, FILE *out);
    /* Members of the open object. */
    void (*json)(const void *state, JsonOut *j);
    /* Of samples: facts.  Others: a part of the page. */
    void (*report)(const void *state, Report *r);
} MetricClass;

/* One of an evaluation. */
typedef struct Metric {
    const MetricClass *kind;
    void *state;
    bool chosen;
} Metric;

/* Whether it gives numbers of a row's samples, one for each of its columns. */
bool metric_looks_at_samples(const Metric *m);
/* values (column_count): of all samples of a row, at least one.  False and a sentence if they
 * cannot be measured. */
bool metric_measure(const Metric *m, const States *samples, double *values, Error *err);
/* The same by way of the samples' records. */
bool metric_measure_records(const MetricParts *parts, void *state, const States *samples,
                            double *values, Error *err);
/* What a part of `count` samples keeps for a metric that has parts: shape (records, bytes), or
 * (1, bytes) of sums. */
void metric_part_shape(const Metric *m, size_t count, size_t shape[2]);

#endif
