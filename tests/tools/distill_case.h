/* A teacher, a student and pictures, small, with all that a distillation step needs. */
#ifndef DI4C_TESTS_TOOLS_DISTILL_CASE_H
#define DI4C_TESTS_TOOLS_DISTILL_CASE_H

#include "distill/draws.h"
#include "distill/step.h"

enum { DISTILL_B = 5, DISTILL_D = 6, DISTILL_S = 4, DISTILL_N = 3 };

typedef struct DistillCase {
    Network *teacher_net, *student_net;
    Denoiser teacher, student;
    Process *p;
    DistillConfig config;
    States x0;
    Workspace work;
} DistillCase;

typedef struct DistillKind {
    bool absorbing;
    size_t teacher_lambdas, student_lambdas;
    double dropout;
    size_t at_tm; /* rows of a picture at tm; 0: N */
} DistillKind;

extern const DistillKind distill_case_plain; /* uniform noise, a product teacher, one lambda */

void distill_case_make(DistillCase *c, const DistillKind *kind);
void distill_case_free(DistillCase *c);
/* The first draws of a step, in the case's arena. */
Di4cDraws distill_case_draws(DistillCase *c, uint64_t step);
/* A step from gradients of 0. */
Di4cReport distill_case_run(DistillCase *c, uint64_t step, size_t chunk);

#endif
