/* di4c report: every number of the files is in the tables, several seeds have their means, and what
 * is no such file is refused by name. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/provenance.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

#define DIR  "test-report-command.tmp.d"
#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define TINY "--quiet --set mlp_width=16 --set mlp_blocks=1 --set batch=4 --steps 3 "

/* Of `eval`, with the members of the head, and the rows. */
#define HEAD(seed)                                                                                 \
    "{\"command\": \"di4c eval --model s --data glyphs --json x\", \"version\": \"0.1\", "         \
    "\"seed\": " seed ", \"model\": \"" HASH "\", \"samples\": 50"
#define ROW(model, steps, valid, tv)                                                               \
    "{\"model\": \"" model "\", \"steps\": " steps ", \"calls\": " steps ", \"valid\": " valid     \
    ", \"tv\": " tv ", \"samples\": 50}"

static void set_up(void)
{
    static const char *const files[] = {
        "a.json",        "b.json", "a-seed-1.json", "a-seed-2.json", "a-seed-3.json",
        "a.txt",         "o.md",   "o.html",        "t.safetensors", "t.csv",
        "s-seed-1.json", "p.png",  "verify.json",   "results.json",  "x|y.json"};
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
}

static char *page(const char *name)
{
    size_t n;
    char *text = toy_read(toy(name), &n);
    ck_assert_msg(text != NULL, "%s", name);
    return text;
}

static void has(const char *name, const char *piece)
{
    char *text = page(name);
    ck_assert_msg(strstr(text, piece) != NULL, "%s: expected '%s' in:\n%s", name, piece, text);
    mem_free(text);
}

/* Values by hand: 0.5, 0.7 and 0.9 have mean 0.7 and deviation 0.2. */
START_TEST(seeds_have_means)
{
    toy_text(toy("a-seed-1.json"),
             HEAD("1") ", \"rows\": [" ROW("teacher", "2", "0.5",
                                           "1") ", " ROW("student", "4", "0.125", "null") "]}");
    toy_text(toy("a-seed-2.json"),
             HEAD("2") ", \"rows\": [" ROW("teacher", "2", "0.7",
                                           "1") ", " ROW("student", "4", "0.125", "0.5") "]}");
    toy_text(toy("a-seed-3.json"),
             HEAD("3") ", \"rows\": [" ROW("teacher", "2", "0.9",
                                           "1") ", " ROW("student", "4", "0.125", "0.5") "]}");
    expect("report @a-seed-1.json @a-seed-2.json @a-seed-3.json --out @o.md --title Mine", 0);
    has("o.md", "# Mine\n");
    has("o.md", "## glyphs\n\n### a\n\nMean and standard deviation of 3 seeds.\n\n"
                "| model | steps | calls | valid % | tv |\n|---|---:|---:|---|---|\n"
                "| teacher | 2 | 2 | 70.00 \xC2\xB1 20.00 | 1.0000 \xC2\xB1 0.0000 |\n"
                "| student | 4 | 4 | 12.50 \xC2\xB1 0.00 | nan |\n\nSeed 1.\n\n"
                "| model | steps | calls | valid % | tv |\n|---|---:|---:|---:|---:|\n"
                "| teacher | 2 | 2 | 50.00 | 1.0000 |\n| student | 4 | 4 | 12.50 | nan |\n\n"
                "Seed 1, di4c 0.1, model 0011223344556677, samples 50.\n");
    has("o.md", "| teacher | 2 | 2 | 90.00 | 1.0000 |");
    has("o.md", "    di4c eval --model s --data glyphs --json x\n");
    /* one of them alone has no means */
    expect("report @a-seed-3.json --out @o.md", 0);
    char *text = page("o.md");
    ck_assert(strstr(text, "Mean") == NULL && strncmp(text, "# Results\n", 10) == 0);
    mem_free(text);
}
END_TEST

START_TEST(data_sets_and_notes)
{
    toy_text(toy("a.json"), "{\"command\": \"di4c eval --data 'mnist:my dir' --json x\", "
                            "\"version\": \"1\", \"seed\": 7, \"fcd_floor\": 0.25, \"samples\": 2, "
                            "\"elbo\": [{\"model\": \"teacher\", \"bits_per_dim\": 0.5}], "
                            "\"rows\": []}");
    toy_text(toy("a.txt"), "Two <cores>.\n");
    toy_text(toy("b.json"),
             "{\"command\": \"di4c merge x --json y\", \"version\": \"1\", "
             "\"seed\": 7, \"samples\": 50, \"rows\": [" ROW("s", "2", "1", "0") "]}");
    toy_text(toy("x|y.json"), HEAD("1") ", \"rows\": [" ROW("a|b<c", "2", "1", "0") "]}");
    expect("report @x|y.json @a.json @b.json --out @o.md", 0);
    has("o.md", "## glyphs\n\n### x\\|y\n\nSeed 1.\n");
    has("o.md", "| a\\|b&lt;c | 2 | 2 | 100.00 | 0.0000 |");
    has("o.md", "## mnist\n\n### a\n\nBits a dimension in continuous time\n\n"
                "| model | bits_per_dim |\n|---|---:|\n| teacher | 0.5 |\n");
    has("o.md", "Seed 7, di4c 1, fcd_floor 0.25, samples 2.\n\nTwo &lt;cores>.\n\n");
    has("o.md", "## Joined parts, and samples from elsewhere\n\n### b\n");
}
END_TEST

START_TEST(of_the_demo)
{
    toy_text(toy("b.json"), "{\"command\": \"di4c demo --out d\", \"version\": \"1\", \"seed\": 7, "
                            "\"teacher\": \"" HASH "\", \"student\": \"" HASH
                            "\", \"summary\": \"In 2 steps.\", \"samples\": 50, \"rows\": [" ROW(
                                "s", "2", "1", "0") "]}");
    expect("report @b.json --out @o.md", 0);
    has("o.md", "## glyphs\n\n### b\n");
    has("o.md", "|\n\nIn 2 steps.\n\nSeed 7, di4c 1, teacher 0011223344556677, student "
                "0011223344556677, samples 50.\n");
}
END_TEST

/* What the commands write can be read; the page has what the tables have, and charts. */
START_TEST(of_real_runs)
{
    static char *words[] = {"di4c", "eval", "--data", "glyphs"};
    provenance_set(4, words);
    expect("train --data glyphs " TINY "--out @t.safetensors", 0);
    expect("eval --quiet --steps 1,2 --count 20 --data glyphs --model @t.safetensors --metrics "
           "valid,elbo,bound --json @a.json",
           0);
    expect("sample --quiet --steps 1 --count 4 --model @t.safetensors --out @p.png", 0);
    says("report @a.json --out @o.md", 0, "1 file of results");
    has("o.md", "## glyphs\n\n### a\n");
    has("o.md", "| exact | 2 | 2 | ");
    has("o.md", "The evidence bound of the sampler, bits a dimension\n\n| model | steps |");
    has("o.md", ", sampler posterior, grid uniform, lambda ");
    toy_text(toy("a.txt"), "A note.");
    expect("report @a.json @p.png @a.txt @t.csv --out @o.html", 0);
    has("o.html", "<h3>a</h3>");
    has("o.html", "Share of samples that are real patterns");
    has("o.html", "data:image/png;base64,");
    has("o.html", "A note.</pre>");
    has("o.html", "Losses while training");
}
END_TEST

START_TEST(other_files_are_refused)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "a.json: JSON at byte 0"},
        {"[]", "a.json: expected the JSON of eval, merge or demo"},
        {"{}", "a.json: expected a string \"command\""},
        {"{\"runs\": 1, \"failed\": 0, \"cases\": []}", "a.json: expected a string \"command\""},
        {"{\"command\": \"di4c theory all\", \"version\": \"1\", \"seed\": 1, \"rows\": []}",
         "a.json: command is 'di4c theory all': expected the JSON of eval, merge or demo"},
        {"{\"command\": \"di4c evaluate\"}", "a.json: command is 'di4c evaluate'"},
        {"{\"command\": \"di4c eval\", \"seed\": 1, \"rows\": []}",
         "expected a string \"version\""},
        {"{\"command\": \"di4c eval\", \"version\": \"1\", \"rows\": []}",
         "expected a whole number \"seed\""},
        {"{\"command\": \"di4c eval\", \"version\": \"1\", \"seed\": 1, \"rows\": []}",
         "expected a whole number \"samples\""},
        {HEAD("1") ", \"summary\": 1, \"rows\": []}", "a.json: expected a string \"summary\""},
        {HEAD("1") "}", "a.json: expected \"rows\""},
        {HEAD("1") ", \"rows\": {}}", "a.json: rows: expected an array"},
        {HEAD("1") ", \"rows\": [1]}", "a.json: rows[0]: expected an object"},
        {HEAD("1") ", \"rows\": [{}]}", "a.json: rows[0]: expected an object of 1 to 32 members"},
        {HEAD("-1") ", \"rows\": []}", "expected a whole number \"seed\""},
        {HEAD("1") ", \"curve\": [], \"rows\": []}", "a.json: unknown member \"curve\""},
        {HEAD("1") ", \"bounds\": 1, \"rows\": []}", "a.json: bounds: expected an array"},
        {HEAD("1") ", \"elbo\": [{\"a\": []}], \"rows\": []}", "a.json: elbo[0]: expected single"},
        {HEAD("1") ", \"student\": \"12\", \"rows\": []}",
         "a.json: student: expected 64 hexadecimal digits"},
        {HEAD("1") ", \"rows\": [{\"model\": \"s\", \"steps\": 1, \"calls\": 1, \"speed\": 1, "
                   "\"samples\": 50}]}",
         "a.json: rows: unknown column \"speed\""},
        {HEAD("1") ", \"rows\": [" ROW("s", "1", "1", "1") ", {\"model\": \"s\"}]}",
         "a.json: rows[1]: expected single values"},
        {HEAD("1") ", \"rows\": [" ROW("s", "1", "\"x\"", "1") "]}",
         "a.json: rows[0]: expected a number \"valid\""},
        {HEAD("1") ", \"rows\": [" ROW("s", "-1", "1", "1") "]}",
         "a.json: rows[0]: expected a whole number \"steps\""},
        {HEAD("1") ", \"rows\": [{\"model\": \"s\", \"steps\": 1, \"calls\": 1, \"valid\": 1, "
                   "\"samples\": 49}]}",
         "a.json: rows[0]: 49 samples, expected 50"},
        {HEAD("1") ", \"rows\": [{\"valid\": 1}]}", "a.json: rows[0]: expected a string \"model\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        toy_text(toy("a.json"), cases[i].text);
        says("report @a.json --out @o.md", 1, cases[i].part);
        ck_assert_msg(!platform_exists(toy("o.md")), "%s", cases[i].part);
    }
    says("report @none.json --out @o.md", 1, "none.json: expected the JSON of eval");
    toy_text(toy("a.json"), HEAD("1") ", \"rows\": []}");
    toy_write(toy("a.txt"), "\xFF", 1);
    says("report @a.json --out @o.md", 1, "a.txt: expected a text in UTF-8");
}
END_TEST

START_TEST(files_of_one_set_must_be_alike)
{
    static const char *const others[] = {
        HEAD("2") ", \"rows\": [" ROW("t", "1", "1", "1") "]}",
        HEAD("2") ", \"rows\": [" ROW("s", "2", "1", "1") "]}",
        HEAD("2") ", \"rows\": []}",
        HEAD("2") ", \"rows\": [{\"model\": \"s\", \"steps\": 1, \"calls\": 1, \"tv\": 1, "
                  "\"samples\": 50}]}",
    };
    toy_text(toy("a-seed-1.json"), HEAD("1") ", \"rows\": [" ROW("s", "1", "1", "1") "]}");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        toy_text(toy("a-seed-2.json"), others[i]);
        says("report @a-seed-1.json @a-seed-2.json --out @o.md", 1,
             "a, seed 2: expected the models, steps, metrics and number of samples of seed 1");
    }
    says("report @a-seed-1.json @a-seed-1.json --out @o.md", 1,
         "a-seed-1.json: seed 1 of a has s at 1 steps twice");
    toy_text(toy("a+x.json"), others[3]);
    toy_text(toy("a+y.json"), others[0]);
    says("report @a+x.json @a+y.json --out @o.md", 1,
         "a+y.json: expected the metrics and number of samples of the other files of a");
}
END_TEST

/* Samples from elsewhere, in files that are rows of one table. */
START_TEST(pieces_are_one_table)
{
    static const char head[] = "{\"command\": \"di4c eval --samples x --json y\", "
                               "\"version\": \"1\", \"seed\": 1, \"samples_hash\": \"" HASH
                               "\", \"samples\": 9, \"rows\": [{\"model\": \"samples\", "
                               "\"steps\": 0, \"calls\": 0, \"fid\": ";
    static const char *const names[] = {"c+teacher-10-seed-1.json", "c+student-10-seed-1.json",
                                        "c+other-seed-1.json", "c+x-1234567.json"};
    static const char *const values[] = {"32.5", "20.25", "7", "8"};
    for (int i = 0; i < 4; i++) {
        char text[600];
        snprintf(text, sizeof text, "%s%s, \"samples\": 9}]}", head, values[i]);
        toy_text(toy(names[i]), text);
    }
    expect("report @c+teacher-10-seed-1.json @c+student-10-seed-1.json @c+other-seed-1.json "
           "@c+x-1234567.json --out @o.md",
           0);
    has("o.md", "### c\n\nSeed 1.\n\n| model | steps | calls | FID |\n|---|---:|---:|---:|\n"
                "| teacher | 10 | 0 | 32.500 |\n| student | 10 | 0 | 20.250 |\n"
                "| other | 0 | 0 | 7.000 |\n| x-1234567 | 0 | 0 | 8.000 |\n\nSeed 1, di4c 1, "
                "samples_hash 0011223344556677, "
                "samples 9.\n");
}
END_TEST

START_TEST(wrong_usage)
{
    static const struct {
        const char *line, *piece;
    } cases[] = {
        {"report --out @o.md", "FILES is missing"},
        {"report @a.json", "--out is missing"},
        {"report @a.json --out @o.txt", "expected a name that ends in .md or .html"},
        {"report @a.json --out @t.safetensors", "expected a name that ends in .md or .html"},
        {"report @a.json @p.png --out @o.md", "p.png: expected only .json"},
        {"report @a.json @t.csv --out @o.md", "t.csv: expected only .json"},
        {"report @a.stats --out @o.md", "a.stats: expected a name that ends in .json"},
        {"report @o.html --out @o.html", "o.html: expected a name that ends in .json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        says(cases[i].line, 2, cases[i].piece);
    says("report @p.png --out @o.html", 1, "expected at least one file of results");
}
END_TEST

Suite *report_command_suite(void);
Suite *report_command_suite(void)
{
    Suite *s = suite_create("report_command");
    TCase *tc = tcase_create("report_command");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, seeds_have_means);
    tcase_add_test(tc, data_sets_and_notes);
    tcase_add_test(tc, of_the_demo);
    tcase_add_test(tc, of_real_runs);
    tcase_add_test(tc, other_files_are_refused);
    tcase_add_test(tc, files_of_one_set_must_be_alike);
    tcase_add_test(tc, pieces_are_one_table);
    tcase_add_test(tc, wrong_usage);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
