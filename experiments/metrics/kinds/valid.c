/* valid and tv: how far samples are from a law that is known exactly. */
#include "experiments/data/datasets.h"
#include "experiments/metrics/metric.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

#include <math.h>
#include <string.h>

enum { FLOOR_DRAWS = 20, VALID = 0, TV = 1 };

typedef struct Valid {
    const FiniteLaw *law; /* NULL: restored */
    FiniteLaw shares;     /* a copy of the law's count and probabilities alone */
    double tv_floor;      /* tv of as many exact samples */
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
    v->shares = (FiniteLaw){.count = v->law->count,
                            .probability = mem_alloc(v->law->count, sizeof(double))};
    memcpy(v->shares.probability, v->law->probability, v->law->count * sizeof(double));
    v->tv_floor = law_tv_floor(v->law, setting->count, FLOOR_DRAWS, setting->sampling.seed);
    return true;
}

static void release_valid(void *state)
{
    Valid *v = state;
    mem_free(v->shares.probability);
}

/* ---- a sample's record: the number of its pattern, from 1 on; 0: it is none ---- */

enum { RECORD = 4 };

static size_t record_bytes(const void *state)
{
    (void)state;
    return RECORD;
}

static bool records(void *state, const States *samples, unsigned char *out, Error *err)
{
    const Valid *v = state;
    (void)err;
    for (size_t b = 0; b < samples->batch; b++) {
        const int found = law_lookup(v->law, states_row(samples, b));
        little_endian_put(out + b * RECORD, RECORD, found < 0 ? 0 : (uint64_t)found + 1);
    }
    return true;
}

static bool of_records(void *state, const unsigned char *records, size_t count, double *values,
                       Error *err)
{
    const Valid *v = state;
    const FiniteLaw *law = &v->shares;
    size_t *seen = mem_zeroed(law->count, sizeof *seen);
    bool ok = true;
    for (size_t b = 0; ok && b < count; b++) {
        const size_t k = (size_t)little_endian(records + b * RECORD, RECORD);
        if (k > law->count)
            ok = error_set(err, "sample %zu: pattern %zu, expected at most %zu", b, k, law->count);
        else if (k > 0)
            seen[k - 1]++;
    }
    const LawFit fit = law_fit_counts(law, seen, count);
    values[VALID] = fit.valid;
    values[TV] = fit.tv;
    mem_free(seen);
    return ok;
}

static const StateField fields[] = {
    {.name = "tv_floor", .type = FIELD_NUMBERS, .at = offsetof(Valid, tv_floor), .count = 1},
    {.name = "law",
     .type = FIELD_LIST,
     .at = offsetof(Valid, shares.probability),
     .length = offsetof(Valid, shares.count)},
    {.type = FIELD_END},
};

static const MetricParts parts = {
    .record_bytes = record_bytes,
    .records = records,
    .of_records = of_records,
    .fields = fields,
};

/* ---- what is shown ---- */

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
    .release = release_valid,
    .columns = columns,
    .column_count = sizeof columns / sizeof columns[0],
    .floor = floor_of,
    .parts = &parts,
    .print = print_valid,
    .json = json_valid,
};
