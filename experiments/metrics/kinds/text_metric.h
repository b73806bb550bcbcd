/* What the metrics of texts share. */
#ifndef DI4C_EXPERIMENTS_METRICS_KINDS_TEXT_METRIC_H
#define DI4C_EXPERIMENTS_METRICS_KINDS_TEXT_METRIC_H

#include "experiments/metrics/metric.h"

/* For MetricClass.check: a sentence if the data are no text. */
bool text_metric_check(const char *name, const MetricSetting *setting, Error *err);
/* The first sequences of the test split, setting->count of them or as many as there are; none
 * (batch 0) without a test split.  states_free frees. */
States text_metric_held_out(const MetricSetting *setting);

#endif
