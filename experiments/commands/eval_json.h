/* What `eval --json` writes, of one run or of all its parts. */
#ifndef DI4C_EXPERIMENTS_COMMANDS_EVAL_JSON_H
#define DI4C_EXPERIMENTS_COMMANDS_EVAL_JSON_H

#include "experiments/cli/run_facts.h"
#include "experiments/metrics/evaluation.h"

/* The command, of the facts version, --seed, sampler, teacher_sampler (another than the
 * model's), grid, lambda, model, teacher and samples_hash
 * as far as they are there, and the evaluation.  False and a sentence if it cannot be written. */
bool eval_json_write(const char *path, const RunFacts *facts, const Evaluation *e, Error *err);

#endif
