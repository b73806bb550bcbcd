/* valid and tv: how far samples are from a law that is known exactly. */
#include "experiments/data/datasets.h"
#include "experiments/metrics/metric.h"
#include "tensor/base/text.h"

#include <math.h>

enum { FLOOR_DRAWS = 20, VALID = 0, TV = 1 };

typedef struct Valid {
    const FiniteLaw *law;
    double tv_floor; /* tv of as many exact samples */
} Valid;

static bool check_valid(const MetricSetting *setting, Error *err)
{
    char specs[DATASET_SPECS];
    return setting->known_law ||
           error_set(err, "--metrics valid: expected --data %s, whose law is known",
                     dataset_law_specs(specs));
}

static bool prepare_valid(void *state, const MetricSetting *setting, Error *err)
{
    Valid *v = state;
    (void)err;
    v->law = setting->train->law;
    v->tv_floor = law_tv_floor(v->law, setting->count, FLOOR_DRAWS, setting->sampling.seed);
    return true;
}

static bool of_samples(void *state, const States *samples, double *values, Error *err)
{
    const Valid *v = state;
    const LawFit fit = law_fit(v->law, samples);
    (void)err;
    values[VALID] = fit.valid;
    values[TV] = fit.tv;
    return true;
}

static double floor_of(const void *state, size_t column)
{
    const Valid *v = state;
    return column == TV ? v->tv_floor : NAN;
}

static void print_valid(const void *state, FILE *out)
{
    const Valid *v = state;
    text_print(out, "; tv of as many exact samples: %.3f", v->tv_floor);
}

static void json_valid(const void *state, JsonOut *j)
{
    const Valid *v = state;
    jsonout_number(j, "tv_floor", v->tv_floor);
}

static const MetricColumn columns[] = {
    [VALID] = {.name = "valid",
               .label = "valid",
               .unit = "%",
               .width = 8,
               .decimals = 2,
               .chart = "Share of samples that are real patterns"},
    [TV] = {.name = "tv",
            .label = "tv",
            .width = 8,
            .decimals = 4,
            .chart = "Total variation distance to the true law"},
};

const MetricClass metric_valid = {
    .name = "valid",
    .help = "share of samples that are patterns of the true law, and the total variation distance",
    .needs = "data whose law is known: glyphs",
    .when = METRIC_OF_LAW,
    .state_bytes = sizeof(Valid),
    .check = check_valid,
    .prepare = prepare_valid,
    .of_samples = of_samples,
    .columns = columns,
    .column_count = sizeof columns / sizeof columns[0],
    .floor = floor_of,
    .print = print_valid,
    .json = json_valid,
};
