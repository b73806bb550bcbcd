/* The order in which the sampler `halton` unmasks. */
#ifndef DI4C_DIFFUSION_SAMPLER_METHODS_HALTON_H
#define DI4C_DIFFUSION_SAMPLER_METHODS_HALTON_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/base/rng.h"

/* order (D = height width channels) = a permutation of the dimensions d = (y width + x) channels +
 * c: those that follow each other lie far apart, and the first n lie evenly, for any n.  Point k =
 * 1, 2, ... of the Halton sequence, moved on the torus by three uniform numbers of rng, is in the
 * cell of one dimension; a dimension comes when its cell is first hit.  Each is equally likely
 * at every turn. */
void sampler_halton_order(size_t height, size_t width, size_t channels, Rng *rng, uint32_t *order);

#endif
