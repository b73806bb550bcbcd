/* di4c theory: the theorems, computed on worlds small enough to look at every state. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/commands/commands.h"
#include "experiments/theory/theory.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { NAMES = 256 };

/* "rate, bound, ... limit, " */
static const char *all_names(char out[NAMES])
{
    out[0] = '\0';
    for (size_t i = 0; i < theory_experiment_count; i++)
        snprintf(out + strlen(out), NAMES - strlen(out), "%s, ", theory_experiments[i]->name);
    return out;
}

static bool known(const char *name, Error *err)
{
    char names[NAMES];

    if (strcmp(name, "all") == 0)
        return true;
    for (size_t i = 0; i < theory_experiment_count; i++)
        if (strcmp(theory_experiments[i]->name, name) == 0)
            return true;
    return error_set(err, "%.60s: expected one of %sall", name, all_names(names));
}

static bool run_experiments(const char *name, const TheoryOptions *options, Findings *f, Error *err)
{
    for (size_t i = 0; i < theory_experiment_count; i++) {
        const Experiment *e = theory_experiments[i];
        if (strcmp(name, "all") != 0 && strcmp(name, e->name) != 0)
            continue;
        const double start = platform_seconds();
        if (!options->quiet)
            fprintf(stderr, "theory %s: %s ...\n", e->name, e->summary);
        if (!e->run(options, f, err))
            return false;
        if (!options->quiet)
            text_print(stderr, "theory %s: %.1f s\n", e->name, platform_seconds() - start);
    }
    return true;
}

static int run_theory(const Command *self, int argc, char **argv)
{
    const char *name = "all", *out = "out/theory", *json = NULL, *world = NULL;
    int64_t seed = 1;
    CommonOptions common = {0};
    char names[NAMES], name_help[NAMES + 32];
    snprintf(name_help, sizeof name_help, "%sor all (the default)", all_names(names));
    const Option table[] = {
        {"NAME", OPTION_TEXT, &name, NULL, 0, 0, false, name_help},
        {"--out", OPTION_TEXT, &out, "DIR", 0, 0, false,
         "folder for index.html and the plots (out/theory)"},
        {"--json", OPTION_TEXT, &json, "FILE", 0, 0, false,
         "the numbers, under the key rows (DIR/results.json)"},
        {"--world", OPTION_TEXT, &world, "NAME", 0, 0, false,
         "coupled-bits, xor, chain, glyphs, or FILE.csv: x1,..,xD,probability a line"},
        {"--seed", OPTION_COUNT, &seed, "N", 0, 9e15, false, "of what is trained or drawn (1)"},
    };
    const OptionsResult r =
        options_parse(self, table, sizeof table / sizeof table[0], &common, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    Error err;
    if (!known(name, &err) || !path_check_result("--json", json, &err))
        return command_fail(self, &err, 2);
    char *results = json != NULL ? mem_string(json) : path_join(out, "results.json");
    const TheoryOptions options = {.world = world, .seed = (uint64_t)seed, .quiet = common.quiet};
    platform_catch_signals();
    bool ok = platform_make_folder(out, &err) && path_check_output(results, &err);
    Findings *f = findings_create(out);
    ok = ok && run_experiments(name, &options, f, &err) &&
         findings_write(f, results, options.seed, &err);
    if (ok && !common.quiet)
        printf("%s/index.html, %s\n", out, results);
    findings_destroy(f);
    mem_free(results);
    return ok ? 0 : command_fail(self, &err, 1);
}

const Command command_theory = {
    .name = "theory",
    .summary = "Computes the theorems exactly on small worlds: plots, a page, numbers.",
    .example = "di4c theory all --out out/theory",
    .run = run_theory};
