/* Shards joined again: the bytes of one run, whatever the cut; and shards that do not belong
 * together.
 */
#ifndef DI4C_PLAIN_C
#define _POSIX_C_SOURCE 200809L /* setrlimit */
#endif
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <signal.h>
#include <sys/resource.h>
#endif

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

#define DIR    "test-merge.tmp.d"
#define TINY   "--quiet --set mlp_width=16 --set mlp_blocks=1 --set batch=4 --steps 3 "
#define SAMPLE "sample --quiet --steps 2 --count 23 --model @t.safetensors "
#define EVAL   "eval --quiet --steps 1,2 --count 23 --model @t.safetensors --data glyphs "

static void set_up(void)
{
    static const char *const files[] = {
        "t.safetensors", "t.csv",         "u.safetensors", "u.csv",   "s.safetensors", "s.csv",
        "a.txt",         "all.npy",       "o.npy",         "all.txt", "o.txt",         "all.json",
        "o.json",        "c.safetensors", "p.png",         "di4c",    "o.npy.parts"};
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
    for (int i = 0; i < 7; i++) {
        char name[24];
        snprintf(name, sizeof name, "p%d.npy", i);
        toy(name);
        snprintf(name, sizeof name, "p%d.npy.json", i);
        toy(name);
        snprintf(name, sizeof name, "p%d.stats", i);
        toy(name);
    }
    toy("p0.txt"), toy("p1.txt"), toy("p0.txt.json"), toy("p1.txt.json");
    expect("train --data glyphs " TINY "--out @t.safetensors", 0);
}

/* Runs the line for all shards of n; %d stands for the shard. */
static void run_shards(const char *line, const char *option, const char *suffix, int n)
{
    for (int i = 0; i < n; i++) {
        char all[500];
        snprintf(all, sizeof all, "%s --shard %d/%d %s @p%d%s", line, i, n, option, i, suffix);
        expect(all, 0);
    }
}

/* "merge", the parts in another order than that of their samples, and the rest of the line. */
static int merge(const char *suffix, int n, const char *rest)
{
    char line[500] = "merge";
    for (int i = 0; i < n; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " @p%d%s", (i * 2 + 1) % n,
                 suffix); /* n is odd, or 1 */
    snprintf(line + strlen(line), sizeof line - strlen(line), " %s", rest);
    return run(line);
}

static void ok(int status)
{
    ck_assert_msg(status == 0, "%s", said(stderr));
}

START_TEST(samples_have_the_bytes_of_one_run)
{
    static const int cuts[] = {1, 3, 5, 7};
    expect(SAMPLE "--out @all.npy", 0);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        run_shards(SAMPLE, "--out", ".npy", cuts[i]);
        ok(merge(".npy", cuts[i], "--out @o.npy"));
        ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
        ck_assert(remove(toy("o.npy")) == 0);
    }
    /* parts of two cuts: 0/2 has samples 0 to 10, 1/4 and 3/4 are of no use beside it */
    expect(SAMPLE "--shard 0/2 --out @p0.npy --batch 3", 0);
    expect(SAMPLE "--shard 2/4 --out @p1.npy --threads 2", 0);
    expect(SAMPLE "--shard 3/4 --out @p2.npy", 0);
    ok(run("merge @p2.npy @p0.npy @p1.npy --out @o.npy"));
    ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
    ck_assert(!platform_exists(toy("o.npy.json")));
}
END_TEST

/* So many that one run writes them block by block, and so do its parts. */
START_TEST(blocks_are_as_parts)
{
    const char *line = "sample --quiet --steps 1 --count 1100 --model @t.safetensors";
    says("sample --quiet --steps 1 --count 1100 --model @t.safetensors --out @all.npy", 0,
         "all.npy: 1100 samples of 1 step, 1 network call each");
    run_shards(line, "--out", ".npy", 3);
    ok(merge(".npy", 3, "--out @o.npy"));
    ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
    ck_assert(!platform_exists(DIR "/all.npy.part") && !platform_exists(DIR "/all.npy.part.json"));
}
END_TEST

#ifndef DI4C_PLAIN_C
/* The disk is full in the 14th network call, of a part as small as those of a large cluster: what
 * the calls before it drew stays, and is not drawn again. */
START_TEST(no_more_than_one_call_is_lost)
{
    static const char line[] = SAMPLE "--count 40 --batch 2 --shard 0/1 --out @p0.npy";
    struct rlimit limit;
    expect(SAMPLE "--count 40 --out @all.npy", 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit full = {2048, limit.rlim_max}; /* 128 and 26.7 samples of 72 bytes */
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    const int status = run(line);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(status, 1);
    ck_assert_ptr_nonnull(strstr(said(stderr), "p0.npy.part: writing failed"));
    ck_assert(!platform_exists(toy("p0.npy.json")));
    says(line, 0, "26 samples were there already");
    ok(run("merge @p0.npy --out @o.npy"));
    ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
}
END_TEST
#endif

START_TEST(texts_have_the_bytes_of_one_run)
{
    char text[601] = "";
    for (size_t i = 0; i < 30; i++)
        strcat(text, "all good men now\n\n ");
    toy_text(toy("a.txt"), text);
    expect("train --data text:" DIR "/a.txt " TINY "--set embed=8 --set length=8 --out "
           "@s.safetensors",
           0);
    const char *line = "sample --quiet --steps 2 --count 5 --model @s.safetensors ";
    char all[200];
    snprintf(all, sizeof all, "%s --out @all.txt", line);
    expect(all, 0);
    run_shards(line, "--out", ".txt", 2);
    says("merge @p1.txt @p0.txt --out @o.txt", 0, "o.txt: 5 samples of 2 parts");
    ck_assert(toy_same(toy("all.txt"), toy("o.txt")));
    says("merge @p1.txt @p0.txt --out @o.npy", 1, "p1.txt: expected a name that ends in .npy");
    /* and what is measured of them */
    const char *eval =
        "eval --quiet --steps 1,2 --count 9 --model @s.safetensors --data text:" DIR "/a.txt";
    snprintf(all, sizeof all, "%s --json @all.json", eval);
    expect(all, 0);
    run_shards(eval, "--statistics", ".stats", 3);
    ok(merge(".stats", 3, "--json @o.json"));
    size_t n;
    char *a = toy_read(toy("all.json"), &n), *b = toy_read(toy("o.json"), &n);
    ck_assert(strstr(a, "\"distinct4\"") && strstr(a, "\"ngram\""));
    ck_assert_str_eq(strstr(a, "\"version\""), strstr(b, "\"version\""));
    mem_free(a);
    mem_free(b);
}
END_TEST

/* All of the JSON but the command. */
START_TEST(rows_are_those_of_one_run)
{
    static const int cuts[] = {1, 3, 7};
    size_t n;
    expect(EVAL "--json @all.json", 0);
    char *all = toy_read(toy("all.json"), &n);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        run_shards(EVAL, "--statistics", ".stats", cuts[i]);
        ok(merge(".stats", cuts[i], "--json @o.json"));
        char *joined = toy_read(toy("o.json"), &n);
        ck_assert_str_eq(strstr(joined, "\"version\""), strstr(all, "\"version\""));
        mem_free(joined);
    }
    mem_free(all);
    ck_assert_ptr_nonnull(strstr(said(stdout), "23 samples in each row; tv of as many"));
    /* a sampler with times of its own counts its calls */
    expect(EVAL "--sampler first-hitting --json @all.json --steps 1", 2);
    expect("eval --quiet --count 5 --model @t.safetensors --data glyphs --sampler first-hitting "
           "--json @all.json",
           0);
    run_shards("eval --quiet --count 5 --model @t.safetensors --data glyphs --sampler "
               "first-hitting",
               "--statistics", ".stats", 3);
    ok(merge(".stats", 3, "--json @o.json"));
    all = toy_read(toy("all.json"), &n);
    char *joined = toy_read(toy("o.json"), &n);
    ck_assert_str_eq(strstr(joined, "\"version\""), strstr(all, "\"version\""));
    mem_free(joined);
    mem_free(all);
}
END_TEST

START_TEST(samples_that_do_not_belong_together)
{
    run_shards(SAMPLE, "--out", ".npy", 3);
    says("merge @p0.npy @p2.npy --out @o.npy", 1, "samples 7 to 14 of 23 are missing");
    expect(SAMPLE "--shard 0/2 --out @p3.npy", 0);
    says("merge @p0.npy @p1.npy @p2.npy @p3.npy --out @o.npy", 1, "has some too");
    expect("train --data glyphs " TINY "--seed 2 --out @u.safetensors", 0);
    expect("sample --quiet --steps 2 --count 23 --model @u.safetensors --shard 1/3 --out @p1.npy",
           0);
    says("merge @p0.npy @p1.npy @p2.npy --out @o.npy", 1, "p1.npy: model is ");
    expect(SAMPLE "--seed 2 --shard 1/3 --out @p1.npy", 0);
    says("merge @p0.npy @p1.npy @p2.npy --out @o.npy", 1, "p1.npy: --seed is 2, expected 1");
    expect(SAMPLE "--grid process --shard 1/3 --out @p1.npy", 0);
    says("merge @p0.npy @p1.npy @p2.npy --out @o.npy", 1,
         "p1.npy: --grid is process, expected it not given");
    expect(SAMPLE "--shard 1/3 --out @p1.npy", 0);
    expect(SAMPLE "--shard 2/3 --out @p4.npy", 0);
    ck_assert_int_eq(rename(toy("p4.npy"), toy("p1.npy")), 0); /* its note is another's */
    says("merge @p0.npy @p1.npy @p2.npy --out @o.npy", 1,
         "p1.npy: is not the file that " DIR "/p1.npy.json was written for");
    remove(toy("p1.npy.json"));
    says("merge @p0.npy @p1.npy @p2.npy --out @o.npy", 1, "p1.npy.json: cannot be read: expected");
    ck_assert(!platform_exists(toy("o.npy")));
    says("merge @p0.npy --out @p0.npy", 1, "expected another name than a shard's");
#ifndef DI4C_PLAIN_C
    says("merge @p0.npy --out @./p0.npy", 1, "expected another name than a shard's");
#endif
    expect(SAMPLE "--shard 0/2 --out @p.png", 0);
    says("merge @p0.npy @p.png --out @o.npy", 1, "p.png: expected a name that ends in .npy");
}
END_TEST

START_TEST(statistics_that_do_not_belong_together)
{
    run_shards(EVAL, "--statistics", ".stats", 3);
    says("merge @p0.stats @p2.stats", 1, "samples 7 to 14 of 23 are missing");
    says("merge @p0.stats @p0.stats @p1.stats @p2.stats", 1, "has some too");
    expect(EVAL "--seed 2 --shard 1/3 --statistics @p1.stats", 0);
    says("merge @p0.stats @p1.stats @p2.stats", 1, "p1.stats: run.--seed is 2, expected 1");
    expect("eval --quiet --steps 1,4 --count 23 --model @t.safetensors --data glyphs --shard 1/3 "
           "--statistics @p1.stats",
           0);
    says("merge @p0.stats @p1.stats @p2.stats", 1, "p1.stats: run.--steps is 1,4, expected 1,2");
    says("merge @t.safetensors", 1, "expected statistics that eval --shard wrote");
    says("merge @all.json", 1, "all.json");
}
END_TEST

START_TEST(wrong_usage)
{
    static const struct {
        const char *line, *piece;
    } cases[] = {
        {"merge", "FILES is missing"},
        {"merge @p0.npy", "--out is missing"},
        {"merge @p0.npy --out @x.png", "expected a name that ends in .npy or .txt"},
        {"merge @p0.npy --out @o.npy --json @o.json", "--json: expected files of statistics"},
        {"merge @p0.stats --out @o.npy", "--out: expected files of samples"},
        {"merge @p0.stats --json @x.safetensors", "expected another name than a model's"},
        {EVAL "--shard 0/2", "--shard and --statistics: expected both or neither"},
        {EVAL "--statistics @p0.stats", "--shard and --statistics: expected both or neither"},
        {EVAL "--shard 2/2 --statistics @p0.stats", "--shard 2/2: expected I/N"},
        {EVAL "--shard 0/99 --statistics @p0.stats", "has none of the 23 samples"},
        {EVAL "--shard 0/2 --statistics @p0.stats --json @o.json",
         "expected neither --json nor --report"},
        {EVAL "--shard 0/2 --statistics @p0.stats --metrics valid,elbo", "elbo cannot"},
        {"eval --samples @p0.npy --metrics is --inception @i.pth --shard 2/2 --statistics "
         "@p0.stats",
         "--shard 2/2: expected I/N"},
        {EVAL "--shard 0/2 --statistics @t.safetensors", "--statistics " DIR "/t.safetensors"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        says(cases[i].line, 2, cases[i].piece);
}
END_TEST

#ifndef DI4C_PLAIN_C
/* As a shell starts it; the program is this one. */
static int script(const char *words)
{
    char line[600];
    snprintf(line, sizeof line, "sh experiments/shards.sh %s > " DIR "/stdout 2> " DIR "/stderr",
             words);
    return system(line);
}

#define LOOP "5 2 " DIR "/o.npy " DIR "/di4c sample --steps 2 --count 23 --model " DIR

START_TEST(a_loop_of_processes_goes_on_after_a_stop)
{
    toy_program(toy("di4c"));
    expect(SAMPLE "--out @all.npy", 0);
    /* no model of that name: nothing is made, and parts that are whole stay */
    ck_assert_int_ne(script(LOOP "/none.safetensors"), 0);
    ck_assert(!platform_exists(toy("o.npy")) && platform_exists(DIR "/o.npy.parts"));
    /* parts of another command are not taken for those of this one */
    ck_assert_int_ne(script(LOOP "/t.safetensors"), 0);
    ck_assert_ptr_nonnull(strstr(said(stderr), "o.npy.parts has parts of another command"));
    ck_assert_int_eq(remove(DIR "/o.npy.parts/command"), 0);
    expect(SAMPLE "--shard 2/5 --out @o.npy.parts/part-2.npy", 0);
    ck_assert_int_eq(remove(DIR "/o.npy.parts/part-2.npy.json"), 0); /* stopped before its note */
    expect(SAMPLE "--shard 3/5 --out @o.npy.parts/part-3.npy", 0);
    ck_assert_msg(script(LOOP "/t.safetensors") == 0, "%s", said(stderr));
    ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
    ck_assert(!platform_exists(DIR "/o.npy.parts"));
    ck_assert_int_ne(script("0 2 " DIR "/o.npy " DIR "/di4c sample"), 0);
    ck_assert_int_ne(script("2 2 " DIR "/o.png " DIR "/di4c sample"), 0);
}
END_TEST

/* Stopped while it removed its parts: the first is gone, its note and the others are there. */
START_TEST(a_loop_stopped_at_its_end_goes_on)
{
    toy_program(toy("di4c"));
    expect(SAMPLE "--out @all.npy", 0);
    ck_assert_int_ne(script(LOOP "/none.safetensors"), 0);
    ck_assert_int_eq(remove(DIR "/o.npy.parts/command"), 0);
    toy_text(DIR "/o.npy.parts/command.new", "half a command"); /* of a stop at its beginning */
    expect(SAMPLE "--shard 0/5 --out @o.npy.parts/part-0.npy", 0);
    expect(SAMPLE "--shard 1/5 --out @o.npy.parts/part-1.npy", 0);
    ck_assert_int_eq(remove(DIR "/o.npy.parts/part-0.npy"), 0);
    ck_assert_msg(script(LOOP "/t.safetensors") == 0, "%s", said(stderr));
    ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
    ck_assert(!platform_exists(DIR "/o.npy.parts"));
}
END_TEST

/* As many parts as samples, and fewer. */
START_TEST(any_number_of_parts_has_the_bytes_of_one_run)
{
    static const int cuts[] = {64, 3, 2, 1};
    toy_program(toy("di4c"));
    expect("sample --quiet --steps 2 --count 64 --model @t.safetensors --out @all.npy", 0);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        char words[300];
        snprintf(words, sizeof words,
                 "%d 2 " DIR "/o.npy " DIR "/di4c sample --steps 2 --count 64 --model " DIR
                 "/t.safetensors",
                 cuts[i]);
        ck_assert_msg(script(words) == 0, "%d: %s", cuts[i], said(stderr));
        ck_assert_msg(toy_same(toy("all.npy"), toy("o.npy")), "%d parts", cuts[i]);
        ck_assert_int_eq(remove(toy("o.npy")), 0);
    }
}
END_TEST

/* As experiments/README.md has it, where GNU parallel is. */
START_TEST(gnu_parallel_draws_parts)
{
    static const char loop[] =
        "cd " DIR " && seq 0 4 | parallel --will-cite -j 2 --joblog log --resume-failed "
        "./di4c sample --model t.safetensors --steps 2 --count 23 --threads 1 --quiet "
        "--shard {}/5 --out p{}.npy > stdout 2> stderr";
    toy("log"), toy_program(toy("di4c"));
    expect(SAMPLE "--out @all.npy", 0);
    ck_assert_int_eq(rename(toy("t.safetensors"), toy("u.safetensors")), 0);
    ck_assert_int_ne(system(loop), 0); /* no part is made */
    ck_assert_int_eq(rename(toy("u.safetensors"), toy("t.safetensors")), 0);
    ck_assert_msg(system(loop) == 0, "%s", said(stderr));
    ok(merge(".npy", 5, "--out @o.npy"));
    ck_assert(toy_same(toy("all.npy"), toy("o.npy")));
}
END_TEST
#endif

Suite *merge_suite(void);
Suite *merge_suite(void)
{
    Suite *s = suite_create("merge");
    TCase *tc = tcase_create("merge");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, samples_have_the_bytes_of_one_run);
    tcase_add_test(tc, blocks_are_as_parts);
    tcase_add_test(tc, texts_have_the_bytes_of_one_run);
    tcase_add_test(tc, rows_are_those_of_one_run);
    tcase_add_test(tc, samples_that_do_not_belong_together);
    tcase_add_test(tc, statistics_that_do_not_belong_together);
    tcase_add_test(tc, wrong_usage);
#ifndef DI4C_PLAIN_C
    tcase_add_test(tc, no_more_than_one_call_is_lost);
    tcase_add_test(tc, a_loop_of_processes_goes_on_after_a_stop);
    tcase_add_test(tc, a_loop_stopped_at_its_end_goes_on);
    tcase_add_test(tc, any_number_of_parts_has_the_bytes_of_one_run);
    if (system("parallel --version 2> /dev/null | grep -q 'GNU parallel'") == 0)
        tcase_add_test(tc, gnu_parallel_draws_parts);
#endif
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
