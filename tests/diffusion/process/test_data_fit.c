/* Every command that takes data beside a model, with data that do not fit: one sentence, before
 * anything is trained or measured, and no file changed. */
#include <check.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

#define DIR "test-data-fit.tmp.d"
#define TRAIN                                                                                      \
    "--quiet --data mnist:" DIR " --set batch=2 --set ch=8 --set ch_mult=1 --set res_blocks=1 "    \
    "--set attn_scale=-1 "
#define MADE_FOR  "made for pictures of 8x8x1 with 2 states: expected 10x10x1 with 2"
#define TEST_SIZE DIR ": its test pictures are 10x10x1 with 2 states: expected 8x8x1 with 2, as its"
#define EVAL      "eval --model @m.safetensors --data mnist:" DIR " --count 4 --steps 1 "

static const char *const files[] = {"m.safetensors", "m.csv",         "s.safetensors",
                                    "s.csv",         "c.safetensors", "e.json",
                                    "one.idx",       "g.safetensors", "g.csv"};

/* A model of pictures of 16x16, which the binary transform halves. */
static void set_up(void)
{
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
    toy_mnist(12, 16, 1);
    expect("train " TRAIN "--steps 1 --out @m.safetensors", 0);
}

/* The data at hand are other ones now: pictures and side of both splits. */
static const struct {
    size_t count, side, test_count, test_side;
    const char *line, *part;
} cases[] = {
    {12, 16, 12, 20, EVAL "--metrics elbo", TEST_SIZE},
    {12, 16, 12, 20, EVAL "--metrics fcd", TEST_SIZE},
    {12, 16, 12, 20, EVAL "--metrics fcd,elbo --json @e.json --classifier @c.safetensors",
     TEST_SIZE},
    {12, 20, 12, 16, EVAL "--metrics elbo", MADE_FOR},
    {12, 20, 12, 20, EVAL "--metrics elbo", MADE_FOR},
    {12, 20, 12, 20, EVAL "--metrics fcd --classifier @c.safetensors", MADE_FOR},
    {12, 20, 12, 20, EVAL "--teacher @m.safetensors", MADE_FOR},
    {12, 16, 1, 16, EVAL "--metrics fcd --classifier @c.safetensors", "at least 2 pictures"},
    {1, 16, 12, 16, EVAL "--metrics fcd", "at least 2 pictures"},
    {0, 16, 12, 16, EVAL "--metrics elbo", "axis 0 of the header is 0"},
    {12, 16, 0, 16, EVAL "--metrics elbo", "axis 0 of the header is 0"},
    {12, 0, 12, 16, EVAL "--metrics elbo", "axis 1 of the header is 0"},
    {12, 20, 12, 20, "distill " TRAIN "--steps 1 --teacher @m.safetensors --out @s.safetensors",
     "height is 8: expected 10"},
    {12, 16, 12, 16,
     "distill " TRAIN "--set transform=none --set head=softmax --steps 1 --teacher @m.safetensors "
     "--out @s.safetensors",
     "transform is binary: expected none"},
    {12, 20, 12, 20, "train " TRAIN "--steps 2 --resume --out @m.safetensors",
     "height is 8 in the file and 10 in this run"},
    {11, 16, 12, 16, "train " TRAIN "--steps 1 --resume --out @m.safetensors", "of hash "},
    {12, 1, 12, 1, "train " TRAIN "--steps 1 --out @s.safetensors", "too small"},
    {12, 16, 12, 16, "eval --model @m.safetensors --data glyphs", "has 2 states already"},
};

START_TEST(data_that_do_not_fit_are_refused)
{
    size_t before, after;
    char *old = toy_read(toy("m.safetensors"), &before);

    toy_mnist_split(cases[_i].count, cases[_i].side, cases[_i].test_count, cases[_i].test_side, 1);
    says(cases[_i].line, 1, cases[_i].part);
    const char *text = said(stderr);
    ck_assert_msg(strstr(text, "expected") || strstr(text, "needs"), "%s", text);
    ck_assert_msg(!strstr(text, "elbo: ") && !strstr(text, "sampling: "), "%s", text);
    ck_assert_int_eq(said(stdout)[0] == '\0' || strncmp(said(stdout), DIR "/m", 20) == 0, 1);
    for (size_t i = 2; i < sizeof files / sizeof files[0]; i++)
        ck_assert_msg(toy_read(toy(files[i]), &after) == NULL, "%s was written", files[i]);
    char *now = toy_read(toy("m.safetensors"), &after);
    ck_assert(before == after && memcmp(old, now, before) == 0);
    mem_free(old);
    mem_free(now);
}
END_TEST

/* A single picture is enough where no moments are taken. */
START_TEST(one_picture_has_a_bound)
{
    toy_mnist_split(12, 16, 1, 16, 1);
    says(EVAL "--quiet --metrics elbo --json @e.json", 0, "+- unknown (prior");
    toy_mnist_split(1, 16, 1, 16, 1);
    expect("train " TRAIN "--steps 2 --out @s.safetensors", 0);
}
END_TEST

START_TEST(a_classifier_of_other_pictures_is_refused)
{
    toy_mnist(12, 20, 1);
    says("eval --quiet --model @m.safetensors --data mnist:" DIR " --classifier @m.safetensors", 1,
         MADE_FOR);
    toy_mnist(12, 16, 1);
    says("eval --quiet --model @m.safetensors --data mnist:" DIR " --classifier @m.safetensors", 1,
         "expected a classifier");
}
END_TEST

/* What samples together must have one process and one size of pictures. */
START_TEST(teachers_of_other_pictures_are_refused)
{
    expect("train --quiet --data glyphs --set batch=4 --set mlp_width=16 --steps 1 --out "
           "@g.safetensors",
           0);
    says("sample --model @m.safetensors --teacher @g.safetensors --teacher-steps 1 --steps 2 "
         "--out @s.npy",
         1, "g.safetensors: transform is none: expected binary");
    says("eval --model @m.safetensors --teacher @g.safetensors --data mnist:" DIR, 1,
         "g.safetensors: transform is none: expected binary");
}
END_TEST

Suite *data_fit_suite(void)
{
    Suite *s = suite_create("data_fit");
    TCase *tc = tcase_create("data_fit");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_loop_test(tc, data_that_do_not_fit_are_refused, 0,
                        (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tc, one_picture_has_a_bound);
    tcase_add_test(tc, a_classifier_of_other_pictures_is_refused);
    tcase_add_test(tc, teachers_of_other_pictures_are_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
