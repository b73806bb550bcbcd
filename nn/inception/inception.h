/* The Inception network that pictures are compared by: fixed weights from pytorch-fid's file, run
 * forward only.  layout.h has its layers.
 *
 * A convolution with batch normalisation is one convolution with a bias: gamma / sqrt(var + 1e-3)
 * goes into the weights, beta - mean gamma / sqrt(var + 1e-3) is the bias.  That is done once, when
 * the file is read. */
#ifndef DI4C_NN_INCEPTION_INCEPTION_H
#define DI4C_NN_INCEPTION_INCEPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/inception/layout.h"
#include "tensor/base/error.h"

typedef struct Inception Inception;

/* From a state dict that torch.save wrote: of each convolution NAME.conv.weight, NAME.bn.weight,
 * .bias, .running_mean and .running_var, and fc.weight (1008, 2048) with fc.bias.  NAME.bn.
 * num_batches_tracked is passed over.  NULL and a sentence that names the tensor if one is missing,
 * too many, of another shape, not finite, or a variance is below 0. */
Inception *inception_read(const char *path, Error *err);
/* The same network with random weights, for measurements: no file is needed. */
Inception *inception_random(uint64_t seed);
void inception_free(Inception *net); /* NULL is allowed */
/* SHA-256 of the tensors in the order of the layers, as they are in the file; empty for random
 * ones. */
const char *inception_hash(const Inception *net);

/* Pictures a call; the network's memory holds so many at a time. */
enum { INCEPTION_BATCH = 16 };

/* features (count, 2048) of `count` <= INCEPTION_BATCH pictures (height, width, channels) of
 * channels = 1 or 3 numbers from 0 to 1; grey is taken for all three colours.  They are resized to
 * 299x299 (tensor_resize_bilinear) and brought to -1..1.  A picture's features have the same bits
 * whatever others are beside it. */
void inception_features(Inception *net, float *features, const float *pictures, size_t count,
                        size_t height, size_t width, size_t channels);
/* logits (count, 1008) = features times the last layer's weights, without its bias: what the
 * Inception Score was published with (Salimans et al., arXiv 1606.03498, their code). */
void inception_logits(const Inception *net, float *logits, const float *features, size_t count);

#endif
