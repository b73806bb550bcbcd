/* All commands of the measuring program, in the order of the help. */
#include "experiments/bench/commands.h"

extern const Command bench_gemm, bench_conv2d, bench_group_norm, bench_ladder, bench_losses,
    bench_transformer, bench_transformer_ops, bench_unet, bench_teacher_step, bench_distill_step,
    bench_sample, bench_samplers, bench_inception, bench_smoke;

const Command *const bench_commands[] = {
    &bench_gemm,         &bench_conv2d,       &bench_group_norm,      &bench_ladder,
    &bench_losses,       &bench_transformer,  &bench_transformer_ops, &bench_unet,
    &bench_teacher_step, &bench_distill_step, &bench_sample,          &bench_samplers,
    &bench_inception,    &bench_smoke};
const size_t bench_command_count = sizeof bench_commands / sizeof bench_commands[0];
