/* The table of metrics, and the choice among them. */
#ifndef DI4C_EXPERIMENTS_METRICS_METRICS_H
#define DI4C_EXPERIMENTS_METRICS_METRICS_H

#include "experiments/metrics/metric.h"

enum { METRICS_MAX = 32, METRIC_COLUMNS_MAX = 16 }; /* in the table; columns of all chosen ones */

/* One of each, none of them chosen.  metrics_free frees. */
typedef struct Metrics {
    size_t count;
    Metric at[METRICS_MAX];
    InceptionEye eye; /* shared by fid and is: for MetricSetting.eye */
} Metrics;

void metrics_create(Metrics *m);
void metrics_free(Metrics *m);

/* Appends the options of all metrics; their targets live as long as m. */
void metrics_options(Metrics *m, OptionTable *table);
/* names: separated by commas; NULL: those that are measured of such data where nothing is asked
 * for.  False and a sentence if there is no such metric. */
bool metrics_choose(Metrics *m, const char *names, MetricDefault data, Error *err);
/* The hooks of all chosen metrics: check; check_files; prepare. */
bool metrics_check(const Metrics *m, const MetricSetting *setting, Error *err);
bool metrics_check_files(const Metrics *m, Error *err);
bool metrics_prepare(Metrics *m, const MetricSetting *setting, Error *err);
/* Does a chosen metric look at test pictures?  At samples? */
bool metrics_look_at_test(const Metrics *m);
bool metrics_look_at_samples(const Metrics *m);
/* The column of that name, of whichever metric; NULL: there is none. */
const MetricColumn *metrics_column(const char *name);
/* The first chosen metric that needs a data set or a model, by name; NULL: samples are enough. */
const char *metrics_need_more(const Metrics *m);

/* Help of --metrics: "of NAME, ... (default: ...)". */
enum { METRICS_HELP_ROOM = 400 };
void metrics_help(char text[METRICS_HELP_ROOM]);
/* True if the arguments hold "--metrics list": then all metrics are printed. */
bool metrics_list(FILE *out, int argc, char **argv);

#endif
