/* The network call of a sampler.
 *
 * A network that is not told the time says the same of the same states.  Under masks a sample whose
 * step has unmasked nothing needs no new call then, if its lambda is kept too: with many more steps
 * than dimensions that are most calls.  This is done where the samples asked for are one batch,
 * whose numbers are still there; they are the same either way, since no sample's numbers depend on
 * its neighbours in a call. */
#include <string.h>

#include "diffusion/sampler/batch.h"
#include "tensor/base/memory.h"
#include "tensor/reduce.h"
#include "tensor/system/platform.h"

/* Samples that go through the network: all of a batch, or some. */
typedef struct Call {
    NetworkInput in;
    float *numbers; /* (in.x->batch, outputs) */
} Call;

static bool make_call(SamplerBatch *b, const Call *call, Error *err)
{
    const Sharpening *sharpening = &b->request->sharpening;
    const States *x = call->in.x;

    diffusion_denoise(b->model, b->graph, &call->in, 0, call->numbers); /* always true: no checks */
    b->made += x->batch;
    if (b->model->net != NULL &&
        !tensor_all_finite(call->numbers, x->batch * diffusion_head_outputs(&b->model->head)))
        return error_set(err,
                         "the model gave a number that is not finite at t = %g, in samples %zu to "
                         "%zu",
                         b->t[0], sampler_number(b, 0), sampler_number(b, b->count - 1));
    if (diffusion_sharpening_wanted(sharpening))
        diffusion_head_sharpen(&b->model->head, sharpening, x, call->numbers);
    return true;
}

/* ---- numbers that are kept ---- */

static bool can_keep(const SamplerBatch *b)
{
    const Denoiser *m = b->model;

    return m->net != NULL && m->net->timeless && b->count == b->all && b->place == NULL &&
           (m->lambda_dims == 0 || sampler_lambda_scope(b) == LAMBDA_SAMPLE);
}

/* A sample without masks is what it is, whatever the network says. */
static bool is_done(const SamplerBatch *b, size_t i)
{
    for (size_t d = 0; d < b->x.dims; d++)
        if (!diffusion_head_known(&b->model->head, states_row(&b->x, i), d))
            return false;
    return true;
}

/* changed (count) = samples that are not what they were; returns how many. */
static size_t list_changed(const SamplerBatch *b, size_t *changed)
{
    const size_t row = b->x.dims * sizeof *b->x.x;
    size_t n = 0;

    for (size_t i = 0; i < b->count; i++)
        if (!is_done(b, i) && (b->kept_of != b->model ||
                               memcmp(states_row(&b->x, i), states_row(&b->kept, i), row) != 0))
            changed[n++] = i;
    return n;
}

static void keep(SamplerBatch *b)
{
    if (b->kept.x == NULL)
        b->kept = states_alloc(b->count, b->x.dims);
    memcpy(b->kept.x, b->x.x, b->count * b->x.dims * sizeof *b->x.x);
    b->kept_of = b->model;
}

/* The numbers of some samples, gathered for the call. */
static bool call_changed(SamplerBatch *b, const size_t *changed, size_t n, Error *err)
{
    const size_t outputs = diffusion_head_outputs(&b->model->head), dims = b->model->lambda_dims;
    States x = states_alloc(n, b->x.dims);
    double *lambda = dims > 0 ? mem_alloc(n * dims, sizeof *lambda) : NULL;
    Call call = {{.x = &x, .t = b->t, .lambda = lambda}, mem_alloc(n * outputs, sizeof(float))};

    for (size_t k = 0; k < n; k++) {
        memcpy(states_row(&x, k), states_row(&b->x, changed[k]), x.dims * sizeof *x.x);
        if (dims > 0)
            memcpy(lambda + k * dims, b->lambda + changed[k] * dims, dims * sizeof *lambda);
    }
    const bool ok = make_call(b, &call, err);
    for (size_t k = 0; k < n && ok; k++)
        memcpy(b->numbers + changed[k] * outputs, call.numbers + k * outputs,
               outputs * sizeof *call.numbers);
    mem_free(call.numbers);
    mem_free(lambda);
    states_free(&x);
    return ok;
}

bool sampler_network(SamplerBatch *b, Error *err)
{
    if (platform_signal() != 0)
        return error_set(err, "sampling stopped by signal %d", platform_signal());
    sampler_draw_lambda(b);
    const Call all = {{.x = &b->x, .t = b->t, .lambda = b->model->lambda_dims ? b->lambda : NULL},
                      b->numbers};
    if (!can_keep(b)) {
        b->kept_of = NULL;
        return make_call(b, &all, err);
    }
    size_t *changed = mem_alloc(b->count, sizeof *changed), n = list_changed(b, changed);
    const bool ok =
        n == b->count ? make_call(b, &all, err) : n == 0 || call_changed(b, changed, n, err);
    mem_free(changed);
    keep(b);
    return ok;
}
