/* Results as JSON: equal runs give equal files. */
#include "experiments/commands/eval_json.h"

#include <stdlib.h>

#include "experiments/cli/provenance.h"
#include "tensor/system/platform.h"

bool eval_json_write(const char *path, const RunFacts *facts, const Evaluation *e, Error *err)
{
    static const char *const texts[] = {"sampler", "teacher_sampler", "grid",        "lambda",
                                        "model",   "teacher",         "samples_hash"};
    OutputFile out;
    const char *seed = run_facts_find(facts, "--seed");
    if (!output_open(&out, path, err))
        return false;
    JsonOut j = jsonout_start(out.file);
    jsonout_object(&j, NULL);
    jsonout_string(&j, "command", provenance_command());
    jsonout_string(&j, "version", run_facts_find(facts, "version"));
    jsonout_count(&j, "seed", seed ? strtoull(seed, NULL, 10) : 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (run_facts_find(facts, texts[i]))
            jsonout_string(&j, texts[i], run_facts_find(facts, texts[i]));
    evaluation_json(e, &j);
    jsonout_end(&j);
    return output_commit(&out, err);
}
