/* Results that must not fall on what a command reads. */
#ifndef DI4C_EXPERIMENTS_CLI_RESULTS_H
#define DI4C_EXPERIMENTS_CLI_RESULTS_H

#include "experiments/cli/options.h"

/* Whether the file that the option names is none that another row of the table names (MODEL, DATA,
 * FILE, a list of files), also by way of links.  False and a sentence otherwise; an option that was
 * not given names none. */
bool result_check(const OptionTable *table, const char *option, Error *err);

#endif
