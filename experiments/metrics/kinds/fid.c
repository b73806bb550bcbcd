/* The FID: Frechet distance between pictures in the features of the Inception network. */
#include <stdio.h>

#include "experiments/cli/paths.h"
#include "experiments/data/datasets.h"
#include "experiments/metrics/features/moments_file.h"
#include "experiments/metrics/metric.h"
#include "tensor/base/memory.h"

typedef struct Fid {
    InceptionEye *eye;
    const char *reference; /* how it is called */
    Moments moments;       /* of the reference; count 0: not known */
    double *root;
} Fid;

static bool check_fid(const MetricSetting *setting, Error *err)
{
    const InceptionEye *eye = setting->eye;
    if (setting->text)
        return error_set(err, "--metrics fid: expected pictures, found a text");
    if (setting->outside && !(eye && eye->reference))
        return error_set(err, "--samples: expected --reference, what fid is to compare with");
    if (!eye || !eye->file)
        return error_set(err, "--metrics fid: expected --inception FILE, pytorch-fid's weights");
    return !eye->statistics || path_has_suffix(eye->statistics, ".npz") ||
           error_set(err, "--save-statistics %.200s: expected a name that ends in .npz",
                     eye->statistics);
}

/* Fewer pictures than features leave directions in which nothing was seen. */
static void note_rank(const char *what, size_t count, bool quiet)
{
    if (!quiet && count <= INCEPTION_FEATURES)
        fprintf(
            stderr,
            "fid: %zu %s for %d features: at least %d are needed for a covariance of full rank, "
            "and 50,000 are usual; fewer make the distance larger\n",
            count, what, INCEPTION_FEATURES, INCEPTION_FEATURES + 1);
}

/* Pictures of a data set, or, if it is NULL, of --reference. */
static bool moments_of_dataset(Fid *f, const Dataset *given, Error *err)
{
    const DatasetOptions options = dataset_defaults();
    if (!given && dataset_is_text(f->reference))
        return error_set(err, "--reference %.200s: expected pictures, found a text", f->reference);
    Dataset *opened = given ? NULL : dataset_open(f->reference, false, &options, err);
    const Dataset *d = given ? given : opened;
    if (!d)
        return false;
    note_rank("reference pictures", d->count, f->eye->quiet);
    const EyePictures pictures = {.height = d->height,
                                  .width = d->width,
                                  .channels = d->channels,
                                  .states = d->states,
                                  .dataset = d};
    const bool ok = inception_eye_fits(d->channels, f->reference, err) &&
                    inception_eye_moments(f->eye, &pictures, &f->moments, err);
    dataset_close(opened);
    return ok;
}

static bool reference_moments(Fid *f, const MetricSetting *setting, Error *err)
{
    const char *file = setting->eye->reference;
    f->reference = file ? file : setting->train->name;
    if (file && path_has_suffix(file, ".npz"))
        return moments_file_read(&f->moments, file, INCEPTION_FEATURES, err) &&
               inception_eye_open(f->eye, err);
    return inception_eye_open(f->eye, err) &&
           moments_of_dataset(f, file ? NULL : setting->train, err);
}

static bool prepare_fid(void *state, const MetricSetting *setting, Error *err)
{
    Fid *f = state;
    Error cause = {""};
    f->eye = setting->eye;
    if (f->eye->statistics && !path_check_output(f->eye->statistics, err))
        return false;
    note_rank("samples of a row", setting->count, setting->quiet);
    if (!inception_eye_fits(f->eye->channels, "samples", err) ||
        !reference_moments(f, setting, err))
        return false;
    if (f->eye->statistics && !moments_file_write(&f->moments, f->eye->statistics, err))
        return false;
    f->root = mem_alloc(INCEPTION_FEATURES, INCEPTION_FEATURES * sizeof *f->root);
    return frechet_root(&f->moments, f->root, &cause) ||
           error_set(err, "%.200s: %.300s", f->reference, cause.text);
}

static void release_fid(void *state)
{
    Fid *f = state;
    moments_free(&f->moments);
    mem_free(f->root);
}

static bool of_samples(void *state, const States *samples, double *values, Error *err)
{
    Fid *f = state;
    if (!inception_eye_look(f->eye, samples, err))
        return false;
    if (f->eye->sums.count < 2)
        return error_set(err, "the FID needs at least 2 samples");
    Moments m = moment_sums_moments(&f->eye->sums);
    const bool ok = frechet_distance_from(&f->moments, f->root, &m, values, err);
    moments_free(&m);
    return ok;
}

static void print_fid(const void *state, FILE *out)
{
    const Fid *f = state;
    fprintf(out, "\nFID against %s", f->reference);
    if (f->moments.count > 0)
        fprintf(out, " (%zu pictures)", f->moments.count);
    fprintf(out, ", Inception network %.16s", inception_hash(f->eye->net));
}

static void json_fid(const void *state, JsonOut *j)
{
    const Fid *f = state;
    jsonout_string(j, "fid_reference", f->reference);
    if (f->moments.count > 0)
        jsonout_count(j, "fid_reference_count", f->moments.count);
    jsonout_string(j, "fid_inception", inception_hash(f->eye->net));
}

static void report_fid(const void *state, Report *r)
{
    const Fid *f = state;
    report_fact(r, "FID reference", f->reference);
    report_fact(r, "Inception network", inception_hash(f->eye->net));
}

static const MetricColumn column = {.name = "fid",
                                    .label = "FID",
                                    .width = 9,
                                    .decimals = 3,
                                    .chart = "Frechet Inception distance",
                                    .log_y = true};

const MetricClass metric_fid = {
    .name = "fid",
    .help = "Frechet distance from reference pictures in the features of the Inception network",
    .needs = "pictures of 1 or 3 channels, --inception; --reference or --data",
    .when = METRIC_WHEN_ASKED,
    .without_data = true,
    .state_bytes = sizeof(Fid),
    .check = check_fid,
    .prepare = prepare_fid,
    .release = release_fid,
    .of_samples = of_samples,
    .columns = &column,
    .column_count = 1,
    .print = print_fid,
    .json = json_fid,
    .report = report_fid,
};
