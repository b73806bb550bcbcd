/* The commands as a user gives them, from data to reports: exit status, sentences, files. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "experiments/commands/commands.h"
#include "experiments/data/datasets.h"
#include "experiments/metrics/features/classifier.h"
#include "experiments/metrics/kinds/fcd.h"
#include "experiments/model/model.h"
#include "experiments/model/model_file.h"
#include "experiments/theory/theory.h"
#include "nn/formats/json.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/cli.h"
#include "tests/tools/cli_models.h"
#include "tests/tools/toys.h"

#define DIR "test-cli.tmp.d"

static void set_up(void)
{
    cli_models_set_up(DIR);
}

START_TEST(help_of_every_command)
{
    for (size_t i = 0; i < command_count; i++) {
        char line[60], first[60];
        snprintf(line, sizeof line, "%s --help", commands[i]->name);
        snprintf(first, sizeof first, "di4c %s", commands[i]->name);
        says(line, 0, first);
        says(line, 0, commands[i]->example);
        snprintf(line, sizeof line, "%s --nonsense", commands[i]->name);
        says(line, 2, "unknown option '--nonsense'");
    }
    says("train --help", 0, "Presets (--preset NAME):");
    char specs[DATASET_SPECS];
    says("train --help", 0, dataset_specs(specs));
    says("eval --help", 0, dataset_specs(specs));
    says("distill --help", 0, "Data sets (--data DATA):");
    for (size_t i = 0; i < theory_experiment_count; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s, ", theory_experiments[i]->name);
        says("theory --help", 0, name);
        says("theory moon", 2, name);
    }
}
END_TEST

START_TEST(a_model_from_start_to_report)
{
    make_both();
    says("train " TINY "--out @t2.safetensors --log @log", 0,
         "teacher of 3 steps, 5160 parameters");
    ck_assert(toy_same(toy("t.safetensors"), toy("t2.safetensors")));
    ck_assert(toy_same(toy("t.csv"), toy("log")));
    says("inspect @s.safetensors", 0, "student, mlp network, ");
    says("inspect @s.safetensors", 0, "config.process = absorbing");
    says("eval --quiet --model @s.safetensors --teacher @t.safetensors --data glyphs --steps 1,3 "
         "--count 6 --teacher-steps 1 --json @e.json --report @e.html",
         0, "hybrid        3 ");
    Error err = {""};
    size_t n;
    char *text = toy_read(toy("e.json"), &n);
    Json *json = json_parse(text, n, "e.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    const Json *rows = json_get(json, "rows");
    ck_assert(rows &&
              rows->count == 7); /* exact, teacher, student: 2 each; hybrid: not at 1 step */
    ck_assert_str_eq(json_string(json, "grid", "e.json", &err), "uniform");
    ck_assert_uint_eq(strlen(json_string(json, "teacher", "e.json", &err)), 64);
    json_free(json);
    mem_free(text);
    text = toy_read(toy("e.html"), &n);
    ck_assert(strstr(text, "Student&#39;s loss") || strstr(text, "Student's loss"));
    mem_free(text);
}
END_TEST

START_TEST(samples_in_both_formats)
{
    size_t n;
    Error err = {""};
    make_both();
    expect("sample --quiet --model @s.safetensors --steps 2 --count 5 --out @x.npy", 0);
    says("inspect @x.npy", 0, "uint16 (5, 6, 6, 1)");
    expect("sample --quiet --model @s.safetensors --steps 2 --count 5 --out @p.png", 0);
    char *png = toy_read(toy("p.png"), &n);
    ck_assert(n > 100 && memcmp(png, "\x89PNG\r\n\x1a\n", 8) == 0);
    mem_free(png);
    /* Shards, batches and threads cut the same samples. */
    expect("sample --quiet --model @s.safetensors --steps 2 --count 5 --batch 2 --threads 2 --out "
           "@y.npy",
           0);
    ck_assert(toy_same(toy("x.npy"), toy("y.npy")));
    expect("sample --quiet --model @s.safetensors --steps 2 --count 5 --shard 1/2 --out @y.npy", 0);
    NpyArray *all = npy_read(toy("x.npy"), &err), *part = npy_read(toy("y.npy"), &err);
    ck_assert(all != NULL && part != NULL && part->shape[0] == 3);
    ck_assert_mem_eq(all->bytes + (size_t)2 * 2 * 36, part->bytes, (size_t)2 * 3 * 36);
    npy_free(all);
    npy_free(part);
    expect("sample --quiet --model @s.safetensors --teacher @t.safetensors --teacher-steps 1 "
           "--steps 3 --count 5 --grid authors --out @y.npy",
           0);
}
END_TEST

/* Before a sample is drawn, which would take hours here. */
START_TEST(a_picture_that_is_too_large_is_refused_at_once)
{
    Error err = {""};
    Config c;
    config_defaults(&c);
    c.height = c.width = 4096;
    c.channels = 1;
    config_put(&c, "ch", 4);
    config_put(&c, "res_blocks", 1);
    config_put(&c, "attn_scale", -1);
    ck_assert(config_set(&c, "ch_mult", "1", "test", &err));
    Model *m = model_create(&c, ROLE_TEACHER, false, &err);
    ck_assert_msg(m != NULL && model_save(m, NULL, toy("m.safetensors"), &err), "%s", err.text);
    model_destroy(m);
    says("sample --quiet --model @m.safetensors --count 200 --out @x.png", 1,
         "200 samples of 4096 x 4096 in one .png");
    ck_assert(!there("x.png"));
}
END_TEST

START_TEST(samplers_and_grids)
{
    make_both();
    says("sample --sampler list", 0, "theta-trapezoidal: ");
    ck_assert(strstr(said(stdout), "arXiv 2409.02908") && strstr(said(stdout), "theta=0.5"));
    says("eval --sampler list", 0, "first-hitting: ");
    says("eval --metrics list", 0, "bound: ");
    expect("sample --quiet --model @s.safetensors --steps 2 --count 5 --out @x.npy", 0);
    says("sample --quiet --model @s.safetensors --grid 1,0.5 --count 5 --out @y.npy", 0,
         "5 samples of 2 steps, 2 network calls each");
    ck_assert(toy_same(toy("x.npy"), toy("y.npy"))); /* the uniform grid by hand */
    says("sample --quiet --model @s.safetensors --sampler predictor-corrector --steps 3 "
         "--sampler-set corrector_steps=2 --sampler-set corrector_entry=0.5 --grid process "
         "--count 5 --out @y.npy",
         0, "3 steps, 5 network calls each");
    says("sample --quiet --model @s.safetensors --sampler first-hitting --count 2 --out @y.npy", 0,
         "2 samples, 36 network calls each");
    says("eval --quiet --model @s.safetensors --data glyphs --count 4 --sampler theta-trapezoidal "
         "--steps 2 --json @e.json",
         0, "student       2     3.00");
    char *json = toy_read(toy("e.json"), &(size_t){0});
    ck_assert(strstr(json, "theta-trapezoidal") && strstr(json, "\"calls\": 3"));
    mem_free(json);
    says("eval --quiet --model @s.safetensors --data glyphs --count 4 --sampler confidence --grid "
         "1,0.9,0.3",
         0, "student       3 ");
    says("sample --quiet --model @s.safetensors --sampler tau-leaping --sampler-set last=move "
         "--out @y.npy",
         1, "would leave masks");
}
END_TEST

/* Bits per dimension of product models; the perfect one needs the fewest, a student is refused. */
START_TEST(bits_per_dimension)
{
    Error err = {""};
    size_t n;
    make_both();
    says("eval --quiet --model @t.safetensors --data glyphs --metrics elbo --count 300 --json "
         "@e.json",
         0, "teacher  at most ");
    char *text = toy_read(toy("e.json"), &n);
    Json *json = json_parse(text, n, "e.json", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    const Json *bounds = json_get(json, "elbo");
    ck_assert(bounds && bounds->count == 2 && json_get(json, "rows")->count == 0);
    double exact, teacher;
    ck_assert(json_number(&bounds->items[0], "bits_per_dim", &exact, "e.json", &err));
    ck_assert(json_number(&bounds->items[1], "bits_per_dim", &teacher, "e.json", &err));
    ck_assert(exact > 0.1 && exact < 0.2 && teacher > 0.8); /* 5 bits in 36 pixels; untrained */
    json_free(json);
    mem_free(text);
    says(
        "eval --quiet --model @s.safetensors --teacher @t.safetensors --data glyphs --metrics elbo "
        "--count 40",
        0, "teacher  at most ");
    says("eval --quiet --model @s.safetensors --data glyphs --metrics elbo --count 40", 1,
         "mixture over lambda");
}
END_TEST

/* The paper's side differs from the code's where it should, and is the same as its settings. */
START_TEST(as_paper)
{
    make_teacher();
    expect("distill " STUDENT "--teacher @t.safetensors --out @s.safetensors --as-paper", 0);
    says("inspect @s.safetensors", 0, "config.eps = 0\n");
    says("inspect @s.safetensors", 0, "config.tm_width = 0\n");
    says("inspect @s.safetensors", 0, "config.start_from = averaged");
    expect("train " TINY "--out @t2.safetensors --log @log --as-code", 0);
    ck_assert(toy_same(toy("t.safetensors"), toy("t2.safetensors")));
#define AUTHORS "sample --quiet --model @t.safetensors --grid authors --steps 2 --count 9 --out "
    expect(AUTHORS "@a.npy", 0);
    expect(AUTHORS "@b.npy --as-code", 0);
    expect(AUTHORS "@c.npy --as-paper", 0);
    expect(AUTHORS "@d.npy --sampler-set last=draw --sampler-set eps=0", 0);
    ck_assert(toy_same(toy("a.npy"), toy("b.npy")));
    ck_assert(!toy_same(toy("a.npy"), toy("c.npy")));
    ck_assert(toy_same(toy("c.npy"), toy("d.npy")));
}
END_TEST

/* A signal is pending, so each run makes one step; the end is as without. */
START_TEST(stop_and_go)
{
    make_both();
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGINT), 0);
    says("train " TINY "--out @u.safetensors", 1,
         "Stopped at step 1 and saved to " DIR "/u.safetensors.  To go on, give the same command "
         "with --resume.");
    expect("train " TINY "--out @u.safetensors --resume", 1);
    expect("train " TINY "--out @u.safetensors --resume", 1);
    expect("train " TINY "--out @u.safetensors --resume", 0);
    ck_assert(toy_same(toy("t.safetensors"), toy("u.safetensors")));
    ck_assert(toy_same(toy("t.csv"), toy("u.csv")));
    says("sample --quiet --model @s.safetensors --steps 2 --count 5 --out @x.npy", 1, "signal");
    ck_assert(!there("x.npy"));
}
END_TEST

START_TEST(go_on_from_nothing)
{
    expect("train " TINY "--resume --out @t.safetensors", 0);
    expect("train " TINY "--resume --out @t.safetensors", 0); /* finished: the same again */
    expect("train " TINY "--overwrite --out @t.safetensors", 0);
}
END_TEST

/* Small files hold the averaged weights as 16-bit numbers; they sample, and cannot be resumed. */
START_TEST(small_files_sample)
{
    size_t large, small;
    expect("train " TINY "--out @t.safetensors", 0);
    expect("distill --data glyphs --quiet --set batch=4 --steps 2 --teacher @t.safetensors --out "
           "@s.safetensors",
           0);
    expect("convert --quiet @s.safetensors @h.safetensors", 0);
    mem_free(toy_read(toy("s.safetensors"), &large));
    mem_free(toy_read(toy("h.safetensors"), &small));
    ck_assert_uint_lt(small, large / 6); /* a quarter of the blocks, half of the bytes */
    expect("sample --quiet --model @h.safetensors --steps 2 --count 4 --out @x.npy", 0);
    /* Its recognition network names the lambda of a sample, not that of a step. */
    expect("eval --quiet --model @h.safetensors --data glyphs --metrics bound --steps 1 --count 4",
           0);
    ck_assert_ptr_null(strstr(said(stdout), " lambdas)"));
    says("eval --quiet --model @h.safetensors --data glyphs --metrics bound --steps 1 --count 4 "
         "--lambda step --bound-lambdas 3",
         0, "  (3 lambdas)\n");
    expect("sample --model @h.safetensors --lambda step --count 4 --out @x.npy", 0);
    ck_assert_ptr_nonnull(strstr(said(stderr), "note: --lambda step: " DIR "/h.safetensors was "
                                               "trained for lambda_scope=sample"));
    says("sample --quiet --model @h.safetensors --lambda twice --out @x.npy", 2,
         "--lambda twice: expected step or sample");
    says("distill --data glyphs --quiet --teacher @t.safetensors --out @x.safetensors --set "
         "lambda_law=cauchy",
         2, "lambda_law=cauchy: expected one of uniform|normal");
    says("distill --data glyphs --quiet --teacher @t.safetensors --out @x.safetensors --set "
         "lambda_dims=65",
         2, "lambda_dims=65: expected a whole number from 1 to 64");
    says("distill --data glyphs --quiet --teacher @t.safetensors --out @x.safetensors --set "
         "kl_weight=-1",
         2, "kl_weight=-1: expected a number from 0 to 100");
    says("distill --data glyphs --quiet --set batch=4 --steps 3 --teacher @t.safetensors --resume "
         "--out @h.safetensors",
         1, "h.safetensors");
    says("convert --quiet @s.safetensors @h.safetensors", 1, "exists: expected --overwrite");
}
END_TEST

/* Noise from a user's rates: teacher, student and samples; the file is needed once. */
START_TEST(noise_from_a_rate_matrix)
{
    const char *const train = "train " TINY "--set time_weight=one --rates @rates.csv ";
    char line[300];
    toy_text(toy("rates.csv"), "-4,4\n2.5,-2.5\n");
    snprintf(line, sizeof line, "%s--out @t.safetensors", train);
    expect(line, 0);
    snprintf(line, sizeof line, "%s--out @t.safetensors --resume", train);
    expect(line, 0);
    toy_text(toy("rates.csv"), "-4,4\n3,-3\n");
    says(line, 1, "t.safetensors: its rate matrix is another one");
    snprintf(line, sizeof line, "%s--out @u.safetensors", train);
    expect(line, 0);
    remove(toy("rates.csv"));
    expect("distill " STUDENT "--teacher @t.safetensors --out @s.safetensors", 0);
    says("sample --model @s.safetensors --teacher @t.safetensors --teacher-steps 1 --steps 3 "
         "--count 2 --quiet --out @x.npy",
         0, "2 samples of 3 steps");
    says("sample --quiet --model @s.safetensors --teacher @u.safetensors --teacher-steps 1 --steps "
         "2 --out @y.npy",
         1, "u.safetensors: its rate matrix is another one");
    says("inspect @s.safetensors", 0, "rates = -4,4?2.5,-2.5");
}
END_TEST

/* A student may be the teacher of the next student, and of nobody else. */
START_TEST(iterated_rounds)
{
    make_both();
    expect("distill " STUDENT "--teacher @s.safetensors --out @r.safetensors", 0);
    says("eval --quiet --model @r.safetensors --teacher @s.safetensors --data glyphs --steps 2 "
         "--count 4",
         0, "teacher       2 ");
    says("eval --quiet --model @t.safetensors --teacher @t.safetensors --data glyphs --steps 2 "
         "--count 4 --raw",
         0, "model         2 ");
}
END_TEST

/* The floor in e.json is that of the first 20 pictures of the test split. */
static void check_floor(Classifier *k, const Dataset *train)
{
    Error err = {""};
    size_t n;
    char *text = toy_read(toy("e.json"), &n);
    Json *json = json_parse(text, n, "e.json", &err);
    Fcd right, wrong;
    DatasetOptions binary = dataset_defaults();
    binary.transform = DATA_BINARY;
    Dataset *test = dataset_open("mnist:" DIR, true, &binary, &err);
    ck_assert(fcd_create(&right, k, train, test, 20, &err));
    ck_assert(fcd_create(&wrong, k, train, train, 20, &err));
    ck_assert_msg(json != NULL, "%s", err.text);
    const double got = json_get(json, "fcd_floor")->number;
    ck_assert_double_eq_tol(got, right.floor, 1e-4 * right.floor);
    ck_assert_double_gt(fabs(got - wrong.floor), 0.01 * got);
    fcd_free(&right);
    fcd_free(&wrong);
    dataset_close(test);
    json_free(json);
    mem_free(text);
}

START_TEST(fcd_with_a_classifier_from_a_file)
{
    Error err = {""};
    char line[300];
    toy_mnist(30, 8, 1);
    expect("train --quiet --data mnist:" DIR " --steps 1 --set batch=2 --set ch=8 --set ch_mult=1 "
           "--set attn_scale=-1 --out @m.safetensors",
           0);
    DatasetOptions binary = dataset_defaults();
    binary.transform = DATA_BINARY;
    Dataset *d = dataset_open("mnist:" DIR, false, &binary, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    Classifier *k = classifier_create(d, 1, &err);
    ck_assert_msg(k != NULL && classifier_save(k, toy("k.safetensors"), &err), "%s", err.text);
    snprintf(line, sizeof line,
             "eval --quiet --model @m.safetensors --data mnist:%s --steps 1 --count 20 "
             "--classifier @k.safetensors --json @e.json",
             DIR);
    says(line, 0, "FCD against 30 training pictures");
    says(line, 0, "floor: 20 test pictures");
    check_floor(k, d);
    classifier_destroy(k);
    dataset_close(d);
    says("eval --quiet --model @m.safetensors --data mnist:" DIR " --classifier @m.safetensors", 1,
         "expected a classifier written by di4c eval");
    toy_mnist(1, 8, 1);
    says(line, 1, "at least 2 pictures");
}
END_TEST

START_TEST(a_broken_log_costs_a_report_its_curve)
{
    make_teacher();
    toy_text(toy("t.csv"), "time,money\n1,2\n");
    expect("eval --quiet --model @t.safetensors --data glyphs --steps 1 --count 4 --report @r.html",
           0);
    ck_assert_ptr_nonnull(strstr(said(stderr), "t.csv: has no column loss; the report is without"));
    ck_assert(there("r.html"));
    says("train " TINY "--resume --out @t.safetensors", 1, "its first line is not step,loss");
    remove(toy("t.csv"));
    expect("train --data glyphs " SMALL "--resume --out @t.safetensors", 0);
    ck_assert_ptr_nonnull(
        strstr(said(stderr), "t.csv: there is none; a new log starts after step 3"));
}
END_TEST

Suite *cli_suite(void)
{
    Suite *s = suite_create("cli");
    TCase *tc = tcase_create("cli");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, bits_per_dimension);
    tcase_add_test(tc, as_paper);
    tcase_add_test(tc, help_of_every_command);
    tcase_add_test(tc, a_model_from_start_to_report);
    tcase_add_test(tc, samples_in_both_formats);
    tcase_add_test(tc, a_picture_that_is_too_large_is_refused_at_once);
    tcase_add_test(tc, samplers_and_grids);
    tcase_add_test(tc, go_on_from_nothing);
    tcase_add_test(tc, small_files_sample);
    tcase_add_test(tc, noise_from_a_rate_matrix);
    tcase_add_test(tc, iterated_rounds);
    tcase_add_test(tc, fcd_with_a_classifier_from_a_file);
    tcase_add_test(tc, a_broken_log_costs_a_report_its_curve);
    tcase_add_test(tc, stop_and_go); /* leaves a signal */
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
