/* The table of data sets: what each of them says of itself, and what is made of that. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "experiments/model/config.h"
#include "experiments/model/model.h"
#include "experiments/model/presets.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define FOLDER   "test-datasets.tmp.d"
#define MNIST    "mnist:" FOLDER
#define CIFAR    "cifar10:" FOLDER
#define PICTURES FOLDER "/train-images-idx3-ubyte"

static void set_up(void)
{
    toys_set_up(FOLDER);
}

/* Model files keep the name; help and sentences print the rest. */
START_TEST(kinds_are_complete)
{
    for (size_t i = 0; i < dataset_kind_count(); i++) {
        const DatasetKind *k = dataset_kind(i);
        const size_t n = strlen(k->name);
        ck_assert_uint_eq(strspn(k->name, "abcdefghijklmnopqrstuvwxyz0123456789"), n);
        ck_assert_uint_ge(n, 1);
        ck_assert_uint_lt(n, sizeof((Model *)0)->data);
        ck_assert_str_ne(k->name, "unknown"); /* what models are called that do not know */
        ck_assert(k->place == NULL || k->place[0] != '\0');
        ck_assert_uint_gt(strlen(k->help), 0);
        ck_assert((k->open != NULL) != (k->open_text != NULL) && k->presets != NULL);
        ck_assert(k->open_text == NULL || (k->place != NULL && !k->has_law));
        ck_assert_ptr_eq(dataset_kind_of(k->name), k); /* so no name comes twice */
    }
}
END_TEST

START_TEST(kinds_are_found_by_spec_and_by_name)
{
    ck_assert_str_eq(dataset_kind_of("mnist:some/dir")->name, "mnist");
    ck_assert_str_eq(dataset_kind_of("mnist")->name, "mnist");
    ck_assert_str_eq(dataset_kind_of("idx:a:b")->name, "idx");
    ck_assert_ptr_null(dataset_kind_of("mnist2:d"));
    ck_assert_ptr_null(dataset_kind_of("mnis"));
    ck_assert_ptr_null(dataset_kind_of("unknown"));
    ck_assert_ptr_null(dataset_kind_of(""));
}
END_TEST

static void preset_exists(const char *name)
{
    Config c;
    Error err = {""};
    ck_assert_msg(config_preset(&c, name, ROLE_TEACHER, &err), "%s", err.text);
    ck_assert_msg(config_preset(&c, name, ROLE_STUDENT, &err), "%s", err.text);
}

START_TEST(presets_of_kinds_exist)
{
    for (size_t i = 0; i < dataset_kind_count(); i++) {
        const DatasetPresets *p = dataset_kind(i)->presets;
        preset_exists(p->teacher);
        preset_exists(p->as_is.masks);
        preset_exists(p->as_is.other);
        preset_exists(p->binary.masks);
        preset_exists(p->binary.other);
    }
    ck_assert_ptr_eq(dataset_presets("unknown"), dataset_kind(0)->presets);
    ck_assert_ptr_eq(dataset_presets("cifar10"), dataset_kind_of("cifar10:d")->presets);
}
END_TEST

START_TEST(text_is_made_from_the_table)
{
    char text[DATASET_SPECS], spec[64];
    FILE *f = tmpfile();
    ck_assert_ptr_eq(dataset_specs(text), text);
    ck_assert_ptr_eq(strstr(text, "glyphs, mnist:DIR, idx:FILE"), text);
    ck_assert_ptr_nonnull(strstr(text, " or "));
    for (size_t i = 0; i < dataset_kind_count(); i++) {
        const DatasetKind *k = dataset_kind(i);
        snprintf(spec, sizeof spec, "%s%s%s", k->name, k->place ? ":" : "",
                 k->place ? k->place : "");
        ck_assert_ptr_nonnull(strstr(text, spec));
    }
    ck_assert_str_eq(dataset_law_specs(text), "glyphs");
    ck_assert_str_eq(dataset_text_specs(text), "text:FILE, text8:FILE or tokens:FILE");
    ck_assert_ptr_nonnull(f);
    dataset_help(f);
    rewind(f);
    ck_assert_ptr_nonnull(fgets(spec, sizeof spec, f));
    ck_assert_str_eq(spec, "Data sets (--data DATA):\n");
    for (size_t i = 0; i < dataset_kind_count(); i++) {
        char line[256];
        ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
        ck_assert_ptr_nonnull(strstr(line, dataset_kind(i)->help));
    }
    fclose(f);
}
END_TEST

/* Known before the data are opened. */
START_TEST(laws_are_known_by_spec)
{
    ck_assert(dataset_has_law("glyphs"));
    ck_assert(!dataset_has_law("glyphs:x"));
    ck_assert(!dataset_has_law("mnist:/nowhere"));
    ck_assert(!dataset_has_law("nothing"));
}
END_TEST

START_TEST(texts_are_known_by_spec)
{
    ck_assert(dataset_is_text("text:/nowhere"));
    ck_assert(!dataset_is_text("text") && !dataset_is_text("text:"));
    ck_assert(!dataset_is_text("glyphs") && !dataset_is_text("npy:x"));
}
END_TEST

START_TEST(specs_are_checked)
{
    Error err = {""};
    DatasetOptions options = {.transform = DATA_BINARY, .threshold = 1.5};

    data_refused("glyph", false, DATA_AS_IS, "'glyph'", "expected glyphs, mnist:DIR");
    data_refused("mnist:", false, DATA_AS_IS, "'mnist:'", "expected glyphs, mnist:DIR");
    data_refused("", false, DATA_AS_IS, "''", "expected glyphs");
    data_refused(MNIST, false, DATA_AS_IS, PICTURES, "cannot be read");
    data_refused(CIFAR, false, DATA_AS_IS, "data_batch_1.bin", "cannot be read");
    data_refused(CIFAR, true, DATA_AS_IS, "test_batch.bin", "cannot be read");
    data_refused("idx:" FOLDER, false, DATA_AS_IS, FOLDER, "cannot be read");
    ck_assert_ptr_null(dataset_open("glyphs", false, &options, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "threshold 1.5"));
    ck_assert(!dataset_has_test("nothing"));
}
END_TEST

START_TEST(whole_specs_are_needed)
{
    static const char *const wrong[] = {"",      ":",      "glyphs:", "glyphs:x",
                                        "mnist", "mnist:", "idx",     ":x"};
    const DatasetOptions options = dataset_defaults();
    char text[DATASET_SPECS];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Error err = {""};
        ck_assert_ptr_null(dataset_open(wrong[i], false, &options, &err));
        ck_assert_msg(strstr(err.text, dataset_specs(text)) != NULL, "%s", err.text);
        ck_assert(!dataset_has_test(wrong[i]) && !dataset_has_law(wrong[i]));
    }
}
END_TEST

START_TEST(no_kind_beyond_the_table)
{
    dataset_kind(dataset_kind_count());
}
END_TEST

Suite *datasets_suite(void);
Suite *datasets_suite(void)
{
    Suite *suite = suite_create("datasets");
    TCase *tc = tcase_create("datasets");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, kinds_are_complete);
    tcase_add_test(tc, kinds_are_found_by_spec_and_by_name);
    tcase_add_test(tc, presets_of_kinds_exist);
    tcase_add_test(tc, text_is_made_from_the_table);
    tcase_add_test(tc, laws_are_known_by_spec);
    tcase_add_test(tc, texts_are_known_by_spec);
    tcase_add_test(tc, specs_are_checked);
    tcase_add_test(tc, whole_specs_are_needed);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    tc = tcase_create("misuse");
    tcase_add_test_raise_signal(tc, no_kind_beyond_the_table, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
