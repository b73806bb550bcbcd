/* What runs are made of: all kinds of options, and the first difference. */
#include <check.h>
#include <string.h>

#include "experiments/cli/run_facts.h"
#include "tensor/base/memory.h"

static void has(const RunFacts *f, const char *key, const char *value)
{
    const char *found = run_facts_find(f, key);
    ck_assert_msg(found != NULL && strcmp(found, value) == 0, "%s: %s", key,
                  found ? found : "(nothing)");
}

START_TEST(options_become_facts)
{
    bool yes = true, no = false;
    const char *text = "a b", *none = NULL, *left_out = "x";
    int64_t count = -7;
    double real = 0.1, zero = 0.0;
    CountList list = {3, {1, 22, 3}}, empty = {0, {0}};
    TextList set = {2, {"k=1", "l=2"}};
    WordList rest = {0, 0, NULL};
    const char *const except[] = {"--left-out", NULL};
    const Option options[] = {
        {"--yes", OPTION_FLAG, &yes, NULL, 0, 0, false, ""},
        {"--no", OPTION_FLAG, &no, NULL, 0, 0, false, ""},
        {"--text", OPTION_TEXT, &text, "T", 0, 0, false, ""},
        {"--none", OPTION_TEXT, &none, "T", 0, 0, false, ""},
        {"--left-out", OPTION_TEXT, &left_out, "T", 0, 0, false, ""},
        {"--count", OPTION_COUNT, &count, "N", -9, 9, false, ""},
        {"--real", OPTION_REAL, &real, "X", 0, 9, false, ""},
        {"--zero", OPTION_REAL, &zero, "X", 0, 9, false, ""},
        {"--list", OPTION_LIST, &list, "1,2", 0, 99, false, ""},
        {"--empty", OPTION_LIST, &empty, "1,2", 0, 99, false, ""},
        {"--set", OPTION_REPEAT, &set, "K=V", 0, 0, false, ""},
        {"FILES", OPTION_REST, &rest, NULL, 0, 0, false, ""},
    };
    OptionTable table = {0};
    RunFacts f = {0};
    options_add(&table, options, sizeof options / sizeof options[0]);
    run_facts_options(&f, &table, except);
    ck_assert_uint_eq(f.count, 6);
    has(&f, "--real", "0.10000000000000001");
    has(&f, "--yes", "yes");
    has(&f, "--text", "a b");
    has(&f, "--count", "-7");
    has(&f, "--list", "1,22,3");
    has(&f, "--set", "k=1 l=2");
    ck_assert_ptr_null(run_facts_find(&f, "--no"));
    run_facts_free(&f);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(the_first_difference_is_named)
{
    RunFacts a = {0}, b = {0};
    Error err = {""};
    run_facts_add(&a, "model", "m1");
    run_facts_add(&b, "--seed", "2");
    run_facts_add(&b, "model", "m1");
    ck_assert(!run_facts_same(&a, "a.npy", &b, "b.npy", &err));
    ck_assert_str_eq(err.text, "b.npy: --seed is 2, expected it not given as in a.npy");
    run_facts_add(&a, "--seed", "1");
    ck_assert(!run_facts_same(&a, "a.npy", &b, "b.npy", &err));
    ck_assert_str_eq(err.text, "b.npy: --seed is 2, expected 1 as in a.npy");
    ck_assert(!run_facts_same(&b, "b.npy", &a, "a.npy", &err));
    strcpy(a.at[1].value, "2");
    ck_assert(run_facts_same(&a, "a.npy", &b, "b.npy", &err)); /* in another order */
    run_facts_add(&a, "--grid", "process");
    ck_assert(!run_facts_same(&a, "a.npy", &b, "b.npy", &err));
    ck_assert_str_eq(err.text, "b.npy: --grid is not given, expected process as in a.npy");
    run_facts_free(&a);
    run_facts_free(&b);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

Suite *run_facts_suite(void);
Suite *run_facts_suite(void)
{
    Suite *s = suite_create("run_facts");
    TCase *tc = tcase_create("run_facts");
    tcase_add_test(tc, options_become_facts);
    tcase_add_test(tc, the_first_difference_is_named);
    suite_add_tcase(s, tc);
    return s;
}
