/* The FCD, its floor, and the metric `fcd`: which classifier it has, and what is said about it. */
#include "experiments/metrics/kinds/fcd.h"

#include <math.h>

#include "experiments/cli/paths.h"
#include "experiments/data/batches.h"
#include "experiments/metrics/metric.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

/* ---- the distance ---- */

static Moments moments_of_states(Classifier *c, const States *x)
{
    float *f = mem_alloc(x->batch * CLASSIFIER_FEATURES, sizeof(float));
    classifier_features(c, x, f);
    const Moments m = moments_of(f, x->batch, CLASSIFIER_FEATURES);
    mem_free(f);
    return m;
}

/* Of the first `count` pictures of d. */
static Moments moments_of_pictures(Classifier *c, const Dataset *d, size_t count)
{
    States x = states_alloc(count, d->dims);
    dataset_rows(d, 0, &x, NULL);
    const Moments m = moments_of_states(c, &x);
    states_free(&x);
    return m;
}

bool fcd_check_counts(const Dataset *train, const Dataset *test, Error *err)
{
    return (train->count >= 2 && (!test || test->count >= 2)) ||
           error_set(err, "%s: the FCD needs at least 2 pictures of each split", train->name);
}

bool fcd_create(Fcd *f, Classifier *c, const Dataset *train, const Dataset *test, size_t count,
                Error *err)
{
    *f = (Fcd){.classifier = c, .floor = NAN, .accuracy = NAN};
    if (!fcd_check_counts(train, test, err))
        return false;
    f->reference = moments_of_pictures(c, train, train->count);
    classifier_hash(c, f->classifier_hash);
    if (!test)
        return true;
    f->accuracy = classifier_accuracy(c, test);
    f->floor_count = count < test->count ? count : test->count;
    Moments m = moments_of_pictures(c, test, f->floor_count);
    const bool ok = frechet_distance(&m, &f->reference, &f->floor, err);
    moments_free(&m);
    return ok;
}

bool fcd_distance(const Fcd *f, const float *features, size_t count, double *distance, Error *err)
{
    Moments m = moments_of(features, count, CLASSIFIER_FEATURES);
    const bool ok = frechet_distance(&m, &f->reference, distance, err);
    moments_free(&m);
    return ok;
}

void fcd_free(Fcd *f)
{
    moments_free(&f->reference);
}

/* ---- the metric ---- */

typedef struct FcdMetric {
    const char *file; /* --classifier, or NULL */
    Classifier *classifier;
    Fcd fcd;
} FcdMetric;

static void options(void *state, OptionTable *table)
{
    FcdMetric *m = state;
    const Option row = {"--classifier",
                        OPTION_TEXT,
                        &m->file,
                        "FILE",
                        0,
                        0,
                        false,
                        "FCD's classifier: read if it exists, else trained and written"};
    options_add(table, &row, 1);
}

static bool check_files(const void *state, Error *err)
{
    const FcdMetric *m = state;
    return !m->file || platform_exists(m->file) || path_check_output(m->file, err);
}

/* The classifier's file if it exists; else one trained now, and written if a file was named. */
static Classifier *get_classifier(const char *file, const Dataset *train, bool quiet, Error *err)
{
    if (file && platform_exists(file))
        return classifier_load(file, train, err);
    Classifier *c = classifier_train(train, 1, quiet, err);
    if (!c || !file)
        return c;
    if (classifier_save(c, file, err))
        return c;
    classifier_destroy(c);
    return NULL;
}

static bool prepare_fcd(void *state, const MetricSetting *setting, Error *err)
{
    FcdMetric *m = state;
    const Dataset *train = setting->train, *test = setting->test;
    return fcd_check_counts(train, test, err) &&
           (m->classifier = get_classifier(m->file, train, setting->quiet, err)) &&
           fcd_create(&m->fcd, m->classifier, train, test, setting->count, err);
}

static void release_fcd(void *state)
{
    FcdMetric *m = state;
    fcd_free(&m->fcd);
    classifier_destroy(m->classifier);
}

/* ---- a sample's record: its features ---- */

static size_t record_bytes(const void *state)
{
    (void)state;
    return CLASSIFIER_FEATURES * sizeof(float);
}

static bool records(void *state, const States *samples, unsigned char *out, Error *err)
{
    const FcdMetric *m = state;
    const size_t count = samples->batch * CLASSIFIER_FEATURES;
    float *f = mem_alloc(count, sizeof(float));
    (void)err;
    classifier_features(m->classifier, samples, f);
    floats_put(out, f, count);
    mem_free(f);
    return true;
}

static bool of_records(void *state, const unsigned char *records, size_t count, double *values,
                       Error *err)
{
    const FcdMetric *m = state;
    if (count < 2)
        return error_set(err, "%zu samples: the FCD needs at least 2", count);
    float *f = mem_alloc(count * CLASSIFIER_FEATURES, sizeof(float));
    floats_get(f, records, count * CLASSIFIER_FEATURES);
    const bool ok = fcd_distance(&m->fcd, f, count, values, err);
    mem_free(f);
    return ok;
}

static const StateField fields[] = {
    {.name = "classifier", .type = FIELD_HASH, .at = offsetof(FcdMetric, fcd.classifier_hash)},
    {.type = FIELD_MOMENTS, .at = offsetof(FcdMetric, fcd.reference), .count = CLASSIFIER_FEATURES},
    {.name = "reference_count",
     .type = FIELD_COUNT,
     .at = offsetof(FcdMetric, fcd.reference.count)},
    {.name = "floor_count", .type = FIELD_COUNT, .at = offsetof(FcdMetric, fcd.floor_count)},
    {.name = "floor", .type = FIELD_NUMBERS, .at = offsetof(FcdMetric, fcd.floor), .count = 1},
    {.name = "accuracy",
     .type = FIELD_NUMBERS,
     .at = offsetof(FcdMetric, fcd.accuracy),
     .count = 1},
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
    const FcdMetric *m = state;
    (void)column;
    return m->fcd.floor;
}

static void print_fcd(const void *state, FILE *out)
{
    const Fcd *f = &((const FcdMetric *)state)->fcd;
    fprintf(out, "\nFCD against %zu training pictures, classifier %.16s", f->reference.count,
            f->classifier_hash);
    if (isfinite(f->accuracy))
        text_print(out, " (test accuracy %.2f %%); floor: %zu test pictures have %.3f",
                   100 * f->accuracy, f->floor_count, f->floor);
}

static void json_fcd(const void *state, JsonOut *j)
{
    const Fcd *f = &((const FcdMetric *)state)->fcd;
    jsonout_string(j, "reference", "training pictures");
    jsonout_count(j, "reference_count", f->reference.count);
    jsonout_string(j, "classifier", f->classifier_hash);
    jsonout_number(j, "classifier_accuracy", f->accuracy);
    jsonout_number(j, "fcd_floor", f->floor);
    jsonout_count(j, "fcd_floor_count", f->floor_count);
}

static void report_fcd(const void *state, Report *r)
{
    const Fcd *f = &((const FcdMetric *)state)->fcd;
    char text[128];
    report_fact(r, "classifier", f->classifier_hash);
    snprintf(text, sizeof text, "%zu training pictures", f->reference.count);
    report_fact(r, "FCD reference", text);
    if (!isfinite(f->accuracy))
        return;
    text_format(text, sizeof text, "%.2f %%", 100 * f->accuracy);
    report_fact(r, "classifier's test accuracy", text);
    text_format(text, sizeof text, "%.3f (%zu test pictures)", f->floor, f->floor_count);
    report_fact(r, "FCD floor", text);
}

static const MetricColumn column = {.name = "fcd",
                                    .label = "FCD",
                                    .width = 9,
                                    .decimals = 3,
                                    .chart = "Frechet classifier distance",
                                    .log_y = true};

const MetricClass metric_fcd = {
    .name = "fcd",
    .help = "Frechet distance from the training pictures in a classifier's features",
    .needs = "labelled pictures, at least 2 of each split",
    .when = METRIC_OF_PICTURES,
    .looks_at_test = true,
    .state_bytes = sizeof(FcdMetric),
    .options = options,
    .check_files = check_files,
    .prepare = prepare_fcd,
    .release = release_fcd,
    .columns = &column,
    .column_count = 1,
    .floor = floor_of,
    .parts = &parts,
    .print = print_fcd,
    .json = json_fcd,
    .report = report_fcd,
};
