/* Models from files and into files. */
#ifndef DI4C_EXPERIMENTS_MODEL_MODEL_FILE_H
#define DI4C_EXPERIMENTS_MODEL_MODEL_FILE_H

#include <stdbool.h>

#include "experiments/model/model.h"
#include "nn/checkpoint.h"
#include "nn/formats/safetensors.h"
#include "nn/formats/torch/torch_file.h"

/* An open file of a model, by this program or by PyTorch.  It is read once, and then asked for all
 * that is wanted of it; it holds as much memory as the file has bytes until it is closed. */
typedef struct ModelFile {
    SafetensorsFile *own; /* one of the two is NULL */
    TorchFile *torch;
} ModelFile;
/* Whether there is a model in it is said by the functions below.  On false nothing is to be closed,
 * but may be. */
bool model_file_open(ModelFile *f, const char *path, Error *err);
void model_file_close(ModelFile *f); /* f becomes {0}, which may be closed again */
const char *model_file_path(const ModelFile *f);

/* The model without memory for weights, which the file is sure to have, by names and shapes. */
Model *model_file_layout(const ModelFile *f, WeightChoice which, Error *err);
/* Fills the weights of m, a model of this file, allocating them without gradients if they are not
 * yet; averages if asked for and present, else raw.  A law of lambda is checked. */
bool model_file_weights(const ModelFile *f, Model *m, WeightChoice which, Error *err);
/* Both: configuration and weights. */
Model *model_file_model(const ModelFile *f, WeightChoice which, Error *err);
/* nn_weights_hash of what model_file_weights would fill in, without that memory. */
bool model_file_hash(const ModelFile *f, const Model *m, WeightChoice which, char out[65],
                     Error *err);

/* A model of a file that is of no other use. */
Model *model_load(const char *path, WeightChoice which, Error *err);
/* The same of a file whose model is to take a teacher's place beside m (model_check_teacher). */
Model *model_load_teacher(const Model *m, const char *path, WeightChoice which, Error *err);
/* May the model `teacher` of the file take a teacher's place beside `m`?  It must have the same
 * data sizes, vocabulary and process, and be a teacher, or else the very student that m was
 * distilled from, which is known by the hash of its averaged weights. */
bool model_check_teacher(const Model *m, const Model *teacher, const ModelFile *file, Error *err);

/* Writes the file; o may be NULL (weights only). */
bool model_save(const Model *m, const Optimizer *o, const char *path, Error *err);
/* The weights that m holds as 16-bit numbers, and nothing else: to sample, measure, distill from.
 */
bool model_save_half(const Model *m, const char *path, Error *err);

#endif
