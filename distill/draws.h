/* The random draws of a distillation step, apart from the network calls between them. */
#ifndef DI4C_DISTILL_DRAWS_H
#define DI4C_DISTILL_DRAWS_H

#include "distill/step.h"
#include "tensor/base/arena.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

/* What the streams of a step are for: stream (seed, step, pass, picture[, lambda]). */
typedef enum Di4cPass {
    PASS_TIMES,
    PASS_XT,
    PASS_TM,
    PASS_XTM,
    PASS_LAMBDA_T,
    PASS_LAMBDA_TM,
    PASS_LAMBDA_U,
    PASS_STRATA, /* three children for the three lambdas */
    PASS_TEACHER_X0,
    PASS_XU,
    PASS_X0U,
    PASS_TEACHER_LAMBDA_T,
    PASS_TEACHER_LAMBDA_TM,
    PASS_DROPOUT_T,
    PASS_DROPOUT_TM,
    PASS_DROPOUT_U
} Di4cPass;

Rng distill_stream(uint64_t seed, uint64_t step);
/* Streams of a pass: (B), one per picture, or (B N), row b*N + i keyed by (b, i). */
Rng *distill_picture_streams(Arena *arena, Rng step, Di4cPass pass, size_t images);
Rng *distill_row_streams(Arena *arena, Rng step, Di4cPass pass, size_t images, size_t lambdas);

/* Everything that needs no network: times, lambdas, x_t, x_tm.  xu and x0u get memory only. */
Di4cDraws distill_first_draws(const DistillConfig *config, const Denoiser *teacher,
                              const Denoiser *student, const Process *p, const States *x0, Rng step,
                              Arena *arena);
/* x_u^(j) ~ p^psi_{u|t}(. | x_t) from the teacher's numbers at (x_t, t): (B, outputs). */
void distill_draw_xu(const DistillConfig *config, const Denoiser *teacher, const Process *p,
                     const float *teacher_t, Rng step, Arena *arena, Di4cDraws *draws);

#endif
