/* Copies of single pictures: the order's next one, or a draw from the law. */
#include "experiments/data/batches.h"

#include "experiments/data/finite_law.h"
#include "experiments/data/order.h"
#include "tensor/base/check.h"
#include "tensor/base/rng.h"

/* Names of the streams drawn from here. */
#define FLIP_STREAM UINT64_C(0xDA7A0003)
#define LAW_STREAM  UINT64_C(0xDA7A0004)

static void copy_picture(const Dataset *d, size_t which, bool mirrored, uint16_t *out)
{
    const uint8_t *in = d->data + which * d->dims;
    size_t c = d->channels, w = d->width;

    if (!mirrored) {
        for (size_t i = 0; i < d->dims; i++)
            out[i] = in[i];
        return;
    }
    for (size_t y = 0; y < d->height; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t k = 0; k < c; k++)
                out[(y * w + x) * c + k] = in[(y * w + (w - 1 - x)) * c + k];
}

void dataset_batch(const Dataset *d, uint64_t seed, uint64_t step, size_t batch, bool flip,
                   States *out, uint16_t *labels)
{
    Rng flips = rng_child(rng_child(rng_root(seed), FLIP_STREAM), step);
    Rng draws = rng_child(rng_child(rng_root(seed), LAW_STREAM), step);

    TENSOR_CHECK(out->batch == batch && out->dims == d->dims,
                 "states (%zu, %zu) for a batch (%zu, %zu)", out->batch, out->dims, batch, d->dims);
    TENSOR_CHECK(batch == 0 || step < UINT64_MAX / batch, "step %llu with batches of %zu",
                 (unsigned long long)step, batch);
    TENSOR_CHECK(labels == NULL || d->labels != NULL, "%s has no labels", d->name);
    for (size_t b = 0; b < batch; b++) {
        size_t which;
        if (d->law != NULL) {
            Rng rng = rng_child(draws, b);
            which = law_draw(d->law, &rng);
        } else {
            which = dataset_order_at(d->order, d->count, seed, step * batch + b);
        }
        Rng coin = rng_child(flips, b);
        copy_picture(d, which, flip && d->law == NULL && rng_below(&coin, 2) == 1,
                     states_row(out, b));
        if (labels != NULL)
            labels[b] = d->labels[which];
    }
}

void dataset_rows(const Dataset *d, size_t first, States *out, uint16_t *labels)
{
    TENSOR_CHECK(out->dims == d->dims && first <= d->count && out->batch <= d->count - first,
                 "states (%zu, %zu) for rows from %zu on of (%zu, %zu)", out->batch, out->dims,
                 first, d->count, d->dims);
    TENSOR_CHECK(labels == NULL || d->labels != NULL, "%s has no labels", d->name);
    for (size_t b = 0; b < out->batch; b++) {
        copy_picture(d, first + b, false, states_row(out, b));
        if (labels != NULL)
            labels[b] = d->labels[first + b];
    }
}
