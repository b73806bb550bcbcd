/* The Inception Score: how surely the Inception network names each picture, and how differently. */
#include "experiments/metrics/metric.h"

typedef struct Score {
    InceptionEye *eye;
} Score;

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
    return inception_eye_fits(s->eye->channels, "samples", err) && inception_eye_open(s->eye, err);
}

static bool of_samples(void *state, const States *samples, double *values, Error *err)
{
    Score *s = state;
    if (!inception_eye_look(s->eye, samples, err))
        return false;
    if (!s->eye->scored)
        return error_set(err, "the Inception Score needs at least %d samples, found %zu",
                         SCORE_SPLITS, samples->batch);
    score_result(&s->eye->scores, &values[0], &values[1]);
    return true;
}

static void print_is(const void *state, FILE *out)
{
    const Score *s = state;
    fprintf(out, "; Inception Score of %d parts and its deviation among them, network %.16s",
            SCORE_SPLITS, inception_hash(s->eye->net));
}

static void json_is(const void *state, JsonOut *j)
{
    const Score *s = state;
    jsonout_count(j, "is_splits", SCORE_SPLITS);
    jsonout_string(j, "is_inception", inception_hash(s->eye->net));
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
    .of_samples = of_samples,
    .columns = columns,
    .column_count = 2,
    .print = print_is,
    .json = json_is,
};
