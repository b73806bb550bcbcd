/* Evenly spread unmasking for absorbing noise (Halton scheduler, arXiv 2503.17076): every call
 * draws x_0, and the dimensions that are kept are the next ones of a fixed order in which
 * neighbours come far from each other.  What a product model gets wrong is what it draws at once:
 * dimensions that are far apart depend on each other least.  As many stay masked at s as
 * masked_left.h says; the last call draws all that are left.
 *
 * Point k of the Halton sequence is (r_2(k), r_3(k), r_5(k)) for the axes that are longer than 1,
 * r_b(k) = sum_j k_j b^(-j-1) with the digits k_j of k in base b. */
#include "diffusion/sampler/methods/halton.h"

#include <string.h>

#include "diffusion/sampler/methods/masked_left.h"

enum { AXES = 3, POINTS = 64 }; /* points tried for each dimension; 2 to 5 are enough */

/* r_b(k) */
static double radical_inverse(size_t k, size_t base)
{
    double digit = 1.0, sum = 0.0;

    for (; k > 0; k /= base) {
        digit /= (double)base;
        sum += digit * (double)(k % base);
    }
    return sum;
}

/* The cell of point k: its place on each axis, as the number of a dimension. */
static size_t cell(const size_t length[AXES], const double shift[AXES], size_t k)
{
    static const size_t primes[AXES] = {2, 3, 5};
    size_t d = 0, used = 0;

    for (size_t axis = 0; axis < AXES; axis++) {
        const size_t n = length[axis];
        size_t place = 0;
        if (n > 1) {
            double at = radical_inverse(k, primes[used++]) + shift[axis];
            place = (size_t)((at < 1.0 ? at : at - 1.0) * (double)n);
        }
        d = d * n + (place < n ? place : n - 1);
    }
    return d;
}

void sampler_halton_order(size_t height, size_t width, size_t channels, Rng *rng, uint32_t *order)
{
    const size_t length[AXES] = {height, width, channels}, D = height * width * channels;
    unsigned char *seen = threads_scratch(SCRATCH_HEAD, D);
    double shift[AXES];
    size_t n = 0;

    for (size_t axis = 0; axis < AXES; axis++)
        shift[axis] = rng_uniform(rng);
    memset(seen, 0, D);
    for (size_t k = 1; n < D && k <= POINTS * D; k++) {
        const size_t d = cell(length, shift, k);
        if (!seen[d])
            order[n++] = (uint32_t)d;
        seen[d] = 1;
    }
    for (size_t d = 0; d < D; d++) /* cells that no point hit */
        if (!seen[d])
            order[n++] = (uint32_t)d;
}

static void move_halton_sample(const SamplerBatch *b, size_t i, uint16_t *x, Rng *unused)
{
    const Head *head = &b->model->head;
    const size_t D = b->x.dims, width = b->model->width;
    uint32_t *order = threads_scratch(SCRATCH_SAMPLER, D * sizeof *order);
    Rng rng = sampler_stream_of_sample(b, DRAW_ORDER, i);
    size_t masked = 0;

    (void)unused;
    if (width > 0)
        sampler_halton_order(D / (width * head->channels), width, head->channels, &rng, order);
    else
        sampler_halton_order(1, D, 1, &rng, order);
    for (size_t d = 0; d < D; d++)
        masked += !diffusion_head_known(head, x, d);
    size_t left = sampler_masked_left(b, masked);
    for (size_t k = 0; k < D && masked > left; k++)
        if (!diffusion_head_known(head, x, order[k])) {
            x[order[k]] = states_row(&b->x0, i)[order[k]];
            masked--;
        }
}

static void move_halton(SamplerBatch *b)
{
    sampler_clean(b, false);
    sampler_each(b, move_halton_sample);
}

const SamplerClass diffusion_sampler_halton = {
    .name = "halton",
    .help = "unmasks dimensions that lie far apart; not the reversal of the noise",
    .needs = "absorbing noise",
    .source = "Halton scheduler, arXiv 2503.17076",
    .settings = "t_min last schedule",
    .masks_only = true,
    .plan = sampler_plan_one_move,
    .move = move_halton,
};
