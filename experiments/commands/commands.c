/* All commands, in the order of the help. */
#include "experiments/commands/commands.h"

extern const Command command_demo, command_train, command_distill, command_sample, command_watch,
    command_eval, command_merge, command_report, command_theory, command_inspect, command_convert,
    command_verify;

const Command *const commands[] = {&command_demo,    &command_train,   &command_distill,
                                   &command_sample,  &command_watch,   &command_eval,
                                   &command_merge,   &command_report,  &command_theory,
                                   &command_inspect, &command_convert, &command_verify};
const size_t command_count = sizeof commands / sizeof commands[0];
