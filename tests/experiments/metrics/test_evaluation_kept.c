/* Evaluations that stop after each of their rows and go on: the same numbers, text and JSON, bit
 * for bit; and files of other runs. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/evaluation.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/exact_glyphs.h"
#include "tests/tools/toys.h"

#define METRICS "valid,bound,elbo"

enum { COUNT = 40 };

typedef struct World {
    ExactGlyphs glyphs;
    RunFacts facts;
    size_t left; /* results and rows until the evaluation is stopped */
    size_t fresh;
} World;
static World w;

static void set_up(void)
{
    toys_set_up("test-evaluation-kept.tmp.d");
    toy("part"), toy("text"), toy("json");
    w = (World){.glyphs = exact_glyphs_open(), .left = 1000};
    run_facts_add(&w.facts, "model", "m1");
}

static void tear_down(void)
{
    run_facts_free(&w.facts);
    exact_glyphs_close(&w.glyphs);
    toys_tear_down();
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

/* Ready to be measured. */
static Evaluation *create(void)
{
    Error err = {""};
    Evaluation *e = evaluation_create();
    e->setting = (MetricSetting){.count = COUNT,
                                 .steps = {2, {1, 4}},
                                 .sampling = {.batch = 16, .seed = 1},
                                 .eps = 1e-9,
                                 .known_law = true,
                                 .quiet = true,
                                 .train = w.glyphs.data};
    e->style = (GridStyle){.height = 6, .width = 6, .channels = 1, .states = 2, .mask = 2};
    ck_assert_msg(metrics_choose(&e->metrics, METRICS, METRIC_OF_LAW, &err), "%s", err.text);
    ck_assert_msg(evaluation_prepare(e, &err), "%s", err.text);
    return e;
}

static bool stop_in_time(Evaluation *e, bool fresh, void *context, Error *err)
{
    FILE *text = context;
    evaluation_print_news(e, false, text);
    w.fresh += fresh;
    ck_assert(evaluation_keep(e, &w.facts, toy("part"), err));
    return w.left-- > 1 || error_set(err, "stopped");
}

/* False: it was stopped after `left` results and rows. */
static bool measure(Evaluation *e, size_t left, FILE *text)
{
    const MetricSubject subjects[] = {
        {.name = "exact",
         .kind = "exact",
         .denoiser = w.glyphs.exact,
         .process = w.glyphs.process,
         .t_min = .01},
        {.name = "again",
         .kind = "again",
         .denoiser = w.glyphs.exact,
         .process = w.glyphs.process,
         .t_min = .01},
    };
    Error err = {""};
    w.left = left;
    w.fresh = 0;
    e->news = stop_in_time;
    e->news_context = text;
    const bool ok = evaluation_measure(e, subjects, 2, &err);
    ck_assert_msg(ok || strcmp(err.text, "stopped") == 0, "%s", err.text);
    if (ok)
        evaluation_print_news(e, true, text);
    return ok;
}

static void forget_seconds(Evaluation *e)
{
    for (size_t i = 0; i < e->row_count; i++)
        e->rows[i].seconds = 0.0;
}

/* The JSON, and then the table without seconds (mem_free). */
static char *all_of(Evaluation *e)
{
    size_t n;
    FILE *f = fopen(toy("json"), "wb");
    JsonOut j = jsonout_start(f);
    jsonout_object(&j, NULL);
    evaluation_json(e, &j);
    jsonout_end(&j);
    forget_seconds(e);
    evaluation_print(e, f);
    fclose(f);
    return toy_read(toy("json"), &n);
}

static void compare(Evaluation *a, Evaluation *b)
{
    ck_assert_uint_eq(a->row_count, b->row_count);
    for (size_t i = 0; i < a->row_count; i++) {
        const EvalRow *x = &a->rows[i], *y = &b->rows[i];
        const size_t pixels = x->picture.height * x->picture.width * x->picture.channels;
        ck_assert_str_eq(x->model, y->model);
        ck_assert_mem_eq(x->values, y->values, sizeof x->values);
        ck_assert(x->all_calls == y->all_calls && x->calls == y->calls && x->steps == y->steps);
        ck_assert(x->picture.height == y->picture.height && x->picture.width == y->picture.width &&
                  memcmp(x->picture.pixels, y->picture.pixels, pixels) == 0);
    }
    char *of_a = all_of(a), *of_b = all_of(b);
    ck_assert_str_eq(of_a, of_b);
    mem_free(of_a);
    mem_free(of_b);
}

START_TEST(it_goes_on_from_wherever_it_stopped)
{
    Evaluation *whole = create();
    FILE *text = fopen(toy("text"), "wb");
    ck_assert(measure(whole, 1000, text));
    const size_t all = whole->result_count + whole->row_count;
    ck_assert_uint_eq(all, w.fresh);
    ck_assert_uint_eq(all, 10); /* of each: elbo, two bounds, two rows */
    for (size_t k = 1; k < all; k++) {
        Error err = {""};
        Evaluation *first = create(), *second = create();
        ck_assert(!measure(first, k, text));
        ck_assert_uint_eq(w.fresh, k);
        ck_assert_msg(evaluation_recall(second, &w.facts, toy("part"), &err), "%s", err.text);
        ck_assert(measure(second, 1000, text));
        ck_assert_msg(w.fresh == all - k, "%zu of %zu were measured again", w.fresh, all);
        compare(whole, second);
        evaluation_destroy(first);
        evaluation_destroy(second);
    }
    fclose(text);
    evaluation_destroy(whole);
}
END_TEST

/* What has been printed row by row is the table. */
START_TEST(rows_are_printed_as_they_come)
{
    size_t n, m;
    Evaluation *e = create();
    FILE *text = fopen(toy("text"), "wb");
    ck_assert(!measure(e, 8, text));
    char *part = toy_read(toy("text"), &n);
    ck_assert_ptr_nonnull(strstr(part, "exact         4"));
    ck_assert_ptr_nonnull(strstr(part, "   valid       tv"));
    ck_assert_ptr_null(strstr(part, "samples in each row"));
    mem_free(part);
    evaluation_destroy(e);
    fclose(text);

    e = create();
    text = fopen(toy("text"), "wb");
    ck_assert(measure(e, 1000, text));
    fclose(text);
    text = fopen(toy("json"), "wb");
    evaluation_print(e, text);
    fclose(text);
    char *news = toy_read(toy("text"), &n), *table = toy_read(toy("json"), &m);
    ck_assert_str_eq(news, table);
    mem_free(news);
    mem_free(table);
    evaluation_destroy(e);
}
END_TEST

static void refused(const RunFacts *facts, const char *piece)
{
    Error err = {""};
    Evaluation *e = create();
    ck_assert(!evaluation_recall(e, facts, toy("part"), &err));
    ck_assert_msg(strstr(err.text, piece) != NULL && strstr(err.text, "part") != NULL, "%s",
                  err.text);
    ck_assert_ptr_null(e->kept);
    evaluation_destroy(e);
}

START_TEST(other_runs_are_refused)
{
    RunFacts other = {0};
    Evaluation *e = create();
    FILE *text = fopen(toy("text"), "wb");
    ck_assert(!measure(e, 3, text));
    fclose(text);
    evaluation_destroy(e);
    run_facts_add(&other, "model", "m2");
    refused(&other, "model is m1, expected m2");
    run_facts_free(&other);
    toy_text(toy("part"), "no such file");
    refused(&w.facts, "part: ");
    const float x = 1.0f;
    Error err;
    SafetensorsWriter *writer = safetensors_writer();
    safetensors_add(writer, "x", 0, NULL, &x);
    ck_assert(safetensors_write(writer, toy("part"), &err));
    safetensors_writer_free(writer);
    refused(&w.facts, "expected what eval keeps");
}
END_TEST

/* The file of a run that ended after all results and one row, but for one entry: that row is then
 * measured again.  Sizes of the picture, 0: as they were. */
static void write_damaged(const SafetensorsFile *f, const char *calls, size_t channels)
{
    Error err = {""};
    SafetensorsWriter *writer = safetensors_writer();
    for (size_t i = 0; i < f->meta_count; i++) {
        const bool is_calls = strcmp(f->meta[i].key, "row.0.calls") == 0;
        safetensors_add_meta(writer, f->meta[i].key, is_calls && calls ? calls : f->meta[i].value);
    }
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        size_t shape[SAFETENSORS_MAX_RANK];
        memcpy(shape, t->shape, sizeof shape);
        if (channels > 0 && strcmp(t->name, "row.0.picture") == 0) {
            shape[2] = channels;
            shape[1] = t->shape[1] / channels;
        }
        safetensors_add_bytes(writer, t->name, t->dtype, t->rank, shape, t->bytes);
    }
    ck_assert_msg(safetensors_write(writer, toy("part"), &err), "%s", err.text);
    safetensors_writer_free(writer);
}

START_TEST(a_damaged_row_is_measured_again)
{
    static const struct {
        const char *calls;
        size_t channels, fresh;
    } cases[] = {{NULL, 0, 3}, {"-1", 0, 4}, {"", 0, 4}, {"6x", 0, 4}, {NULL, 2, 4}, {NULL, 4, 4}};
    Error err = {""};
    Evaluation *whole = create();
    FILE *text = fopen(toy("text"), "wb");
    ck_assert(measure(whole, 1000, text));
    Evaluation *e = create();
    ck_assert(!measure(e, 7, text));
    evaluation_destroy(e);
    SafetensorsFile *f = safetensors_read(toy("part"), &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_damaged(f, cases[i].calls, cases[i].channels);
        e = create();
        ck_assert_msg(evaluation_recall(e, &w.facts, toy("part"), &err), "%s", err.text);
        ck_assert(measure(e, 1000, text));
        ck_assert_msg(w.fresh == cases[i].fresh, "case %zu: %zu are fresh", i, w.fresh);
        compare(whole, e);
        evaluation_destroy(e);
    }
    safetensors_free(f);
    fclose(text);
    evaluation_destroy(whole);
}
END_TEST

Suite *evaluation_kept_suite(void)
{
    Suite *suite = suite_create("evaluation_kept");
    TCase *tc = tcase_create("evaluation_kept");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_goes_on_from_wherever_it_stopped);
    tcase_add_test(tc, rows_are_printed_as_they_come);
    tcase_add_test(tc, other_runs_are_refused);
    tcase_add_test(tc, a_damaged_row_is_measured_again);
    suite_add_tcase(suite, tc);
    return suite;
}
