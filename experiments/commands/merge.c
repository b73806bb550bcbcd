/* di4c merge: the parts of `sample --shard` and `eval --shard` as one run would have made them. */
#include <stdio.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/results.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/eval_json.h"
#include "experiments/metrics/statistics.h"
#include "experiments/sampling/merge_samples.h"
#include "tensor/base/memory.h"

typedef struct MergeOptions {
    WordList files;
    const char *out, *json;
    CommonOptions common;
    OptionTable table;
} MergeOptions;

static OptionsResult parse_merge(const Command *self, MergeOptions *o, int argc, char **argv)
{
    const Option options[] = {
        {"FILES", OPTION_REST, &o->files, NULL, 0, 0, true,
         "all parts, in any order: samples (.npy or .txt, each with its note FILE.json beside it), "
         "or files of eval --statistics"},
        {"--out", OPTION_TEXT, &o->out, "FILE", 0, 0, false, "of samples: all of them"},
        {"--json", OPTION_TEXT, &o->json, "FILE", 0, 0, false,
         "of statistics: results as eval --json writes them"},
    };
    options_add(&o->table, options, sizeof options / sizeof options[0]);
    return options_parse(self, o->table.rows, o->table.count, &o->common, argc, argv);
}

/* Wrong usage: the first file says of what kind all are. */
static bool check_merge(const MergeOptions *o, Error *err)
{
    const char *first = o->files.values[0];
    if (merge_are_samples(first))
        return o->json ? error_set(err, "--json: expected files of statistics, found %.200s", first)
               : !o->out
                   ? error_set(err, "--out is missing: expected the name of a file for all samples")
                   : merge_are_samples(o->out) ||
                         error_set(err, "--out %.200s: expected a name that ends in .npy or .txt",
                                   o->out);
    return o->out ? error_set(err, "--out: expected files of samples, found %.200s", first)
                  : path_check_result("--json", o->json, err) &&
                        result_check(&o->table, "--json", err);
}

/* ---- statistics ---- */

static bool merge_rows(const MergeOptions *o, Error *err)
{
    if (o->json && !path_check_output(o->json, err))
        return false;
    Statistics *s = statistics_merge(o->files.values, o->files.count, err);
    if (!s)
        return false;
    evaluation_print(s->evaluation, stdout);
    const bool ok = !o->json || eval_json_write(o->json, &s->facts, s->evaluation, err);
    statistics_free(s);
    return ok;
}

/* ---- the command ---- */

static bool merge_all(const MergeOptions *o, Error *err)
{
    size_t total;
    if (!merge_are_samples(o->files.values[0]))
        return merge_rows(o, err);
    if (!merge_samples(o->out, o->files.values, o->files.count, &total, err))
        return false;
    printf("%s: %zu sample%s of %zu part%s\n", o->out, total, total == 1 ? "" : "s", o->files.count,
           o->files.count == 1 ? "" : "s");
    return true;
}

static int run_merge(const Command *self, int argc, char **argv)
{
    MergeOptions o = {.files = {0}};
    Error err;
    const OptionsResult r = parse_merge(self, &o, argc, argv);
    int status = r == OPTIONS_HELP ? 0 : 2;
    if (r == OPTIONS_OK && !check_merge(&o, &err))
        command_fail(self, &err, 2);
    else if (r == OPTIONS_OK)
        status = merge_all(&o, &err) ? 0 : command_fail(self, &err, 1);
    mem_free(o.files.values);
    return status;
}

const Command command_merge = {
    .name = "merge",
    .summary = "Joins the parts of `sample --shard` or `eval --shard` to what one run makes.",
    .example = "di4c merge out/part-0.npy out/part-1.npy --out out/samples.npy",
    .run = run_merge};
