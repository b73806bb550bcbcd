#include "experiments/metrics/outside_samples.h"

#include <stdint.h>

#include "experiments/data/readers/npy_levels.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"

enum { MOST_SIDE = 4096 };

static bool check_shape(const NpyArray *a, const char *path, Error *err)
{
    if (a->rank != 3 && a->rank != 4)
        return error_set(err,
                         "%.300s: %d axes, expected 3 (pictures, height, width) or 4 (then "
                         "channels)",
                         path, a->rank);
    for (int i = 0; i < 3; i++)
        if (a->shape[i] < 1 || a->shape[i] > (i == 0 ? UINT32_MAX : MOST_SIDE))
            return error_set(err, "%.300s: axis %d is %zu, expected 1 to %zu", path, i, a->shape[i],
                             (size_t)(i == 0 ? UINT32_MAX : MOST_SIDE));
    if (a->rank == 4 && (a->shape[1] == 1 || a->shape[1] == 3) && a->shape[3] != 1 &&
        a->shape[3] != 3)
        return error_set(
            err,
            "%.300s: axis 3 is %zu, expected 1 or 3 channels, which seem to be axis 1: "
            "save x.transpose(0, 2, 3, 1)",
            path, a->shape[3]);
    return a->rank == 3 || a->shape[3] == 1 || a->shape[3] == 3 ||
           error_set(err, "%.300s: axis 3 is %zu, expected 1 or 3 channels", path, a->shape[3]);
}

bool outside_samples_read(OutsideSamples *s, const char *path, size_t states, Error *err)
{
    *s = (OutsideSamples){0};
    NpyArray *a = npy_read(path, err);
    bool ok = a != NULL && check_shape(a, path, err) && npy_are_levels(a, states, path, err);
    if (ok) {
        s->height = a->shape[1];
        s->width = a->shape[2];
        s->channels = a->rank == 4 ? a->shape[3] : 1;
        s->x.batch = a->shape[0];
        s->x.dims = s->height * s->width * s->channels;
        s->x.x = mem_try(a->count, sizeof *s->x.x);
        ok = s->x.x != NULL || error_set(err, "%.300s: no memory for %zu numbers", path, a->count);
    }
    for (size_t i = 0; ok && i < a->count; i++)
        s->x.x[i] = (uint16_t)npy_number(a, i);
    npy_free(a);
    if (!ok)
        states_free(&s->x);
    return ok;
}
