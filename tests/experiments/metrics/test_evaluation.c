/* Rows of measurements: with the true law, with a classifier, and in the three ways to show them.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/exact_denoiser.h"
#include "experiments/metrics/evaluation.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tensor/base/threads.h"
#include "tests/tools/toys.h"

enum { COUNT = 300 };

typedef struct Case {
    Dataset *data;
    Process *process;
    Denoiser *exact;
    Evaluation *e;
} Case;
static Case c;

static void set_up(void)
{
    Error err = {""};
    toys_set_up("test-evaluation.tmp.d");
    ProcessConfig pc = diffusion_process_defaults("absorbing", 3);
    pc.eps = 0;
    c.data = toy_open("glyphs", false);
    c.process = diffusion_process_create(&pc, &err);
    ck_assert_msg(c.process != NULL, "%s", err.text);
    c.exact = exact_denoiser_create(c.data->law, c.process);
    c.e = mem_zeroed(1, sizeof *c.e);
    c.e->count = COUNT;
    c.e->style = (GridStyle){.height = 6, .width = 6, .channels = 1, .states = 2, .mask = 2};
}

static void tear_down(void)
{
    evaluation_free(c.e);
    mem_free(c.e);
    exact_denoiser_destroy(c.exact);
    diffusion_process_destroy(c.process);
    dataset_close(c.data);
    toys_tear_down();
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

static SampleRequest request(size_t steps)
{
    return (SampleRequest){
        .model = c.exact, .process = c.process, .steps = steps, .batch = 100, .seed = 1};
}

static void add(const char *name, size_t steps)
{
    const SampleRequest r = request(steps);
    Error err = {""};
    ck_assert_msg(evaluation_add(c.e, name, &r, &err), "%s", err.text);
}

static void with_law(void)
{
    evaluation_use_law(c.e, c.data->law, 1);
    add("exact", 1);
    add("exact", 64);
}

START_TEST(rows_measure_against_the_law)
{
    with_law();
    const EvalRow *one = evaluation_find(c.e, "exact", 1),
                  *many = evaluation_find(c.e, "exact", 64);
    ck_assert(one == &c.e->rows[0] && many == &c.e->rows[1] && c.e->row_count == 2);
    ck_assert_ptr_null(evaluation_find(c.e, "exact", 2));
    ck_assert_ptr_null(evaluation_find(c.e, "teacher", 1));
    ck_assert(isnan(one->fcd) && isnan(many->fcd));
    /* One step draws 36 pixels on their own; 64 steps of the exact marginals nearly never take two
     * pixels that matter to each other at once. */
    ck_assert_double_lt(one->valid, 0.05);
    ck_assert_double_gt(many->valid, 0.5);
    ck_assert_double_gt(one->tv, 0.95);
    ck_assert_double_lt(many->tv, c.e->tv_floor + 0.5);
    ck_assert_double_lt(c.e->tv_floor, many->tv);
    ck_assert(many->picture.channels == 1 && many->picture.pixels != NULL);
}
END_TEST

START_TEST(rows_repeat_themselves)
{
    with_law();
    add("again", 64);
    ck_assert(c.e->rows[1].valid == c.e->rows[2].valid && c.e->rows[1].tv == c.e->rows[2].tv);
}
END_TEST

START_TEST(failures_add_no_row)
{
    SampleRequest r = request(0);
    Error err = {""};
    evaluation_use_law(c.e, c.data->law, 1);
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
    snprintf(line, sizeof line, "%-8s %6d %7.2f%% %8.4f ", "exact", 64, 100 * r->valid, r->tv);
    holds(text, line);
    snprintf(line, sizeof line, "300 samples in each row; tv of as many exact samples: %.3f\n",
             c.e->tv_floor);
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

START_TEST(json_holds_the_rows_and_no_times)
{
    Error err = {""};
    size_t n;
    with_law();
    FILE *f = fopen(toy("out.json"), "wb");
    JsonOut j = jsonout_start(f);
    jsonout_object(&j, NULL);
    evaluation_json(c.e, &j);
    jsonout_end(&j);
    fclose(f);
    char *text = toy_read(toy("out.json"), &n);
    Json *json = json_parse(text, n, "out.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    ck_assert(member(json, "samples") == COUNT);
    ck_assert_double_eq_tol(member(json, "tv_floor"), c.e->tv_floor, 1e-8);
    const Json *rows = json_get(json, "rows");
    ck_assert(rows != NULL && rows->count == 2);
    ck_assert(member(&rows->items[1], "steps") == 64);
    ck_assert_double_eq_tol(member(&rows->items[1], "valid"), c.e->rows[1].valid, 1e-8);
    ck_assert_double_eq_tol(member(&rows->items[1], "tv"), c.e->rows[1].tv, 1e-8);
    ck_assert_ptr_null(strstr(text, "seconds"));
    ck_assert_ptr_null(strstr(text, "fcd"));
    json_free(json);
    mem_free(text);
}
END_TEST

START_TEST(the_report_holds_table_charts_and_pictures)
{
    Error err = {""};
    size_t n;
    with_law();
    Report *r = report_create("test", "summary");
    evaluation_report(c.e, r);
    ck_assert_msg(report_write(r, toy("r.html"), &err), "%s", err.text);
    report_destroy(r);
    char *text = toy_read(toy("r.html"), &n);
    holds(text, "valid %");
    holds(text, "Total variation distance to the true law");
    holds(text, "exact, 64 steps");
    holds(text, "exact, 1 step<");
    holds(text, "data:image/png;base64,");
    ck_assert_ptr_null(strstr(text, "FCD"));
    mem_free(text);
}
END_TEST

START_TEST(rows_measure_by_a_classifier)
{
    Error err = {""};
    Classifier *k = classifier_create(c.data, 1, &err);
    ck_assert_msg(k != NULL, "%s", err.text);
    evaluation_use_law(c.e, c.data->law, 1);
    ck_assert_msg(evaluation_use_classifier(c.e, k, c.data, NULL, &err), "%s", err.text);
    ck_assert(isnan(c.e->fcd_floor) && isnan(c.e->accuracy));
    ck_assert_uint_eq(c.e->reference_count, c.data->count);
    add("exact", 1);
    add("exact", 64);
    ck_assert_double_gt(c.e->rows[0].fcd, c.e->rows[1].fcd);
    ck_assert_double_ge(c.e->rows[1].fcd, 0);
    char *text = printed();
    holds(text, "       tv       fcd");
    holds(text, "training pictures, classifier ");
    ck_assert_ptr_null(strstr(text, "floor"));
    ck_assert_ptr_null(strstr(text, "nan %"));
    mem_free(text);
    Report *r = report_create("test", "summary");
    evaluation_report(c.e, r);
    ck_assert(report_write(r, toy("r.html"), &err));
    report_destroy(r);
    size_t n;
    text = toy_read(toy("r.html"), &n);
    holds(text, "FCD reference");
    ck_assert_ptr_null(strstr(text, "nan %"));
    mem_free(text);
    evaluation_free(c.e);
    classifier_destroy(k);
}
END_TEST

/* FCD of the first `count` pictures of `test` against all of `train`, step by step. */
static double distance_of(Classifier *k, const Dataset *train, const Dataset *test, size_t count)
{
    const Dataset *const from[] = {train, test};
    const size_t counts[] = {train->count, count};
    Moments m[2];
    double distance;
    Error err = {""};
    for (int i = 0; i < 2; i++) {
        States x = states_alloc(counts[i], train->dims);
        float *f = mem_alloc(counts[i] * CLASSIFIER_FEATURES, sizeof *f);
        dataset_rows(from[i], 0, &x, NULL);
        classifier_features(k, &x, f);
        m[i] = moments_of(f, counts[i], CLASSIFIER_FEATURES);
        mem_free(f);
        states_free(&x);
    }
    ck_assert_msg(frechet_distance(&m[1], &m[0], &distance, &err), "%s", err.text);
    moments_free(&m[0]);
    moments_free(&m[1]);
    return distance;
}

/* The floor is the distance of as many test pictures: nothing at all for the pictures themselves.
 */
START_TEST(the_floor_is_that_of_test_pictures)
{
    Error err = {""};
    Dataset *d = toy_open(toy_mnist(60, 4, 1), false), *test = toy_open(d->name, true);
    Classifier *k = classifier_create(d, 1, &err);
    c.e->count = 50;
    ck_assert_msg(evaluation_use_classifier(c.e, k, d, test, &err), "%s", err.text);
    ck_assert_uint_eq(c.e->floor_count, 50);
    ck_assert(c.e->fcd_floor > 0 && c.e->accuracy >= 0 && c.e->accuracy <= 1);
    const double few = distance_of(k, d, test, 50), all = distance_of(k, d, test, 60);
    ck_assert_double_eq_tol(c.e->fcd_floor, few, 1e-9 * few);
    ck_assert_double_gt(fabs(all - few), 1e-3 * few); /* so that the number of them is seen */
    char *text = printed();
    holds(text, "floor: 50 test pictures have ");
    mem_free(text);
    evaluation_free(c.e);
    c.e->count = 1000;
    ck_assert(evaluation_use_classifier(c.e, k, d, d, &err));
    ck_assert_uint_eq(c.e->floor_count, 60);
    ck_assert_double_lt(c.e->fcd_floor, 1e-6);
    evaluation_free(c.e);
    ck_assert(evaluation_use_classifier(c.e, k, d, test, &err)); /* all there are */
    ck_assert_double_eq_tol(c.e->fcd_floor, all, 1e-9 * all);
    evaluation_free(c.e);
    Dataset *one = toy_open(toy_mnist(1, 4, 1), false);
    ck_assert(!evaluation_use_classifier(c.e, k, one, NULL, &err));
    ck_assert_msg(strstr(err.text, "at least 2 pictures") != NULL, "%s", err.text);
    ck_assert(!evaluation_use_classifier(c.e, k, d, one, &err));
    ck_assert_ptr_null(c.e->classifier);
    classifier_destroy(k);
    dataset_close(one);
    dataset_close(test);
    dataset_close(d);
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
    tcase_add_test(tc, the_floor_is_that_of_test_pictures);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
