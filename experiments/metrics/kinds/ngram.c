/* ngram: how likely samples are under an n-gram model of the training text. */
#include <math.h>

#include "experiments/metrics/kinds/text_metric.h"
#include "experiments/metrics/text/ngram_model.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { ORDER = 5, OWN_STREAM = 0x6E67 /* apart from the other uses of the seed */ };

typedef struct NgramMetric {
    NgramModel *model;
    size_t symbols; /* that it was made of */
    size_t dims;    /* symbols of a sample */
    size_t held_out_count;
    double held_out, own; /* means over held-out text (NAN: there is none), and over its own */
} NgramMetric;

static bool check_ngram(const MetricSetting *setting, Error *err)
{
    return text_metric_check("ngram", setting, err);
}

/* The mean over as many sequences that the n-gram model draws. */
static double mean_of_own(const NgramModel *model, const MetricSetting *setting)
{
    States own = states_alloc(setting->count, setting->train->dims);
    ngram_draw(model, rng_child(rng_root(setting->sampling.seed), OWN_STREAM), &own);
    const double mean = ngram_mean(model, &own);
    states_free(&own);
    return mean;
}

static bool prepare_ngram(void *state, const MetricSetting *setting, Error *err)
{
    NgramMetric *m = state;
    const TextData *text = setting->train->text;
    if (!setting->quiet)
        fprintf(stderr, "n-gram model: %zu symbols\n", text->count);
    m->model = ngram_create(text->symbols, text->count, setting->train->states, ORDER, err);
    if (!m->model)
        return false;
    m->symbols = text->count;
    m->dims = setting->train->dims;
    States held_out = text_metric_held_out(setting);
    m->held_out_count = held_out.batch;
    m->held_out = held_out.batch > 0 ? ngram_mean(m->model, &held_out) : NAN;
    states_free(&held_out);
    m->own = mean_of_own(m->model, setting);
    return true;
}

static void release_ngram(void *state)
{
    NgramMetric *m = state;
    ngram_free(m->model);
}

/* ---- a sample's record: the log-likelihood of each of a sample's symbols ---- */

static size_t record_bytes(const void *state)
{
    return ((const NgramMetric *)state)->dims * sizeof(double);
}

static bool records(void *state, const States *samples, unsigned char *out, Error *err)
{
    const NgramMetric *m = state;
    const size_t count = samples->batch * samples->dims;
    double *logs = mem_alloc(count, sizeof *logs);
    (void)err;
    TENSOR_CHECK(samples->dims == m->dims, "%zu symbols, expected %zu", samples->dims, m->dims);
    ngram_log_probabilities(m->model, samples, logs);
    doubles_put(out, logs, count);
    mem_free(logs);
    return true;
}

static bool of_records(void *state, const unsigned char *records, size_t count, double *values,
                       Error *err)
{
    const NgramMetric *m = state;
    double sum = 0.0;
    (void)err;
    for (size_t i = 0; i < count * m->dims; i++)
        sum += double_of_bits(little_endian(records + 8 * i, 8));
    values[0] = sum / ((double)count * (double)m->dims);
    return true;
}

static const StateField fields[] = {
    {.name = "dims", .type = FIELD_COUNT, .at = offsetof(NgramMetric, dims)},
    {.name = "symbols", .type = FIELD_COUNT, .at = offsetof(NgramMetric, symbols)},
    {.name = "held_out_count", .type = FIELD_COUNT, .at = offsetof(NgramMetric, held_out_count)},
    {.name = "held_out", .type = FIELD_NUMBERS, .at = offsetof(NgramMetric, held_out), .count = 1},
    {.name = "own", .type = FIELD_NUMBERS, .at = offsetof(NgramMetric, own), .count = 1},
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
    const NgramMetric *m = state;
    (void)column;
    return m->held_out;
}

static void print_ngram(const void *state, FILE *out)
{
    const NgramMetric *m = state;
    fprintf(out, "\nngram: nats a symbol under %d-grams of %zu training symbols", (int)ORDER,
            m->symbols);
    if (isfinite(m->held_out))
        text_print(out, "; %zu held-out sequences %.4f", m->held_out_count, m->held_out);
    text_print(out, "; text drawn from the n-grams %.4f", m->own);
}

static void json_ngram(const void *state, JsonOut *j)
{
    const NgramMetric *m = state;
    jsonout_count(j, "ngram_order", ORDER);
    jsonout_count(j, "ngram_symbols", m->symbols);
    jsonout_number(j, "ngram_held_out", m->held_out);
    jsonout_count(j, "ngram_held_out_count", m->held_out_count);
    jsonout_number(j, "ngram_own", m->own);
}

static void report_ngram(const void *state, Report *r)
{
    const NgramMetric *m = state;
    char text[96];
    text_format(text, sizeof text, "order %d, %zu training symbols", (int)ORDER, m->symbols);
    report_fact(r, "n-gram model", text);
    text_format(text, sizeof text, "%.4f nats a symbol", m->own);
    report_fact(r, "text drawn from the n-grams", text);
    if (!isfinite(m->held_out))
        return;
    text_format(text, sizeof text, "%.4f nats a symbol (%zu sequences)", m->held_out,
                m->held_out_count);
    report_fact(r, "held-out text under the n-grams", text);
}

static const MetricColumn column = {.name = "ngram",
                                    .label = "n-gram",
                                    .unit = NULL,
                                    .width = 9,
                                    .decimals = 4,
                                    .chart = "Mean log-likelihood under 5-grams, nats a symbol"};

const MetricClass metric_ngram = {
    .name = "ngram",
    .help = "mean log-likelihood of samples under 5-grams of the training text, nats a symbol",
    .needs = "a text; the test split for the number of held-out text",
    .when = METRIC_OF_TEXTS,
    .looks_at_test = true,
    .state_bytes = sizeof(NgramMetric),
    .check = check_ngram,
    .prepare = prepare_ngram,
    .release = release_ngram,
    .columns = &column,
    .column_count = 1,
    .floor = floor_of,
    .parts = &parts,
    .print = print_ngram,
    .json = json_ngram,
    .report = report_ngram,
};
