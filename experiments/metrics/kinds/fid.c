/* The FID: Frechet distance between pictures in the features of the Inception network. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/data/datasets.h"
#include "experiments/metrics/features/moments_file.h"
#include "experiments/metrics/metric.h"
#include "nn/formats/byte_order.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"

enum { HASH = 65 };

typedef struct Fid {
    InceptionEye *eye;
    char *reference; /* how it is called */
    char network[HASH];
    Moments moments;  /* of the reference; count 0: not known */
    char hash[HASH];  /* of the moments; of parts only */
    double *root;     /* NULL in parts but the first: they need none */
    MomentSums total; /* where parts are joined */
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

/* SHA-256 of mean and covariance, as little-endian numbers. */
static void hash_moments(const Moments *m, char out[HASH])
{
    const size_t n = m->features;
    Sha256 sha;
    sha256_init(&sha);
    for (size_t i = 0; i < n + n * n; i++) {
        unsigned char bytes[8];
        little_endian_put(bytes, 8, bits_of_double(i < n ? m->mean[i] : m->covariance[i - n]));
        sha256_add(&sha, bytes, sizeof bytes);
    }
    sha256_hex(&sha, out);
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
    f->reference = mem_string(file ? file : setting->train->name);
    if (file && path_has_suffix(file, ".npz"))
        return moments_file_read(&f->moments, file, INCEPTION_FEATURES, err) &&
               inception_eye_open(f->eye, err);
    return inception_eye_open(f->eye, err) &&
           moments_of_dataset(f, file ? NULL : setting->train, err);
}

/* The root, which the first of several parts takes only to see that there is one. */
static bool take_root(Fid *f, Error *err)
{
    Error cause = {""};
    f->root = mem_alloc(INCEPTION_FEATURES, INCEPTION_FEATURES * sizeof *f->root);
    return frechet_root(&f->moments, f->root, &cause) ||
           error_set(err, "%.200s: %.300s", f->reference, cause.text);
}

static bool prepare_fid(void *state, const MetricSetting *setting, Error *err)
{
    Fid *f = state;
    f->eye = setting->eye;
    if (f->eye->statistics && !path_check_output(f->eye->statistics, err))
        return false;
    note_rank("samples of a row", setting->count, setting->quiet);
    if (!inception_eye_fits(f->eye->channels, "samples", err) ||
        !reference_moments(f, setting, err))
        return false;
    if (f->eye->statistics && !moments_file_write(&f->moments, f->eye->statistics, err))
        return false;
    strcpy(f->network, inception_hash(f->eye->net));
    if (setting->shard.count > 0)
        hash_moments(&f->moments, f->hash);
    return setting->shard.first > 0 || take_root(f, err);
}

static void release_fid(void *state)
{
    Fid *f = state;
    moment_sums_free(&f->total);
    moments_free(&f->moments);
    mem_free(f->root);
    mem_free(f->reference);
}

/* The distance of those that were summed up. */
static bool distance_of(const Fid *f, const MomentSums *sums, double *distance, Error *err)
{
    if (sums->count < 2)
        return error_set(err, "the FID needs at least 2 samples");
    Moments m = moment_sums_moments(sums);
    const bool ok = frechet_distance_from(&f->moments, f->root, &m, distance, err);
    moments_free(&m);
    return ok;
}

static bool of_samples(void *state, const States *samples, double *values, Error *err)
{
    Fid *f = state;
    return inception_eye_look(f->eye, samples, err) && distance_of(f, &f->eye->sums, values, err);
}

/* ---- in shards: a sample's features, or, of many samples, sums over them ---- */

static size_t record_bytes(const void *state)
{
    (void)state;
    return INCEPTION_FEATURES * sizeof(float);
}

static size_t sum_bytes(size_t count)
{
    return count > EYE_KEPT ? moment_sums_bytes(INCEPTION_FEATURES) : 0;
}

static bool records(void *state, const States *samples, unsigned char *out, Error *err)
{
    Fid *f = state;
    if (!inception_eye_keep(f->eye, samples, err))
        return false;
    if (f->eye->features == NULL)
        moment_sums_put(&f->eye->sums, out);
    else
        floats_put(out, f->eye->features, samples->batch * INCEPTION_FEATURES);
    return true;
}

static bool begin(void *state, size_t total, Error *err)
{
    Fid *f = state;
    (void)total;
    if (f->root == NULL)
        return error_set(err, "expected the moments of what is compared with");
    moment_sums_free(&f->total);
    f->total = moment_sums_create(INCEPTION_FEATURES);
    return true;
}

static bool add(void *state, const unsigned char *part, size_t count, Error *err)
{
    enum { AT_ONCE = 64 };
    Fid *f = state;
    bool ok = true;
    if (sum_bytes(count) > 0)
        return moment_sums_add_bytes(&f->total, part, count, err);
    float *x = mem_alloc(AT_ONCE, INCEPTION_FEATURES * sizeof *x);
    for (size_t i = 0; ok && i < count; i += AT_ONCE) {
        const size_t n = count - i < AT_ONCE ? count - i : AT_ONCE;
        floats_get(x, part + i * INCEPTION_FEATURES * sizeof *x, n * INCEPTION_FEATURES);
        ok = moment_sums_add(&f->total, x, n, err);
    }
    mem_free(x);
    return ok;
}

static bool result(void *state, double *values, Error *err)
{
    Fid *f = state;
    const bool ok = distance_of(f, &f->total, values, err);
    moment_sums_free(&f->total);
    return ok;
}

static const StateField fields[] = {
    {.name = "reference", .type = FIELD_TEXT, .at = offsetof(Fid, reference)},
    {.name = "reference_hash", .type = FIELD_HASH, .at = offsetof(Fid, hash)},
    {.name = "inception", .type = FIELD_HASH, .at = offsetof(Fid, network)},
    {.name = "reference_count", .type = FIELD_COUNT, .at = offsetof(Fid, moments.count)},
    {.type = FIELD_END},
};

static const StateField first_fields[] = {
    {.type = FIELD_MOMENTS, .at = offsetof(Fid, moments), .count = INCEPTION_FEATURES},
    {.type = FIELD_END},
};

/* Where the same part is given once more, which is refused where parts are counted, the root is
 * there. */
static bool first_restored(void *state, Error *err)
{
    Fid *f = state;
    char hash[HASH];
    hash_moments(&f->moments, hash);
    if (strcmp(hash, f->hash) != 0)
        return error_set(err, "mean and covariance: their hash is %.16s, expected %.16s", hash,
                         f->hash);
    return f->root != NULL || take_root(f, err);
}

static const MetricParts parts = {
    .record_bytes = record_bytes,
    .sum_bytes = sum_bytes,
    .records = records,
    .begin = begin,
    .add = add,
    .result = result,
    .fields = fields,
    .first_fields = first_fields,
    .first_restored = first_restored,
};

/* ---- what is shown ---- */

static void print_fid(const void *state, FILE *out)
{
    const Fid *f = state;
    fprintf(out, "\nFID against %s", f->reference);
    if (f->moments.count > 0)
        fprintf(out, " (%zu pictures)", f->moments.count);
    fprintf(out, ", Inception network %.16s", f->network);
}

static void json_fid(const void *state, JsonOut *j)
{
    const Fid *f = state;
    jsonout_string(j, "fid_reference", f->reference);
    if (f->moments.count > 0)
        jsonout_count(j, "fid_reference_count", f->moments.count);
    jsonout_string(j, "fid_inception", f->network);
}

static void report_fid(const void *state, Report *r)
{
    const Fid *f = state;
    report_fact(r, "FID reference", f->reference);
    report_fact(r, "Inception network", f->network);
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
    .parts = &parts,
    .print = print_fid,
    .json = json_fid,
    .report = report_fid,
};
