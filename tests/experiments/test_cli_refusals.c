/* What commands refuse: wrong use, files and models that do not fit; and that nothing is lost. */
#ifndef DI4C_PLAIN_C
#define _POSIX_C_SOURCE 200809L /* link, symlink */
#endif
#include <check.h>
#include <stdio.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <unistd.h>
#endif

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/cli.h"
#include "tests/tools/cli_models.h"
#include "tests/tools/toys.h"

#define DIR "test-cli-refusals.tmp.d"

static void set_up(void)
{
    cli_models_set_up(DIR);
}

/* What a run leaves that was killed before its first save does not stop the same command. */
START_TEST(a_log_without_its_model)
{
    size_t n, m;
    expect("train " TINY "--out @t.safetensors", 0);
    for (int i = 1; i <= 2; i++) {
        char aside[40];
        char *before = toy_read(toy("t.csv"), &n);
        ck_assert_int_eq(remove(toy("t.safetensors")), 0);
        expect("train " TINY "--out @t.safetensors", 0);
        ck_assert_ptr_nonnull(strstr(said(stderr), "t.csv, of a run that saved no model, is now"));
        snprintf(aside, sizeof aside, "t.before-%d.csv", i);
        char *after = toy_read(toy(aside), &m);
        ck_assert(n == m && memcmp(before, after, n) == 0);
        mem_free(before);
        mem_free(after);
    }
    ck_assert_int_eq(remove(toy("t.safetensors")), 0);
    toy_text(toy("t.csv"), "name,price\n1,2\n"); /* somebody's */
    says("train " TINY "--out @t.safetensors", 1, "t.csv: exists: expected --resume");
    expect("train " TINY "--out @new.safetensors", 0);
    says("train " TINY "--out @t.safetensors --log @new.csv", 1, "new.csv: exists");
}
END_TEST

/* Refusals: status, sentence, and the files as they were. */
START_TEST(nothing_is_lost)
{
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"train " TINY "--out @t.safetensors", "t.safetensors: exists: expected --resume"},
        {"train " TINY "--out @new.safetensors --log @t.csv", "t.csv: exists: expected --resume"},
        {"train " TINY "--seed 5 --resume --out @t.safetensors", "seed is 1 in the file and 5"},
        {"train " TINY "--set lr=0.5 --resume --out @t.safetensors", "lr is 0.001 in the file"},
        {"train " TINY "--set steps=2 --steps 2 --resume --out @t.safetensors", "steps is 3"},
        {"train " TINY "--resume --out @s.safetensors", "role is student: expected a teacher"},
        {"distill " STUDENT "--teacher @t.safetensors --resume --out @u.safetensors",
         "role is teacher: expected a student"},
        {"distill " STUDENT "--teacher @u.safetensors --resume --out @s.safetensors",
         "expected the same teacher"},
    };
    make_both();
    expect("train " TINY "--seed 2 --out @u.safetensors", 0);
    size_t n[4];
    const char *const names[] = {"t.safetensors", "t.csv", "s.safetensors", "s.csv"};
    char *before[4];
    for (int i = 0; i < 4; i++)
        before[i] = toy_read(toy(names[i]), &n[i]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        says(cases[i].line, 1, cases[i].part);
    for (int i = 0; i < 4; i++) {
        size_t m;
        char *after = toy_read(toy(names[i]), &m);
        ck_assert_uint_eq(m, n[i]);
        ck_assert_mem_eq(after, before[i], m);
        mem_free(after);
        mem_free(before[i]);
    }
    ck_assert(!there("new.safetensors"));
}
END_TEST

START_TEST(other_data_do_not_resume)
{
    char line[400];
    const char *const tiny = "--quiet --steps 2 --set batch=2 --set ch=8 --set ch_mult=1 --set "
                             "attn_scale=-1 --out @m.safetensors";
    toy_mnist(12, 8, 1);
    snprintf(line, sizeof line, "train --data mnist:" DIR " %s", tiny);
    expect(line, 0);
    toy_mnist(12, 8, 2);
    snprintf(line, sizeof line, "train --data mnist:" DIR " --resume %s", tiny);
    says(line, 1, "m.safetensors: trained on pictures of hash ");
    snprintf(line, sizeof line, "train --data idx:@train-images-idx3-ubyte --resume %s", tiny);
    says(line, 1, "trained on mnist: expected the same data (idx)");
    says("eval --quiet --model @m.safetensors --data glyphs", 1, "glyphs: has 2 states already");
    toy_mnist(12, 12, 1);
    says("eval --quiet --model @m.safetensors --data mnist:" DIR, 1,
         "m.safetensors: made for pictures of 4x4x1 with 2 states: expected 6x6x1 with 2");
}
END_TEST

/* Data that a model was not trained on, though of the same sizes, are named beside its own. */
START_TEST(other_data_are_named)
{
    static const char note[] = "m.safetensors: trained on other data of this size: mnist of hash ";
    static const char tiny[] = "--steps 2 --set batch=2 --set ch=8 --set ch_mult=1 --set "
                               "attn_scale=-1 --data mnist:" DIR " --out @";
    static const char evaluate[] =
        "eval --model @m.safetensors --data mnist:" DIR " --metrics bound --steps 1 --count 2";
    char train[300], distill[300];
    snprintf(train, sizeof train, "train --quiet %sm.safetensors", tiny);
    snprintf(distill, sizeof distill,
             "distill --set lambdas=2 --teacher @m.safetensors %st.safetensors", tiny);
    toy_mnist(12, 8, 1);
    expect(train, 0);
    expect(evaluate, 0);
    expect(distill, 0);
    ck_assert_ptr_null(strstr(said(stderr), note));
    toy_mnist(12, 8, 2);
    expect(evaluate, 0);
    ck_assert_ptr_nonnull(strstr(said(stderr), note));
    ck_assert_ptr_nonnull(freopen(toy("stderr"), "w", stderr));
    expect("eval --quiet --model @m.safetensors --data mnist:" DIR
           " --metrics bound --steps 1 --count 2",
           0);
    ck_assert_ptr_null(strstr(said(stderr), note));
    strcat(distill, " --overwrite");
    expect(distill, 0);
    ck_assert_ptr_nonnull(strstr(said(stderr), note));
}
END_TEST

#ifndef DI4C_PLAIN_C
/* Under another name, too: x.png is t.safetensors by a hard link, p.png leads to u.safetensors. */
START_TEST(results_do_not_fall_on_what_is_read)
{
    static const struct {
        const char *line, *part;
        int status;
    } cases[] = {
        {"sample --model @t.safetensors --out @x.png", "x.png: expected another file than --model",
         2},
        {"sample --model @u.safetensors --teacher @t.safetensors --teacher-steps 1 --out @x.png",
         "x.png: expected another file than --teacher", 2},
        {"watch --model @t.safetensors --out @x.png", "x.png: expected another file than --model",
         2},
        {"distill " STUDENT "--teacher @t.safetensors --out @s.safetensors --log @x.png "
         "--overwrite",
         "--log " DIR "/x.png: expected another file than --teacher", 2},
        {"train --data text:" DIR "/log --out @s.safetensors --log @log --overwrite",
         "--log " DIR "/log: expected another file than --data", 2},
        {"merge @log --json @log", "log: expected another file than FILES", 2},
        {"sample --model @t.safetensors --out @p.png",
         "p.png: is a link to " DIR "/u.safetensors: expected another file than a model's", 1},
        {"watch --model @t.safetensors --out @p.png", "p.png: is a link to ", 1},
        {"eval --model @t.safetensors --data glyphs --json @p.png", "p.png: is a link to ", 1},
    };
    size_t n, m;
    make_teacher();
    expect("train " TINY "--out @u.safetensors --seed 2", 0);
    toy_text(toy("log"), "some text");
    ck_assert(link(toy("t.safetensors"), toy("x.png")) == 0);
    ck_assert(symlink("u.safetensors", toy("p.png")) == 0);
    char *t = toy_read(toy("t.safetensors"), &n), *u = toy_read(toy("u.safetensors"), &m);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        says(cases[i].line, cases[i].status, cases[i].part);
    toy_write(toy("x.npy"), t, n);
    toy_write(toy("y.npy"), u, m);
    ck_assert(toy_same(toy("t.safetensors"), toy("x.npy")));
    ck_assert(toy_same(toy("u.safetensors"), toy("y.npy")));
    ck_assert(!there("s.safetensors"));
    mem_free(t);
    mem_free(u);
}
END_TEST
#endif

static const struct {
    const char *line, *part;
} wrong_use[] = {
    {"train --data glyphs", "--out is missing"},
    {"train --data glyphs --out @t.bin", "expected a name that ends in .safetensors"},
    {"train --data glyphs --out @t.safetensors --log @t.safetensors",
     "another name than a model's"},
    {"train " TINY "--out @t.safetensors --log @u.pt", "--log test-"},
    {"train " TINY "--out @t.safetensors --resume --overwrite", "expected one of them"},
    {"train " TINY "--out @t.safetensors --as-code --as-paper", "expected one of them"},
    {"sample --model @t.safetensors --out @x.png --as-code --as-paper", "expected one of them"},
    {"eval --model @t.safetensors --data glyphs --as-code --as-paper", "expected one of them"},
    {"train " TINY "--out @t.safetensors --set height=7", "taken from the data"},
    {"train " TINY "--out @t.safetensors --set colour=7", "unknown key 'colour'"},
    {"train " TINY "--out @t.safetensors --set lr", "--set lr: expected KEY=VALUE"},
    {"train " TINY "--out @t.safetensors --set lr=nan", "lr=nan: expected a number"},
    {"train " TINY "--out @t.safetensors --conv fft",
     "--conv fft: expected auto, direct or winograd"},
    {"train " TINY "--out @t.safetensors --preset x", "unknown preset 'x'"},
    {"distill " TINY "--out @t.safetensors --teacher @t.safetensors --overwrite",
     "expected another file than --teacher"},
    {"sample --model @t.safetensors --out @x.jpg", "ends in .png or .npy"},
    {"sample --model @t.safetensors --out @x.png --grid foo", "authors, process or times"},
    {"sample --model @t.safetensors --out @x.png --grid authors --steps 1", "at least 2"},
    {"sample --model @t.safetensors --out @x.png --sampler foo", "one of posterior, tau-leaping"},
    {"sample --model @t.safetensors --out @x.png --sampler-set theta=0.5", "no setting theta"},
    {"sample --model @t.safetensors --out @x.png --sampler-set eps", "expected KEY=VALUE"},
    {"sample --model @t.safetensors --out @x.png --sampler-set eps=2", "0 <= eps < 1"},
    {"sample --model @t.safetensors --out @x.png --sampler-set last=x", "auto draw argmax move"},
    {"sample --model @t.safetensors --out @x.png --grid 1,0.5,0.7", "expected times that fall"},
    {"sample --model @t.safetensors --out @x.png --grid 1,0", "time 2 is 0, expected 0 < t <= 1"},
    {"sample --model @t.safetensors --out @x.png --grid 1.5", "expected 0 < t <= 1"},
    {"sample --model @t.safetensors --out @x.png --grid 1,nan", "expected 0 < t <= 1"},
    {"sample --model @t.safetensors --out @x.png --grid 1,,0.5", "times that fall, such as"},
    {"sample --model @t.safetensors --out @x.png --grid 1,0.5 --steps 3", "the grid has 2 times"},
    {"sample --model @t.safetensors --out @x.png --steps 0", "from 1"},
    {"sample --model @t.safetensors --out @x.png --sampler exact --steps 3", "chooses its own"},
    {"sample --model @t.safetensors --out @x.png --sampler exact --grid uniform", "its own times"},
    {"eval --model @t.safetensors --data glyphs --sampler exact --steps 3", "chooses its own"},
    {"eval --model @t.safetensors --data glyphs --sampler foo", "unknown sampler 'foo'"},
    {"sample --model @t.safetensors --out @x.png --shard 2/2", "expected I/N with 0 <= I < N"},
    {"sample --model @t.safetensors --out @x.png --shard 1/2x", "expected I/N"},
    {"sample --model @t.safetensors --out @x.png --shard 0/9 --count 5", "has none of the 5"},
    {"sample --model @t.safetensors --out @x.png --count 20000", "expected at most 10000"},
    {"sample --model @t.safetensors --out @x.png --teacher-steps 1", "expected both or neither"},
    {"sample --model @t.safetensors --out @x.png --teacher @s --teacher-steps 11", "at most"},
    {"sample --model @t.safetensors --out @x.png --teacher @s --teacher-steps 1 --sampler exact",
     "--teacher-steps: sampler exact has no grid of steps to share"},
    {"eval --model @t.safetensors --data glyphs --teacher @s --teacher-steps 1 --sampler exact",
     "--teacher-steps: sampler exact has no grid of steps to share"},
    {"eval --model @t.safetensors --data glyphs --metrics foo", "expected a list of valid, fcd"},
    {"eval --model @t.safetensors --data mnist:x --metrics valid", "expected --data glyphs"},
    {"eval", "--model is missing"},
    {"eval --model @t.safetensors", "--data is missing"},
    {"eval --model @t.safetensors --data mnist:x --metrics fid", "fid: expected --inception FILE"},
    {"eval --model @t.safetensors --data mnist:x --metrics is", "is: expected --inception FILE"},
    {"eval --model @t.safetensors --data text:x --metrics fid", "fid: expected pictures"},
    {"eval --model @t.safetensors --data mnist:x --metrics is --inception @i --count 9",
     "--count of at least 10"},
    {"eval --model @t.safetensors --data mnist:x --metrics fid --inception @i --save-statistics @s",
     "ends in .npz"},
    {"eval --model @t.safetensors --data mnist:x --metrics fid --inception @i --reference @s.npz "
     "--save-statistics @s.npz",
     "--save-statistics " DIR "/s.npz: expected another file than --reference"},
    {"eval --samples @x.npy --model @t.safetensors", "--samples: expected no --model"},
    {"eval --samples @x.npy --data glyphs", "--samples: expected no --data"},
    {"eval --samples @x.npy --report @r.html", "--samples: expected no --report"},
    {"eval --samples @x.npy", "--samples: expected --metrics fid, is or both"},
    {"eval --samples @x.npy --metrics fid,elbo --inception @i", "is or both, found elbo"},
    {"eval --samples @x.npy --metrics is,fid --inception @i", "expected --reference"},
    {"eval --model @t.safetensors --data glyphs --grid authors", "at least 2"},
    {"eval --model @t.safetensors --data glyphs --teacher-steps 1", "expected --teacher too"},
    {"eval --model @t.safetensors --data glyphs --json @t.safetensors",
     "another file than --model"},
    {"eval --model @t.safetensors --data glyphs --json @a --report @a", "another file than --rep"},
    {"eval --model @t.safetensors --data glyphs --report @u.pt", "another name than a model's"},
    {"theory rate --json @u.safetensors", "another name than a model's"},
    {"verify @d --json @d/manifest.json", "another file than those of DIR"},
    {"verify @d --json @u.pth", "another name than a model's"},
    {"inspect", "FILE is missing"},
    {"verify", "DIR is missing"},
};

START_TEST(wrong_use_is_status_2)
{
    says(wrong_use[_i].line, 2, wrong_use[_i].part);
    ck_assert_msg(strncmp(said(stderr), "di4c ", 5) == 0, "%s", said(stderr));
    ck_assert_str_eq(said(stdout), "");
    ck_assert(!there("t.safetensors") && !there("t.csv") && !there("x.png"));
}
END_TEST

static const struct {
    const char *line, *part;
} failures[] = {
    {"train --data nothing --out @t.safetensors", "data set 'nothing': expected glyphs"},
    {"train --data mnist:/nowhere --out @t.safetensors", "/nowhere/train-images-idx3-ubyte"},
    {"train --data idx:@stdout --out @t.safetensors", "stdout"},
    {"train " TINY "--out @stdout/t.safetensors", DIR "/stdout"},
    {"train " TINY "--out @folder.safetensors --overwrite", "is not a readable plain file"},
    {"train " TINY "--out @t.safetensors --log @folder.safetensors/ --overwrite", "plain file"},
    {"train " TINY "--out @t.safetensors --set net=unet", "U-Net: a picture of 6 x 6"},
    {"distill " TINY "--out @t.safetensors --teacher @none.safetensors", "none.safetensors"},
    {"distill " TINY "--out @t.safetensors --teacher @stderr", "stderr"},
    {"sample --model @none.safetensors --out @x.png", "none.safetensors"},
    {"sample --model " DIR " --out @x.png", DIR ": expected a readable"},
    {"eval --model @none.safetensors --data glyphs", "none.safetensors"},
    {"eval --model @none.safetensors --data glyphs --json " DIR, "is not a readable plain file"},
    {"inspect @none.npy", "none.npy"},
    {"inspect @stdout", "stdout"},
    {"verify /nowhere", "/nowhere"},
    {"verify /nowhere --json " DIR, "is not a readable plain file"},
    {"demo --out @stdout", DIR "/stdout"},
};

START_TEST(failures_are_status_1)
{
    printf("text\n");
    fflush(stdout);
    toys_make_folder(toy("folder.safetensors"));
    says(failures[_i].line, 1, failures[_i].part);
    ck_assert_msg(strncmp(said(stderr), "di4c ", 5) == 0, "%s", said(stderr));
    ck_assert(!there("t.safetensors") && !there("t.csv") && !there("x.png"));
}
END_TEST

START_TEST(models_that_do_not_belong_together)
{
    make_both();
    expect("train " TINY "--set process=uniform --set rate_const=2 --set time_weight=one "
           "--out @u.safetensors",
           0);
    expect("distill " STUDENT "--teacher @u.safetensors --out @d.safetensors", 0);
    says("sample --quiet --model @s.safetensors --teacher @u.safetensors --teacher-steps 1 --steps "
         "2 "
         "--out @x.npy",
         1, "u.safetensors: process is uniform: expected absorbing");
    says("eval --quiet --model @s.safetensors --teacher @u.safetensors --data glyphs", 1,
         "u.safetensors: process is uniform: expected absorbing");
    says("sample --quiet --model @t.safetensors --teacher @s.safetensors --teacher-steps 1 --steps "
         "2 "
         "--out @x.npy",
         1, "s.safetensors: role is student: expected a teacher");
    says("distill " STUDENT "--preset glyphs-published --set process=uniform --teacher "
         "@t.safetensors --out @x.safetensors",
         1, "t.safetensors: process is absorbing: expected uniform");
    ck_assert(!there("x.npy") && !there("x.safetensors"));
}
END_TEST

static const struct {
    const char *rates, *options, *part;
    int status;
} bad_noise[] = {
    {"-1,1\n1,-1,0\n", "--rates @rates.csv", "rates.csv: line 2 has 3 numbers", 1},
    {"-1,1\nx,-1\n", "--rates @rates.csv", "rates.csv: line 2, column 1: 'x'", 1},
    {"-4,4\n-4,4\n", "--rates @rates.csv", "R[1][0] = -4, expected rates of at least 0", 1},
    {"-4,4\n4,-3\n", "--rates @rates.csv", "row 1 sums to 1, expected 0", 1},
    {"-4,nan\n4,-4\n", "--rates @rates.csv", "R[0][1] = nan, expected a finite number", 1},
    {"0,0\n0,0\n", "--rates @rates.csv", "no common state", 1},
    {"-4,4\n0,0\n", "--rates @rates.csv", "process=absorbing", 1},
    {"-1,1,0\n0,-1,1\n1,0,-1\n", "--rates @rates.csv", "of 3 states: expected 2", 1},
    {"-4,4\n4,-4\n", "--rates @rates.csv --set process=uniform", "expected process=matrix", 2},
    {"", "--set process=matrix", "expected --rates FILE", 2},
    {"", "--rates @none.csv", "none.csv", 1},
    {"", "--set process=birthdeath --set beta=cosine --set alpha_eps=0",
     "B(0,1) is infinite with schedule cosine", 1},
    {"", "--set process=uniform --set beta=constant", "raise beta_scale", 1},
};

START_TEST(noise_that_makes_no_sense)
{
    char line[300];
    toy_text(toy("rates.csv"), bad_noise[_i].rates);
    snprintf(line, sizeof line, "train " TINY "--set time_weight=one %s --out @t.safetensors",
             bad_noise[_i].options);
    says(line, bad_noise[_i].status, bad_noise[_i].part);
    ck_assert(!there("t.safetensors"));
}
END_TEST
Suite *cli_refusals_suite(void);
Suite *cli_refusals_suite(void)
{
    Suite *s = suite_create("cli_refusals");
    TCase *tc = tcase_create("cli_refusals");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, a_log_without_its_model);
    tcase_add_test(tc, nothing_is_lost);
    tcase_add_test(tc, other_data_do_not_resume);
    tcase_add_test(tc, other_data_are_named);
    tcase_add_test(tc, models_that_do_not_belong_together);
#ifndef DI4C_PLAIN_C
    tcase_add_test(tc, results_do_not_fall_on_what_is_read);
#endif
    tcase_add_loop_test(tc, wrong_use_is_status_2, 0,
                        (int)(sizeof wrong_use / sizeof wrong_use[0]));
    tcase_add_loop_test(tc, failures_are_status_1, 0, (int)(sizeof failures / sizeof failures[0]));
    tcase_add_loop_test(tc, noise_that_makes_no_sense, 0,
                        (int)(sizeof bad_noise / sizeof bad_noise[0]));
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
