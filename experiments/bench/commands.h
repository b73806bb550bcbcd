/* The commands of the program `bench`: each is a Command that a file of this room defines, and a
 * line of commands.c. */
#ifndef DI4C_EXPERIMENTS_BENCH_COMMANDS_H
#define DI4C_EXPERIMENTS_BENCH_COMMANDS_H

#include "experiments/cli/options.h"

extern const Command *const bench_commands[];
extern const size_t bench_command_count;

#endif
