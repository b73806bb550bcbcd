/* The metrics of texts: values of small texts, with and without a test split. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "experiments/metrics/metrics.h"
#include "experiments/metrics/text/ngram_model.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define DIR   "test-text-metrics.tmp.d"
#define FILE_ DIR "/a.txt"

static Metrics metrics;
static Dataset *train, *test;

static void set_up(void)
{
    /* 90 bytes to train, 10 to test */
    static const char text[] =
        "to be or not to be that is the question whether it is nobler in the "
        "mind to suffer the or a\nthat is o";
    toys_set_up(DIR);
    metrics_create(&metrics);
    data_file(FILE_, text, 100);
    train = data_open_text("text:" FILE_, false, 5, NULL);
    test = data_open_text("text:" FILE_, true, 5, NULL);
}

static void tear_down(void)
{
    metrics_free(&metrics);
    dataset_close(test);
    dataset_close(train);
    toys_tear_down();
    ck_assert_uint_eq(mem_in_use(), 0);
}

static Metric *prepared(const char *name, size_t count, const Dataset *held_out)
{
    Error err = {""};
    const MetricSetting setting = {.count = count,
                                   .sampling = {.seed = 1},
                                   .text = true,
                                   .quiet = true,
                                   .train = train,
                                   .test = held_out};
    ck_assert(metrics_choose(&metrics, name, METRIC_OF_TEXTS, &err));
    ck_assert_msg(metrics_check(&metrics, &setting, &err), "%s", err.text);
    ck_assert_msg(metrics_prepare(&metrics, &setting, &err), "%s", err.text);
    for (size_t i = 0; i < metrics.count; i++)
        if (metrics.at[i].chosen)
            return &metrics.at[i];
    ck_abort_msg("no metric %s", name);
    return NULL;
}

/* The bytes as `rows` sequences of states, the byte ? as a mask. */
static States states_of(const char *bytes, size_t rows)
{
    int state[256];
    States x = states_alloc(rows, strlen(bytes) / rows);
    ck_assert(vocabulary_states(train->text->vocabulary, state));
    state['?'] = (int)train->states;
    for (size_t i = 0; i < rows * x.dims; i++) {
        const int s = state[(unsigned char)bytes[i]];
        ck_assert_int_ge(s, 0);
        x.x[i] = (uint16_t)s;
    }
    return x;
}

/* Samples are of another length than the data here. */
static void record_of_length(const Metric *m, size_t dims)
{
    const StateField *f = m->kind->parts->fields;
    while (strcmp(f->name, "dims") != 0)
        f++;
    memcpy((char *)m->state + f->at, &dims, sizeof dims);
}

static void measure(const Metric *m, const char *bytes, size_t rows, double *values)
{
    Error err = {""};
    States x = states_of(bytes, rows);
    record_of_length(m, x.dims);
    ck_assert_msg(metric_measure(m, &x, values, &err), "%s", err.text);
    states_free(&x);
}

static void near(double value, double expected)
{
    ck_assert_msg(fabs(value - expected) < 1e-12, "%.15g, expected %.15g", value, expected);
}

/* What the metric says on the line below the table. */
static char *printed(const Metric *m)
{
    size_t n;
    FILE *f = fopen(toy("out"), "wb");
    m->kind->print(m->state, f);
    fclose(f);
    return toy_read(toy("out"), &n);
}

static void holds(char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "expected '%s' in: %s", part, text);
    mem_free(text);
}

/* The members that the metric writes, with those of the object (json_free). */
static Json *written(const Metric *m)
{
    size_t n;
    Error err = {""};
    FILE *f = fopen(toy("out.json"), "wb");
    JsonOut out = jsonout_start(f);
    jsonout_object(&out, NULL);
    m->kind->json(m->state, &out);
    jsonout_end(&out);
    fclose(f);
    char *text = toy_read(toy("out.json"), &n);
    Json *json = json_parse(text, n, "out.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    mem_free(text);
    return json;
}

static void member_is(const Json *json, const char *key, double expected)
{
    const Json *member = json_get(json, key);
    ck_assert_msg(member != NULL, "no member %s", key);
    if (isnan(expected))
        ck_assert_int_eq(member->type, JSON_NULL);
    else
        ck_assert_msg(fabs(member->number - expected) < 1e-8, "%s: %.9g, expected %.9g", key,
                      member->number, expected);
}

/* The page with the metric's facts. */
static char *reported(const Metric *m)
{
    size_t n;
    Error err = {""};
    Report *r = report_create("title", "summary");
    m->kind->report(m->state, r);
    ck_assert_msg(report_write(r, toy("out.html"), &err), "%s", err.text);
    report_destroy(r);
    return toy_read(toy("out.html"), &n);
}

static void reports(const Metric *m, const char *key, const char *format, double value)
{
    char text[64], line[200];
    text_format(text, sizeof text, format, value);
    snprintf(line, sizeof line, "<dt>%s</dt><dd>%s", key, text);
    holds(reported(m), line);
}

START_TEST(ngram_is_the_models_mean)
{
    Error err = {""};
    double value;
    const Metric *m = prepared("ngram", 50, test);
    NgramModel *model =
        ngram_create(train->text->symbols, train->text->count, train->states, 5, &err);
    States x = states_of("to be suffertt?bq", 1);
    measure(m, "to be suffertt?bq", 1, &value);
    near(value, ngram_mean(model, &x));
    states_free(&x);
    States held_out = {test->text->symbols, 2, 5};
    near(m->kind->floor(m->state, 0), ngram_mean(model, &held_out));
    ngram_free(model);
    holds(printed(m), "under 5-grams of 90 training symbols; 2 held-out sequences -");
    holds(printed(m), "; text drawn from the n-grams -");
}
END_TEST

START_TEST(known_text_is_likelier)
{
    double known, shuffled;
    const Metric *m = prepared("ngram", 50, test);
    measure(m, "that is the question", 2, &known);
    measure(m, "qhta eh itnst uostei", 2, &shuffled);
    ck_assert_double_gt(known, shuffled + 1);
}
END_TEST

/* The test split is opened if one of them alone is chosen. */
START_TEST(held_out_text_is_asked_for)
{
    static const char *const names[] = {"ngram", "words"};
    Error err = {""};
    for (size_t i = 0; i < 2; i++) {
        ck_assert(metrics_choose(&metrics, names[i], METRIC_OF_TEXTS, &err));
        ck_assert(metrics_look_at_test(&metrics));
    }
    ck_assert(metrics_choose(&metrics, "valid", METRIC_OF_TEXTS, &err));
    ck_assert(!metrics_look_at_test(&metrics));
}
END_TEST

/* No test split: the floors are not known, and the rest is said. */
START_TEST(held_out_text_may_be_missing)
{
    double values[3];
    const Metric *m = prepared("ngram", 50, NULL);
    measure(m, "to be", 1, values);
    ck_assert(isfinite(values[0]) && isnan(m->kind->floor(m->state, 0)));
    holds(printed(m), "under 5-grams of 90 training symbols; text drawn");
    m = prepared("words", 50, NULL);
    measure(m, "to be", 1, values);
    for (size_t k = 0; k < 3; k++)
        ck_assert(isnan(m->kind->floor(m->state, k)));
    holds(printed(m), "words: of 14 in the training text");
}
END_TEST

/* Only words with both ends inside count: "be or" and "the" of these. */
START_TEST(words_are_looked_up)
{
    double values[3];
    const Metric *m = prepared("words", 50, test);
    measure(m, "to be or not", 1, values);
    near(values[0], 1.0); /* be, or */
    measure(m, "to eb or not", 1, values);
    near(values[0], 0.5);
    measure(m, "tot be or the be the eh ", 2, values); /* "tot be or th", "e be the eh " */
    near(values[0], 4.0 / 5);                          /* be or, be the eh */
    measure(m, "to be", 1, values);
    ck_assert(isnan(values[0]));
    measure(m, " ?or? to ", 1, values); /* [MASK]or[MASK] to */
    near(values[0], 2.0 / 4);
}
END_TEST

/* it's and don't, cut at their apostrophes, leave no s and no don. */
START_TEST(words_may_be_cut_at_apostrophes)
{
    double values[3];
    dataset_close(train);
    data_file(FILE_, "don't say it's s don xx", 23);
    train = data_open_text("text:" FILE_, false, 5, NULL);
    const Metric *m = prepared("words", 50, NULL);
    measure(m, "'s say don'", 1, values);
    near(values[0], 1.0); /* say */
    measure(m, "'s don'", 1, values);
    ck_assert(isnan(values[0]));
    measure(m, "' oas don' ", 1, values); /* no letter stands beside these */
    near(values[0], 0.5);
    measure(m, "'", 1, values);
    ck_assert(isnan(values[0]));
}
END_TEST

START_TEST(entropy_is_of_symbols)
{
    double values[3];
    const Metric *m = prepared("words", 50, test);
    measure(m, "aaaa", 1, values);
    near(values[1], 0.0);
    measure(m, "abababab", 2, values);
    near(values[1], log(2.0));
    measure(m, "aaab", 1, values);
    near(values[1], -0.75 * log(0.75) - 0.25 * log(0.25));
}
END_TEST

START_TEST(distinct_grams_are_counted)
{
    double values[3];
    const Metric *m = prepared("words", 50, test);
    measure(m, "ababababab", 1, values); /* abab baba, of 7 */
    near(values[2], 2.0 / 7);
    measure(m, "ababababab", 2, values); /* ababa babab: not across the rows */
    near(values[2], 2.0 / 4);
    measure(m, "aboret", 1, values);
    near(values[2], 1.0);
    measure(m, "abo", 1, values);
    ck_assert(isnan(values[2]));
}
END_TEST

/* The mean over text of its own is that of as many sequences as there are samples, drawn anew by
 * the seed. */
START_TEST(ngram_numbers_are_written)
{
    Error err = {""};
    const Metric *m = prepared("ngram", 50, test);
    NgramModel *model =
        ngram_create(train->text->symbols, train->text->count, train->states, 5, &err);
    States own = states_alloc(50, 5);
    ngram_draw(model, rng_child(rng_root(1), 0x6E67), &own);
    const double mean = ngram_mean(model, &own), held_out = m->kind->floor(m->state, 0);
    ck_assert(fabs(mean - held_out) > 1e-3);
    states_free(&own);
    ngram_free(model);
    Json *json = written(m);
    member_is(json, "ngram_order", 5);
    member_is(json, "ngram_symbols", 90);
    member_is(json, "ngram_held_out", held_out);
    member_is(json, "ngram_held_out_count", 2);
    member_is(json, "ngram_own", mean);
    json_free(json);
    holds(reported(m), "<dd>order 5, 90 training symbols</dd>");
    reports(m, "text drawn from the n-grams", "%.4f nats a symbol</dd>", mean);
    reports(m, "held-out text under the n-grams", "%.4f nats a symbol (2 sequences)</dd>",
            held_out);
    metrics_free(&metrics);
    metrics_create(&metrics);
    m = prepared("ngram", 50, NULL);
    json = written(m);
    member_is(json, "ngram_held_out", NAN);
    json_free(json);
    char *page = reported(m);
    ck_assert_ptr_null(strstr(page, "held-out"));
    mem_free(page);
}
END_TEST

START_TEST(word_numbers_are_written)
{
    double values[3];
    const Metric *m = prepared("words", 50, test);
    measure(m, "that is o", 1, values); /* no rows of the test split: other numbers */
    Json *json = written(m);
    member_is(json, "words_known", 14);
    member_is(json, "words_held_out_count", 2);
    member_is(json, "words_held_out", m->kind->floor(m->state, 0));
    member_is(json, "entropy_held_out", m->kind->floor(m->state, 1));
    member_is(json, "distinct4_held_out", 1.0); /* "a\nthat is" in rows of 5 */
    json_free(json);
    holds(reported(m), "<dt>words of the training text</dt><dd>14</dd>");
    reports(m, "held-out text",
            "100.00 %% words, entropy %.4f nats, 100.00 %% distinct 4-grams</dd>",
            m->kind->floor(m->state, 1));
}
END_TEST

/* Different 4-grams of fewer sequences than there are samples are no floor. */
START_TEST(floors_are_of_as_many_sequences)
{
    const Metric *m = prepared("words", 2, test);
    near(m->kind->floor(m->state, 2), 1.0); /* "a\nthat is" in rows of 5 */
    ck_assert(isfinite(m->kind->floor(m->state, 1)));
    metrics_free(&metrics);
    metrics_create(&metrics);
    m = prepared("words", 3, test);
    ck_assert(isnan(m->kind->floor(m->state, 2)) && isfinite(m->kind->floor(m->state, 1)));
}
END_TEST

/* A record of another length would not fit its place. */
START_TEST(samples_of_another_length_stop)
{
    Error err = {""};
    double values[METRIC_COLUMNS_MAX];
    const Metric *m = prepared(_i == 0 ? "ngram" : "words", 3, NULL);
    States x = states_of("to be or", 1); /* 8; the data have 5 */
    metric_measure(m, &x, values, &err);
}
END_TEST

Suite *text_metrics_suite(void);
Suite *text_metrics_suite(void)
{
    Suite *suite = suite_create("text_metrics");
    TCase *tc = tcase_create("text_metrics");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, ngram_is_the_models_mean);
    tcase_add_loop_test_raise_signal(tc, samples_of_another_length_stop, SIGABRT, 0, 2);
    tcase_add_test(tc, known_text_is_likelier);
    tcase_add_test(tc, held_out_text_is_asked_for);
    tcase_add_test(tc, held_out_text_may_be_missing);
    tcase_add_test(tc, words_are_looked_up);
    tcase_add_test(tc, words_may_be_cut_at_apostrophes);
    tcase_add_test(tc, entropy_is_of_symbols);
    tcase_add_test(tc, distinct_grams_are_counted);
    tcase_add_test(tc, ngram_numbers_are_written);
    tcase_add_test(tc, word_numbers_are_written);
    tcase_add_test(tc, floors_are_of_as_many_sequences);
    suite_add_tcase(suite, tc);
    return suite;
}
