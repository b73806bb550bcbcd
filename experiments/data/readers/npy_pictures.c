/* The data set `npy`: pictures of bytes in an array, such as numpy.save writes. */
#include <string.h>

#include "experiments/data/dataset_kind.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"

enum { MAX_SIDE = 4096 };

static bool check_array(const NpyArray *a, const char *path, Error *err)
{
    if (a->type != NPY_U1)
        return error_set(err, "%.300s: entries of %s, expected uint8", path,
                         npy_type_name(a->type));
    if (a->rank != 3 && a->rank != 4)
        return error_set(err,
                         "%.300s: %d axes, expected 3 (pictures, height, width) or 4 (then "
                         "channels)",
                         path, a->rank);
    for (int i = 0; i < a->rank; i++) {
        const size_t most = i == 0 ? UINT32_MAX : MAX_SIDE;
        if (a->shape[i] < 1 || a->shape[i] > most)
            return error_set(err, "%.300s: axis %d is %zu, expected 1 to %zu", path, i, a->shape[i],
                             most);
    }
    return true;
}

static bool take_pictures(Dataset *d, const NpyArray *a, const char *path, Error *err)
{
    if (!check_array(a, path, err))
        return false;
    d->count = a->shape[0];
    d->height = a->shape[1];
    d->width = a->shape[2];
    d->channels = a->rank == 4 ? a->shape[3] : 1;
    d->states = 256;
    d->data = mem_try(a->count, 1);
    if (d->data == NULL)
        return error_set(err, "%.300s: no memory for %zu bytes", path, a->count);
    memcpy(d->data, a->bytes, a->count);
    return true;
}

static bool open_npy(Dataset *d, const char *path, bool test_split, Error *err)
{
    NpyArray *a = npy_read(path, err);
    const bool ok = a != NULL && take_pictures(d, a, path, err);

    (void)test_split; /* there is none */
    npy_free(a);
    return ok;
}

const DatasetKind dataset_npy = {
    .name = "npy",
    .place = "FILE",
    .help = "a uint8 array (pictures, height, width) or (..., channels), no labels, no test split",
    .presets = &dataset_presets_greys,
    .open = open_npy,
};
