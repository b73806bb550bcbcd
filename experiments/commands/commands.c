/* The table of commands. */
#include "experiments/commands/commands.h"

const Command commands[] = {
    {"demo", "Built-in data: trains a teacher, distills a student, samples both, writes a report.",
     "di4c demo --out out/demo", command_demo},
    {"train", "Trains a teacher.",
     "di4c train --data mnist:DIR --preset mnist-binary --out out/teacher.safetensors",
     command_train},
    {"distill", "Distills a teacher into a lambda-mixture student that needs fewer steps.",
     "di4c distill --teacher out/teacher.safetensors --data mnist:DIR --out "
     "out/student.safetensors",
     command_distill},
    {"sample", "Draws samples into a PNG grid or an .npy file.",
     "di4c sample --model out/student.safetensors --steps 4 --count 64 --out out/samples.png",
     command_sample},
    {"eval", "Measures samples of teacher and student at several numbers of steps.",
     "di4c eval --model out/student.safetensors --teacher out/teacher.safetensors --data "
     "mnist:DIR --metrics fcd --steps 1,2,4,8 --count 2000",
     command_eval},
    {"theory", "Computes the theorems exactly on small worlds: plots, a page, numbers.",
     "di4c theory all --out out/theory", command_theory},
    {"inspect", "Shows what is in a model file or an .npy array.",
     "di4c inspect out/student.safetensors", command_inspect},
    {"convert", "Turns a PyTorch checkpoint (.pt) into a model file, or back.",
     "di4c convert ckpt.pt out/teacher.safetensors", command_convert},
    {"verify", "Compares this program with reference vectors, case by case.",
     "di4c verify DIR --json out/verify.json", command_verify},
};
const size_t command_count = sizeof commands / sizeof commands[0];
