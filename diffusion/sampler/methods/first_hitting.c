/* First-hitting for absorbing noise (arXiv 2409.02908): exact simulation of the learnt chain.
 *
 * A masked dimension is unmasked at rate -alpha'/(1 - alpha), whatever the network says: its share
 * of masked time, (1 - alpha(s))/(1 - alpha(t)), is the probability that it stays masked from t
 * down to s.  So with n masked dimensions at t the next one is unmasked at the s that solves
 *
 *   1 - alpha(s) = (1 - alpha(t)) U^(1/n),  U uniform on (0, 1],
 *
 * it is each of them with probability 1/n, and its state is drawn from p^d(.|x) at s.  D network
 * calls, each sample with times of its own. */
#include <math.h>

#include "diffusion/process/clock.h"
#include "diffusion/sampler/batch.h"
#include "diffusion/sampler/methods/first_hitting.h"
#include "tensor/base/memory.h"

static size_t masked_of(const Head *head, const uint16_t *x)
{
    size_t n = 0;

    for (size_t d = 0; d < head->dims; d++)
        n += !diffusion_head_known(head, x, d);
    return n;
}

/* lost[i] = 1 - alpha at the sample's time, n of whose dimensions are masked. */
static void next_times(SamplerBatch *b, size_t n, double *lost)
{
    for (size_t i = 0; i < b->count; i++) {
        Rng rng = sampler_stream(b, DRAW_TIMES, i);
        lost[i] *= pow(1.0 - rng_uniform(&rng), 1.0 / (double)n);
        b->t[i] = diffusion_process_time_of(b->request->process, lost[i]);
    }
}

static void move_first_hitting_sample(const SamplerBatch *b, size_t i, uint16_t *x, Rng *rng)
{
    const Head *head = &b->model->head;
    size_t skip = rng_below(rng, masked_of(head, x)), d = 0;
    double *p0 = sampler_room(b, 1);

    for (;; d++)
        if (!diffusion_head_known(head, x, d) && skip-- == 0)
            break;
    sampler_probabilities(b, b->numbers, &b->x, i, d, p0);
    x[d] = (uint16_t)rng_categorical(rng, p0, head->states);
}

bool sampler_first_hitting_run(SamplerBatch *b, Error *err)
{
    size_t D = b->free; /* given dimensions are no masks */
    double *lost = mem_alloc(b->count, sizeof *lost);
    bool ok = true;

    for (size_t i = 0; i < b->count; i++)
        lost[i] = diffusion_process_clock(b->request->process, 1.0);
    for (b->call = 0; b->call < D && ok; b->call++) {
        next_times(b, D - b->call, lost);
        ok = sampler_network(b, err);
        if (ok)
            sampler_each(b, move_first_hitting_sample);
        sampler_progress(b, (double)(b->call + 1) / (double)D);
    }
    mem_free(lost);
    return ok;
}

const SamplerClass diffusion_sampler_first_hitting = {
    .name = "first-hitting",
    .help = "unmasks one dimension a network call, at the exact times of the learnt chain",
    .needs = "absorbing noise; makes D network calls",
    .source = "arXiv 2409.02908",
    .settings = "",
    .masks_only = true,
    .run = sampler_first_hitting_run,
};
