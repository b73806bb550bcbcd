/* The data set `cifar10`: the binary version, files of records, in the folder that is named or in
 * cifar-10-batches-bin within it, which is what the archive unpacks to. */
#include <stdio.h>

#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/reading.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { CIFAR_SIDE = 32, CIFAR_PLANE = 1024, CIFAR_RECORD = 3073, CIFAR_FILES = 5 };

/* Appends the records of one file: a label, then the planes R, G, B. */
static bool cifar_file(Dataset *d, const char *path, Error *err)
{
    size_t bytes;
    unsigned char record[CIFAR_RECORD];
    FILE *f = reading_open(path, &bytes, err);

    if (f == NULL)
        return false;
    size_t more = bytes / CIFAR_RECORD, count = d->count;
    bool ok = true;
    if (more < 1 || bytes % CIFAR_RECORD != 0)
        ok = error_set(err, "%s: %zu bytes, expected a positive multiple of %d", path, bytes,
                       (int)CIFAR_RECORD);
    else if (more > UINT32_MAX / d->dims - count)
        ok = error_set(err, "%s: %zu pictures are too many", path, more);
    if (ok) {
        d->data = mem_resize(d->data, count, count + more, d->dims);
        d->labels = mem_resize(d->labels, count, count + more, 1);
        d->count = count + more;
    }
    for (size_t i = count; ok && i < d->count; i++) {
        ok = reading_bytes(f, path, record, CIFAR_RECORD, err);
        if (!ok)
            break;
        d->labels[i] = record[0];
        for (size_t p = 0; p < CIFAR_PLANE; p++)
            for (size_t c = 0; c < 3; c++)
                d->data[i * d->dims + p * 3 + c] = record[1 + c * CIFAR_PLANE + p];
    }
    fclose(f);
    return ok && reading_check_labels(d->labels + count, more, d->classes, path, err);
}

static bool has_files(const char *folder)
{
    return reading_there(folder, "data_batch_1.bin") || reading_there(folder, "test_batch.bin");
}

/* Where the files are (mem_free): the folder itself, if they are nowhere. */
static char *folder_of(const char *place)
{
    char *inner = reading_path(place, "cifar-10-batches-bin");

    if (!has_files(place) && has_files(inner))
        return inner;
    mem_free(inner);
    return mem_string(place);
}

static bool has_pickles(const char *place)
{
    return reading_there(place, "data_batch_1") || reading_there(place, "cifar-10-python.tar.gz") ||
           reading_there(place, "cifar-10-batches-py/data_batch_1");
}

/* An archive, or no files of the binary version and what is there in their stead. */
static bool check_version(const char *place, Error *err)
{
    size_t bytes;
    char *folder;
    bool there;

    if (platform_file_size(place, &bytes))
        return error_set(
            err,
            "%.300s: is a file, expected the folder of the binary version of CIFAR-10, "
            "which tar -xzf cifar-10-binary.tar.gz unpacks",
            place);
    folder = folder_of(place);
    there = has_files(folder);
    mem_free(folder);
    if (!there && reading_there(place, "cifar-10-binary.tar.gz"))
        return error_set(err,
                         "%.300s: has cifar-10-binary.tar.gz, unpack it first: tar -xzf "
                         "cifar-10-binary.tar.gz",
                         place);
    return there || !has_pickles(place) ||
           error_set(err,
                     "%.300s: has the python version of CIFAR-10 (pickles), expected the "
                     "binary version: data_batch_1.bin and so on, of cifar-10-binary.tar.gz",
                     place);
}

/* data_batch_1.bin and those that follow. */
static bool training_files(Dataset *d, const char *folder, Error *err)
{
    char *missing = NULL;
    bool ok = true;

    for (int i = 1; ok && i <= CIFAR_FILES; i++) {
        char name[32];
        size_t bytes;
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        char *path = reading_path(folder, name);
        if (i > 1 && !platform_file_size(path, &bytes)) {
            if (missing == NULL)
                missing = mem_string(path);
        } else if (missing != NULL) {
            ok = error_set(err, "%s: is missing, but %s is there", missing, path);
        } else {
            ok = cifar_file(d, path, err);
        }
        mem_free(path);
    }
    mem_free(missing);
    return ok;
}

static bool test_file(Dataset *d, const char *folder, Error *err)
{
    char *path = reading_path(folder, "test_batch.bin");
    const bool ok = cifar_file(d, path, err);

    mem_free(path);
    return ok;
}

static bool open_cifar(Dataset *d, const char *place, bool test_split, Error *err)
{
    d->height = d->width = CIFAR_SIDE;
    d->channels = 3;
    d->dims = (size_t)3 * CIFAR_PLANE;
    d->states = 256;
    d->classes = 10;
    if (!check_version(place, err))
        return false;
    char *folder = folder_of(place);
    const bool ok = test_split ? test_file(d, folder, err) : training_files(d, folder, err);
    mem_free(folder);
    return ok;
}

static bool has_test(const char *place)
{
    char *folder = folder_of(place);
    const bool there = reading_there(folder, "test_batch.bin");

    mem_free(folder);
    return there;
}

const DatasetKind dataset_cifar10 = {
    .name = "cifar10",
    .place = "DIR",
    .help = "data_batch_1.bin ... data_batch_5.bin as far as present, test_batch.bin",
    .presets = &dataset_presets_colours,
    .open = open_cifar,
    .has_test = has_test,
};
