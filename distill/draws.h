/* The random draws of a distillation step, apart from the network calls between them. */
#ifndef DI4C_DISTILL_DRAWS_H
#define DI4C_DISTILL_DRAWS_H

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "distill/distill_config.h"
#include "tensor/base/arena.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

/* The explicit draws of a step; memory from an arena. */
typedef struct Di4cDraws {
    double *t, *u;               /* (B) */
    double *lambda_t, *lambda_u; /* (B N, lambda_dims) */
    double *tm, *lambda_tm;      /* (B M) and (B M, lambda_dims); M = xtm.batch / B */
    States xt, xtm, xu, x0u;     /* (B, D), (B N, D) ... */
    /* The teacher's lambdas at (x_t, t) and (x_tm, tm): (B, its lambda_dims), (B M, ...); NULL for
     * a product teacher. */
    double *teacher_lambda_t, *teacher_lambda_tm;
} Di4cDraws;

/* What the streams of a step are for: stream (seed, step, pass, picture[, lambda]). */
typedef enum Di4cPass {
    PASS_TIMES,
    PASS_XT,
    PASS_TM,
    PASS_XTM,
    PASS_LAMBDA_T,
    PASS_LAMBDA_TM,
    PASS_LAMBDA_U,
    PASS_STRATA, /* a child for each pass whose lambdas are stratified */
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
