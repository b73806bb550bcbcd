/* Batches of pictures through the network. */
#include "experiments/metrics/features/inception_eye.h"

#include <math.h>
#include <string.h>

#include "experiments/cli/progress.h"
#include "experiments/data/batches.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

bool inception_eye_open(InceptionEye *eye, Error *err)
{
    TENSOR_CHECK(eye->file != NULL, "no weights are named");
    return eye->net != NULL || (eye->net = inception_read(eye->file, err)) != NULL;
}

void inception_eye_forget(InceptionEye *eye)
{
    moment_sums_free(&eye->sums);
    score_free(&eye->scores);
    mem_free(eye->features);
    mem_free(eye->logits);
    eye->features = eye->logits = NULL;
    eye->seen = eye->scored = false;
}

void inception_eye_close(InceptionEye *eye)
{
    inception_eye_forget(eye);
    inception_free(eye->net);
    eye->net = NULL;
}

bool inception_eye_fits(size_t channels, const char *name, Error *err)
{
    return channels == 1 || channels == 3 ||
           error_set(err,
                     "%.300s: pictures of %zu channels: expected 1 or 3 for the Inception network",
                     name, channels);
}

/* Numbers from 0 to 1. */
static void levels_of(float *out, const States *x, size_t states)
{
    for (size_t i = 0; i < x->batch * x->dims; i++)
        out[i] = x->x[i] < states ? (float)x->x[i] / (float)(states - 1) : 0.5f;
}

typedef struct Pass {
    InceptionEye *eye;
    const EyePictures *pictures;
    MomentSums *sums;
    ScoreSums *scores;                  /* or NULL */
    float *kept_features, *kept_logits; /* of all pictures; or NULL */
    States batch;                       /* room for INCEPTION_BATCH, for data sets */
    float *levels, *features, *logits;
} Pass;

/* Rows of a batch to their place among those of all pictures; kept may be NULL. */
static void keep(float *kept, const float *rows, size_t first, size_t count, size_t width)
{
    if (kept != NULL)
        memcpy(kept + first * width, rows, count * width * sizeof *kept);
}

static bool add_batch(Pass *p, size_t first, size_t count, Error *err)
{
    const EyePictures *from = p->pictures;
    States x = states_rows(&p->batch, 0, count);
    if (from->dataset != NULL)
        dataset_rows(from->dataset, first, &x, NULL);
    else
        x = states_rows(from->samples, first, count);
    levels_of(p->levels, &x, from->states);
    inception_features(p->eye->net, p->features, p->levels, count, from->height, from->width,
                       from->channels);
    if (!moment_sums_add(p->sums, p->features, count, err))
        return false;
    if (p->scores != NULL || p->kept_logits != NULL)
        inception_logits(p->eye->net, p->logits, p->features, count);
    if (p->scores != NULL)
        score_add(p->scores, p->logits, count);
    keep(p->kept_features, p->features, first, count, INCEPTION_FEATURES);
    keep(p->kept_logits, p->logits, first, count, INCEPTION_CLASSES);
    return true;
}

static size_t count_of(const EyePictures *pictures)
{
    return pictures->dataset != NULL ? pictures->dataset->count : pictures->samples->batch;
}

/* All pictures; scores may be NULL, and sums are kept beside what the eye has room for. */
static bool pass_over(InceptionEye *eye, const EyePictures *pictures, MomentSums *sums,
                      ScoreSums *scores, Error *err)
{
    const size_t total = count_of(pictures), batch = INCEPTION_BATCH;
    const size_t dims = pictures->height * pictures->width * pictures->channels;
    Pass p = {.eye = eye,
              .pictures = pictures,
              .sums = sums,
              .scores = scores,
              .kept_features = eye->features,
              .kept_logits = eye->logits};
    TENSOR_CHECK(pictures->states >= 2, "pictures of %zu states", pictures->states);
    p.batch = states_alloc(batch, dims);
    p.levels = mem_alloc(batch * dims, sizeof *p.levels);
    p.features = mem_alloc(batch * INCEPTION_FEATURES, sizeof *p.features);
    p.logits = mem_alloc(batch * INCEPTION_CLASSES, sizeof *p.logits);
    Progress *progress = progress_create(stderr, "inception", 0, total, eye->quiet);
    bool ok = true;
    for (size_t i = 0; ok && i < total; i += batch) {
        ok = add_batch(&p, i, total - i < batch ? total - i : batch, err);
        progress_update(progress, total - i < batch ? total : i + batch, NAN);
        if (ok && platform_signal())
            ok = error_set(err, "stopped by a signal while pictures were looked at");
    }
    progress_destroy(progress);
    mem_free(p.logits);
    mem_free(p.features);
    mem_free(p.levels);
    states_free(&p.batch);
    return ok;
}

static EyePictures pictures_of(const InceptionEye *eye, const States *samples)
{
    return (EyePictures){.height = eye->height,
                         .width = eye->width,
                         .channels = eye->channels,
                         .states = eye->states,
                         .samples = samples};
}

bool inception_eye_keep(InceptionEye *eye, const States *samples, Error *err)
{
    const EyePictures pictures = pictures_of(eye, samples);
    if (eye->seen)
        return true;
    inception_eye_forget(eye);
    eye->sums = moment_sums_create(INCEPTION_FEATURES);
    eye->logits = mem_alloc(samples->batch * INCEPTION_CLASSES, sizeof *eye->logits);
    if (samples->batch <= EYE_KEPT)
        eye->features = mem_alloc(samples->batch * INCEPTION_FEATURES, sizeof *eye->features);
    eye->seen = pass_over(eye, &pictures, &eye->sums, NULL, err);
    return eye->seen;
}

bool inception_eye_look(InceptionEye *eye, const States *samples, Error *err)
{
    const EyePictures pictures = pictures_of(eye, samples);
    if (eye->seen)
        return true;
    inception_eye_forget(eye);
    eye->sums = moment_sums_create(INCEPTION_FEATURES);
    eye->scored = samples->batch >= SCORE_SPLITS;
    if (eye->scored)
        eye->scores = score_create(INCEPTION_CLASSES, samples->batch);
    eye->seen = pass_over(eye, &pictures, &eye->sums, eye->scored ? &eye->scores : NULL, err);
    return eye->seen;
}

bool inception_eye_moments(InceptionEye *eye, const EyePictures *pictures, Moments *moments,
                           Error *err)
{
    if (count_of(pictures) < 2)
        return error_set(err, "the FID needs at least 2 pictures, found %zu", count_of(pictures));
    inception_eye_forget(eye);
    MomentSums sums = moment_sums_create(INCEPTION_FEATURES);
    const bool ok = pass_over(eye, pictures, &sums, NULL, err);
    if (ok)
        *moments = moment_sums_moments(&sums);
    moment_sums_free(&sums);
    return ok;
}
