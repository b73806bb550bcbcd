/* Pictures that a student learns from, drawn by its teacher's own chain of many steps: distillation
 * without data, or beside it (settings targets, target_count, target_steps). */
#ifndef DI4C_EXPERIMENTS_TRAINING_TARGETS_H
#define DI4C_EXPERIMENTS_TRAINING_TARGETS_H

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "experiments/data/dataset.h"
#include "experiments/model/config.h"

/* A data set of config->target_count pictures of the teacher; for targets=mixed followed by as many
 * of `data`.  It depends on configuration, teacher and data alone, so that a resumed run draws the
 * same.  dataset_close frees it.  NULL and a sentence if the teacher gives numbers that are not
 * finite, or a signal came. */
Dataset *targets_draw(const Config *config, const Denoiser *teacher, const Process *p,
                      const Dataset *data, bool quiet, Error *err);

#endif
