/* Checkpoints: a network's weights, averages and optimiser state in one .safetensors file.
 *
 * Tensors: "net.NAME" raw weights, "ema.NAME" averages, "adam.m.NAME", "adam.v.NAME"; all float32
 * in PyTorch's shapes and layout.  __metadata__: format = "di4c-1", step, and the caller's strings
 * (configuration, seed, version, teacher's hash).  No time, host or command line: equal runs give
 * equal files. */
#ifndef DI4C_NN_CHECKPOINT_H
#define DI4C_NN_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/safetensors.h"
#include "nn/network.h"
#include "nn/optimizer.h"

/* Writes weights and, if o is not NULL, averages, moments and o->steps.  meta: pairs kept as given.
 */
bool nn_checkpoint_write(const char *path, const Network *net, const Optimizer *o,
                         const MetaEntry *meta, size_t meta_count, Error *err);
/* The weights alone, as 16-bit numbers: a small file to sample and measure with. */
bool nn_checkpoint_write_half(const char *path, const Network *net, const MetaEntry *meta,
                              size_t meta_count, Error *err);

typedef enum WeightChoice { WEIGHTS_AVERAGED, WEIGHTS_RAW } WeightChoice;
/* Whether the file has the tensors that nn_checkpoint_load would read, by names and shapes: takes
 * no memory, and the network's need not be allocated yet (nn_unet_layout). */
bool nn_checkpoint_check(const SafetensorsFile *f, const Network *net, WeightChoice which,
                         Error *err);
/* Fills the network's parameters from the file: averages if asked for and present, else raw.  Every
 * parameter must be there with the right shape, and no unknown "net." name may be (a sentence names
 * it); NaN or infinite weights are refused. */
bool nn_checkpoint_load(const SafetensorsFile *f, Network *net, WeightChoice which, Error *err);
/* Fills the optimiser (ema, moments, steps) for resuming. */
bool nn_checkpoint_resume(const SafetensorsFile *f, const Network *net, Optimizer *o, Error *err);

/* SHA-256 over the names and float32 bytes (file layout, name order) of the weights in memory. */
void nn_weights_hash(const Network *net, char out[65]);
/* The same of the weights that nn_checkpoint_load would read, and as strict, but straight from the
 * file: the network's memory need not be allocated. */
bool nn_checkpoint_hash(const SafetensorsFile *f, const Network *net, WeightChoice which,
                        char out[65], Error *err);
/* The same of weights from anywhere.  read: gives one parameter's numbers in the file's layout, or
 * false and a sentence. */
typedef bool (*ParamReader)(const void *source, const Param *p, float *out, Error *err);
bool nn_params_hash(const ParamSet *set, ParamReader read, const void *source, char out[65],
                    Error *err);

#endif
