/* The commands of the program `bench`; each is defined in a file of its family. */
#ifndef DI4C_EXPERIMENTS_BENCH_COMMANDS_H
#define DI4C_EXPERIMENTS_BENCH_COMMANDS_H

#include "experiments/cli/options.h"

int bench_gemm(const Command *self, int argc, char **argv);
int bench_conv2d(const Command *self, int argc, char **argv);
int bench_group_norm(const Command *self, int argc, char **argv);
int bench_ladder(const Command *self, int argc, char **argv);
int bench_losses(const Command *self, int argc, char **argv);
int bench_unet(const Command *self, int argc, char **argv);
int bench_teacher_step(const Command *self, int argc, char **argv);
int bench_distill_step(const Command *self, int argc, char **argv);
int bench_sample(const Command *self, int argc, char **argv);
int bench_samplers(const Command *self, int argc, char **argv);
int bench_smoke(const Command *self, int argc, char **argv);

extern const Command bench_commands[];
extern const size_t bench_command_count;

#endif
