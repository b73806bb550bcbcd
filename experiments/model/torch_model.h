/* A model in one of PyTorch's .pt files, in the layout of the published checkpoints:
 *
 *   model      names of weights -> tensors; and, if averaged, ema_decay, ema_num_updates and
 *              ema_shadow_params, a list in the order of the weights
 *   optimizer  Adam's state by number of the weight, and param_groups
 *   n_iter     the last finished step, counted from 0
 *   di4c       only in files by `di4c convert`: the metadata of the .safetensors file
 *
 * A file may also be the dict of names alone, and "model" may be called "state_dict" or
 * "model_state_dict".  Names may start with "net.", "module." and "_orig_mod.", in any order. */
#ifndef DI4C_EXPERIMENTS_MODEL_TORCH_MODEL_H
#define DI4C_EXPERIMENTS_MODEL_TORCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/model/config.h"
#include "nn/formats/torch/torch_file.h"
#include "nn/network.h"

typedef enum TorchBlock { TORCH_WEIGHTS, TORCH_EMA, TORCH_ADAM_M, TORCH_ADAM_V } TorchBlock;
enum { TORCH_BLOCKS = 4, TORCH_PREFIX = 48 };

typedef struct TorchModel {
    TorchFile *file;
    bool owns_file;
    char prefix[TORCH_PREFIX]; /* of the first weight's name: "", "net.", "net.module." ... */
    size_t count;              /* weights, in the order of the file */
    const char **names;        /* without prefixes */
    const PickleTensor **blocks[TORCH_BLOCKS]; /* count tensors each; NULL: not in the file */
    const PickleValue *group; /* settings of the optimiser; NULL if there is none */
    double ema_decay, ema_updates, n_iter, step; /* -1: not in the file */
} TorchModel;

TorchModel *torch_model_read(const char *path, Error *err);
/* Of an open file, which must live as long. */
TorchModel *torch_model_of(TorchFile *file, Error *err);
void torch_model_free(TorchModel *t); /* NULL is allowed */
/* Whether the file holds di4c's own metadata, a dict of texts. */
const PickleValue *torch_model_meta(const TorchModel *t);
/* Sets role and the keys of the published U-Net that names and shapes tell: ch, ch_mult,
 * res_blocks, attn_scale, channels, embed, lambda_dims.  Other keys stay as they are. */
bool torch_model_infer(const TorchModel *t, Config *c, ConfigRole *role, Error *err);
/* Whether the weights are exactly the network's parameters, by names and shapes (its memory need
 * not be allocated), and the file has room for as many numbers. */
bool torch_model_check(const TorchModel *t, const Network *net, Error *err);
/* The numbers of one parameter (checked before), in PyTorch's layout; finite ones only. */
bool torch_model_floats(const TorchModel *t, TorchBlock block, const char *name, float *out,
                        Error *err);

#endif
