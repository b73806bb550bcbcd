/* Models to measure: of a preset, with random weights. */
#ifndef DI4C_EXPERIMENTS_BENCH_MODEL_H
#define DI4C_EXPERIMENTS_BENCH_MODEL_H

#include "experiments/model/model.h"
#include "tensor/states.h"

/* "small" (16x16 pictures of one channel, 32 channels, multipliers 1,2, one block a scale) or a
 * preset of di4c train.  dropout: the preset's, else none.  NULL and a sentence if there is no such
 * preset. */
Model *bench_model(const char *preset, ConfigRole role, bool with_grads, bool dropout, Error *err);
/* "teacher" or "student"; false and a sentence otherwise. */
bool bench_role(const char *text, ConfigRole *role, Error *err);
/* B random states of the model's dimensions; to be freed with states_free. */
States bench_states(const Model *m, size_t batch);

#endif
