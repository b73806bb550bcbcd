/* The measuring program's arguments and rows.  Speed is not tested: the machine may be busy. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tests/tools/sanitized.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-bench.tmp.d");
    ck_assert_ptr_nonnull(freopen(toy("stdout"), "w", stdout));
    ck_assert_ptr_nonnull(freopen(toy("stderr"), "w", stderr));
    options_program("bench");
}

/* Runs "COMMAND words...", separated by blanks. */
static int run(const char *line)
{
    char words[200];
    char *argv[32];
    int argc = 0;
    ck_assert(strlen(line) < sizeof words);
    strcpy(words, line);
    for (char *p = strtok(words, " "); p; p = strtok(NULL, " "))
        argv[argc++] = p;
    ck_assert_int_gt(argc, 0);
    for (size_t i = 0; i < bench_command_count; i++)
        if (strcmp(bench_commands[i]->name, argv[0]) == 0)
            return bench_commands[i]->run(bench_commands[i], argc - 1, argv + 1);
    ck_abort_msg("no command %s", argv[0]);
    return -1;
}

static void expect(FILE *stream, const char *part)
{
    size_t n;
    fflush(stream);
    char *text = toy_read(toy(stream == stderr ? "stderr" : "stdout"), &n);
    ck_assert_msg(strstr(text, part) != NULL, "expected '%s' in:\n%s", part, text);
    mem_free(text);
}

static const struct {
    const char *line, *name, *shape;
    bool gflops;
} good[] = {
    {"gemm 5 6 7 --reps 2 --threads 2", "\"name\": \"gemm\"", "\"shape\": [5, 6, 7]", true},
    {"gemm 5 6 7 --trans TT --reps 1", "\"trans\": \"TT\"", "[5, 6, 7]", true},
    {"conv2d 1 6 8 3 5 --reps 1", "\"pass\": \"forward\"", "[1, 6, 8, 3, 5]", true},
    {"conv2d 1 6 8 3 5 --reps 1 --pass data --algo direct", "\"pass\": \"data\"",
     "\"algo\": \"direct\"", true},
    {"conv2d 2 6 8 3 5 --reps 1 --pass weight --algo winograd", "\"pass\": \"weight\"",
     "\"algo\": \"winograd\"", true},
    {"conv2d 2 6 8 3 5 --reps 1 --stride 2", "\"stride\": 2", "[2, 6, 8, 3, 5]", true},
    {"groupnorm-silu 2 3 4 64 --reps 1", "\"name\": \"groupnorm-silu\"", "[2, 3, 4, 64]", false},
    {"unet --preset small --batch 1 --reps 1", "\"work\": \"forward\"", "[1, 16, 16, 1]", false},
    {"unet --preset glyphs --batch 2 --train --reps 1 --role student", "\"work\": \"step\"",
     "\"role\": \"student\"", false},
    {"unet --preset glyphs --batch 2 --train --no-update --reps 1",
     "\"work\": \"forward+backward\"", "[2, 6, 6, 1]", false},
    {"teacher-step --preset glyphs --batch 2 --reps 1", "\"name\": \"teacher-step\"", "[2]", false},
    {"distill-step --preset glyphs --images 2 --lambdas 3 --reps 1", "\"name\": \"distill-step\"",
     "[2, 3]", false},
    {"samplers --process absorbing --sampler first-hitting --states 9 --dims 20 --count 3 --reps 1",
     "\"sampler\": \"first-hitting\"", "[3, 20, 9]", false},
    {"sample --preset glyphs --steps 2 --count 3 --reps 1", "\"name\": \"sample\"", "[3, 2]",
     false},
    {"inception --batch 1 --side 8 --reps 1", "\"name\": \"inception\"", "[1, 8, 8, 3]", true},
    {"groupnorm-silu 2 3 4 5 --reps 1 --pass backward", "\"pass\": \"backward\"", "[2, 3, 4, 5]",
     false},
};

static double number_of(const Json *row, const char *key)
{
    Error err;
    double value;
    ck_assert_msg(json_number(row, key, &value, "row", &err), "%s", err.text);
    return value;
}

/* One line, one object, with every field that a reader of rows counts on. */
START_TEST(a_row_for_every_kernel)
{
    size_t n;
    Error err = {""};
    if (SANITIZED && strstr(good[_i].line, "inception")) /* 24 million random weights */
        return;
    ck_assert_int_eq(run(good[_i].line), 0);
    expect(stdout, good[_i].name);
    expect(stdout, good[_i].shape);
    char *text = toy_read(toy("stdout"), &n);
    ck_assert_ptr_eq(strchr(text, '\n'), text + n - 1);
    Json *json = json_parse(text, n, "row", &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    const double least = number_of(json, "seconds_min");
    ck_assert(least >= 0.0 && number_of(json, "seconds_median") >= least);
    ck_assert(number_of(json, "threads") >= 1.0);
    ck_assert(number_of(json, "peak_rss_mib") >= 0.0);
    ck_assert((json_get(json, "gflops") != NULL) == good[_i].gflops);
    json_free(json);
    mem_free(text);
}
END_TEST

/* The losses and the draws of the same step. */
START_TEST(two_rows_for_the_losses)
{
    ck_assert_int_eq(run("losses --images 1 --lambdas 2 --reps 1"), 0);
    expect(stdout, "{\"name\": \"losses\", \"shape\": [1, 2, 3072, 256]");
    expect(stdout, "{\"name\": \"draws\", \"shape\": [1, 2, 3072, 256]");
}
END_TEST

/* Two rows for each operation of a transformer. */
START_TEST(rows_for_the_operations_of_a_transformer)
{
    ck_assert_int_eq(run("transformer-ops --batch 2 --length 5 --channels 12 --heads 3 --states 7 "
                         "--reps 1"),
                     0);
    expect(stdout, "{\"name\": \"transformer-ops\", \"shape\": [2, 5, 12]");
    expect(stdout, "\"operation\": \"embedding\", \"pass\": \"forward\"");
    expect(stdout, "\"operation\": \"multihead_attention\", \"pass\": \"backward\"");
}
END_TEST

static Json *next_row(const char **text)
{
    Error err = {""};
    const size_t n = strcspn(*text, "\n");
    Json *row = json_parse(*text, n, "row", &err);
    ck_assert_msg(row != NULL, "%s", err.text);
    *text += n + 1;
    return row;
}

/* A step, then the operations in it, whose least times are no more than the step's. */
START_TEST(a_step_of_a_transformer_by_operation)
{
    size_t n, products = 0;
    double sum = 0.0;
    ck_assert_int_eq(
        run("transformer --batch 2 --length 5 --width 12 --heads 3 --blocks 2 --states 7 --reps 1"),
        0);
    fflush(stdout);
    char *text = toy_read(toy("stdout"), &n);
    const char *at = text;
    Json *row = next_row(&at);
    const double step = number_of(row, "seconds_median");
    json_free(row);
    for (; *at; json_free(row)) {
        row = next_row(&at);
        sum += number_of(row, "seconds_min");
        if (json_get(row, "gflops")) {
            if (number_of(row, "seconds_min") > 0.0)
                ck_assert_double_gt(number_of(row, "share_of_peak"), 0.0);
            else /* shorter than a tick of the clock, which may be a microsecond without OpenMP */
                ck_assert_int_eq(json_get(row, "share_of_peak")->type, JSON_NULL);
            products++;
        }
    }
    ck_assert_double_le(sum, step * (1.0 + 1e-6)); /* in ticks they may be equal */
    /* Layers C x C, C x 4 C, 4 C x C and attention, of all and of masked places; of these C x S. */
    ck_assert_uint_eq(products, (size_t)2 * 9);
    expect(stdout, "\"shape\": [2, 5], \"threads\"");
    expect(stdout, "\"shape\": [10, 12, 12], \"threads\"");
    expect(stdout, "\"shape\": [0, 12, 12], \"threads\""); /* at masked places alone */
    expect(stdout, "\"operation\": \"linear\", \"pass\": \"backward\", \"calls\": 6,");
    expect(stdout, "\"operation\": \"optimizer\"");
    mem_free(text);
}
END_TEST

START_TEST(a_forward_pass_of_a_transformer)
{
    ck_assert_int_eq(run("transformer --forward --batch 2 --length 5 --width 12 --heads 3 "
                         "--blocks 2 --states 7 --reps 1"),
                     0);
    expect(stdout, "\"work\": \"forward\"");
}
END_TEST

static const struct {
    const char *line, *part;
} wrong[] = {
    {"losses --images 0", "--images 0: expected a whole number from 1"},
    {"losses --lambdas x", "--lambdas x: expected a whole number"},
    {"gemm", "bench gemm: M is missing"},
    {"gemm 5 6", "K is missing"},
    {"gemm 5 6 7 8", "unexpected argument '8'"},
    {"gemm 5 0 7", "N 0: expected a whole number from 1 to 1000000"},
    {"gemm 5 x 7", "N x: expected a whole number"},
    {"gemm 5 6 -7", "unknown option '-7'"},
    {"gemm 5 6 7 --trans TX", "--trans TX: expected NN|NT|TN|TT"},
    {"gemm 5 6 7 --reps 0", "--reps 0: expected a whole number from 1"},
    {"gemm 5 6 7 --threads 0", "--threads 0: expected"},
    {"gemm 5 6 7 --fast", "unknown option '--fast'"},
    {"conv2d 1 6 8 3", "COUT is missing"},
    {"conv2d 1 6 8 3 5 --pass backward", "--pass backward: expected forward|data|weight"},
    {"conv2d 1 6 8 3 5 --algo fft", "--algo fft: expected auto|direct|winograd|few"},
    {"conv2d 1 5 8 3 5 --stride 2", "--stride 2: expected even H and W, not 5 and 8"},
    {"groupnorm-silu 1 6 8", "C is missing"},
    {"groupnorm-silu 1 6 8 3 --pass data", "--pass data: expected forward|backward"},
    {"unet --preset huge", "unknown preset 'huge'"},
    {"unet --role pupil", "--role pupil: expected teacher|student"},
    {"unet --batch 0", "--batch 0: expected a whole number from 1"},
    {"teacher-step --preset huge", "unknown preset 'huge'"},
    {"distill-step --images none", "--images none: expected a whole number"},
    {"samplers --sampler best", "unknown sampler 'best'"},
    {"samplers --process matrix", "expected gaussian, birthdeath, uniform or absorbing"},
    {"sample --steps 0", "--steps 0: expected a whole number from 1"},
    {"inception --batch 17", "--batch 17: expected a whole number from 1 to 16"},
    {"inception --side 0", "--side 0: expected a whole number from 1"},
    {"transformer-ops --heads 3", "--heads 3: expected a number that divides C/2, and C is 256"},
    {"transformer 16", "unexpected argument '16'"},
    {"transformer --states 1", "--states 1: expected a whole number from 2"},
    {"transformer --width 20", "width is 20; it must be a multiple of twice its 4 heads"},
    {"transformer --width 20000", "tf_width"},
    {"transformer-ops 16", "unexpected argument '16'"},
    {"ladder 1024", "unexpected argument '1024'"},
    {"ladder --size 0", "--size 0: expected a whole number from 1 to 4096"},
    {"smoke 3", "unexpected argument '3'"},
    {"smoke --nonsense", "unknown option '--nonsense'"},
};

/* Every operation of the network has a row, the slowest first. */
START_TEST(a_profile_names_the_operations)
{
    ck_assert_int_eq(run("unet --preset small --batch 1 --train --profile --reps 1"), 0);
    expect(stdout, "\"name\": \"unet-profile\", \"operation\": \"conv3x3 16x16\", \"calls\": 9,");
    expect(stdout, "\"operation\": \"attention 8x8\", \"calls\": 4,");
    expect(stdout, "\"operation\": \"optimizer\"");
}
END_TEST

START_TEST(wrong_usage_is_explained)
{
    ck_assert_int_eq(run(wrong[_i].line), 2);
    expect(stderr, wrong[_i].part);
}
END_TEST

START_TEST(help_of_every_command)
{
    for (size_t i = 0; i < bench_command_count; i++) {
        char line[60];
        snprintf(line, sizeof line, "%s --help", bench_commands[i]->name);
        ck_assert_int_eq(run(line), 0);
        expect(stdout, bench_commands[i]->example);
        expect(stdout, "--reps N");
    }
}
END_TEST

/* Sizes around the tiles: all steps compute the same product, or the status is 1. */
START_TEST(the_ladder_computes_one_product)
{
    ck_assert_int_eq(run("ladder --size 1 --reps 1 --threads 2"), 0);
    ck_assert_int_eq(run("ladder --size 71 --reps 1"), 0);
    ck_assert_int_eq(run("ladder --size 300 --reps 1 --threads 2"), 0);
    expect(stdout, "\"step\": \"three loops, i j k\", \"factor\": 1,");
    expect(stdout, "\"step\": \"all threads\"");
}
END_TEST

static int64_t calls;

static void count_calls(void *context)
{
    *(int64_t *)context += 1;
}

START_TEST(median_of_the_calls_asked_for)
{
    for (int64_t reps = 1; reps <= 4; reps++) {
        calls = 0;
        const BenchTimes times = bench_time(reps, count_calls, &calls);
        ck_assert_int_eq(calls, reps + 2);
        ck_assert(times.minimum >= 0.0 && times.minimum <= times.median);
    }
}
END_TEST

Suite *bench_suite(void)
{
    Suite *s = suite_create("bench");
    TCase *tc = tcase_create("bench");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_loop_test(tc, a_row_for_every_kernel, 0, (int)(sizeof good / sizeof good[0]));
    tcase_add_test(tc, rows_for_the_operations_of_a_transformer);
    tcase_add_test(tc, a_step_of_a_transformer_by_operation);
    tcase_add_test(tc, a_forward_pass_of_a_transformer);
    tcase_add_loop_test(tc, wrong_usage_is_explained, 0, (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, a_profile_names_the_operations);
    tcase_add_test(tc, help_of_every_command);
    tcase_add_test(tc, the_ladder_computes_one_product);
    tcase_add_test(tc, median_of_the_calls_asked_for);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 30);
    tcase_add_checked_fixture(slow, set_up, toys_tear_down);
    tcase_add_test(slow, two_rows_for_the_losses);
    return s;
}
