/* The table of commands of the measuring program. */
#include "experiments/bench/commands.h"

const Command bench_commands[] = {
    {"gemm", "Times a matrix product C (M, N) = op(A) op(B), op(A) (M, K), in float32.",
     "bench gemm 1024 1024 1024 --trans NT --threads 2", bench_gemm},
    {"conv2d",
     "Times a 3x3 convolution with padding 1 of pictures (B, H, W, CIN), transforms of the weights "
     "counted in.",
     "bench conv2d 8 32 32 128 128 --pass weight --threads 2", bench_conv2d},
    {"groupnorm-silu", "Times group normalisation (32 groups, or one a channel) with SiLU.",
     "bench groupnorm-silu 8 32 32 128 --pass backward --threads 1", bench_group_norm},
    {"ladder",
     "Runs one product in the steps that tensor/README.md explains, from three loops to the tile,\n"
     "and prints the gain of each over the one before.",
     "bench ladder --size 1024", bench_ladder},
    {"losses",
     "Times the Di4C losses and their gradient for pictures of CIFAR-10 size (3072 dimensions of "
     "256\n"
     "states, truncated logistic), and the draws of a distillation step: a row for each.",
     "bench losses --images 2 --lambdas 8 --threads 2", bench_losses},
    {"unet",
     "Times a U-Net (or a preset's other network) with random weights: the forward pass, or with\n"
     "--train a step of forward, backward from the sum of the output, clipping, Adam and averages.",
     "bench unet --preset cifar10 --batch 8 --train --threads 2", bench_unet},
    {"teacher-step",
     "Times a training step of a teacher: draws, loss, gradient, clipping, Adam, averages.",
     "bench teacher-step --preset cifar10 --batch 8", bench_teacher_step},
    {"distill-step",
     "Times a distillation step: draws, the passes of teacher and student, losses, gradient, "
     "clipping,\nAdam, averages.",
     "bench distill-step --preset cifar10 --images 8 --lambdas 16", bench_distill_step},
    {"sample", "Times sampling from a model with random weights (uniform times, one batch).",
     "bench sample --preset cifar10 --role student --steps 10 --count 8", bench_sample},
    {"samplers",
     "Times every sampler with a network that costs nothing (truncated logistic head): a row for\n"
     "each, with the seconds that its matrices take and the dimensions it draws in a second.",
     "bench samplers --process gaussian --states 256 --dims 3072 --steps 10 --count 8",
     bench_samplers},
    {"smoke",
     "Fails (status 1) if products run under a tenth of this machine's multiply-add rate, as they\n"
     "do where the inner loop was compiled without vectors.  One thread unless --threads is given.",
     "bench smoke", bench_smoke},
};
const size_t bench_command_count = sizeof bench_commands / sizeof bench_commands[0];
