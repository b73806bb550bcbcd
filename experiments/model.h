/* A model: configuration, process, network, head and the denoiser made of them; and its file. */
#ifndef DI4C_EXPERIMENTS_MODEL_H
#define DI4C_EXPERIMENTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process.h"
#include "experiments/config.h"
#include "nn/checkpoint.h"

typedef struct Model {
    Config config;
    ConfigRole role;
    Process *process;
    Network *net;
    Denoiser denoiser;     /* of net; its head carries the sizes */
    char data[16];         /* kind of data: "glyphs", "mnist", "idx", "cifar10" */
    char teacher_hash[65]; /* of a student; else "" */
    uint64_t step;         /* finished training steps */
} Model;

/* Builds the parts and initialises the weights from config->seed.  with_grads: for training. */
Model *model_create(const Config *config, ConfigRole role, bool with_grads, Error *err);
void model_destroy(Model *m); /* NULL is allowed */

/* Reads configuration and weights of a di4c file (without gradients). */
Model *model_load(const char *path, WeightChoice which, Error *err);
/* A sentence naming the file if the model is not of this role. */
bool model_expect_role(const Model *m, ConfigRole role, const char *path, Error *err);
/* Fills role, configuration, data, teacher's hash and step from the metadata of an open file. */
bool model_read_meta(const SafetensorsFile *f, Model *m, Error *err);
/* Writes the file; o may be NULL (weights only). */
bool model_save(const Model *m, const Optimizer *o, const char *path, Error *err);
const char *model_role_name(ConfigRole role); /* "teacher", "student" */

#endif
