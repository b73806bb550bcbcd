#include "diffusion/workspace.h"

enum { ARENA_CHUNK = 1 << 20 }; /* bytes */

Workspace diffusion_workspace_create(size_t chunk)
{
    Workspace w = {ag_graph_create(), arena_create(ARENA_CHUNK), chunk};

    return w;
}

void diffusion_workspace_destroy(Workspace *w)
{
    if (w->graph != NULL)
        ag_graph_destroy(w->graph);
    arena_destroy(w->arena);
}
