/* A model: configuration, process, network, head and the denoiser made of them. */
#ifndef DI4C_EXPERIMENTS_MODEL_MODEL_H
#define DI4C_EXPERIMENTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "experiments/data/dataset.h"
#include "experiments/data/transform.h"
#include "experiments/model/config.h"
#include "nn/checkpoint.h"

typedef struct Model {
    Config config;
    ConfigRole role;
    bool has_encoder;       /* a student with its recognition network */
    RateMatrix *rates;      /* process=matrix: R, also config.rates; else NULL */
    Vocabulary *vocabulary; /* of texts: what its states stand for; of pictures: NULL */
    Process *process;
    Network *net;
    Denoiser denoiser;     /* of net; its head carries the sizes */
    char data[16];         /* name of its DatasetKind; "unknown" at first */
    char data_hash[65];    /* SHA-256 of the training pictures; "" in files without one */
    char teacher_hash[65]; /* of a student: its teacher's averaged weights; else "" */
    uint64_t step;         /* finished training steps */
} Model;

/* What a configuration asks of the parts. */
ProcessConfig model_process(const Config *c);
NetworkConfig model_network(const Config *c, size_t lambda_dims, EncoderInput encoder);
DatasetOptions model_dataset(const Config *c);

/* Builds the parts and initialises the weights from config->seed.  with_grads: for training. */
Model *model_create(const Config *config, ConfigRole role, bool with_grads, Error *err);
void model_destroy(Model *m); /* NULL is allowed */
/* SHA-256 of sizes and pictures, or symbols and vocabulary, and of the law if it is known. */
void model_data_hash(const Dataset *data, char out[65]);
/* Notes kind, hash and vocabulary of the data that m is trained on. */
void model_set_data(Model *m, const Dataset *data);
/* The same of a student whose teacher draws all it learns from: the teacher's, without a hash. */
void model_set_data_of(Model *m, const Model *teacher);
/* Whether the data are what m, which is called `path`, is made for: texts or pictures.  A text must
 * have been opened with m's vocabulary (DatasetOptions). */
bool model_fits_data(const Model *m, const char *path, const Dataset *data, Error *err);

/* A model by steps, for the readers of files; m: zeros but for role, configuration and rates.
 * First names and shapes of the network, to be compared with the file before memory is taken; then
 * process and denoiser.  The weights' memory is the caller's to allocate (nn_params_allocate). */
bool model_layout(Model *m, Error *err);
bool model_complete(Model *m, size_t file_bytes, Error *err);
/* What a model may take beyond 8 times its file: a file's claims of sizes are believed so far. */
enum { MODEL_FILE_MEMORY = 128 << 20 };
/* Says on stderr what published constants cost that are exempt from diffusion_process_check_start;
 * nothing of other processes. */
void model_note_start(const Model *m);
/* Says on stderr if m, of the file at path, was trained on other data than these, of that hash;
 * nothing of a model that knows no hash. */
void model_note_data(const Model *m, const char *path, const Dataset *data, const char *hash);
const char *model_role_name(ConfigRole role); /* "teacher", "student" */

#endif
