/* idx files, and the data set `idx`: the pictures of one of them. */
#include "experiments/data/readers/idx.h"

#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/reading.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/memory.h"

enum { MAX_SIDE = 4096 };

/* Reads an idx header of `sizes` axes of unsigned bytes and checks it against the file's length. */
static bool idx_header(FILE *f, const char *path, size_t bytes, int sizes, size_t *size, Error *err)
{
    unsigned char h[16];
    size_t header = 4 + 4 * (size_t)sizes, body = 1;

    if (bytes < header)
        return error_set(err, "%s: %zu bytes, the header alone takes %zu", path, bytes, header);
    if (!reading_bytes(f, path, h, header, err))
        return false;
    if (h[0] == 0x1F && h[1] == 0x8B)
        return error_set(
            err, "%.300s: is compressed with gzip, unpack it first: gzip -dc FILE.gz > FILE", path);
    size_t magic = (size_t)big_endian(h, 4);
    if (magic != 0x800 + (size_t)sizes)
        return error_set(err, "%s: magic number 0x%08zx, expected 0x%08zx (bytes, %d axes)", path,
                         magic, 0x800 + (size_t)sizes, sizes);
    for (int i = 0; i < sizes; i++) {
        size[i] = (size_t)big_endian(h + 4 + 4 * (size_t)i, 4);
        if (size[i] < 1)
            return error_set(err, "%s: axis %d of the header is 0, expected at least 1", path, i);
        if (i > 0 && size[i] > MAX_SIDE)
            return error_set(err, "%s: axis %d of the header is %zu, expected at most %d", path, i,
                             size[i], (int)MAX_SIDE);
        if (!mem_product(body, size[i], &body))
            return error_set(err, "%s: sizes in the header overflow", path);
    }
    if (bytes - header != body)
        return error_set(err, "%s: %zu bytes after the header, its sizes ask for %zu", path,
                         bytes - header, body);
    return true;
}

bool idx_pictures(Dataset *d, const char *path, Error *err)
{
    size_t bytes, size[3] = {0};
    FILE *f = reading_open(path, &bytes, err);

    if (f == NULL)
        return false;
    bool ok = idx_header(f, path, bytes, 3, size, err);
    if (ok) {
        d->count = size[0];
        d->height = size[1];
        d->width = size[2];
        d->channels = 1;
        d->states = 256;
        d->data = mem_try(d->count, d->height * d->width);
        ok = d->data != NULL ? reading_bytes(f, path, d->data, bytes - 16, err)
                             : error_set(err, "%s: no memory for %zu bytes", path, bytes);
    }
    fclose(f);
    return ok;
}

bool idx_labels(Dataset *d, const char *path, Error *err)
{
    size_t bytes, count = 0;
    Error cause = {""};
    FILE *f = reading_open(path, &bytes, &cause);

    if (f == NULL) {
        dataset_without_labels(d, cause.text);
        return true;
    }
    bool ok = idx_header(f, path, bytes, 1, &count, err);
    if (ok && count != d->count)
        ok = error_set(err, "%s: %zu labels, but there are %zu pictures", path, count, d->count);
    if (ok) {
        d->classes = 10;
        d->labels = mem_alloc(count, 1);
        ok = reading_bytes(f, path, d->labels, count, err);
        if (ok && !reading_check_labels(d->labels, count, d->classes, path, &cause))
            dataset_without_labels(d, cause.text);
    }
    fclose(f);
    return ok;
}

static bool open_idx(Dataset *d, const char *path, bool test_split, Error *err)
{
    (void)test_split; /* there is none */
    return idx_pictures(d, path, err);
}

const DatasetKind dataset_idx = {
    .name = "idx",
    .place = "FILE",
    .help = "one idx3 file of pictures, no labels and no test split",
    .presets = &dataset_presets_greys,
    .open = open_idx,
};
