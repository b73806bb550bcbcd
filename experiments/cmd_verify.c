/* di4c verify: is this program right, number by number? */
#include "experiments/commands.h"
#include "experiments/paths.h"
#include "experiments/verify.h"

int command_verify(const Command *self, int argc, char **argv)
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
    if ((json && !path_check_output(json, &err)) || !verify_run(dir, json, &failed, &err))
        return command_fail(self, &err, 1);
    return failed > 0;
}
