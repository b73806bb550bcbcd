/* experiments/bench/peers.sh with stand-ins for the measuring program and for Python: the table
 * that it makes of their times, and what it refuses. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

#ifndef DI4C_PLAIN_C
#define DIR "test-peers.tmp.d"

/* Each call takes a second more than the last one: 1, 2, 3 have the median 2. */
#define BENCH                                                                                      \
    "#!/bin/sh\n"                                                                                  \
    "echo \"$*\" >> " DIR "/calls\n"                                                               \
    "echo \"{\\\"seconds_min\\\": 0, \\\"seconds_median\\\": $(wc -l < " DIR "/calls)}\"\n"        \
    "echo 'another row'\n"
#define PYTHON                                                                                     \
    "#!/bin/sh\n"                                                                                  \
    "case $*:$HAS_ORT in\n"                                                                        \
    "*measure.py\\ version:*) echo 7.1$HOW ;;\n"                                                   \
    "*ort.py\\ version:yes) echo 8.2 ;;\n"                                                         \
    "*ort.py\\ version:*) exit 1 ;;\n"                                                             \
    "*export*) echo x > \"$3\" ;;\n"                                                               \
    "*ort.py*) echo '{\"seconds_median\":0.5}' ;;\n"                                               \
    "*) echo '{\"seconds_median\": 3.0}' ;;\n"                                                     \
    "esac\n"

static void set_up(void)
{
    toys_set_up(DIR);
    toy("calls"), toy("out"), toy("err");
    toy_script(toy("bench"), BENCH);
    toy_script(toy("python"), PYTHON);
}

static int script(const char *before, const char *words)
{
    char line[600];
    snprintf(line, sizeof line,
             "%s PATH=/usr/bin:/bin sh experiments/bench/peers.sh --bench " DIR "/bench %s > " DIR
             "/out 2> " DIR "/err",
             before, words);
    return system(line);
}

static void has(const char *name, const char *piece)
{
    size_t n;
    char *text = toy_read(toy(name), &n);
    ck_assert_msg(strstr(text, piece) != NULL, "%s: expected '%s' in\n%s", name, piece, text);
    mem_free(text);
}

START_TEST(medians_and_ratios)
{
    ck_assert_int_eq(script("HAS_ORT=yes", "--python " DIR "/python --only unet-forward,sample"),
                     0);
    has("out", ", 2 threads, 3 rounds\n");
    has("out", "| work | di4c | PyTorch 7.1 | ratio | onnxruntime 8.2 | ratio |\n"
               "|---|---:|---:|---:|---:|---:|\n"
               "| unet-forward | 2 s | 3 s | 1.50 | 0.5 s | 0.25 |\n"
               "| sample | 5 s | 3 s | 0.60 | | |\n");
    has("calls", "unet --preset cifar10 --batch 8 --threads 2 --reps 3\n");
    has("calls", "sample --preset cifar10 --steps 10 --count 8 --threads 2 --reps 3\n");
    ck_assert_int_eq(script("", "--python " DIR "/python --only inception-forward --reps 5"), 0);
    has("calls", "inception --batch 16 --threads 2 --reps 5\n");
}
END_TEST

START_TEST(what_is_missing_is_said)
{
    ck_assert_int_eq(
        script("NODE_PATH=/none", "--python " DIR "/python --only unet-forward --rounds 2 --small"),
        0);
    has("err", "onnxruntime is missing: pip install onnxruntime");
    has("out", "2 rounds, tiny sizes");
    has("out", "| unet-forward | 1.5 s | 3 s | 2.00 | | |\n");
    ck_assert_int_eq(script("", "--python " DIR "/none --only di4c-step --rounds 1"), 0);
    has("err", "PyTorch is missing: apt-get install python3-torch");
    has("out", "| di4c-step | 3 s | | | | |\n");
}
END_TEST

/* Products without kernels of their own make no peer. */
START_TEST(a_slow_peer_is_refused)
{
    static const char how[] = "HOW=' with the reference BLAS'";
    static const char use[] = "--python " DIR "/python --only sample --rounds 1";
    char small[100];
    ck_assert_int_ne(script(how, use), 0);
    has("err", "this PyTorch multiplies by the reference BLAS");
    has("err", "apt-get install libopenblas0");
    snprintf(small, sizeof small, "%s --small", use);
    ck_assert_int_eq(script(how, small), 0);
    has("out", "PyTorch 7.1 with the reference BLAS");
}
END_TEST

START_TEST(wrong_use)
{
    ck_assert_int_ne(script("", "--only unet"), 0);
    has("err", "--only unet: expected some of product-square,");
    ck_assert_int_ne(script("", "--reps 0"), 0);
    has("err", "'0': expected a whole number from 1 on");
    ck_assert_int_ne(script("", "--fast yes"), 0);
    has("err", "peers.sh [options]");
    toy_script(toy("bench"), "#!/bin/sh\nexit 1\n");
    ck_assert_int_ne(script("", "--python " DIR "/none --only sample"), 0);
    has("err", "ours sample: no time came out");
    ck_assert_int_ne(script("", "--bench " DIR "/none"), 0);
    has("err", "none: is not there: make bench");
}
END_TEST
#endif

Suite *peers_suite(void);
Suite *peers_suite(void)
{
    Suite *s = suite_create("peers");
    TCase *tc = tcase_create("peers");
#ifndef DI4C_PLAIN_C
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, medians_and_ratios);
    tcase_add_test(tc, what_is_missing_is_said);
    tcase_add_test(tc, a_slow_peer_is_refused);
    tcase_add_test(tc, wrong_use);
#endif
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
