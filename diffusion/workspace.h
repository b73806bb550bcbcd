/* What training steps work in, and how a batch whose gradient is wanted goes through a network.
 *
 * A workspace lives as long as the training: graph and arena keep their memory from step to step,
 * so that after the first one none is asked of the system for them.  A step draws into the arena,
 * runs networks on the graph, and gives back what it took of both.
 *
 * Recorded calls are blocks of net->gradient_block samples, in order: which samples a call sums
 * settles the bits of a weight's gradient, so the cut is the network's, not the memory's at hand.
 *
 * A number that is not finite ends a step.  The graph is then left as it is: if it looks at every
 * operation (check_finite), its bad_op tells where it began. */
#ifndef DI4C_DIFFUSION_WORKSPACE_H
#define DI4C_DIFFUSION_WORKSPACE_H

#include <stddef.h>

#include "diffusion/denoiser.h"
#include "tensor/base/arena.h"

typedef struct Workspace {
    Graph *graph; /* empty between steps */
    Arena *arena; /* what a step draws and keeps beside the graph */
    size_t chunk; /* most samples of a call without gradient; 0: all at once.  Changes no number */
} Workspace;

/* With a graph and an arena of its own.  One may also be put together of those that are at hand. */
Workspace diffusion_workspace_create(size_t chunk);
void diffusion_workspace_destroy(Workspace *w); /* one of zeros is allowed */

/* Without recording, in calls of at most w->chunk samples: out (in->x->batch, outputs).  States are
 * drawn from these numbers: false if one is not finite, whether or not the graph looks. */
bool diffusion_run_finite(const Workspace *w, const Denoiser *d, const NetworkInput *in,
                          float *out);

/* One block of a batch, forward and backward: samples first..first+count-1.  False: a number is not
 * finite. */
typedef bool BlockGradient(void *context, size_t first, size_t count);
/* All samples 0..count-1, `block` at a time; after each block the graph is reset and the arena
 * released.  False as soon as a block says so. */
bool diffusion_run_blocks(const Workspace *w, size_t count, size_t block, BlockGradient *run,
                          void *context);
/* A batch's loss is a mean over `all` pictures.  Turns the gradient dout (numbers) of the mean over
 * `count` of them into their share in it; returns that share, count/all, to weigh their loss with.
 */
double diffusion_take_share(float *dout, size_t numbers, size_t count, size_t all);

#endif
