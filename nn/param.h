/* Named parameters: tensors that outlive steps, in one block of values and one of gradients.
 *
 * Names are those of the published PyTorch checkpoints without the leading "net."
 * ("downsampling_modules.0.conv0.weight").  In memory weights are channels-last; files hold
 * PyTorch's layout; ParamLayout says how one becomes the other. */
#ifndef DI4C_NN_PARAM_H
#define DI4C_NN_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "autograd/autograd.h"
#include "tensor/base/rng.h"

typedef enum ParamLayout {
    PARAM_PLAIN,  /* same in memory and file (vectors, and (in, out) matrices "W") */
    PARAM_LINEAR, /* memory (in, out), file (out, in) */
    PARAM_CONV    /* memory (3, 3, in, out), file (out, in, 3, 3) */
} ParamLayout;

typedef struct Param {
    char *name;
    Tensor value; /* memory layout */
    float *grad;  /* as value; NULL in a frozen set */
    ParamLayout layout;
    size_t offset; /* of value in the set's block */
} Param;

typedef struct ParamSet {
    Param **items; /* in order of creation; the pointers stay valid as the set grows */
    size_t count;
    size_t total; /* number of floats */
    float *values, *grads;
} ParamSet;

/* Adds a parameter of the given memory shape; usable after nn_params_allocate.  Names are unique
 * (checked). */
Param *nn_param_add(ParamSet *set, const char *name, ParamLayout layout, int rank,
                    const size_t *shape);
/* Allocates the blocks (zeroed); with_grads false makes a frozen set (a teacher, a sampler). */
void nn_params_allocate(ParamSet *set, bool with_grads);
void nn_params_free(ParamSet *set);
Param *nn_param_find(const ParamSet *set, const char *name); /* NULL if there is none */
void nn_params_zero_grads(ParamSet *set);
/* A leaf of the graph over p; a constant if the set is frozen or the graph does not record. */
Var *nn_param_var(Graph *g, const Param *p);

/* Number of axes and shape in files. */
int nn_param_file_shape(const Param *p, size_t shape[TENSOR_MAX_RANK]);
/* `out` (file layout) from `in` (memory layout) and back; both p's size; not in place. */
void nn_param_to_file(const Param *p, float *out, const float *in);
void nn_param_from_file(const Param *p, float *out, const float *in);

/* Initialisers.  Each parameter draws from its own stream, named by its name, so that adding a
 * parameter does not change the others. */
/* U(-a, a), a = 1/sqrt(fan_in): PyTorch's default for weights and biases. */
void nn_init_default(Param *p, size_t fan_in, Rng rng);
/* U(-a, a), a = sqrt(3 scale / ((in + out)/2)): fan-average uniform for 1x1 layers. */
void nn_init_fan_average(Param *p, double scale, size_t in, size_t out, Rng rng);
void nn_init_constant(Param *p, float value);

#endif
