/* The Inception Score: how surely the Inception network names each picture, and how differently. */
#include <string.h>

#include "experiments/metrics/metric.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/memory.h"

typedef struct Score {
    InceptionEye *eye;
    char network[65];
    ScoreSums total; /* where parts are joined */
} Score;

static bool enough(size_t samples, Error *err)
{
    return samples >= SCORE_SPLITS ||
           error_set(err, "the Inception Score needs at least %d samples, found %zu", SCORE_SPLITS,
                     samples);
}

static bool check_is(const MetricSetting *setting, Error *err)
{
    if (setting->text)
        return error_set(err, "--metrics is: expected pictures, found a text");
    if (!setting->eye || !setting->eye->file)
        return error_set(err, "--metrics is: expected --inception FILE, pytorch-fid's weights");
    return setting->count >= SCORE_SPLITS ||
           error_set(err, "--metrics is: expected --count of at least %d, one sample for each part",
                     SCORE_SPLITS);
}

static bool prepare_is(void *state, const MetricSetting *setting, Error *err)
{
    Score *s = state;
    s->eye = setting->eye;
    if (!inception_eye_fits(s->eye->channels, "samples", err) || !enough(setting->count, err) ||
        !inception_eye_open(s->eye, err))
        return false;
    strcpy(s->network, inception_hash(s->eye->net));
    return true;
}

static void release_is(void *state)
{
    score_free(&((Score *)state)->total);
}

static bool of_samples(void *state, const States *samples, double *values, Error *err)
{
    Score *s = state;
    if (!inception_eye_look(s->eye, samples, err))
        return false;
    if (!enough(samples->batch, err))
        return false;
    score_result(&s->eye->scores, &values[0], &values[1]);
    return true;
}

/* ---- in shards: a sample's logits ---- */

static size_t record_bytes(const void *state)
{
    (void)state;
    return INCEPTION_CLASSES * sizeof(float);
}

static bool records(void *state, const States *samples, unsigned char *out, Error *err)
{
    const Score *s = state;
    if (!inception_eye_keep(s->eye, samples, err))
        return false;
    floats_put(out, s->eye->logits, samples->batch * INCEPTION_CLASSES);
    return true;
}

static bool begin(void *state, size_t total, Error *err)
{
    Score *s = state;
    if (!enough(total, err))
        return false;
    score_free(&s->total);
    s->total = score_create(INCEPTION_CLASSES, total);
    return true;
}

static bool add(void *state, const unsigned char *part, size_t count, Error *err)
{
    Score *s = state;
    float logits[INCEPTION_CLASSES];
    (void)err;
    for (size_t i = 0; i < count; i++, part += sizeof logits) {
        floats_get(logits, part, INCEPTION_CLASSES);
        score_add(&s->total, logits, 1);
    }
    return true;
}

static bool result(void *state, double *values, Error *err)
{
    Score *s = state;
    (void)err;
    score_result(&s->total, &values[0], &values[1]);
    score_free(&s->total);
    return true;
}

static const StateField fields[] = {
    {.name = "inception", .type = FIELD_HASH, .at = offsetof(Score, network)},
    {.type = FIELD_END},
};

static const MetricParts parts = {
    .record_bytes = record_bytes,
    .records = records,
    .begin = begin,
    .add = add,
    .result = result,
    .fields = fields,
};

/* ---- what is shown ---- */

static void print_is(const void *state, FILE *out)
{
    const Score *s = state;
    fprintf(out, "; Inception Score of %d parts and its deviation among them, network %.16s",
            SCORE_SPLITS, s->network);
}

static void json_is(const void *state, JsonOut *j)
{
    const Score *s = state;
    jsonout_count(j, "is_splits", SCORE_SPLITS);
    jsonout_string(j, "is_inception", s->network);
}

static const MetricColumn columns[] = {
    {.name = "is",
     .label = "Inception Score",
     .width = 9,
     .decimals = 3,
     .chart = "Inception Score"},
    {.name = "is_sd",
     .label = "its deviation",
     .width = 9,
     .decimals = 3,
     .chart = "Standard deviation of the Inception Score among its parts"},
};

const MetricClass metric_is = {
    .name = "is",
    .help = "Inception Score of 10 parts, and its standard deviation (is_sd)",
    .needs = "pictures of 1 or 3 channels, --inception; at least 10 samples",
    .when = METRIC_WHEN_ASKED,
    .without_data = true,
    .state_bytes = sizeof(Score),
    .check = check_is,
    .prepare = prepare_is,
    .release = release_is,
    .of_samples = of_samples,
    .columns = columns,
    .column_count = 2,
    .parts = &parts,
    .print = print_is,
    .json = json_is,
};
