/* What training steps work in.
 *
 * A workspace lives as long as the training: graph and arena keep their memory from step to step,
 * so that after the first one none is asked of the system for them.  A step draws into the arena,
 * runs networks on the graph, and gives back what it took of both. */
#ifndef DI4C_DIFFUSION_WORKSPACE_H
#define DI4C_DIFFUSION_WORKSPACE_H

#include <stddef.h>

#include "autograd/autograd.h"
#include "tensor/base/arena.h"

typedef struct Workspace {
    Graph *graph; /* empty between steps */
    Arena *arena; /* what a step draws and keeps beside the graph */
    size_t chunk; /* most samples of a call without gradient; 0: all at once.  Changes no number */
} Workspace;

/* With a graph and an arena of its own.  One may also be put together of those that are at hand. */
Workspace diffusion_workspace_create(size_t chunk);
void diffusion_workspace_destroy(Workspace *w); /* one of zeros is allowed */

#endif
