/* A set of results in a report: the same measurement with one or more seeds. */
#ifndef DI4C_EXPERIMENTS_COMMANDS_REPORT_SET_H
#define DI4C_EXPERIMENTS_COMMANDS_REPORT_SET_H

#include "experiments/metrics/result_file.h"

/* Appends the set under its name: of several seeds mean and standard deviation (with n - 1) of each
 * number and charts of the means; then for each file its table, what it was made of, its command
 * and its note.  count >= 1; all are alike (result_file_alike). */
void report_set(const ResultFile *const *files, size_t count, Report *r);

#endif
