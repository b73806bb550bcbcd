/* Measuring in shards: records in pieces give the bits of all samples at once, and a metric
 * restored from what was saved says the same; files of statistics, whole and damaged. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/metrics/features/classifier.h"
#include "experiments/metrics/statistics.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"
#include "tests/tools/data_files.h"
#include "tests/tools/exact_glyphs.h"
#include "tests/tools/toys.h"

#define DIR "test-statistics.tmp.d"

static void set_up(void)
{
    toys_set_up(DIR);
}

static void tear_down(void)
{
    toys_tear_down();
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

/* ---- metrics ---- */

static Metric *chosen(Metrics *m, const char *name)
{
    Error err = {""};
    metrics_create(m);
    ck_assert(metrics_choose(m, name, METRIC_WHEN_ASKED, &err));
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].chosen)
            return &m->at[i];
    ck_abort_msg("no metric %s", name);
    return NULL;
}

/* All that the metric says: the line below the table and the JSON (mem_free). */
static char *words_of(const Metric *m)
{
    size_t n;
    FILE *f = fopen(toy("said"), "wb");
    m->kind->print(m->state, f);
    JsonOut j = jsonout_start(f);
    jsonout_object(&j, NULL);
    m->kind->json(m->state, &j);
    jsonout_end(&j);
    fclose(f);
    return toy_read(toy("said"), &n);
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* m is prepared and x its samples. */
static void check_parts(const Metric *m, const States *x)
{
    const MetricParts *parts = m->kind->parts;
    const size_t bytes = parts->record_bytes(m->state), k = m->kind->column_count;
    const size_t cuts[] = {0, 7, x->batch / 2, x->batch - 1, x->batch};
    unsigned char *records = mem_alloc(x->batch, bytes);
    double whole[METRIC_COLUMNS_MAX], joined[METRIC_COLUMNS_MAX];
    Metrics others;
    RunFacts facts = {0};
    Numbers numbers = {0};
    Error err = {""};
    for (size_t i = 0; i + 1 < sizeof cuts / sizeof cuts[0]; i++) {
        const States piece = states_rows(x, cuts[i], cuts[i + 1] - cuts[i]);
        ck_assert(parts->records(m->state, &piece, records + cuts[i] * bytes, &err));
    }
    ck_assert(metric_measure(m, x, whole, &err));
    state_fields_save(parts->fields, m->state, &facts, &numbers);
    Metric *other = chosen(&others, m->kind->name);
    ck_assert_msg(state_fields_restore(parts->fields, other->state, &facts, &numbers, &err), "%s",
                  err.text);
    ck_assert_uint_eq(parts->record_bytes(other->state), bytes);
    ck_assert_msg(parts->of_records(other->state, records, x->batch, joined, &err), "%s", err.text);
    for (size_t c = 0; c < k; c++) {
        ck_assert_msg(same_bits(whole[c], joined[c]), "%s: %.17g, %.17g", m->kind->columns[c].name,
                      whole[c], joined[c]);
        ck_assert(same_bits(m->kind->floor(m->state, c), m->kind->floor(other->state, c)));
    }
    char *a = words_of(m), *b = words_of(other);
    ck_assert_str_eq(a, b);
    mem_free(a);
    mem_free(b);
    metrics_free(&others);
    /* without any one of the lists nothing is restored */
    for (size_t i = 0; i < numbers.count; i++) {
        numbers.at[i].name[0] ^= 1;
        other = chosen(&others, m->kind->name);
        ck_assert(!state_fields_restore(parts->fields, other->state, &facts, &numbers, &err));
        metrics_free(&others);
        numbers.at[i].name[0] ^= 1;
    }
    run_facts_free(&facts);
    numbers_free(&numbers);
    mem_free(records);
}

static void prepare(const Metric *m, const MetricSetting *s)
{
    Error err = {""};
    ck_assert_msg(m->kind->prepare(m->state, s, &err), "%s", err.text);
}

START_TEST(shares_of_patterns)
{
    Error err = {""};
    double values[2];
    Metrics metrics;
    Metric *m = chosen(&metrics, "valid");
    Dataset *d = toy_open("glyphs", false);
    const MetricSetting s = {.count = 300, .sampling = {.seed = 1}, .known_law = true, .train = d};
    States x = states_alloc(300, d->dims);
    dataset_batch(d, 1, 0, 300, false, &x, NULL);
    for (size_t b = 0; b < 300; b += 5)
        states_row(&x, b)[b % d->dims] ^= 1;
    prepare(m, &s);
    check_parts(m, &x);
    const LawFit fit = law_fit(d->law, &x);
    ck_assert(metric_measure(m, &x, values, &err));
    ck_assert(same_bits(values[0], fit.valid) && same_bits(values[1], fit.tv));
    ck_assert(fit.valid > 0.7 && fit.valid < 0.9);
    states_free(&x);
    metrics_free(&metrics);
    dataset_close(d);
}
END_TEST

/* More samples than the classifier takes at once. */
START_TEST(features_of_a_classifier)
{
    Error err = {""};
    Metrics metrics;
    OptionTable table = {0};
    Metric *m = chosen(&metrics, "fcd");
    Dataset *d = toy_open(toy_mnist(600, 8, 1), false), *test = toy_open(d->name, true);
    Classifier *k = classifier_create(d, 1, &err);
    ck_assert(classifier_save(k, toy("c.safetensors"), &err));
    classifier_destroy(k);
    m->kind->options(m->state, &table);
    *(const char **)table.rows[0].target = toy("c.safetensors");
    const MetricSetting s = {.count = 600, .quiet = true, .train = d, .test = test};
    States x = states_alloc(600, d->dims);
    Rng rng = rng_root(3);
    for (size_t i = 0; i < 600 * d->dims; i++)
        x.x[i] = (uint16_t)(rng_u32(&rng) % d->states);
    prepare(m, &s);
    check_parts(m, &x);
    double value;
    ck_assert(!m->kind->parts->of_records(m->state, NULL, 1, &value, &err));
    ck_assert_str_eq(err.text, "1 samples: the FCD needs at least 2");
    states_free(&x);
    metrics_free(&metrics);
    dataset_close(test);
    dataset_close(d);
}
END_TEST

START_TEST(texts)
{
    char text[2001] = "";
    while (strlen(text) < 1900)
        strcat(text, strlen(text) % 3 ? "to be or not to be that is " : "the question whether ");
    data_file(DIR "/a.txt", text, strlen(text));
    Dataset *d = data_open_text("text:" DIR "/a.txt", false, 12, NULL);
    Dataset *test = data_open_text("text:" DIR "/a.txt", true, 12, NULL);
    const MetricSetting s = {.count = 90,
                             .sampling = {.seed = 1},
                             .text = true,
                             .quiet = true,
                             .train = d,
                             .test = test};
    States x = states_alloc(90, d->dims);
    dataset_batch(d, 1, 0, 90, false, &x, NULL);
    x.x[40] = (uint16_t)d->states; /* a mask */
    for (int i = 0; i < 2; i++) {
        Metrics metrics;
        Metric *m = chosen(&metrics, i == 0 ? "ngram" : "words");
        prepare(m, &s);
        check_parts(m, &x);
        metrics_free(&metrics);
    }
    states_free(&x);
    dataset_close(test);
    dataset_close(d);
}
END_TEST

/* ---- files ---- */

/* Part `shard` of 40 samples of the exact product model at 1 and 5 steps; count 0: measured. */
static Evaluation *evaluate(Shard shard, const ExactGlyphs *g)
{
    Error err = {""};
    Evaluation *e = evaluation_create();
    e->setting = (MetricSetting){.count = 40,
                                 .shard = shard,
                                 .steps = {2, {1, 5}},
                                 .sampling = {.batch = 16, .seed = 1},
                                 .known_law = true,
                                 .quiet = true,
                                 .train = g->data};
    e->style = (GridStyle){.height = 6, .width = 6, .channels = 1, .states = 2, .mask = 2};
    ck_assert(metrics_choose(&e->metrics, "valid", METRIC_OF_LAW, &err));
    ck_assert(statistics_check(e, &err) && evaluation_prepare(e, &err));
    const MetricSubject subject = {
        .name = "exact", .kind = "exact", .denoiser = g->exact, .process = g->process};
    ck_assert_msg(evaluation_measure(e, &subject, 1, &err), "%s", err.text);
    return e;
}

static const char *const paths[] = {DIR "/2.stats", DIR "/0.stats", DIR "/1.stats"};

/* The whole, and its three shards in files. */
static Evaluation *write_shards(void)
{
    static const Shard shards[] = {{30, 10}, {0, 13}, {13, 17}};
    Error err = {""};
    RunFacts facts = {0};
    ExactGlyphs g = exact_glyphs_open();
    run_facts_add(&facts, "metrics", "valid");
    run_facts_add(&facts, "model", "m");
    for (int i = 0; i < 3; i++) {
        Evaluation *e = evaluate(shards[i], &g);
        toy(strrchr(paths[i], '/') + 1);
        ck_assert_msg(statistics_write(e, &facts, paths[i], &err), "%s", err.text);
        evaluation_destroy(e);
    }
    Evaluation *whole = evaluate((Shard){0, 0}, &g);
    run_facts_free(&facts);
    exact_glyphs_close(&g);
    return whole; /* its numbers, of which nothing is asked any more */
}

START_TEST(shards_are_joined)
{
    Error err = {""};
    Evaluation *whole = write_shards();
    Statistics *s = statistics_merge(paths, 3, &err);
    ck_assert_msg(s != NULL, "%s", err.text);
    const Evaluation *e = s->evaluation;
    ck_assert(e->row_count == 2 && e->setting.count == 40 && e->column_count == 2);
    ck_assert_str_eq(run_facts_find(&s->facts, "model"), "m");
    for (size_t r = 0; r < 2; r++) {
        const EvalRow *a = &whole->rows[r], *b = &e->rows[r];
        ck_assert_str_eq(a->model, b->model);
        ck_assert(a->steps == b->steps && a->calls == b->calls && a->all_calls == b->all_calls);
        ck_assert(same_bits(a->values[0], b->values[0]) && same_bits(a->values[1], b->values[1]));
    }
    ck_assert(whole->rows[1].values[1] < 1 && whole->rows[1].values[0] > 0);
    statistics_free(s);
    evaluation_destroy(whole);
    ck_assert_ptr_null(statistics_merge(paths, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "samples 13 to 29 of 40 are missing"));
}
END_TEST

/* Whatever bytes change or are missing: the same rows, or a sentence; and no memory is kept. */
START_TEST(damaged_files_are_refused)
{
    size_t n, refused = 0;
    Rng rng = rng_root(9);
    evaluation_destroy(write_shards());
    char *bytes = toy_read(paths[2], &n);
    const size_t before = mem_in_use();
    for (size_t k = 0; k < 1500; k++) {
        Error err = {""};
        char *copy = mem_alloc(n, 1);
        memcpy(copy, bytes, n);
        const size_t at = k % 2 == 0 ? rng_u32(&rng) % n : 8 + rng_u32(&rng) % (n / 2);
        copy[at] = (char)(k % 3 == 0 ? '0' + rng_u32(&rng) % 10 : rng_u32(&rng));
        toy_write(paths[2], copy, k % 5 == 0 ? at : n);
        mem_free(copy);
        Statistics *s = statistics_merge(k % 7 == 0 ? paths + 2 : paths, k % 7 == 0 ? 1 : 3, &err);
        refused += s == NULL;
        if (s == NULL && strstr(err.text, ".stats") == NULL && strstr(err.text, "missing") == NULL)
            ck_abort_msg("no file is named: %s", err.text);
        ck_assert((s == NULL) == (err.text[0] != '\0'));
        statistics_free(s);
        if (mem_in_use() != before)
            ck_abort_msg("memory is kept after %s", err.text);
    }
    ck_assert_uint_gt(refused, 700);
    mem_free(bytes);
}
END_TEST

/* A byte of the records that changed on its way, or a number of the part's own. */
START_TEST(another_content_is_refused)
{
    size_t n;
    evaluation_destroy(write_shards());
    char *bytes = toy_read(paths[1], &n);
    char *calls = strstr(bytes + 8, "\"row.1.calls\":\"");
    ck_assert_ptr_nonnull(calls);
    for (size_t k = 0; k < 40; k++) {
        Error err = {""};
        char *at = k == 0 ? calls + 15 : bytes + n - k;
        const char was = *at;
        *at = (char)(k == 0 ? (was == '9' ? '8' : was + 1) : was ^ 1);
        toy_write(paths[1], bytes, n);
        *at = was;
        Statistics *s = statistics_merge(paths, 3, &err);
        if (s != NULL || strstr(err.text, paths[1]) == NULL || strstr(err.text, "SHA-256") == NULL)
            ck_abort_msg("byte %zu: '%s'", k, err.text);
    }
    mem_free(bytes);
}
END_TEST

Suite *statistics_suite(void);
Suite *statistics_suite(void)
{
    Suite *s = suite_create("statistics");
    TCase *tc = tcase_create("statistics");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, shares_of_patterns);
    tcase_add_test(tc, features_of_a_classifier);
    tcase_add_test(tc, texts);
    tcase_add_test(tc, shards_are_joined);
    tcase_add_test(tc, damaged_files_are_refused);
    tcase_add_test(tc, another_content_is_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
