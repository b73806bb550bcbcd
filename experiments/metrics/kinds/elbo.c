/* elbo: bits that a product model needs for data, by diffusion/elbo.h. */
#include "diffusion/elbo.h"

#include <string.h>

#include "experiments/metrics/kinds/bits.h"
#include "experiments/metrics/metric.h"
#include "tensor/base/check.h"
#include "tensor/base/text.h"

enum { RESULTS_MAX = 8, TIMES = 256, NUMBERS = 5 }; /* models; slices of the integral; kept */

typedef struct ElboResult {
    const char *model;
    double t_min, eps;
    Elbo elbo;
} ElboResult;

typedef struct ElboMetric {
    BitsPictures pictures;
    size_t count;
    ElboResult results[RESULTS_MAX];
} ElboMetric;

static bool prepare_elbo(void *state, const MetricSetting *setting, Error *err)
{
    ElboMetric *m = state;
    (void)err;
    m->pictures = bits_pictures(setting);
    return true;
}

static void release_elbo(void *state)
{
    ElboMetric *m = state;
    bits_pictures_free(&m->pictures);
}

/* A mixture has no such bound.  Beside its teacher it is passed over; on its own it is refused. */
static bool of_model(void *state, const MetricSetting *setting, const MetricSubject *subject,
                     Error *err)
{
    ElboMetric *m = state;
    if (subject->denoiser->lambda_dims > 0 && setting->beside_teacher)
        return true;
    if (m->count == RESULTS_MAX)
        return error_set(err, "more than %d bounds", RESULTS_MAX);
    ElboResult *r = &m->results[m->count];
    *r = (ElboResult){.model = subject->kind, .t_min = subject->t_min, .eps = setting->eps};
    const ElboRequest request = {.model = subject->denoiser,
                                 .process = subject->process,
                                 .t_min = r->t_min,
                                 .eps = r->eps,
                                 .times = TIMES,
                                 .batch = setting->sampling.batch,
                                 .seed = setting->sampling.seed};
    if (!setting->quiet)
        fprintf(stderr, "elbo: %s, %zu %s\n", r->model, m->pictures.x0.batch, m->pictures.name);
    if (!diffusion_elbo(&request, &m->pictures.x0, &r->elbo, err))
        return false;
    m->count++;
    return true;
}

static size_t result_count(const void *state)
{
    return ((const ElboMetric *)state)->count;
}

static void get_result(const void *state, size_t i, double *numbers)
{
    const Elbo *e = &((const ElboMetric *)state)->results[i].elbo;
    const double all[NUMBERS] = {e->total, e->error, e->prior, e->diffusion, e->reconstruction};
    memcpy(numbers, all, sizeof all);
}

static void put_result(void *state, const MetricSetting *setting, const MetricSubject *subject,
                       size_t steps, const double *numbers)
{
    ElboMetric *m = state;
    (void)steps;
    TENSOR_CHECK(m->count < RESULTS_MAX, "more than %d bounds", RESULTS_MAX);
    m->results[m->count++] = (ElboResult){.model = subject->kind,
                                          .t_min = subject->t_min,
                                          .eps = setting->eps,
                                          .elbo = {.total = numbers[0],
                                                   .error = numbers[1],
                                                   .prior = numbers[2],
                                                   .diffusion = numbers[3],
                                                   .reconstruction = numbers[4]}};
}

static void print_result(const void *state, size_t i, FILE *out)
{
    const ElboMetric *m = state;
    const ElboResult *r = &m->results[i];
    char text[BITS_TEXT];
    text_print(out,
               "%-8s at most %.4f bits per dimension, +- %s (prior %.4f, diffusion %.4f, "
               "reconstruction %.4f; %zu %s %s, t_min %g, eps %g)\n",
               r->model, r->elbo.total, bits_error_text(r->elbo.error, text), r->elbo.prior,
               r->elbo.diffusion, r->elbo.reconstruction, m->pictures.x0.batch, m->pictures.split,
               m->pictures.name, r->t_min, r->eps);
}

static const MetricResults results = {NUMBERS, result_count, get_result, put_result, print_result};

static void json_elbo(const void *state, JsonOut *j)
{
    const ElboMetric *m = state;
    if (m->count == 0)
        return;
    jsonout_array(j, "elbo");
    for (size_t i = 0; i < m->count; i++) {
        const ElboResult *r = &m->results[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "model", r->model);
        jsonout_string(j, "split", m->pictures.split);
        jsonout_count(j, "pictures", m->pictures.x0.batch);
        jsonout_number(j, "t_min", r->t_min);
        jsonout_number(j, "eps", r->eps);
        jsonout_number(j, "bits_per_dim", r->elbo.total);
        jsonout_number(j, "standard_error", r->elbo.error);
        jsonout_number(j, "prior", r->elbo.prior);
        jsonout_number(j, "diffusion", r->elbo.diffusion);
        jsonout_number(j, "reconstruction", r->elbo.reconstruction);
        jsonout_end(j);
    }
    jsonout_end(j);
}

static void report_elbo(const void *state, Report *page)
{
    const ElboMetric *m = state;
    char text[256], error[BITS_TEXT];
    if (m->count == 0)
        return;
    report_heading(page, "Bits per dimension");
    for (size_t i = 0; i < m->count; i++) {
        const ElboResult *r = &m->results[i];
        text_format(text, sizeof text,
                    "The %s needs at most %.4f bits per dimension (standard error %s) for %zu %s "
                    "%s: prior %.4f, diffusion %.4f, reconstruction %.4f; t_min %g, eps %g.",
                    r->model, r->elbo.total, bits_error_text(r->elbo.error, error),
                    m->pictures.x0.batch, m->pictures.split, m->pictures.name, r->elbo.prior,
                    r->elbo.diffusion, r->elbo.reconstruction, r->t_min, r->eps);
        report_paragraph(page, text);
    }
}

const MetricClass metric_elbo = {
    .name = "elbo",
    .help = "upper bound of the bits per dimension that a model needs for data",
    .needs = "a product model: students are passed over beside their teacher, refused alone",
    .looks_at_test = true,
    .state_bytes = sizeof(ElboMetric),
    .prepare = prepare_elbo,
    .release = release_elbo,
    .of_model = of_model,
    .results = &results,
    .json = json_elbo,
    .report = report_elbo,
};
