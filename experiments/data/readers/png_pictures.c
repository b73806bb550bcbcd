/* The data set `png`: the PNG files of one folder, in the order of their names.  The 10th, 20th,
 * ... of them are the test split and the others are learnt from, so that a folder whose names sort
 * by kind is cut evenly. */
#include <string.h>

#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/reading.h"
#include "nn/formats/packed/png_read.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { TEST_EVERY = 10 };

static bool ends_in_png(const char *name)
{
    const size_t n = strlen(name);

    return n >= 4 && (strcmp(name + n - 4, ".png") == 0 || strcmp(name + n - 4, ".PNG") == 0);
}

/* The names of the PNG files (platform_free_names); the folder's other files are passed over. */
static bool list_pictures(const char *folder, FolderNames *names, Error *err)
{
    size_t kept = 0;

    if (!platform_list_folder(folder, names, err))
        return false;
    for (size_t i = 0; i < names->count; i++) {
        char *name = names->name[i];
        if (ends_in_png(name))
            names->name[kept++] = name;
        else
            mem_free(name);
    }
    names->count = kept;
    return kept > 0 || error_set(err, "%.300s: has no file that ends in .png", folder);
}

static bool is_test(size_t i)
{
    return i % TEST_EVERY == TEST_EVERY - 1;
}

static size_t test_count(size_t files)
{
    return files / TEST_EVERY;
}

/* Room for `count` pictures as large as the first. */
static bool take_size(Dataset *d, size_t count, const Picture *first, const char *path, Error *err)
{
    d->count = count;
    d->height = first->height;
    d->width = first->width;
    d->channels = first->channels;
    d->states = 256;
    d->dims = first->height * first->width * first->channels;
    d->data = mem_try(count, d->dims);
    return d->data != NULL ||
           error_set(err, "%.300s: no memory for %zu pictures of %zu bytes", path, count, d->dims);
}

static bool check_size(const Dataset *d, const Picture *p, const char *path, const char *first,
                       Error *err)
{
    return (p->height == d->height && p->width == d->width && p->channels == d->channels) ||
           error_set(err, "%.300s: is %zux%zux%zu, expected %zux%zux%zu as %.200s is", path,
                     p->height, p->width, p->channels, d->height, d->width, d->channels, first);
}

/* File i of the folder, to place *next of the data; the first file gives the size, whichever split
 * it belongs to. */
static bool read_one(Dataset *d, const char *folder, const FolderNames *names, size_t i,
                     bool test_split, size_t *next, Error *err)
{
    const size_t tests = test_count(names->count);
    char *path = reading_path(folder, names->name[i]);
    Picture p = {0};
    bool ok = png_read(path, &p, err);

    if (ok && i == 0)
        ok = take_size(d, test_split ? tests : names->count - tests, &p, path, err);
    ok = ok && check_size(d, &p, path, names->name[0], err);
    if (ok && is_test(i) == test_split)
        memcpy(d->data + (*next)++ * d->dims, p.pixels, d->dims);
    picture_free(&p);
    mem_free(path);
    return ok;
}

static bool open_png(Dataset *d, const char *folder, bool test_split, Error *err)
{
    FolderNames names;
    size_t next = 0;
    bool ok = list_pictures(folder, &names, err);

    if (ok && test_split && test_count(names.count) == 0)
        ok = error_set(err, "%.300s: has %zu PNG files, expected at least %d for a test split",
                       folder, names.count, (int)TEST_EVERY);
    if (ok && names.count > UINT32_MAX)
        ok = error_set(err, "%.300s: %zu pictures are too many", folder, names.count);
    for (size_t i = 0; ok && i < names.count; i++)
        if (i == 0 || is_test(i) == test_split)
            ok = read_one(d, folder, &names, i, test_split, &next, err);
    platform_free_names(&names);
    return ok;
}

static bool has_test(const char *folder)
{
    FolderNames names;
    const bool there = list_pictures(folder, &names, NULL) && test_count(names.count) > 0;

    platform_free_names(&names);
    return there;
}

const DatasetKind dataset_png = {
    .name = "png",
    .place = "DIR",
    .help = "its 8-bit grey or RGB PNG files, all of one size; every tenth by name to test",
    .presets = &dataset_presets_pictures,
    .open = open_png,
    .has_test = has_test,
};
