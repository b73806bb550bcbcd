/* di4c verify: is this program right, number by number? */
#include "experiments/verify/verify.h"
#include "experiments/cli/paths.h"
#include "experiments/commands/commands.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

/* The results may fall neither on a model nor on what is read. */
static bool check_name(const char *dir, const char *json, Error *err)
{
    static const char *const names[] = {"manifest.json", "index.tsv"};
    for (size_t i = 0; json && i < sizeof names / sizeof names[0]; i++) {
        char *path = path_join(dir, names[i]);
        const bool same = platform_same_file(path, json);
        mem_free(path);
        if (same)
            return error_set(err, "--json %.200s: expected another file than those of DIR", json);
    }
    return path_check_result("--json", json, err);
}

static int run_verify(const Command *self, int argc, char **argv)
{
    const char *dir = NULL, *json = NULL;
    CommonOptions common = {0};
    const Option options[] = {
        {"DIR", OPTION_TEXT, &dir, NULL, 0, 0, true, "folder with manifest.json and its arrays"},
        {"--json", OPTION_TEXT, &json, "FILE", 0, 0, false, "all arrays, errors and tolerances"},
    };
    const OptionsResult r =
        options_parse(self, options, sizeof options / sizeof options[0], &common, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    Error err;
    size_t failed = 0;
    if (!check_name(dir, json, &err))
        return command_fail(self, &err, 2);
    if ((json && !path_check_output(json, &err)) || !verify_run(dir, json, &failed, &err))
        return command_fail(self, &err, 1);
    return failed > 0;
}

const Command command_verify = {.name = "verify",
                                .summary =
                                    "Compares this program with reference vectors, case by case.",
                                .example = "di4c verify DIR --json out/verify.json",
                                .run = run_verify};
