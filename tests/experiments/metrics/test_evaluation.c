/* Rows of measurements: with the true law, with a classifier, and in the three ways to show them.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/metrics/evaluation.h"
#include "experiments/metrics/features/classifier.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/exact_glyphs.h"
#include "tests/tools/toys.h"

enum { COUNT = 300 };

typedef struct Case {
    ExactGlyphs glyphs;
    Evaluation *e;
} Case;
static Case c;

static void set_up(void)
{
    toys_set_up("test-evaluation.tmp.d");
    c.glyphs = exact_glyphs_open();
    c.e = evaluation_create();
    c.e->setting = (MetricSetting){.count = COUNT,
                                   .steps = {2, {1, 64}},
                                   .sampling = {.batch = 100, .seed = 1},
                                   .known_law = true,
                                   .quiet = true,
                                   .train = c.glyphs.data};
    c.e->style = (GridStyle){.height = 6, .width = 6, .channels = 1, .states = 2, .mask = 2};
}

static void tear_down(void)
{
    evaluation_destroy(c.e);
    exact_glyphs_close(&c.glyphs);
    toys_tear_down();
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

static SampleRequest request(size_t steps)
{
    return (SampleRequest){.model = c.glyphs.exact,
                           .process = c.glyphs.process,
                           .steps = steps,
                           .batch = 100,
                           .seed = 1};
}

static void add(const char *name, size_t steps)
{
    const SampleRequest r = request(steps);
    Error err = {""};
    ck_assert_msg(evaluation_add(c.e, name, &r, &err), "%s", err.text);
}

static void choose(const char *metrics)
{
    Error err = {""};
    ck_assert_msg(metrics_choose(&c.e->metrics, metrics, METRIC_OF_LAW, &err), "%s", err.text);
    ck_assert_msg(evaluation_prepare(c.e, &err), "%s", err.text);
}

/* The exact product model, at the setting's numbers of steps. */
static void measure(void)
{
    const MetricSubject exact = {.name = "exact",
                                 .kind = "exact",
                                 .denoiser = c.glyphs.exact,
                                 .process = c.glyphs.process,
                                 .t_min = 0.01};
    Error err = {""};
    ck_assert_msg(evaluation_measure(c.e, &exact, 1, &err), "%s", err.text);
}

static void with_law(void)
{
    choose("valid");
    measure();
}

static double value(const EvalRow *row, const char *column)
{
    return evaluation_value(c.e, row, column);
}

/* The floor of the column of that name. */
static double floor_of(const char *name)
{
    for (size_t k = 0; k < c.e->column_count; k++)
        if (strcmp(c.e->columns[k].column->name, name) == 0)
            return c.e->columns[k].floor;
    ck_abort_msg("no column %s", name);
    return NAN;
}

START_TEST(rows_measure_against_the_law)
{
    with_law();
    const EvalRow *one = evaluation_find(c.e, "exact", 1),
                  *many = evaluation_find(c.e, "exact", 64);
    ck_assert(one == &c.e->rows[0] && many == &c.e->rows[1] && c.e->row_count == 2);
    ck_assert_ptr_null(evaluation_find(c.e, "exact", 2));
    ck_assert_ptr_null(evaluation_find(c.e, "teacher", 1));
    ck_assert(isnan(value(one, "fcd")) && isnan(floor_of("valid")));
    /* One step draws 36 pixels on their own; 64 steps of the exact marginals nearly never take two
     * pixels that matter to each other at once. */
    ck_assert_double_lt(value(one, "valid"), 0.05);
    ck_assert_double_gt(value(many, "valid"), 0.5);
    ck_assert_double_gt(value(one, "tv"), 0.95);
    ck_assert_double_lt(value(many, "tv"), floor_of("tv") + 0.5);
    ck_assert_double_lt(floor_of("tv"), value(many, "tv"));
    ck_assert(many->picture.channels == 1 && many->picture.pixels != NULL);
}
END_TEST

START_TEST(rows_repeat_themselves)
{
    with_law();
    add("again", 64);
    const EvalRow *first = &c.e->rows[1], *second = &c.e->rows[2];
    ck_assert(value(first, "valid") == value(second, "valid"));
    ck_assert(value(first, "tv") == value(second, "tv"));
}
END_TEST

START_TEST(failures_add_no_row)
{
    SampleRequest r = request(0);
    Error err = {""};
    choose("valid");
    ck_assert(!evaluation_add(c.e, "exact", &r, &err));
    ck_assert_msg(strstr(err.text, "steps = 0") != NULL, "%s", err.text);
    ck_assert_uint_eq(c.e->row_count, 0);
    c.e->row_count = EVAL_ROWS_MAX;
    r = request(1);
    ck_assert(!evaluation_add(c.e, "exact", &r, &err));
    ck_assert_msg(strstr(err.text, "more than 256 rows") != NULL, "%s", err.text);
    c.e->row_count = 0;
}
END_TEST

static char *printed(void)
{
    FILE *f = fopen(toy("out"), "wb");
    size_t n;
    evaluation_print(c.e, f);
    fclose(f);
    return toy_read(toy("out"), &n);
}

static void holds(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "expected '%s' in:\n%.2000s", part, text);
}

START_TEST(the_table_shows_what_was_measured)
{
    char line[80];
    with_law();
    char *text = printed();
    const EvalRow *r = &c.e->rows[1];
    holds(text, "model     steps    valid       tv   seconds\n");
    snprintf(line, sizeof line, "%-8s %6d %7.2f%% %8.4f ", "exact", 64, 100 * value(r, "valid"),
             value(r, "tv"));
    holds(text, line);
    snprintf(line, sizeof line, "300 samples in each row; tv of as many exact samples: %.3f\n",
             floor_of("tv"));
    holds(text, line);
    ck_assert_ptr_null(strstr(text, "fcd"));
    mem_free(text);
}
END_TEST

static double member(const Json *object, const char *key)
{
    Error err = {""};
    double value = NAN;
    ck_assert_msg(json_number(object, key, &value, "json", &err), "%s", err.text);
    return value;
}

static char *json_text(size_t *n)
{
    FILE *f = fopen(toy("out.json"), "wb");
    JsonOut j = jsonout_start(f);
    jsonout_object(&j, NULL);
    evaluation_json(c.e, &j);
    jsonout_end(&j);
    fclose(f);
    return toy_read(toy("out.json"), n);
}

static char *report_text(void)
{
    Error err = {""};
    size_t n;
    Report *r = report_create("test", "summary");
    evaluation_report(c.e, r);
    ck_assert_msg(report_write(r, toy("r.html"), &err), "%s", err.text);
    report_destroy(r);
    return toy_read(toy("r.html"), &n);
}

START_TEST(json_holds_the_rows_and_no_times)
{
    Error err = {""};
    size_t n;
    with_law();
    char *text = json_text(&n);
    Json *json = json_parse(text, n, "out.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    ck_assert(member(json, "samples") == COUNT);
    ck_assert_double_eq_tol(member(json, "tv_floor"), floor_of("tv"), 1e-8);
    const Json *rows = json_get(json, "rows");
    ck_assert(rows != NULL && rows->count == 2);
    ck_assert(member(&rows->items[1], "steps") == 64);
    ck_assert_double_eq_tol(member(&rows->items[1], "valid"), value(&c.e->rows[1], "valid"), 1e-8);
    ck_assert_double_eq_tol(member(&rows->items[1], "tv"), value(&c.e->rows[1], "tv"), 1e-8);
    ck_assert_ptr_null(strstr(text, "seconds"));
    ck_assert_ptr_null(strstr(text, "fcd"));
    json_free(json);
    mem_free(text);
}
END_TEST

START_TEST(the_report_holds_table_charts_and_pictures)
{
    with_law();
    char *text = report_text();
    holds(text, "valid %");
    holds(text, "Total variation distance to the true law");
    holds(text, "exact, 64 steps");
    holds(text, "exact, 1 step<");
    holds(text, "data:image/png;base64,");
    ck_assert_ptr_null(strstr(text, "FCD"));
    mem_free(text);
}
END_TEST

/* Gives the evaluation a metric of fcd with a classifier that has learnt nothing yet. */
static void with_classifier(void)
{
    Error err = {""};
    CommonOptions common = {0};
    OptionTable table = {0};
    const Command command = {"eval", "", "", NULL};
    char option[] = "--classifier", *argv[] = {option, NULL};
    Classifier *k = classifier_create(c.glyphs.data, 1, &err);
    argv[1] = mem_string(toy("k.safetensors"));
    ck_assert_msg(k && classifier_save(k, argv[1], &err), "%s", err.text);
    classifier_destroy(k);
    metrics_options(&c.e->metrics, &table);
    ck_assert_int_eq(options_parse(&command, table.rows, table.count, &common, 2, argv),
                     OPTIONS_OK);
    choose("fcd,valid");
    mem_free(argv[1]);
}

START_TEST(rows_measure_by_a_classifier)
{
    char line[80];
    with_classifier();
    ck_assert(isnan(floor_of("fcd")));
    measure();
    ck_assert_double_gt(value(&c.e->rows[0], "fcd"), value(&c.e->rows[1], "fcd"));
    ck_assert_double_ge(value(&c.e->rows[1], "fcd"), 0);
    char *text = printed();
    holds(text, "    valid       tv       fcd   seconds"); /* the table's order, not the list's */
    snprintf(line, sizeof line, "FCD against %zu training pictures, classifier ",
             c.glyphs.data->count);
    holds(text, line);
    ck_assert_ptr_null(strstr(text, "floor"));
    ck_assert_ptr_null(strstr(text, "nan %"));
    mem_free(text);
    text = report_text();
    holds(text, "FCD reference");
    ck_assert_ptr_null(strstr(text, "nan %"));
    mem_free(text);
}
END_TEST

/* Metrics of models alone draw no rows, and come in all three ways. */
START_TEST(bits_come_without_rows)
{
    size_t n;
    choose("elbo,bound");
    c.e->setting.steps = (CountList){2, {1, 4}};
    measure();
    ck_assert(c.e->row_count == 0 && c.e->column_count == 0);
    char *text = printed();
    holds(text, "exact    at most ");
    holds(text, "300 drawn pictures, t_min 0.01, eps 0)");
    holds(text, "model     steps  bits/dim <=");
    holds(text, "exact         4 ");
    holds(text, "bounds of the N-step samplers, 300 drawn pictures\n");
    ck_assert_ptr_null(strstr(text, "samples in each row"));
    mem_free(text);
    text = json_text(&n);
    Error err = {""};
    Json *json = json_parse(text, n, "out.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    ck_assert(json_get(json, "elbo")->count == 1 && json_get(json, "bounds")->count == 2);
    ck_assert_uint_eq(json_get(json, "rows")->count, 0);
    ck_assert(member(&json_get(json, "bounds")->items[1], "steps") == 4);
    json_free(json);
    mem_free(text);
    text = report_text();
    holds(text, "The exact needs at most ");
    holds(text, "Evidence bounds of the samplers of N steps");
    ck_assert_ptr_null(strstr(text, "Quality against"));
    mem_free(text);
}
END_TEST

/* What is drawn against calls is not drawn against steps. */
START_TEST(charts_are_against_calls)
{
    choose("valid");
    measure();
    char *text = report_text();
    holds(text, ">64</text>");
    mem_free(text);
    c.e->rows[1].calls = 2;
    text = report_text();
    holds(text, ">2</text>");
    ck_assert_ptr_null(strstr(text, ">64</text>"));
    mem_free(text);
}
END_TEST

/* The first texts, each whole, also where it holds bytes 0. */
START_TEST(texts_are_shown_whole)
{
    bool present[256] = {[0] = true, ['a'] = true};
    Error err = {""};
    Vocabulary *v = vocabulary_of_bytes(present, "", &err);
    c.e->vocabulary = v;
    choose("valid");
    add("exact", 64);
    const char *text = c.e->rows[0].text;
    const size_t each = c.glyphs.data->dims + 2; /* two line ends */
    ck_assert_uint_eq(strlen(text), EVAL_TEXTS * each - 2);
    for (size_t b = 0; b < EVAL_TEXTS; b++) {
        ck_assert_uint_eq(strspn(text + b * each, "a "), c.glyphs.data->dims);
        ck_assert_ptr_nonnull(memchr(text + b * each, ' ', c.glyphs.data->dims));
    }
    vocabulary_free(v);
}
END_TEST

/* The divisor's eps is the setting's: under noise that is no mask, a large one moves the bound. */
START_TEST(bits_divide_by_the_settings_eps)
{
    double bits[2];
    size_t n;
    Error err = {""};
    ProcessConfig uniform = diffusion_process_defaults("uniform", 2);
    diffusion_process_set(&uniform, "rate_const", 2);
    Process *p = diffusion_process_create(&uniform, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    Denoiser *exact = exact_denoiser_create(c.glyphs.data->law, p);
    const MetricSubject subject = {
        .name = "exact", .kind = "exact", .denoiser = exact, .process = p, .t_min = 0.01};
    choose("elbo");
    for (size_t i = 0; i < 2; i++) {
        c.e->setting.eps = 0.2 * (double)i;
        ck_assert_msg(evaluation_measure(c.e, &subject, 1, &err), "%s", err.text);
    }
    char *text = json_text(&n);
    Json *json = json_parse(text, n, "out.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    for (size_t i = 0; i < 2; i++)
        bits[i] = member(&json_get(json, "elbo")->items[i], "bits_per_dim");
    ck_assert(fabs(bits[0] - bits[1]) > 1e-3);
    json_free(json);
    mem_free(text);
    exact_denoiser_destroy(exact);
    diffusion_process_destroy(p);
}
END_TEST

/* A hybrid has rows where its model has steps of its own left, and no bound. */
START_TEST(hybrids_have_rows_and_no_bounds)
{
    const MetricSubject hybrid = {.name = "hybrid",
                                  .kind = "student",
                                  .denoiser = c.glyphs.exact,
                                  .teacher = c.glyphs.exact,
                                  .teacher_steps = 1,
                                  .process = c.glyphs.process};
    Error err = {""};
    choose("valid,bound");
    c.e->setting.steps = (CountList){3, {1, 2, 3}};
    ck_assert_msg(evaluation_measure(c.e, &hybrid, 1, &err), "%s", err.text);
    ck_assert(c.e->row_count == 2 && c.e->rows[0].steps == 2);
    char *text = printed();
    ck_assert_ptr_null(strstr(text, "bits/dim"));
    mem_free(text);
}
END_TEST

/* ---- a metric outside the table ---- */

static bool share_of_ones(void *state, const States *samples, double *values, Error *err)
{
    size_t ones = 0;
    (void)state;
    (void)err;
    for (size_t i = 0; i < samples->batch * samples->dims; i++)
        ones += samples->x[i] == 1;
    values[0] = (double)ones / (double)(samples->batch * samples->dims);
    values[1] = -1.5;
    return true;
}

static double half(const void *state, size_t column)
{
    (void)state;
    return column == 0 ? 0.5 : NAN;
}

static const MetricColumn ink_columns[] = {
    {.name = "ink", .label = "Ink", .unit = "%", .width = 7, .decimals = 1, .chart = "Share of 1"},
    {.name = "low", .label = "Low", .width = 6, .decimals = 2, .chart = "Always the same"},
};
static const MetricClass ink = {.name = "ink",
                                .of_samples = share_of_ones,
                                .columns = ink_columns,
                                .column_count = 2,
                                .floor = half};

START_TEST(columns_are_made_from_the_class)
{
    char line[80];
    size_t n;
    c.e->metrics.at[c.e->metrics.count++] = (Metric){.kind = &ink};
    choose("ink,valid");
    measure();
    const EvalRow *r = &c.e->rows[0];
    const double share = value(r, "ink");
    ck_assert(share > 0 && share < 1 && value(r, "low") == -1.5 && value(r, "valid") < 0.05);
    ck_assert(floor_of("ink") == 0.5 && isnan(floor_of("low")));
    char *text = printed();
    holds(text, "model     steps    valid       tv     ink    low   seconds\n");
    snprintf(line, sizeof line, " %5.1f%%  -1.50 ", 100 * share);
    holds(text, line);
    mem_free(text);
    text = json_text(&n);
    holds(text, "\"low\": -1.5");
    mem_free(text);
    text = report_text();
    holds(text, "Ink %");
    holds(text, "Ink, %");
    holds(text, "Share of 1");
    holds(text, "Always the same");
    mem_free(text);
}
END_TEST

Suite *evaluation_suite(void)
{
    Suite *s = suite_create("evaluation");
    TCase *tc = tcase_create("evaluation");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, rows_measure_against_the_law);
    tcase_add_test(tc, rows_repeat_themselves);
    tcase_add_test(tc, failures_add_no_row);
    tcase_add_test(tc, the_table_shows_what_was_measured);
    tcase_add_test(tc, json_holds_the_rows_and_no_times);
    tcase_add_test(tc, the_report_holds_table_charts_and_pictures);
    tcase_add_test(tc, rows_measure_by_a_classifier);
    tcase_add_test(tc, bits_come_without_rows);
    tcase_add_test(tc, bits_divide_by_the_settings_eps);
    tcase_add_test(tc, charts_are_against_calls);
    tcase_add_test(tc, texts_are_shown_whole);
    tcase_add_test(tc, hybrids_have_rows_and_no_bounds);
    tcase_add_test(tc, columns_are_made_from_the_class);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
