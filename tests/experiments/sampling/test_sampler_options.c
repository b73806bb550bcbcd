/* The sampler of a model, for where no --sampler is given. */
#include <check.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

Suite *sampler_options_suite(void);

#define DIR "test-sampler-options.tmp.d"
#define TRAIN                                                                                      \
    "train --quiet --data glyphs --set mlp_width=16 --set mlp_blocks=1 --set batch=4 --steps 2 "
#define DISTILL                                                                                    \
    "distill --quiet --data glyphs --teacher @own.safetensors --set batch=4 --steps 2 --out "      \
    "@s.safetensors "
#define SAMPLE "sample --quiet --count 20 --steps 4 --model @"
#define EVAL                                                                                       \
    "eval --quiet --data glyphs --count 20 --steps 4 --model @s.safetensors --teacher "            \
    "@own.safetensors --json @r.json "

static void set_up(void)
{
    static const char *const files[] = {"own.safetensors", "own.csv", "plain.safetensors",
                                        "plain.csv",       "s.csv",   "s.safetensors",
                                        "a.npy",           "b.npy",   "r.json"};
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
    expect(TRAIN "--set sampler=halton --out @own.safetensors", 0);
}

/* Weights are the same, samples those of --sampler; and the user is told. */
START_TEST(it_draws_where_none_is_given)
{
    expect(TRAIN "--out @plain.safetensors", 0);
    expect(SAMPLE "own.safetensors --out @a.npy", 0);
    expect(SAMPLE "plain.safetensors --sampler halton --out @b.npy", 0);
    ck_assert(toy_same(toy("a.npy"), toy("b.npy")));
    expect(SAMPLE "plain.safetensors --out @a.npy", 0);
    ck_assert(!toy_same(toy("a.npy"), toy("b.npy")));
    expect(SAMPLE "own.safetensors --sampler posterior --out @b.npy", 0);
    ck_assert(toy_same(toy("a.npy"), toy("b.npy")));
    expect("sample --count 2 --steps 2 --model @own.safetensors --out @a.npy", 0);
    ck_assert_ptr_nonnull(strstr(said(stderr), "by its own sampler, halton"));
}
END_TEST

static void says_in(const char *file, const char *part, bool there)
{
    size_t bytes;
    char *text = toy_read(toy(file), &bytes);
    ck_assert_msg((strstr(text, part) != NULL) == there, "%s: %s", part, text);
    mem_free(text);
}

/* A student has its own, not its teacher's; results name both. */
START_TEST(results_name_it)
{
    expect(DISTILL, 0);
    expect(EVAL, 0);
    says_in("r.json", "\"sampler\": \"posterior\"", true);
    says_in("r.json", "\"teacher_sampler\": \"halton\"", true);
    expect(EVAL "--sampler halton", 0);
    says_in("r.json", "\"sampler\": \"halton\"", true);
    says_in("r.json", "teacher_sampler", false);
}
END_TEST

Suite *sampler_options_suite(void)
{
    Suite *suite = suite_create("sampler_options");
    TCase *t = tcase_create("sampler_options");
    tcase_add_checked_fixture(t, set_up, toys_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, it_draws_where_none_is_given);
    tcase_add_test(t, results_name_it);
    suite_add_tcase(suite, t);
    return suite;
}
