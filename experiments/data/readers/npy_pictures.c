/* The data set `npy`: pictures of bytes in an array, such as numpy.save writes.  All of NAME.npy
 * are learnt from; the test split is an array beside it, NAME.test.npy. */
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/data/dataset_kind.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

enum { MAX_SIDE = 4096 };

static bool check_array(const NpyArray *a, const char *path, Error *err)
{
    if (a->type != NPY_U1)
        return error_set(err,
                         "%.300s: entries of %s, expected uint8: array.astype('uint8') makes them, "
                         "of numbers from 0 to 255",
                         path, npy_type_name(a->type));
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

/* NAME.test.npy of NAME.npy (mem_free). */
static char *test_path(const char *path)
{
    return path_with_suffix(path, ".test.npy");
}

static bool open_npy(Dataset *d, const char *path, bool test_split, Error *err)
{
    char *file = test_split ? test_path(path) : mem_string(path);
    NpyArray *a = npy_read(file, err);
    const bool ok = a != NULL && take_pictures(d, a, file, err);

    npy_free(a);
    mem_free(file);
    return ok;
}

static bool has_test(const char *path)
{
    size_t bytes;
    char *file = test_path(path);
    const bool there = platform_file_size(file, &bytes);

    mem_free(file);
    return there;
}

const DatasetKind dataset_npy = {
    .name = "npy",
    .place = "FILE",
    .help = "a uint8 array (pictures, height, width) or (..., channels), no labels; NAME.test.npy "
            "to test",
    .presets = &dataset_presets_greys,
    .open = open_npy,
    .has_test = has_test,
};
