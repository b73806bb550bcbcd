/* The commands of the program `di4c`; each file cmd_NAME.c defines one or two. */
#ifndef DI4C_EXPERIMENTS_COMMANDS_COMMANDS_H
#define DI4C_EXPERIMENTS_COMMANDS_COMMANDS_H

#include "experiments/cli/options.h"

int command_demo(const Command *self, int argc, char **argv);
int command_train(const Command *self, int argc, char **argv);
int command_distill(const Command *self, int argc, char **argv);
int command_sample(const Command *self, int argc, char **argv);
int command_eval(const Command *self, int argc, char **argv);
int command_inspect(const Command *self, int argc, char **argv);
int command_convert(const Command *self, int argc, char **argv);
int command_theory(const Command *self, int argc, char **argv);
int command_verify(const Command *self, int argc, char **argv);

extern const Command commands[];
extern const size_t command_count;

#endif
