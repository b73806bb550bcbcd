/* The option parser: what it takes, what it refuses and how it says so.  stdout and stderr of the
 * child process go to files that the tests read. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/options.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/toys.h"

typedef struct Values {
    const char *file, *name;
    bool flag;
    int64_t count;
    CountList list;
    TextList set;
    double real;
    CommonOptions common;
} Values;

static const Command command = {"toy", "Does nothing.", "di4c toy FILE --count 3", NULL};

static void set_up(void)
{
    toys_set_up("test-options.tmp.d");
    ck_assert_ptr_nonnull(freopen(toy("stdout"), "w", stdout));
    ck_assert_ptr_nonnull(freopen(toy("stderr"), "w", stderr));
}

/* Parses the words of `line` (separated by '|') into v. */
static OptionsResult parse(Values *v, const char *line)
{
    static char words[1000];
    char *argv[64];
    int argc = 0;
    const Option options[] = {
        {"FILE", OPTION_TEXT, &v->file, NULL, 0, 0, false, "a file"},
        {"--name", OPTION_TEXT, &v->name, "NAME", 0, 0, true, "a name"},
        {"--flag", OPTION_FLAG, &v->flag, NULL, 0, 0, false, "a flag"},
        {"--count", OPTION_COUNT, &v->count, "N", 1, 1e6, false, "a count"},
        {"--real", OPTION_REAL, &v->real, "X", 0, 2, false, "a number"},
        {"--list", OPTION_LIST, &v->list, "1,2", 0, 99, false, "a list"},
        {"--set", OPTION_REPEAT, &v->set, "K=V", 0, 0, false, "settings"},
    };
    strcpy(words, line);
    for (char *p = words; *line && p; argc++) {
        argv[argc] = p;
        p = strchr(p, '|');
        if (p)
            *p++ = '\0';
    }
    memset(v, 0, sizeof *v);
    return options_parse(&command, options, 7, &v->common, argc, argv);
}

static void expect(FILE *stream, const char *name, const char *part)
{
    size_t n;
    fflush(stream);
    char *text = toy_read(toy(name), &n);
    ck_assert_msg(strstr(text, part) != NULL, "expected '%s' in:\n%s", part, text);
    mem_free(text);
}

START_TEST(all_kinds_are_taken)
{
    Values v;
    ck_assert_int_eq(
        parse(&v, "--name|a b|in|--flag|--count|1000000|--real|1.5|--list|0,7,99|--set|a=1|--set|b"
                  "|--threads|2|--quiet"),
        OPTIONS_OK);
    ck_assert_str_eq(v.name, "a b");
    ck_assert_str_eq(v.file, "in");
    ck_assert(v.flag && v.count == 1000000 && v.real == 1.5 && v.common.quiet &&
              v.common.threads == 2);
    ck_assert(v.list.count == 3 && v.list.values[0] == 0 && v.list.values[2] == 99);
    ck_assert(v.set.count == 2 && strcmp(v.set.values[1], "b") == 0);
#ifdef _OPENMP
    ck_assert_int_eq(threads_get(), 2);
#else
    ck_assert_int_eq(threads_get(), 1);
#endif
    ck_assert_int_eq(parse(&v, "--name|-"), OPTIONS_OK); /* a single dash is a name */
    ck_assert(!v.flag && v.count == 0 && v.set.count == 0 && v.file == NULL);
}
END_TEST

static const struct {
    const char *line, *part;
} wrong[] = {
    {"", "--name is missing"},
    {"--name", "--name: expected a value (NAME)"},
    {"--name|", "--name: expected a value (NAME), found ''"},
    {"--name|--flag", "--name: expected a value (NAME), found '--flag'"},
    {"--name|a|--nome", "unknown option '--nome'"},
    {"--name|a|-x", "unknown option '-x'"},
    {"--name=a", "expected a blank in place of '=': --name a"},
    {"--name|a|--threads=4", "expected a blank in place of '=': --threads 4"},
    {"--name|a|--flag=on", "unknown option '--flag=on'"},
    {"--name|a|in|out", "unexpected argument 'out'"},
    {"--name|a||", "unexpected argument ''"},
    {"--name|a|", "unexpected argument ''"},
    {"--name|a|--count|0", "--count 0: expected a whole number from 1 to 1000000"},
    {"--name|a|--count|1000001", "--count 1000001: expected"},
    {"--name|a|--count|-5", "--count -5: expected"},
    {"--name|a|--count|1e3", "--count 1e3: expected"},
    {"--name|a|--count|2.0", "--count 2.0: expected"},
    {"--name|a|--count| 2", "--count  2: expected"},
    {"--name|a|--count|+2", "--count +2: expected"},
    {"--name|a|--count|\t2", "expected a whole number"},
    {"--name|a|--count|99999999999999999999", "expected a whole number"},
    {"--name|a|--count|00000000000000000000000000000000001", "expected a whole number"},
    {"--name|a|--real|0", "--real 0: expected a number above 0 and at most 2"},
    {"--name|a|--real|2.01", "--real 2.01: expected"},
    {"--name|a|--real|nan", "--real nan: expected"},
    {"--name|a|--real|1x", "--real 1x: expected"},
    {"--name|a|--real|x", "--real x: expected"},
    {"--name|a|--list|1,,2", "--list ,2: expected a whole number from 0 to 99"},
    {"--name|a|--list|1,2,", "expected a whole number"},
    {"--name|a|--list|1,100", "--list 100: expected"},
    {"--name|a|--list|0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
     "--list: expected at most 32 numbers"},
    {"--name|a|--threads|0", "--threads 0: expected a whole number from 1 to 256"},
};

START_TEST(mistakes_are_explained)
{
    Values v;
    ck_assert_int_eq(parse(&v, wrong[_i].line), OPTIONS_WRONG);
    expect(stderr, "stderr", "di4c toy: ");
    expect(stderr, "stderr", wrong[_i].part);
    expect(stderr, "stderr", "See: di4c toy --help\n");
}
END_TEST

START_TEST(repeats_have_an_end)
{
    Values v;
    char *argv[2 * OPTION_REPEAT_MAX + 8];
    TextList list = {0};
    const Option option = {"--set", OPTION_REPEAT, &list, "K=V", 0, 0, false, "settings"};
    int argc = 0;
    for (int i = 0; i <= OPTION_REPEAT_MAX; i++) {
        argv[argc++] = (char *)"--set";
        argv[argc++] = (char *)"x";
    }
    memset(&v, 0, sizeof v);
    ck_assert_int_eq(options_parse(&command, &option, 1, &v.common, argc, argv), OPTIONS_WRONG);
    expect(stderr, "stderr", "--set: given more than 64 times");
}
END_TEST

/* All words that are no options, wherever they stand. */
START_TEST(the_rest_is_taken)
{
    WordList files = {0};
    const char *out = NULL;
    bool flag = false;
    const Option options[] = {
        {"OUT", OPTION_TEXT, &out, NULL, 0, 0, true, "a file"},
        {"FILES", OPTION_REST, &files, NULL, 0, 0, true, "files"},
        {"--flag", OPTION_FLAG, &flag, NULL, 0, 0, false, "a flag"},
    };
    char words[202][16], *argv[202];
    CommonOptions common = {0};
    for (int i = 0; i < 202; i++)
        argv[i] = (snprintf(words[i], sizeof words[i], "f%d", i), words[i]);
    strcpy(words[100], "--flag");
    ck_assert_int_eq(options_parse(&command, options, 3, &common, 202, argv), OPTIONS_OK);
    ck_assert(flag && strcmp(out, "f0") == 0 && files.count == 200);
    ck_assert(strcmp(files.values[0], "f1") == 0 && strcmp(files.values[98], "f99") == 0);
    ck_assert(strcmp(files.values[99], "f101") == 0 && strcmp(files.values[199], "f201") == 0);
    mem_free(files.values);
    files = (WordList){0};
    ck_assert_int_eq(options_parse(&command, options, 3, &common, 1, argv), OPTIONS_WRONG);
    expect(stderr, "stderr", "FILES is missing");
    strcpy(words[0], "--help");
    ck_assert_int_eq(options_parse(&command, options, 3, &common, 1, argv), OPTIONS_HELP);
    expect(stdout, "stdout", "di4c toy OUT FILES... [options]");
}
END_TEST

START_TEST(tables_are_put_together)
{
    int64_t steps = 0;
    bool raw = false;
    const Option first = {"--steps", OPTION_COUNT, &steps, "N", 1, 9, false, "steps"};
    const Option second = {"--raw", OPTION_FLAG, &raw, NULL, 0, 0, false, "as it is"};
    char word[] = "--steps", number[] = "7", flag[] = "--raw", *argv[] = {flag, word, number};
    CommonOptions common = {0};
    OptionTable table = {0};
    options_add(&table, &first, 1);
    options_add(&table, &second, 1);
    ck_assert_uint_eq(table.count, 2);
    ck_assert_int_eq(options_parse(&command, table.rows, table.count, &common, 3, argv),
                     OPTIONS_OK);
    ck_assert(steps == 7 && raw);
}
END_TEST

START_TEST(tables_have_an_end)
{
    const Option row = {"--flag", OPTION_FLAG, NULL, NULL, 0, 0, false, "a flag"};
    OptionTable table = {0};
    for (int i = 0; i < OPTION_TABLE_MAX; i++)
        options_add(&table, &row, 1);
    toys_tear_down(); /* the next one ends the process */
    options_add(&table, &row, 1);
}
END_TEST

START_TEST(help_wins)
{
    Values v;
    ck_assert_int_eq(parse(&v, "--nonsense|--help"), OPTIONS_HELP);
    expect(stdout, "stdout", "di4c toy [FILE] --name NAME [options]\nDoes nothing.\n");
    expect(stdout, "stdout", "  --name NAME                a name (required)\n");
    expect(stdout, "stdout", "--threads N");
    expect(stdout, "stdout", "Example:\n  di4c toy FILE --count 3\n");
}
END_TEST

START_TEST(failures_name_the_command)
{
    const Error err = {"a.csv: is missing"};
    ck_assert_int_eq(command_fail(&command, &err, 1), 1);
    expect(stderr, "stderr", "di4c toy: a.csv: is missing\n");
}
END_TEST

Suite *options_suite(void)
{
    Suite *s = suite_create("options");
    TCase *tc = tcase_create("options");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, all_kinds_are_taken);
    tcase_add_loop_test(tc, mistakes_are_explained, 0, (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, repeats_have_an_end);
    tcase_add_test(tc, the_rest_is_taken);
    tcase_add_test(tc, tables_are_put_together);
    tcase_add_test_raise_signal(tc, tables_have_an_end, SIGABRT);
    tcase_add_test(tc, help_wins);
    tcase_add_test(tc, failures_name_the_command);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return s;
}
