/* The table of metrics: who is chosen, what is refused, and how they explain themselves. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/metrics/kinds/bits.h"
#include "experiments/metrics/metrics.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static Metrics metrics;

static void set_up(void)
{
    toys_set_up("test-metrics.tmp.d");
    metrics_create(&metrics);
}

static void tear_down(void)
{
    metrics_free(&metrics);
    toys_tear_down();
    ck_assert_uint_eq(mem_in_use(), 0);
}

/* Names of those chosen, with a blank behind each. */
static const char *chosen(void)
{
    static char names[200];
    names[0] = '\0';
    for (size_t i = 0; i < metrics.count; i++)
        if (metrics.at[i].chosen)
            strcat(strcat(names, metrics.at[i].kind->name), " ");
    return names;
}

START_TEST(classes_are_whole)
{
    ck_assert_uint_ge(metrics.count, 4);
    for (size_t i = 0; i < metrics.count; i++) {
        const MetricClass *k = metrics.at[i].kind;
        const int ways = (k->column_count > 0) + (k->of_model != NULL) + (k->of_steps != NULL);
        ck_assert_msg(k->name && k->help && k->needs, "metric %zu has no name or help", i);
        ck_assert_msg(strchr(k->name, ',') == NULL && strcmp(k->name, "list") != 0, "%s", k->name);
        ck_assert_msg(ways == 1, "%s looks at %d things", k->name, ways);
        ck_assert_msg((k->column_count > 0) ==
                          (k->of_samples || (k->parts && k->parts->of_records)),
                      "%s", k->name);
        for (size_t c = 0; c < k->column_count; c++)
            ck_assert_msg(k->columns[c].name && k->columns[c].label && k->columns[c].chart &&
                              k->columns[c].width >= (int)strlen(k->columns[c].name),
                          "%s: column %zu", k->name, c);
        for (size_t other = 0; other < i; other++)
            ck_assert_str_ne(metrics.at[other].kind->name, k->name);
    }
}
END_TEST

START_TEST(the_data_decide_where_nothing_is_asked_for)
{
    Error err = {""};
    ck_assert_str_eq(chosen(), "");
    ck_assert(!metrics_look_at_test(&metrics) && !metrics_look_at_samples(&metrics));
    ck_assert(metrics_choose(&metrics, NULL, METRIC_OF_LAW, &err));
    ck_assert_str_eq(chosen(), "valid ");
    ck_assert(!metrics_look_at_test(&metrics) && metrics_look_at_samples(&metrics));
    ck_assert(metrics_choose(&metrics, NULL, METRIC_OF_PICTURES, &err));
    ck_assert_str_eq(chosen(), "fcd ");
    ck_assert(metrics_look_at_test(&metrics) && metrics_look_at_samples(&metrics));
    ck_assert(metrics_choose(&metrics, NULL, METRIC_OF_TEXTS, &err));
    ck_assert_str_eq(chosen(), "ngram words ");
    ck_assert(metrics_look_at_test(&metrics) && metrics_look_at_samples(&metrics));
}
END_TEST

START_TEST(lists_choose)
{
    Error err = {""};
    ck_assert(metrics_choose(&metrics, "bound,valid,bound", METRIC_OF_LAW, &err));
    ck_assert_str_eq(chosen(), "valid bound ");
    ck_assert(metrics_choose(&metrics, "elbo", METRIC_OF_LAW, &err));
    ck_assert_str_eq(chosen(), "elbo ");
    ck_assert(metrics_look_at_test(&metrics) && !metrics_look_at_samples(&metrics));
}
END_TEST

static const char *const no_lists[] = {"",     "foo",        "valid,",   ",valid",
                                       "vali", "valid,,fcd", "valid fcd"};

START_TEST(unknown_names_are_refused)
{
    Error err = {""};
    ck_assert(!metrics_choose(&metrics, no_lists[_i], METRIC_OF_LAW, &err));
    ck_assert_msg(strstr(err.text, ": expected a list of valid, fcd, elbo, bound") != NULL, "%s",
                  err.text);
}
END_TEST

START_TEST(needs_are_checked_before_work)
{
    Error err = {""};
    MetricSetting setting = {.known_law = true};
    ck_assert(metrics_choose(&metrics, "valid,bound", METRIC_OF_LAW, &err));
    ck_assert(metrics_check(&metrics, &setting, &err));
    setting.sampling.grid = GRID_AUTHORS;
    ck_assert(!metrics_check(&metrics, &setting, &err));
    ck_assert_msg(strstr(err.text, "--metrics bound: expected --sampler posterior"), "%s",
                  err.text);
    setting.sampling.grid = GRID_UNIFORM;
    setting.sampling.sampler = diffusion_sampler_find("confidence", &err);
    ck_assert(!metrics_check(&metrics, &setting, &err));
    setting.sampling.sampler = diffusion_sampler_find("posterior", &err);
    ck_assert(metrics_check(&metrics, &setting, &err));
    setting.known_law = false;
    ck_assert(!metrics_check(&metrics, &setting, &err));
    ck_assert_msg(strstr(err.text, "--metrics valid: expected --data glyphs"), "%s", err.text);
    ck_assert(metrics_choose(&metrics, "ngram", METRIC_OF_TEXTS, &err));
    ck_assert(!metrics_check(&metrics, &setting, &err));
    ck_assert_msg(strstr(err.text, "--metrics ngram: expected --data text:FILE, text8") != NULL,
                  "%s", err.text);
    ck_assert(metrics_choose(&metrics, "words", METRIC_OF_TEXTS, &err));
    ck_assert(!metrics_check(&metrics, &setting, &err));
    setting.text = true;
    ck_assert(metrics_check(&metrics, &setting, &err));
    ck_assert(metrics_choose(&metrics, "elbo", METRIC_OF_PICTURES, &err)); /* others do not ask */
    ck_assert(metrics_check(&metrics, &setting, &err));
}
END_TEST

START_TEST(options_come_from_the_classes)
{
    OptionTable table = {0};
    size_t found = 0;
    metrics_options(&metrics, &table);
    for (size_t i = 0; i < table.count; i++) {
        const Option *row = &table.rows[i];
        found += strcmp(row->name, "--classifier") == 0 && row->type == OPTION_TEXT;
        found += strcmp(row->name, "--bound-lambdas") == 0 && row->type == OPTION_COUNT;
    }
    ck_assert_uint_eq(found, 2);
}
END_TEST

START_TEST(help_names_all)
{
    char help[METRICS_HELP_ROOM];
    char option[] = "--metrics", list[] = "list", other[] = "fcd";
    char *ask[] = {option, list}, *use[] = {option, other};
    size_t n;
    metrics_help(help);
    ck_assert_msg(strncmp(help, "of valid, fcd, elbo, bound", 26) == 0, "%s", help);
    ck_assert_msg(strstr(help, " (default: valid or fcd or ngram,words, what fits the data)") !=
                      NULL,
                  "%s", help);
    FILE *f = fopen(toy("list"), "wb");
    ck_assert(!metrics_list(f, 2, use) && !metrics_list(f, 0, NULL));
    ck_assert(metrics_list(f, 2, ask));
    fclose(f);
    char *text = toy_read(toy("list"), &n);
    for (size_t i = 0; i < metrics.count; i++)
        ck_assert_ptr_nonnull(strstr(text, metrics.at[i].kind->help));
    ck_assert_msg(strstr(text, "\n    needs: data whose law is known: glyphs\n") != NULL, "%s",
                  text);
    mem_free(text);
}
END_TEST

/* ---- what bounds are taken on ---- */

START_TEST(bounds_are_taken_on_draws_of_a_known_law)
{
    Dataset *d = toy_open("glyphs", false);
    MetricSetting setting = {.count = 100, .sampling = {.seed = 3}, .train = d, .test = d};
    BitsPictures a = bits_pictures(&setting), b = bits_pictures(&setting);
    ck_assert_str_eq(a.split, "drawn");
    ck_assert_uint_eq(a.x0.batch, 100); /* more than there are patterns */
    ck_assert_mem_eq(a.x0.x, b.x0.x, 100 * d->dims * sizeof *a.x0.x);
    for (size_t i = 0; i < a.x0.batch; i++)
        ck_assert_int_ge(law_lookup(d->law, states_row(&a.x0, i)), 0);
    bits_pictures_free(&b);
    setting.sampling.seed = 4;
    b = bits_pictures(&setting);
    ck_assert(memcmp(a.x0.x, b.x0.x, 100 * d->dims * sizeof *a.x0.x) != 0);
    bits_pictures_free(&a);
    bits_pictures_free(&b);
    dataset_close(d);
}
END_TEST

START_TEST(other_bounds_are_taken_on_the_first_pictures)
{
    Dataset *d = toy_open(toy_mnist_split(6, 4, 5, 4, 1), false), *test = toy_open(d->name, true);
    MetricSetting setting = {.count = 3, .train = d, .test = test};
    States first = states_alloc(3, d->dims);
    BitsPictures p = bits_pictures(&setting);
    dataset_rows(test, 0, &first, NULL);
    ck_assert_str_eq(p.split, "test");
    ck_assert_uint_eq(p.x0.batch, 3);
    ck_assert_mem_eq(p.x0.x, first.x, 3 * d->dims * sizeof *first.x);
    bits_pictures_free(&p);
    setting.count = 50;
    p = bits_pictures(&setting);
    ck_assert_uint_eq(p.x0.batch, 5); /* all there are */
    bits_pictures_free(&p);
    setting.test = NULL;
    p = bits_pictures(&setting);
    ck_assert_str_eq(p.split, "training");
    ck_assert_str_eq(p.name, "pictures");
    ck_assert_uint_eq(p.x0.batch, 6);
    bits_pictures_free(&p);
    states_free(&first);
    dataset_close(test);
    dataset_close(d);
}
END_TEST

START_TEST(one_picture_has_no_standard_error)
{
    char text[BITS_TEXT];
    ck_assert_str_eq(bits_error_text(NAN, text), "unknown");
    ck_assert_str_eq(bits_error_text(0.25, text), "0.25000");
}
END_TEST

Suite *metrics_suite(void)
{
    Suite *s = suite_create("metrics");
    TCase *tc = tcase_create("metrics");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, classes_are_whole);
    tcase_add_test(tc, the_data_decide_where_nothing_is_asked_for);
    tcase_add_test(tc, lists_choose);
    tcase_add_loop_test(tc, unknown_names_are_refused, 0,
                        (int)(sizeof no_lists / sizeof no_lists[0]));
    tcase_add_test(tc, needs_are_checked_before_work);
    tcase_add_test(tc, options_come_from_the_classes);
    tcase_add_test(tc, help_names_all);
    tcase_add_test(tc, bounds_are_taken_on_draws_of_a_known_law);
    tcase_add_test(tc, other_bounds_are_taken_on_the_first_pictures);
    tcase_add_test(tc, one_picture_has_no_standard_error);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
