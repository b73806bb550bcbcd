#include "diffusion/workspace.h"

#include "tensor/base/check.h"
#include "tensor/reduce.h"

enum { ARENA_CHUNK = 1 << 16 }; /* bytes */

Workspace diffusion_workspace_create(size_t chunk)
{
    return (Workspace){
        .graph = ag_graph_create(), .arena = arena_create(ARENA_CHUNK), .chunk = chunk};
}

void diffusion_workspace_destroy(Workspace *w)
{
    if (w->graph != NULL)
        ag_graph_destroy(w->graph);
    arena_destroy(w->arena);
}

bool diffusion_run_finite(const Workspace *w, const Denoiser *d, const NetworkInput *in, float *out)
{
    return diffusion_denoise(d, w->graph, in, w->chunk, out) &&
           tensor_all_finite(out, in->x->batch * diffusion_head_outputs(&d->head));
}

bool diffusion_run_blocks(const Workspace *w, size_t count, size_t block, BlockGradient *run,
                          void *context)
{
    TENSOR_CHECK(block >= 1, "%zu samples in blocks of %zu", count, block);
    for (size_t first = 0; first < count; first += block) {
        ArenaMark mark = arena_mark(w->arena);
        if (!run(context, first, count - first < block ? count - first : block))
            return false;
        ag_graph_reset(w->graph);
        arena_release(w->arena, mark);
    }
    return true;
}

double diffusion_take_share(float *dout, size_t numbers, size_t count, size_t all)
{
    double share = (double)count / (double)all;

    if (count != all)
        for (size_t i = 0; i < numbers; i++)
            dout[i] *= (float)share;
    return share;
}
