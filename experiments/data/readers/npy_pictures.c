/* The data set `npy`: pictures in an array, such as numpy.save writes.  All of NAME.npy
 * are learnt from; the test split is an array beside it, NAME.test.npy. */
#include <stdint.h>

#include "experiments/cli/paths.h"
#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/npy_levels.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { MAX_SIDE = 4096, LEVELS = 256 };

static bool check_array(const NpyArray *a, const char *path, Error *err)
{
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
    return npy_are_levels(a, LEVELS, path, err);
}

static bool take_pictures(Dataset *d, const NpyArray *a, const char *path, Error *err)
{
    if (!check_array(a, path, err))
        return false;
    d->count = a->shape[0];
    d->height = a->shape[1];
    d->width = a->shape[2];
    d->channels = a->rank == 4 ? a->shape[3] : 1;
    d->states = LEVELS;
    d->data = mem_try(a->count, 1);
    if (d->data == NULL)
        return error_set(err, "%.300s: no memory for %zu bytes", path, a->count);
    for (size_t i = 0; i < a->count; i++)
        d->data[i] = (uint8_t)npy_number(a, i);
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
    .help = "an array of levels 0 to 255 (pictures, height, width) or (..., channels), no labels; "
            "NAME.test.npy to test",
    .presets = &dataset_presets_greys,
    .open = open_npy,
    .has_test = has_test,
};
