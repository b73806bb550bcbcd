/* Rows of measurements and the three ways to show them. */
#include "experiments/metrics/evaluation.h"

#include <math.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"
#include "tensor/base/text.h"

enum { FLOOR_DRAWS = 20, CELL = 32, COLUMNS_MAX = 6 };

void evaluation_use_law(Evaluation *e, const FiniteLaw *law, uint64_t seed)
{
    e->law = law;
    e->tv_floor = law_tv_floor(law, e->count, FLOOR_DRAWS, seed);
}

/* Feature moments of the first `count` pictures of d. */
static Moments dataset_moments(Classifier *c, const Dataset *d, size_t count)
{
    States x = states_alloc(count, d->dims);
    float *f = mem_alloc(count * CLASSIFIER_FEATURES, sizeof(float));
    dataset_rows(d, 0, &x, NULL);
    classifier_features(c, &x, f);
    const Moments m = moments_of(f, count, CLASSIFIER_FEATURES);
    mem_free(f);
    states_free(&x);
    return m;
}

bool evaluation_check_counts(const Dataset *train, const Dataset *test, Error *err)
{
    return (train->count >= 2 && (!test || test->count >= 2)) ||
           error_set(err, "%s: the FCD needs at least 2 pictures of each split", train->name);
}

bool evaluation_use_classifier(Evaluation *e, Classifier *c, const Dataset *train,
                               const Dataset *test, Error *err)
{
    if (!evaluation_check_counts(train, test, err))
        return false;
    e->classifier = c;
    e->reference = dataset_moments(c, train, train->count);
    e->reference_name = "training pictures";
    e->reference_count = train->count;
    e->fcd_floor = e->accuracy = NAN;
    classifier_hash(c, e->classifier_hash);
    if (!test)
        return true;
    e->accuracy = classifier_accuracy(c, test);
    e->floor_count = e->count < test->count ? e->count : test->count;
    Moments m = dataset_moments(c, test, e->floor_count);
    const bool ok = frechet_distance(&m, &e->reference, &e->fcd_floor, err);
    moments_free(&m);
    return ok;
}

static bool measure(Evaluation *e, const States *x, EvalRow *row, Error *err)
{
    bool ok = true;
    if (e->law) {
        const LawFit fit = law_fit(e->law, x);
        row->valid = fit.valid;
        row->tv = fit.tv;
    }
    if (e->classifier) {
        float *f = mem_alloc(x->batch * CLASSIFIER_FEATURES, sizeof(float));
        classifier_features(e->classifier, x, f);
        Moments m = moments_of(f, x->batch, CLASSIFIER_FEATURES);
        ok = frechet_distance(&m, &e->reference, &row->fcd, err);
        moments_free(&m);
        mem_free(f);
    }
    return ok;
}

bool evaluation_add(Evaluation *e, const char *model, const SampleRequest *request, Error *err)
{
    if (e->row_count == EVAL_ROWS_MAX)
        return error_set(err, "more than %d rows", EVAL_ROWS_MAX);
    EvalRow row = {.model = model, .steps = request->steps, .valid = NAN, .tv = NAN, .fcd = NAN};
    States x = states_alloc(e->count, request->model->head.dims);
    SampleRequest counted = *request;
    size_t calls = 0;
    counted.calls = &calls;
    const double start = platform_seconds();
    bool ok = diffusion_sample(&counted, &x, err);
    row.seconds = platform_seconds() - start;
    row.calls = (double)calls / (double)x.batch;
    if (row.steps == 0)
        row.steps = (size_t)(row.calls + 0.5);
    if (ok)
        ok = measure(e, &x, &row, err);
    if (ok) {
        const size_t shown = x.batch < EVAL_PICTURES ? x.batch : EVAL_PICTURES;
        const States first = states_rows(&x, 0, shown);
        row.picture = picture_grid(&first, &e->style);
        e->rows[e->row_count++] = row;
    }
    states_free(&x);
    return ok;
}

bool evaluation_add_bound(Evaluation *e, const char *model, const ElboRequest *request,
                          const States *x0, const char *split, Error *err)
{
    EvalBound b = {model, split, x0->batch, request->t_min, request->eps, {0, 0, 0, 0, 0}};
    if (e->bound_count == EVAL_BOUNDS_MAX)
        return error_set(err, "more than %d bounds", EVAL_BOUNDS_MAX);
    if (!diffusion_elbo(request, x0, &b.elbo, err))
        return false;
    e->bounds[e->bound_count++] = b;
    return true;
}

bool evaluation_add_step_bound(Evaluation *e, const char *model, const StepBoundRequest *request,
                               const States *x0, const char *split, Error *err)
{
    const Denoiser *d = request->model;
    const bool averaged = d->lambda_dims > 0 && !(d->net && d->net->encoder);
    EvalStepBound b = {
        model, split, x0->batch, request->steps, averaged ? request->lambdas : 0, {0, 0, 0, 0, 0}};
    if (e->step_bound_count == EVAL_ROWS_MAX)
        return error_set(err, "more than %d bounds", EVAL_ROWS_MAX);
    if (!diffusion_step_bound(request, x0, &b.bound, err))
        return false;
    e->step_bounds[e->step_bound_count++] = b;
    return true;
}

void evaluation_free(Evaluation *e)
{
    for (size_t i = 0; i < e->row_count; i++)
        picture_free(&e->rows[i].picture);
    if (e->classifier)
        moments_free(&e->reference);
    e->row_count = 0;
    e->classifier = NULL;
}

const EvalRow *evaluation_find(const Evaluation *e, const char *model, size_t steps)
{
    for (size_t i = 0; i < e->row_count; i++)
        if (strcmp(e->rows[i].model, model) == 0 && e->rows[i].steps == steps)
            return &e->rows[i];
    return NULL;
}

static void print_facts(const Evaluation *e, FILE *out)
{
    fprintf(out, "%zu samples in each row", e->count);
    if (e->law)
        text_print(out, "; tv of as many exact samples: %.3f", e->tv_floor);
    fprintf(out, "\n");
    if (!e->classifier)
        return;
    fprintf(out, "FCD against %zu %s, classifier %.16s", e->reference_count, e->reference_name,
            e->classifier_hash);
    if (isfinite(e->accuracy))
        text_print(out, " (test accuracy %.2f %%); floor: %zu test pictures have %.3f",
                   100 * e->accuracy, e->floor_count, e->fcd_floor);
    fprintf(out, "\n");
}

/* Where each step is one network call, a column of calls would say nothing. */
static bool calls_differ(const Evaluation *e)
{
    for (size_t i = 0; i < e->row_count; i++)
        if (e->rows[i].calls != (double)e->rows[i].steps)
            return true;
    return false;
}

/* One picture has no standard error. */
static const char *error_text(double error, char out[CELL])
{
    if (isfinite(error))
        text_format(out, CELL, "%.5f", error);
    else
        strcpy(out, "unknown");
    return out;
}

static void print_bounds(const Evaluation *e, FILE *out)
{
    char text[CELL];
    for (size_t i = 0; i < e->bound_count; i++) {
        const EvalBound *b = &e->bounds[i];
        text_print(out,
                   "%-8s at most %.4f bits per dimension, +- %s (prior %.4f, diffusion %.4f, "
                   "reconstruction %.4f; %zu %s pictures, t_min %g, eps %g)\n",
                   b->model, b->elbo.total, error_text(b->elbo.error, text), b->elbo.prior,
                   b->elbo.diffusion, b->elbo.reconstruction, b->pictures, b->split, b->t_min,
                   b->eps);
    }
}

static void print_step_bounds(const Evaluation *e, FILE *out)
{
    char text[CELL];
    if (e->step_bound_count > 0)
        fprintf(out, "%-8s %6s %12s %8s %9s %9s %9s\n", "model", "steps", "bits/dim <=", "+-",
                "prior", "lambda", "steps'");
    for (size_t i = 0; i < e->step_bound_count; i++) {
        const EvalStepBound *b = &e->step_bounds[i];
        text_print(out, "%-8s %6zu %12.5f %8s %9.5f %9.5f %9.5f", b->model, b->steps,
                   b->bound.total, error_text(b->bound.error, text), b->bound.prior,
                   b->bound.lambda, b->bound.steps);
        if (b->lambdas > 0)
            fprintf(out, "  (%zu lambdas)", b->lambdas);
        fprintf(out, "\n");
    }
    if (e->step_bound_count > 0)
        fprintf(out, "bounds of the N-step samplers, %zu %s pictures\n", e->step_bounds[0].pictures,
                e->step_bounds[0].split);
}

/* Only bounds were asked for. */
static bool has_bounds_only(const Evaluation *e)
{
    return e->row_count == 0 && e->bound_count + e->step_bound_count > 0;
}

void evaluation_print(const Evaluation *e, FILE *out)
{
    const bool calls = calls_differ(e);
    print_bounds(e, out);
    print_step_bounds(e, out);
    if (has_bounds_only(e))
        return;
    fprintf(out, calls ? "%-8s %6s %8s" : "%-8s %6s", "model", "steps", "calls");
    if (e->law)
        fprintf(out, " %8s %8s", "valid", "tv");
    if (e->classifier)
        fprintf(out, " %9s", "fcd");
    fprintf(out, " %9s\n", "seconds");
    for (size_t i = 0; i < e->row_count; i++) {
        const EvalRow *r = &e->rows[i];
        text_print(out, calls ? "%-8s %6zu %8.2f" : "%-8s %6zu", r->model, r->steps, r->calls);
        if (e->law)
            text_print(out, " %7.2f%% %8.4f", 100 * r->valid, r->tv);
        if (e->classifier)
            text_print(out, " %9.3f", r->fcd);
        text_print(out, " %9.2f\n", r->seconds);
    }
    print_facts(e, out);
}

static void json_bounds(const Evaluation *e, JsonOut *j)
{
    jsonout_array(j, "elbo");
    for (size_t i = 0; i < e->bound_count; i++) {
        const EvalBound *b = &e->bounds[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "model", b->model);
        jsonout_string(j, "split", b->split);
        jsonout_count(j, "pictures", b->pictures);
        jsonout_number(j, "t_min", b->t_min);
        jsonout_number(j, "eps", b->eps);
        jsonout_number(j, "bits_per_dim", b->elbo.total);
        jsonout_number(j, "standard_error", b->elbo.error);
        jsonout_number(j, "prior", b->elbo.prior);
        jsonout_number(j, "diffusion", b->elbo.diffusion);
        jsonout_number(j, "reconstruction", b->elbo.reconstruction);
        jsonout_end(j);
    }
    jsonout_end(j);
}

static void json_step_bounds(const Evaluation *e, JsonOut *j)
{
    jsonout_array(j, "bounds");
    for (size_t i = 0; i < e->step_bound_count; i++) {
        const EvalStepBound *b = &e->step_bounds[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "model", b->model);
        jsonout_count(j, "steps", b->steps);
        jsonout_string(j, "split", b->split);
        jsonout_count(j, "pictures", b->pictures);
        jsonout_count(j, "lambdas", b->lambdas);
        jsonout_number(j, "bits_per_dim", b->bound.total);
        jsonout_number(j, "standard_error", b->bound.error);
        jsonout_number(j, "prior", b->bound.prior);
        jsonout_number(j, "lambda", b->bound.lambda);
        jsonout_number(j, "steps_part", b->bound.steps);
        jsonout_end(j);
    }
    jsonout_end(j);
}

void evaluation_json(const Evaluation *e, JsonOut *j)
{
    jsonout_count(j, "samples", e->count);
    if (e->bound_count > 0)
        json_bounds(e, j);
    if (e->step_bound_count > 0)
        json_step_bounds(e, j);
    if (e->law)
        jsonout_number(j, "tv_floor", e->tv_floor);
    if (e->classifier) {
        jsonout_string(j, "reference", e->reference_name);
        jsonout_count(j, "reference_count", e->reference_count);
        jsonout_string(j, "classifier", e->classifier_hash);
        jsonout_number(j, "classifier_accuracy", e->accuracy);
        jsonout_number(j, "fcd_floor", e->fcd_floor);
        jsonout_count(j, "fcd_floor_count", e->floor_count);
    }
    jsonout_array(j, "rows");
    for (size_t i = 0; i < e->row_count; i++) {
        const EvalRow *r = &e->rows[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "model", r->model);
        jsonout_count(j, "steps", r->steps);
        jsonout_number(j, "calls", r->calls);
        if (e->law) {
            jsonout_number(j, "valid", r->valid);
            jsonout_number(j, "tv", r->tv);
        }
        if (e->classifier)
            jsonout_number(j, "fcd", r->fcd);
        jsonout_count(j, "samples", e->count);
        jsonout_end(j);
    }
    jsonout_end(j);
}

/* ---- report ---- */

static void report_rows(const Evaluation *e, Report *r)
{
    const char *head[COLUMNS_MAX] = {"model", "steps", "calls"};
    size_t columns = 3;
    if (e->law) {
        head[columns++] = "valid %";
        head[columns++] = "tv";
    }
    if (e->classifier)
        head[columns++] = "FCD";
    char(*text)[CELL] = mem_alloc(e->row_count * columns, sizeof *text);
    const char **cells = mem_alloc(e->row_count * columns, sizeof *cells);
    for (size_t i = 0; i < e->row_count; i++) {
        const EvalRow *row = &e->rows[i];
        char(*t)[CELL] = text + i * columns;
        size_t k = 0;
        snprintf(t[k++], CELL, "%s", row->model);
        snprintf(t[k++], CELL, "%zu", row->steps);
        text_format(t[k++], CELL, "%g", row->calls);
        if (e->law) {
            text_format(t[k++], CELL, "%.2f", 100 * row->valid);
            text_format(t[k++], CELL, "%.4f", row->tv);
        }
        if (e->classifier)
            text_format(t[k++], CELL, "%.3f", row->fcd);
        for (size_t c = 0; c < columns; c++)
            cells[i * columns + c] = t[c];
    }
    report_table(r, "Calls of the network for a sample; all models use the same time grid.",
                 columns, head, e->row_count, cells);
    mem_free(cells);
    mem_free(text);
}

typedef enum Metric { METRIC_VALID, METRIC_TV, METRIC_FCD } Metric;

static double metric_of(const EvalRow *row, Metric m)
{
    return m == METRIC_VALID ? 100 * row->valid : m == METRIC_TV ? row->tv : row->fcd;
}

/* One line for each model, and the floor as a dashed one. */
static void report_metric(const Evaluation *e, Report *r, Metric metric, const char *title,
                          const char *label, double floor_value, bool log_y)
{
    enum { SERIES_MAX = 8 };
    Series series[SERIES_MAX];
    double *points = mem_alloc(2 * SERIES_MAX * EVAL_ROWS_MAX, sizeof(double));
    double most = 1, floor_x[2] = {1, 1}, floor_y[2] = {floor_value, floor_value};
    size_t count = 0;
    memset(series, 0, sizeof series);
    for (size_t i = 0; i < e->row_count; i++) {
        const EvalRow *row = &e->rows[i];
        size_t s = 0;
        while (s < count && strcmp(series[s].name, row->model) != 0)
            s++;
        if (s == SERIES_MAX - 1)
            continue;
        double *x = points + 2 * s * EVAL_ROWS_MAX, *y = x + EVAL_ROWS_MAX;
        if (s == count)
            series[count++] = (Series){.name = row->model, .x = x, .y = y};
        x[series[s].count] = row->calls;
        y[series[s].count++] = metric_of(row, metric);
        most = fmax(most, row->calls);
    }
    floor_x[1] = most;
    if (isfinite(floor_value))
        series[count++] = (Series){
            .name = "exact samples", .x = floor_x, .y = floor_y, .count = 2, .dashed = true};
    const Chart chart = {.title = title,
                         .x_label = "network calls for a sample",
                         .y_label = label,
                         .log_x = true,
                         .log_y = log_y,
                         .markers = true,
                         .series = series,
                         .series_count = count};
    report_chart(r, &chart);
    mem_free(points);
}

static void report_facts(const Evaluation *e, Report *r)
{
    char text[128];
    snprintf(text, sizeof text, "%zu", e->count);
    report_fact(r, "samples in each row", text);
    if (!e->classifier)
        return;
    report_fact(r, "classifier", e->classifier_hash);
    snprintf(text, sizeof text, "%zu %s", e->reference_count, e->reference_name);
    report_fact(r, "FCD reference", text);
    if (!isfinite(e->accuracy))
        return;
    text_format(text, sizeof text, "%.2f %%", 100 * e->accuracy);
    report_fact(r, "classifier's test accuracy", text);
    text_format(text, sizeof text, "%.3f (%zu test pictures)", e->fcd_floor, e->floor_count);
    report_fact(r, "FCD floor", text);
}

static void report_bounds(const Evaluation *e, Report *r)
{
    char text[256], error[CELL];
    report_heading(r, "Bits per dimension");
    for (size_t i = 0; i < e->bound_count; i++) {
        const EvalBound *b = &e->bounds[i];
        text_format(text, sizeof text,
                    "The %s needs at most %.4f bits per dimension (standard error %s) for %zu %s "
                    "pictures: prior %.4f, diffusion %.4f, reconstruction %.4f; t_min %g, eps %g.",
                    b->model, b->elbo.total, error_text(b->elbo.error, error), b->pictures,
                    b->split, b->elbo.prior, b->elbo.diffusion, b->elbo.reconstruction, b->t_min,
                    b->eps);
        report_paragraph(r, text);
    }
}

static void report_step_bounds(const Evaluation *e, Report *r)
{
    enum { STEP_COLUMNS = 5 };
    const char *head[STEP_COLUMNS] = {"model", "steps", "bits a dimension", "standard error",
                                      "of these lambda"};
    char(*text)[CELL] = mem_alloc(e->step_bound_count * STEP_COLUMNS, sizeof *text);
    const char **cells = mem_alloc(e->step_bound_count * STEP_COLUMNS, sizeof *cells);
    for (size_t i = 0; i < e->step_bound_count; i++) {
        const EvalStepBound *b = &e->step_bounds[i];
        char(*t)[CELL] = text + i * STEP_COLUMNS;
        snprintf(t[0], CELL, "%s", b->model);
        snprintf(t[1], CELL, "%zu", b->steps);
        text_format(t[2], CELL, "%.5f", b->bound.total);
        error_text(b->bound.error, t[3]);
        text_format(t[4], CELL, "%.5f", b->bound.lambda);
        for (size_t c = 0; c < STEP_COLUMNS; c++)
            cells[i * STEP_COLUMNS + c] = t[c];
    }
    report_heading(r, "Evidence bounds of the samplers of N steps");
    report_table(r, "Bits that the data need under the chain that samples.", STEP_COLUMNS, head,
                 e->step_bound_count, cells);
    mem_free(cells);
    mem_free(text);
}

void evaluation_report(const Evaluation *e, Report *r)
{
    if (e->bound_count > 0)
        report_bounds(e, r);
    if (e->step_bound_count > 0)
        report_step_bounds(e, r);
    if (has_bounds_only(e))
        return;
    report_heading(r, "Quality against number of steps");
    report_rows(e, r);
    if (e->law) {
        report_metric(e, r, METRIC_VALID, "Share of samples that are real patterns", "valid, %",
                      NAN, false);
        report_metric(e, r, METRIC_TV, "Total variation distance to the true law", "tv",
                      e->tv_floor, false);
    }
    if (e->classifier)
        report_metric(e, r, METRIC_FCD, "Frechet classifier distance", "FCD", e->fcd_floor, true);
    report_heading(r, "Samples");
    for (size_t i = 0; i < e->row_count; i++) {
        char caption[96];
        const EvalRow *row = &e->rows[i];
        snprintf(caption, sizeof caption, "%s, %zu step%s", row->model, row->steps,
                 row->steps == 1 ? "" : "s");
        report_picture(r, caption, &row->picture);
    }
    report_facts(e, r);
}
