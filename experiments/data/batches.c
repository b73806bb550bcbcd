/* Copies of single pictures and sequences: the order's next one, a draw from the law, or a window.
 */
#include "experiments/data/batches.h"

#include <string.h>

#include "experiments/data/law/finite_law.h"
#include "experiments/data/order.h"
#include "tensor/base/check.h"
#include "tensor/base/rng.h"

/* Names of the streams drawn from here. */
#define FLIP_STREAM   UINT64_C(0xDA7A0003)
#define LAW_STREAM    UINT64_C(0xDA7A0004)
#define WINDOW_STREAM UINT64_C(0xDA7A0005)

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

/* The D symbols from `at` on. */
static void copy_window(const Dataset *d, size_t at, uint16_t *out)
{
    memcpy(out, d->text->symbols + at, d->dims * sizeof *out);
}

static void copy_row(const Dataset *d, size_t which, bool mirrored, uint16_t *out)
{
    if (d->text != NULL)
        copy_window(d, which * d->dims, out);
    else
        copy_picture(d, which, mirrored, out);
}

/* Windows that begin anywhere. */
static void draw_windows(const Dataset *d, uint64_t seed, uint64_t step, States *out)
{
    const Rng draws = rng_child(rng_child(rng_root(seed), WINDOW_STREAM), step);

    TENSOR_CHECK(d->text->count >= d->dims, "windows of %zu in a text of %zu symbols", d->dims,
                 d->text->count);
    for (size_t b = 0; b < out->batch; b++) {
        Rng rng = rng_child(draws, b);
        copy_window(d, rng_below(&rng, d->text->count - d->dims + 1), states_row(out, b));
    }
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
    if (d->text != NULL && !d->text->in_rows) {
        draw_windows(d, seed, step, out);
        return;
    }
    for (size_t b = 0; b < batch; b++) {
        size_t which;
        if (d->law != NULL) {
            Rng rng = rng_child(draws, b);
            which = law_draw(d->law, &rng);
        } else {
            which = dataset_order_at(d->order, d->count, seed, step * batch + b);
        }
        Rng coin = rng_child(flips, b);
        copy_row(d, which, flip && d->law == NULL && rng_below(&coin, 2) == 1, states_row(out, b));
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
        copy_row(d, first + b, false, states_row(out, b));
        if (labels != NULL)
            labels[b] = d->labels[first + b];
    }
}

void dataset_put(Dataset *d, size_t first, const States *x)
{
    const size_t entries = x->batch * x->dims, at = first * d->dims;

    TENSOR_CHECK(x->dims == d->dims && first <= d->count && x->batch <= d->count - first,
                 "states (%zu, %zu) for rows from %zu on of (%zu, %zu)", x->batch, x->dims, first,
                 d->count, d->dims);
    if (d->text != NULL) {
        memcpy(d->text->symbols + at, x->x, entries * sizeof *x->x);
        return;
    }
    for (size_t i = 0; i < entries; i++)
        d->data[at + i] = (uint8_t)x->x[i];
}
