/* The commands of the program `di4c`: each is a Command that a file of this room defines, and a
 * line of commands.c. */
#ifndef DI4C_EXPERIMENTS_COMMANDS_COMMANDS_H
#define DI4C_EXPERIMENTS_COMMANDS_COMMANDS_H

#include "experiments/cli/options.h"

extern const Command *const commands[];
extern const size_t command_count;

#endif
