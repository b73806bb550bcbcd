/* Checks that every network must pass, used by the tests of each. */
#ifndef DI4C_TESTS_TOOLS_NETWORK_CHECKS_H
#define DI4C_TESTS_TOOLS_NETWORK_CHECKS_H

#include "nn/mlp/mlp.h"
#include "nn/network.h"
#include "tensor/base/error.h"

/* net; the test fails with the sentence if it is NULL. */
Network *made(Network *net, const Error *err);

/* An MLP of one block with few channels.  lambda_dims 0: a teacher; else lambda enters as a number
 * of mean 0.25 and deviation 0.5. */
MlpConfig small_mlp(size_t dims, size_t states, size_t out_states, size_t lambda_dims);

/* All parameters random, those that start at zero too; gains near 1. */
void randomise(Network *net, uint64_t seed);

/* Outputs of a seeded batch, by mem_alloc: (batch, net->outputs).  With dropout streams if dropout;
 * lambda (batch, lambda_dims) or NULL for seeded ones. */
float *outputs_of(const Network *net, size_t batch, bool recording, bool dropout,
                  const double *lambda);

/* Recording and inference mode give the same bits; so do one and several threads; so does a batch
 * cut in pieces.  With dropout. */
void check_same_bits(const Network *net);
/* A sample's outputs have the same bits alone, recorded or not, among a few and among `batch`. */
void check_samples_stand_alone(const Network *net, size_t batch);
/* Inference mode keeps less memory than recording mode, and after a forward only the result. */
void check_memory(const Network *net);
/* Some entries of every parameter against central differences of sum(w out). */
void check_parameter_gradients(Network *net, double tolerance);
/* Outputs move if this parameter is doubled. */
void check_parameter_matters(Network *net, Param *p);
/* The network has `count` dropouts, and no two draw the same mask. */
void check_dropouts(const Network *net, size_t count);
/* A new student that was given its teacher's weights returns its teacher's outputs, bit for bit,
 * for every lambda; with random weights it does not. */
void check_student_starts_as_teacher(Network *student, Network *teacher);

/* net is NULL, and the sentence names `word`. */
void check_refused(const Network *net, const Error *err, const char *word);
/* A forward pass of one sample of `dims` states, zeros but for the last, at time t; no lambda. */
void forward_once(const Network *net, size_t dims, uint16_t last, double t);

/* The gradient that loss(context) leaves in set->grads is `scale` times that of what it returns,
 * against central differences at a few entries of every parameter. */
void check_loss_gradient(const ParamSet *set, double (*loss)(void *context), void *context,
                         double scale);

#endif
