/* The binary transform: a smaller picture never overtakes the larger one it is read from. */
#include "experiments/data/transform.h"

#include <string.h>

#include "tensor/base/memory.h"

DatasetOptions dataset_defaults(void)
{
    DatasetOptions options = {.transform = DATA_AS_IS, .threshold = 0.4, .length = 256};

    return options;
}

bool dataset_transform(const char *name, DataTransform *transform)
{
    if (strcmp(name, "none") == 0)
        *transform = DATA_AS_IS;
    else if (strcmp(name, "binary") == 0)
        *transform = DATA_BINARY;
    else
        return false;
    return true;
}

static bool check_binary(const Dataset *d, Error *err)
{
    if (d->text != NULL)
        return error_set(err, "%s: is a text, the transform binary needs pictures", d->name);
    if (d->states != 256)
        return error_set(err, "%s: has %zu states already, the transform binary needs 256 levels",
                         d->name, d->states);
    if (d->height < 2 || d->width < 2)
        return error_set(err,
                         "%s: pictures of %zux%zu are too small for the transform binary: "
                         "expected at least 2x2",
                         d->name, d->height, d->width);
    return true;
}

/* One picture; in: its upper left corner in a picture of rows of `row` bytes. */
static void make_binary(const uint8_t *in, size_t row, size_t h, size_t w, size_t c,
                        double threshold, uint8_t *out)
{
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t k = 0; k < c; k++) {
                const uint8_t *p = in + 2 * y * row + 2 * x * c + k;
                int sum = p[0] + p[c] + p[row] + p[row + c];
                out[(y * w + x) * c + k] = sum / (4.0 * 255.0) > threshold;
            }
}

bool dataset_apply(Dataset *d, const DatasetOptions *options, Error *err)
{
    size_t h = d->height / 2, w = d->width / 2, c = d->channels, row = d->width * c;

    if (options->transform == DATA_AS_IS)
        return true;
    if (!check_binary(d, err))
        return false;
    for (size_t i = 0; i < d->count; i++)
        make_binary(d->data + i * d->height * row, row, h, w, c, options->threshold,
                    d->data + i * h * w * c);
    d->height = h;
    d->width = w;
    d->dims = h * w * c;
    d->states = 2;
    d->data = mem_resize(d->data, d->count, d->count, d->dims);
    return true;
}
