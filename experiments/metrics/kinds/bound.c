/* bound: bits that the sampler of N steps needs for data, by diffusion/step_bound.h. */
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "diffusion/step_bound.h"
#include "experiments/metrics/kinds/bits.h"
#include "experiments/metrics/metric.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { RESULTS_MAX = 256, COLUMNS = 5, LAMBDAS = 16, NUMBERS = 6 };

typedef struct BoundResult {
    const char *model;
    size_t steps;
    StepBound bound;
} BoundResult;

typedef struct BoundMetric {
    int64_t lambdas; /* --bound-lambdas; 0 until prepare: not given */
    BitsPictures pictures;
    size_t count;
    BoundResult results[RESULTS_MAX];
} BoundMetric;

static void options(void *state, OptionTable *table)
{
    BoundMetric *m = state;
    const Option row = {"--bound-lambdas",
                        OPTION_COUNT,
                        &m->lambdas,
                        "K",
                        1,
                        4096,
                        false,
                        "bound: lambdas averaged over in each step of a student without a "
                        "recognition network (default 16)"};
    options_add(table, &row, 1);
}

/* It is that of exact draws on the grid n/N. */
static bool check_bound(const MetricSetting *setting, Error *err)
{
    const SampleRequest *r = &setting->sampling;
    const bool plain = !r->sampler || strcmp(r->sampler->name, "posterior") == 0;
    return (plain && r->grid == GRID_UNIFORM) ||
           error_set(err, "--metrics bound: expected --sampler posterior and --grid uniform, whose "
                          "bound it is");
}

static bool prepare_bound(void *state, const MetricSetting *setting, Error *err)
{
    BoundMetric *m = state;
    (void)err;
    if (m->lambdas == 0)
        m->lambdas = LAMBDAS;
    m->pictures = bits_pictures(setting);
    return true;
}

static void release_bound(void *state)
{
    BoundMetric *m = state;
    bits_pictures_free(&m->pictures);
}

static bool of_steps(void *state, const MetricSetting *setting, const MetricSubject *subject,
                     size_t steps, Error *err)
{
    BoundMetric *m = state;
    if (m->count == RESULTS_MAX)
        return error_set(err, "more than %d bounds", RESULTS_MAX);
    BoundResult *r = &m->results[m->count];
    *r = (BoundResult){.model = subject->name, .steps = steps};
    const StepBoundRequest request = {.model = subject->denoiser,
                                      .process = subject->process,
                                      .steps = steps,
                                      .lambda_scope = setting->sampling.lambda_scope,
                                      .lambdas = (size_t)m->lambdas,
                                      .batch = setting->sampling.batch,
                                      .seed = setting->sampling.seed};
    if (!setting->quiet)
        fprintf(stderr, "bound: %s, %zu step%s, %zu %s\n", r->model, steps, steps == 1 ? "" : "s",
                m->pictures.x0.batch, m->pictures.name);
    if (!diffusion_step_bound(&request, &m->pictures.x0, &r->bound, err))
        return false;
    m->count++;
    return true;
}

static size_t result_count(const void *state)
{
    return ((const BoundMetric *)state)->count;
}

static void get_result(const void *state, size_t i, double *numbers)
{
    const StepBound *b = &((const BoundMetric *)state)->results[i].bound;
    const double all[NUMBERS] = {b->total,  b->error, b->prior,
                                 b->lambda, b->steps, (double)b->lambdas};
    memcpy(numbers, all, sizeof all);
}

static void put_result(void *state, const MetricSetting *setting, const MetricSubject *subject,
                       size_t steps, const double *numbers)
{
    BoundMetric *m = state;
    (void)setting;
    TENSOR_CHECK(m->count < RESULTS_MAX, "more than %d bounds", RESULTS_MAX);
    m->results[m->count++] = (BoundResult){.model = subject->name,
                                           .steps = steps,
                                           .bound = {.total = numbers[0],
                                                     .error = numbers[1],
                                                     .prior = numbers[2],
                                                     .lambda = numbers[3],
                                                     .steps = numbers[4],
                                                     .lambdas = (size_t)numbers[5]}};
}

static void print_result(const void *state, size_t i, FILE *out)
{
    const BoundResult *r = &((const BoundMetric *)state)->results[i];
    char text[BITS_TEXT];
    if (i == 0)
        fprintf(out, "%-8s %6s %12s %8s %9s %9s %9s\n", "model", "steps", "bits/dim <=", "+-",
                "prior", "lambda", "steps'");
    text_print(out, "%-8s %6zu %12.5f %8s %9.5f %9.5f %9.5f", r->model, r->steps, r->bound.total,
               bits_error_text(r->bound.error, text), r->bound.prior, r->bound.lambda,
               r->bound.steps);
    if (r->bound.lambdas > 0)
        fprintf(out, "  (%zu lambdas)", r->bound.lambdas);
    fprintf(out, "\n");
}

static const MetricResults results = {NUMBERS, result_count, get_result, put_result, print_result};

static void print_bound(const void *state, FILE *out)
{
    const BoundMetric *m = state;
    if (m->count > 0)
        fprintf(out, "bounds of the N-step samplers, %zu %s %s\n", m->pictures.x0.batch,
                m->pictures.split, m->pictures.name);
}

static void json_bound(const void *state, JsonOut *j)
{
    const BoundMetric *m = state;
    if (m->count == 0)
        return;
    jsonout_array(j, "bounds");
    for (size_t i = 0; i < m->count; i++) {
        const BoundResult *r = &m->results[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "model", r->model);
        jsonout_count(j, "steps", r->steps);
        jsonout_string(j, "split", m->pictures.split);
        jsonout_count(j, "pictures", m->pictures.x0.batch);
        jsonout_count(j, "lambdas", r->bound.lambdas);
        jsonout_number(j, "bits_per_dim", r->bound.total);
        jsonout_number(j, "standard_error", r->bound.error);
        jsonout_number(j, "prior", r->bound.prior);
        jsonout_number(j, "lambda", r->bound.lambda);
        jsonout_number(j, "steps_part", r->bound.steps);
        jsonout_end(j);
    }
    jsonout_end(j);
}

static void fill_row(const BoundResult *r, char (*cells)[BITS_TEXT])
{
    snprintf(cells[0], BITS_TEXT, "%s", r->model);
    snprintf(cells[1], BITS_TEXT, "%zu", r->steps);
    text_format(cells[2], BITS_TEXT, "%.5f", r->bound.total);
    bits_error_text(r->bound.error, cells[3]);
    text_format(cells[4], BITS_TEXT, "%.5f", r->bound.lambda);
}

static void report_bound(const void *state, Report *page)
{
    const BoundMetric *m = state;
    const char *head[COLUMNS] = {"model", "steps", "bits a dimension", "standard error",
                                 "of these lambda"};
    if (m->count == 0)
        return;
    char(*text)[BITS_TEXT] = mem_alloc(m->count * COLUMNS, sizeof *text);
    const char **cells = mem_alloc(m->count * COLUMNS, sizeof *cells);
    for (size_t i = 0; i < m->count; i++)
        fill_row(&m->results[i], text + i * COLUMNS);
    for (size_t i = 0; i < m->count * COLUMNS; i++)
        cells[i] = text[i];
    report_heading(page, "Evidence bounds of the samplers of N steps");
    report_table(page, "Bits that the data need under the chain that samples.", COLUMNS, head,
                 m->count, cells);
    mem_free(cells);
    mem_free(text);
}

const MetricClass metric_bound = {
    .name = "bound",
    .help = "upper bound of the bits per dimension that the sampler of N steps needs for data",
    .needs = "--sampler posterior and --grid uniform; a lambda for each step, or a recognition "
             "network",
    .looks_at_test = true,
    .state_bytes = sizeof(BoundMetric),
    .options = options,
    .check = check_bound,
    .prepare = prepare_bound,
    .release = release_bound,
    .of_steps = of_steps,
    .results = &results,
    .print = print_bound,
    .json = json_bound,
    .report = report_bound,
};
