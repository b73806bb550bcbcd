/* Models from files and into files. */
#ifndef DI4C_EXPERIMENTS_MODEL_MODEL_FILE_H
#define DI4C_EXPERIMENTS_MODEL_MODEL_FILE_H

#include <stdbool.h>

#include "experiments/model/model.h"
#include "nn/checkpoint.h"
#include "nn/formats/safetensors.h"

/* Reads configuration and weights of a file by this program or of a PyTorch checkpoint, without
 * gradients. */
Model *model_load(const char *path, WeightChoice which, Error *err);
Model *model_from_file(const SafetensorsFile *f, WeightChoice which, Error *err);
/* May the model of `path` take a teacher's place beside `m`?  It must have the same data sizes and
 * process, and be a teacher, or else the very student that m was distilled from. */
bool model_check_teacher(const Model *m, const Model *teacher, const char *path, Error *err);
/* Writes the file; o may be NULL (weights only). */
bool model_save(const Model *m, const Optimizer *o, const char *path, Error *err);
/* The weights that m holds as 16-bit numbers, and nothing else: to sample, measure, distill from.
 */
bool model_save_half(const Model *m, const char *path, Error *err);

#endif
