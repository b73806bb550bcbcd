/* A set of results in a report: the same measurement with one or more seeds. */
#ifndef DI4C_EXPERIMENTS_COMMANDS_REPORT_SET_H
#define DI4C_EXPERIMENTS_COMMANDS_REPORT_SET_H

#include "experiments/metrics/result_file.h"

/* Appends the set under its name: of several seeds mean and standard deviation (with n - 1) of each
 * number, charts of the means, then for each seed the rows of all its files, and for each file what
 * it was made of, its note and its command.  count >= 1.  False and a sentence if a row is there
 * twice, or seeds have other rows than the first one. */
bool report_set(const ResultFile *const *files, size_t count, Report *r, Error *err);

#endif
