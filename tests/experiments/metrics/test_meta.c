/* Metadata of kept measurements: what is put comes back, and only that. */
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "experiments/metrics/meta.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-meta.tmp.d");
}

static void tear_down(void)
{
    toys_tear_down();
    ck_assert_uint_eq(mem_in_use(), 0);
}

/* The writer's file, read (safetensors_free). */
static SafetensorsFile *write_and_read(SafetensorsWriter *w)
{
    Error err = {""};
    ck_assert_msg(safetensors_write(w, toy("m"), &err), "%s", err.text);
    safetensors_writer_free(w);
    SafetensorsFile *f = safetensors_read(toy("m"), &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    return f;
}

START_TEST(facts_have_a_prefix)
{
    RunFacts facts = {0}, found = {0};
    SafetensorsWriter *w = safetensors_writer();
    run_facts_add(&facts, "a", "1");
    run_facts_add(&facts, "b.c", "");
    meta_put_facts(w, "run", &facts);
    meta_put_facts(w, "runs", &facts);
    safetensors_add_meta(w, "run", "2");
    safetensors_add_meta(w, "running", "3");
    SafetensorsFile *f = write_and_read(w);
    meta_take_facts(f, "run", &found);
    ck_assert_uint_eq(found.count, 2);
    ck_assert_str_eq(run_facts_find(&found, "a"), "1");
    ck_assert_str_eq(run_facts_find(&found, "b.c"), "");
    safetensors_free(f);
    run_facts_free(&found);
    run_facts_free(&facts);
}
END_TEST

START_TEST(counts_are_whole_numbers)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {{"0", true, 0},
                 {"012", true, 12},
                 {"999999999999999", true, 999999999999999},
                 {"1000000000000000", false, 0},
                 {"18446744073709551617", false, 0},
                 {"", false, 0},
                 {"-1", false, 0},
                 {"+1", false, 0},
                 {" 1", false, 0},
                 {"1 ", false, 0},
                 {"0x1", false, 0},
                 {"1.0", false, 0}};
    enum { CASES = sizeof cases / sizeof cases[0] };
    char key[META_KEY];
    size_t value;
    SafetensorsWriter *w = safetensors_writer();
    for (size_t i = 0; i < CASES; i++)
        safetensors_add_meta(w, meta_key(key, "row", i, "calls"), cases[i].text);
    meta_put_count(w, "own", 65);
    SafetensorsFile *f = write_and_read(w);
    Error err = {""};
    ck_assert_str_eq(safetensors_meta(f, "row.1.calls"), "012");
    ck_assert(meta_count(f, "own", &value, &err) && value == 65);
    for (size_t i = 0; i < CASES; i++) {
        const bool good = meta_count(f, meta_key(key, "row", i, "calls"), &value, &err);
        ck_assert_msg(good == cases[i].good, "'%s'", cases[i].text);
        ck_assert(!good || value == cases[i].value);
        ck_assert(good || strstr(err.text, "expected a whole number") != NULL);
    }
    ck_assert(!meta_count(f, "row.99.calls", &value, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "m: row.99.calls is missing"));
    safetensors_free(f);
}
END_TEST

Suite *meta_suite(void);
Suite *meta_suite(void)
{
    Suite *s = suite_create("meta");
    TCase *tc = tcase_create("meta");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, facts_have_a_prefix);
    tcase_add_test(tc, counts_are_whole_numbers);
    suite_add_tcase(s, tc);
    return s;
}
