/* Texts alone, and their test splits. */
#include "experiments/metrics/kinds/text_metric.h"

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"

bool text_metric_check(const char *name, const MetricSetting *setting, Error *err)
{
    char specs[DATASET_SPECS];
    return setting->text ||
           error_set(err, "--metrics %s: expected --data %s", name, dataset_text_specs(specs));
}

States text_metric_held_out(const MetricSetting *setting)
{
    const Dataset *test = setting->test;
    const size_t most = test != NULL ? test->count : 0;
    States x = states_alloc(setting->count < most ? setting->count : most, setting->train->dims);
    if (x.batch > 0)
        dataset_rows(test, 0, &x, NULL);
    return x;
}
