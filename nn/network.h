/* A network: (x, t, optional lambda) -> numbers per dimension that a categorical head reads.
 * network_class.h says what a kind of them is; there are three, the U-Net, the MLP and the
 * transformer. */
#ifndef DI4C_NN_NETWORK_H
#define DI4C_NN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "nn/lambda_prior.h"
#include "nn/param.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

typedef struct NetworkInput {
    const States *x;      /* (B, D) noised states, 0..S-1 */
    const double *t;      /* (B) times in [0, 1] */
    const double *lambda; /* (B, lambda_dims), row-major; NULL for a product network */
    const Rng *dropout;   /* (B) streams, one per sample; NULL: no dropout */
    Var *lambda_var;      /* (B, lambda_dims) on the graph, instead of lambda: a gradient reaches
                             it.  Only for networks with lambda_is_number */
    const bool *wanted;   /* (B, D): places whose numbers are read; what others have is then up to
                             the network, and finite, and no gradient comes back from there.  NULL:
                             all are read */
} NetworkInput;

/* Tells which lambda the network needs for what it is to make of it: a recognition network,
 * q(lambda | x).  Its parameters are the network's, under "encoder.". */
typedef struct Encoder Encoder;

typedef struct Network Network;
struct Network {
    const char *kind; /* its class's name: "unet", "mlp", "transformer" */
    ParamSet params;
    size_t dims;                          /* D */
    size_t states;                        /* S of the input, the mask included */
    size_t lambda_dims;                   /* 0: product network (teacher) */
    bool timeless;                        /* t is not read */
    bool lambda_is_number;                /* lambda enters as a number; else by its sinusoids */
    double lambda_mean, lambda_deviation; /* as a number it enters as (lambda - mean)/deviation */
    size_t outputs;                       /* numbers per sample that forward returns */
    LambdaPrior *prior;                   /* a student's fitted law of lambda, or NULL; owned */
    Encoder *encoder;      /* of a student that is trained with one (nn/encoder.h), or NULL */
    size_t gradient_block; /* samples of one recorded call, at least 1: see nn_gradient_block */
    /* -> Var whose value has B * outputs entries, sample by sample. */
    Var *(*forward)(const Network *net, Graph *g, const NetworkInput *in);
    void (*initialise)(Network *net, uint64_t seed);
    void (*destroy)(Network *net); /* frees self and everything in it */
};

/* Checks shapes and lambda against the network, then calls net->forward. */
Var *nn_forward(const Network *net, Graph *g, const NetworkInput *in);
/* Gives a network that is laid out its parameters' memory, zeroed; with_grads false: only for
 * inference. Returns net; NULL is allowed. */
Network *nn_network_allocate(Network *net, bool with_grads);
void nn_network_destroy(Network *net); /* NULL is allowed */
/* Copies the values of all parameters that both have under one name in one shape; returns how many.
 * A student starts so from its teacher, and from a former student, whose lambda may have other
 * sizes: what reads it then starts anew. */
size_t nn_copy_common(Network *to, const Network *from);

/* For networks with lambda_is_number: (lambda - mean)/deviation, (B, lambda_dims) on the graph, of
 * in->lambda_var or of in->lambda. */
Var *nn_lambda_var(const Network *net, Graph *g, const NetworkInput *in);

/* Samples of one recorded call.  A weight's gradient is a sum over samples, and its bits depend on
 * which samples were summed in one call.  So the cut is a property of the network and of nothing
 * else: training records calls of this many samples, in order, however much memory there is.
 * As many as have 2^22 numbers in the widest layer (`channels` at each of `positions`), 1 to 512;
 * 32 for the paper's CIFAR-10 networks. */
size_t nn_gradient_block(size_t positions, size_t channels);

/* out (B, dim): sin(f_i s t), then cos(f_i s t), f_i = exp(-ln(10000) i/(dim/2 - 1)), s = scale;
 * evaluated in double; an odd dim ends with a 0.  [tauLDR] U-Net. */
void nn_sinusoid(float *out, const double *t, size_t batch, size_t dim, double scale);
/* Those of `per_sample` numbers a sample side by side, (B, per_sample * dim), a constant on the
 * graph; numbers (B, per_sample). */
Var *nn_sinusoid_var(Graph *g, const double *numbers, size_t batch, size_t per_sample, size_t dim,
                     double scale);

#endif
